"""Nothing that differs from LightGBM gets past the proof."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from tests.unit.trainer.models import Fitted, fitted

from eagle_trainer.errors import ConversionFailed
from eagle_trainer.features import session
from eagle_trainer.graph import DOUBLE, GraphBuilder, add_confident, finished_model, model_graph, tensor
from eagle_trainer.prove import Candidate, Proof, prove


@pytest.fixture(scope="module")
def model() -> Fitted:
    return fitted()


def proven(model: Fitted, candidate: Candidate) -> Proof:
    return prove(candidate, model.blocks, model.windows, seed=1)


@pytest.mark.parametrize("missing", ["Propagate", "Skip"])
@pytest.mark.parametrize("context", [True, False], ids=["context", "no context"])
def test_an_honest_export_is_proven_far_below_the_tolerance(missing: str, context: bool) -> None:
    model = fitted(missing=missing, context=context, rows=600)
    proof = proven(model, model.candidate())
    assert proof.max_abs_diff < 1e-14
    assert proof.rows_compared > 2 * model.blocks.rows


def test_one_leaf_that_differs_is_found(model: Fitted) -> None:
    trees = model.candidate().trees
    weights = list(trees.weights)
    weights[17] += 1e-6
    with pytest.raises(ConversionFailed, match=r"differs from LightGBM by .* in probability"):
        proven(model, model.candidate(replace(trees, weights=weights)))


@pytest.mark.parametrize("depth", ["root", "deepest"])
def test_one_threshold_in_single_precision_is_found(model: Fitted, depth: str) -> None:
    trees = model.candidate().trees
    # The nodes of a tree stand in the order of its left-most descent: the one before the next root is deep.
    node = trees.roots[5] if depth == "root" else trees.roots[6] - 1
    thresholds = list(trees.thresholds)
    thresholds[node] = float(np.float32(thresholds[node]))
    assert thresholds[node] != trees.thresholds[node]
    with pytest.raises(ConversionFailed, match="differs from LightGBM"):
        proven(model, model.candidate(replace(trees, thresholds=thresholds)))


def test_missing_values_on_the_wrong_side_are_found(model: Fitted) -> None:
    trees = model.candidate().trees
    turned = replace(trees, missing_true=[1 - flag for flag in trees.missing_true])
    with pytest.raises(ConversionFailed):
        proven(model, model.candidate(turned))


def test_other_features_than_those_of_training_are_found(model: Fitted) -> None:
    honest = model.candidate()
    longer = replace(model.plan, windows=(4, 7))
    graph = model_graph(longer, honest.trees, failure_probability=0.6, confidence=0.7)
    with pytest.raises(ConversionFailed):
        proven(model, replace(honest, model=graph.SerializeToString()))


def test_alarms_at_another_threshold_are_found(model: Fitted) -> None:
    honest = model.candidate()
    probability = session(honest.model).run(["failure_probability"], model.windows.take(slice(0, 500)))[0]
    with pytest.raises(ConversionFailed, match="alarms do not follow"):
        proven(model, replace(honest, failure_probability=float(np.median(probability))))


@pytest.mark.parametrize("confidence", [0.0, 0.5, np.nextafter(0.5, 1.0), 0.7, 0.85, 0.999, 1.0 - 2.0**-53, 1.0])
def test_whoever_is_sure_enough_is_confident_to_the_last_bit(confidence: float) -> None:
    """Probabilities beside the confidence and beside its complement, which comes to it or not by rounding."""
    beside = [confidence, 1.0 - confidence, 0.0, 0.5, 1.0]
    for _ in range(4):
        beside += [float(np.nextafter(value, side)) for value in beside[-10:] for side in (0.0, 1.0)]
    probability = np.unique(np.clip([*beside, *(1.0 - np.array(beside)), *np.linspace(0.0, 1.0, 101)], 0.0, 1.0))
    builder = GraphBuilder()
    add_confident(builder, "p", confidence)
    inputs, outputs = [tensor("p", DOUBLE, ["B"])], [tensor("confident", onnx.TensorProto.BOOL, ["B"])]
    given = session(finished_model(builder, inputs, outputs, "confident", {})).run(None, {"p": probability})[0]
    np.testing.assert_array_equal(given, np.maximum(probability, 1.0 - probability) >= confidence)


def test_alarm_and_confidence_begin_exactly_at_their_thresholds(model: Fitted) -> None:
    honest = model.candidate()
    feed = model.windows.take(slice(0, 500))
    probability = session(honest.model).run(["failure_probability"], feed)[0]
    cut = float(np.sort(probability)[250])
    graph = model_graph(model.plan, honest.trees, failure_probability=cut, confidence=1.0 - cut)
    given, alarm, confident = session(graph).run(["failure_probability", "alarm", "confident"], feed)
    np.testing.assert_array_equal(given, probability)
    np.testing.assert_array_equal(alarm, probability >= cut)
    np.testing.assert_array_equal(confident, np.maximum(probability, 1.0 - probability) >= 1.0 - cut)
