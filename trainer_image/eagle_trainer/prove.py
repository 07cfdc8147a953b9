"""Proves that the graph gives LightGBM's answers, before anything is published.

Compared are the rows of training (through windows and context, as a client asks), every kind of odd input (missing and
infinite samples at each position, zeros, batches of one), and the trees alone on both sides of their own thresholds,
where a rounding error would show first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import lightgbm as lgb
import numpy as np
import onnxruntime as ort

from eagle_trainer.calibrate import Calibration, sigmoid
from eagle_trainer.errors import ConversionFailed
from eagle_trainer.features import FeatureBlocks, Windows, session
from eagle_trainer.fit import margins_of
from eagle_trainer.graph import feature_graph, tree_graph
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.probes import rows_at_splits
from eagle_trainer.series import Floats, Integers
from eagle_trainer.trees import TreeTable

TOLERANCE = 1e-9
_THRESHOLDS = 1500
_ODD_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Everything that belongs to one exported model."""

    plan: FeaturePlan
    boosters: Sequence[lgb.Booster]
    calibration: Calibration
    trees: TreeTable
    model: bytes
    failure_probability: float
    confidence: float


@dataclass(frozen=True)
class Proof:
    """The largest difference in probability, and over how many rows."""

    max_abs_diff: float
    rows_compared: int


def prove(
    candidate: Candidate,
    blocks: FeatureBlocks,
    windows: Windows,
    *,
    seed: int,
    rows: Integers | None = None,
) -> Proof:
    """Compares the graph with LightGBM on the given rows (sorted positions; None: all) and on odd inputs.

    Raises ConversionFailed when they differ by more than 1e-9, or decide apart.
    """
    graph = session(candidate.model)
    compared = np.arange(len(windows)) if rows is None else rows
    worst = _rows(candidate, graph, blocks, compared)
    count = len(compared)
    alone = session(feature_graph(candidate.plan))
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(windows), min(_ODD_ROWS, len(windows)), replace=False))
    for feed in _odd_inputs(candidate.plan, windows.take(chosen)):
        worst = max(worst, _odd_difference(candidate, graph, alone, feed))
        count += len(feed["window"])
    worst = max(worst, _single_difference(graph, windows.take(chosen)))
    difference, moved = _threshold_difference(candidate, blocks.matrix(chosen), random)
    worst = max(worst, difference)
    if not worst <= TOLERANCE:
        raise ConversionFailed(
            f"The ONNX graph differs from LightGBM by {worst:.3g} in probability (at most {TOLERANCE:g} is accepted),"
            " so it was not published; report this with the schedule's model.parameters."
        )
    return Proof(worst, count + moved)


def _expected(candidate: Candidate, features: Floats) -> Floats:
    calibration = candidate.calibration
    return sigmoid(margins_of(candidate.boosters, features, slope=calibration.slope, offset=calibration.offset))


def _rows(candidate: Candidate, graph: ort.InferenceSession, blocks: FeatureBlocks, rows: Integers) -> float:
    worst = 0.0
    for place, features in blocks.chosen(rows):
        probability = np.empty(len(features))
        blocks.ask(rows[place], partial(_run, candidate, graph), probability)
        worst = max(worst, _difference(probability, _expected(candidate, features)))
    return worst


def _odd_inputs(plan: FeaturePlan, feed: dict[str, Floats]) -> list[dict[str, Floats]]:
    """Feeds with a missing sample at every position, infinities, zeros, and context missing."""
    feeds = []
    for position in np.unique(np.linspace(0, plan.window_length - 1, 32).round().astype(np.int64)):
        window = feed["window"].copy()
        for sensor in range(len(plan.sensors)):
            window[sensor :: len(plan.sensors), position, sensor] = np.nan
        feeds.append({**feed, "window": window})
    for value in (np.inf, -np.inf, 0.0, np.nan):
        window = feed["window"].copy()
        window[:, -1, :] = value
        feeds += [{**feed, "window": window}, {**feed, "window": np.full_like(window, value)}]
        if plan.context:
            feeds.append({**feed, "context": np.full_like(feed["context"], value)})
    return feeds


def _odd_difference(
    candidate: Candidate, graph: ort.InferenceSession, alone: ort.InferenceSession, feed: dict[str, Floats]
) -> float:
    features = alone.run(None, feed)[0]
    return _difference(_run(candidate, graph, feed), _expected(candidate, features))


def _single_difference(graph: ort.InferenceSession, feed: dict[str, Floats]) -> float:
    """Rows asked one by one against the same rows in one batch."""
    together = graph.run(["failure_probability"], feed)[0]
    alone = [
        graph.run(["failure_probability"], {name: array[i : i + 1] for name, array in feed.items()})[0][0]
        for i in range(len(together))
    ]
    return _difference(np.array(alone), together)


def _threshold_difference(candidate: Candidate, rows: Floats, random: np.random.Generator) -> tuple[float, int]:
    """Rows that reach a split, with its feature on the threshold and beside it, or inside and outside its set."""
    alone = session(tree_graph(candidate.trees, rows.shape[1]))
    worst, count = 0.0, 0
    for moved in rows_at_splits(candidate.trees, rows, random, most=_THRESHOLDS):
        given = sigmoid(alone.run(None, {"features": moved})[0][:, 0])
        worst = max(worst, _difference(given, _expected(candidate, moved)))
        count += len(moved)
    return worst, count


def _run(candidate: Candidate, graph: ort.InferenceSession, feed: dict[str, Floats]) -> Floats:
    probability, alarm, confident = graph.run(["failure_probability", "alarm", "confident"], feed)
    surest = np.maximum(probability, 1.0 - probability)
    decided = (alarm == (probability >= candidate.failure_probability)).all()
    if not decided or not (confident == (surest >= candidate.confidence)).all():
        raise ConversionFailed(
            "The graph's alarms do not follow from its probabilities; report this with the schedule's model.thresholds."
        )
    return np.asarray(probability)


def _difference(given: Floats, expected: Floats) -> float:
    """The largest absolute difference; infinite where either is not a number."""
    difference = np.abs(given - expected)
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")
