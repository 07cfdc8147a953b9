"""The trees in ONNX are LightGBM's trees: on their thresholds, with missing values, and as other exporters see them."""

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
import pytest
from tests.unit.trainer.models import Fitted, fitted

from eagle_trainer.errors import ConversionFailed
from eagle_trainer.features import session
from eagle_trainer.fit import margins_of
from eagle_trainer.graph import tree_graph
from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable, tree_table

EXACT = 1e-13


@pytest.fixture(scope="module")
def model() -> Fitted:
    return fitted()


def margins(model: Fitted, table: TreeTable, features: Floats) -> Floats:
    graph = session(tree_graph(table, len(model.plan.names)))
    return np.asarray(graph.run(None, {"features": features})[0][:, 0])


def features_of(model: Fitted) -> Floats:
    return model.blocks.matrix(np.arange(model.blocks.rows))


def test_all_rows_get_the_calibrated_mean_of_the_boosters(model: Fitted) -> None:
    features = features_of(model)
    table = tree_table(model.boosters, slope=0.8, offset=-0.3)
    expected = 0.8 * np.mean([booster.predict(features, raw_score=True) for booster in model.boosters], axis=0) - 0.3
    np.testing.assert_allclose(margins(model, table, features), expected, atol=EXACT, rtol=0)


@pytest.mark.parametrize("side", [-np.inf, 0.0, np.inf], ids=["just below", "on it", "just above"])
def test_rows_at_every_threshold_go_where_lightgbm_sends_them(model: Fitted, side: float) -> None:
    table = tree_table(model.boosters, slope=1.0, offset=0.0)
    thresholds = np.array(table.thresholds)
    moved = thresholds if side == 0.0 else np.nextafter(thresholds, side)
    features = features_of(model)[np.arange(len(thresholds)) % 200].copy()
    features[np.arange(len(thresholds)), table.features] = moved
    np.testing.assert_allclose(
        margins(model, table, features), margins_of(model.boosters, features), atol=EXACT, rtol=0
    )


@pytest.mark.parametrize("gaps", [True, False], ids=["seen in training", "never seen in training"])
def test_missing_values_go_where_lightgbm_sends_them(gaps: bool) -> None:
    model = fitted(gaps=gaps)
    table = tree_table(model.boosters, slope=1.0, offset=0.0)
    features = features_of(model)[:400].copy()
    features[np.random.default_rng(1).random(features.shape) < 0.3] = np.nan
    np.testing.assert_allclose(
        margins(model, table, features), margins_of(model.boosters, features), atol=EXACT, rtol=0
    )


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-40, -1e-40, 1e300, -1e300, np.inf, -np.inf])
def test_zeros_tiny_huge_and_infinite_values_go_where_lightgbm_sends_them(model: Fitted, value: float) -> None:
    table = tree_table(model.boosters, slope=1.0, offset=0.0)
    features = np.full((1, len(model.plan.names)), value)
    np.testing.assert_allclose(
        margins(model, table, features), margins_of(model.boosters, features), atol=EXACT, rtol=0
    )


@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "read from its text"])
def test_a_split_between_known_and_missing_sends_infinity_to_what_is_known(saved: bool) -> None:
    """Its threshold is infinite, which LightGBM's dump does not say."""
    values = np.repeat([0.0, 1.0, np.nan], 100)
    data = lgb.Dataset(values[:, None], label=np.isnan(values).astype(float))
    booster = lgb.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, data, num_boost_round=3)
    if saved:
        booster = lgb.Booster(model_str=booster.model_to_string())
    table = tree_table([booster], slope=1.0, offset=0.0)
    assert np.inf in table.thresholds
    features = np.array([[np.inf], [1e308], [-np.inf], [np.nan]])
    given = session(tree_graph(table, 1)).run(None, {"features": features})[0][:, 0]
    np.testing.assert_allclose(given, booster.predict(features, raw_score=True), atol=EXACT, rtol=0)
    assert given[0] < given[3]


@pytest.mark.parametrize("positive", [-1.0, 0.0, 1.0])
def test_rows_next_to_zero_go_where_lightgbm_sends_them(positive: float) -> None:
    """LightGBM predicts with 0 for everything up to 1e-35 (in single precision), and splits just there."""
    values = np.repeat([-1.0, 0.0, 1.0], 100)
    data = lgb.Dataset(values[:, None], label=(values == positive).astype(float))
    booster = lgb.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, data, num_boost_round=3)
    table = tree_table([booster], slope=1.0, offset=0.0)
    assert any(abs(threshold) < 1e-30 for threshold in table.thresholds)
    edge = float(np.float32(1e-35))
    near = [-edge, np.nextafter(-edge, -np.inf), np.nextafter(-edge, 0.0), 0.0]
    features = np.array([near + [-value for value in near]]).T
    given = session(tree_graph(table, 1)).run(None, {"features": features})[0][:, 0]
    np.testing.assert_allclose(given, booster.predict(features, raw_score=True), atol=EXACT, rtol=0)


def test_categories_go_where_lightgbm_sends_them() -> None:
    """Known ones by their sets; missing, negative and never seen ones as LightGBM has it."""
    random = np.random.default_rng(3)
    codes = random.integers(0, 30, 3000).astype(float)
    level, number = random.normal(size=30), random.normal(size=3000)
    target = (level[codes.astype(int)] + number + random.normal(0.0, 0.3, 3000) > 0.0).astype(float)
    codes[random.random(3000) < 0.05] = np.nan
    features = np.column_stack([number, codes])
    data = lgb.Dataset(features, label=target, categorical_feature=[1])
    booster = lgb.train({"objective": "binary", "num_threads": 1, "verbosity": -1, "cat_smooth": 1}, data, 20)
    table = tree_table([booster], slope=1.0, offset=0.0)
    assert len(table.members) > 10
    strange = np.column_stack([random.normal(size=200), random.integers(-3, 60, 200)]).astype(float)
    for rows in (features, strange, np.full((1, 2), np.nan)):
        given = session(tree_graph(table, 2)).run(None, {"features": rows})[0][:, 0]
        np.testing.assert_allclose(given, booster.predict(rows, raw_score=True), atol=EXACT, rtol=0)


def test_a_model_of_single_leaves_is_exported() -> None:
    model = fitted(parameters={"min_gain_to_split": "1e9"})
    table = tree_table(model.boosters, slope=2.0, offset=0.5)
    features = features_of(model)[:3]
    expected = margins_of(model.boosters, features, slope=2.0, offset=0.5)
    np.testing.assert_allclose(margins(model, table, features), expected, atol=EXACT, rtol=0)


@pytest.mark.parametrize(
    ("field", "value"), [("decision_type", "<"), ("missing_type", "Zero")], ids=["other splits", "zeros as missing"]
)
def test_splits_that_cannot_be_exported_exactly_are_refused(
    model: Fitted, monkeypatch: pytest.MonkeyPatch, field: str, value: str
) -> None:
    dumped = model.boosters[0].dump_model()
    dumped["tree_info"][0]["tree_structure"][field] = value
    monkeypatch.setattr(model.boosters[0], "dump_model", lambda **_: dumped)
    with pytest.raises(ConversionFailed, match="cannot be exported exactly"):
        tree_table(model.boosters, slope=1.0, offset=0.0)


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_an_independent_exporter_gives_the_same_probabilities(model: Fitted) -> None:
    """onnxmltools computes in single precision: rows at a threshold may differ, others agree to six digits."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = model.boosters[0]
    width = len(model.plan.names)
    other = convert_lightgbm(booster, initial_types=[("input", FloatTensorType([None, width]))], zipmap=False)
    features = features_of(model)
    features = features[~np.isnan(features).any(axis=1)].astype(np.float32)
    theirs = ort.InferenceSession(other.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"input": features}
    )[1][:, 1]
    table = tree_table([booster], slope=1.0, offset=0.0)
    ours = 1 / (1 + np.exp(-margins(model, table, features.astype(np.float64))))
    assert (np.abs(theirs - ours) < 1e-6).mean() > 0.999
