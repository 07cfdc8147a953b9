"""The features of the graph are those that their names promise, as pandas computes them."""

import numpy as np
import pandas as pd
import pytest
from tests.unit.trainer.arrays import PERIOD, all_features, feature_rows, plan, series

from eagle_trainer.features import FeatureBlocks, Windows, session
from eagle_trainer.graph import feature_graph
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.series import Floats, Series

CLOSE = 1e-6
"""Deviations of constant stretches may differ from 0 by rounding; everything else agrees far better."""


def odd_values(seed: int = 0) -> Floats:
    """Two assets of 80 rows: constant stretches, missing and infinite samples, large and small levels."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(160, 3)) * [1.0, 100.0, 0.01] + [0.0, 5000.0, 1.0]
    values[10:30, 0] = 0.1
    values[40:60, 1] = 12345.6
    values[[5, 33, 34, 35, 90, 120], [0, 1, 1, 1, 2, 0]] = np.nan
    values[[8, 70, 71, 130], [2, 0, 1, 1]] = [np.inf, -np.inf, np.inf, -np.inf]
    values[100:110, 2] = np.nan
    return values


def oracle(found: Series, chosen: FeaturePlan) -> pd.DataFrame:
    """The named features by pandas, for every row of the series."""
    frame = pd.DataFrame(found.values, columns=list(chosen.sensors)).replace([np.inf, -np.inf], np.nan)
    skip = chosen.missing == "Skip"
    parts = []
    for _, one in frame.groupby(found.asset):
        columns = {}
        for sensor in chosen.sensors:
            value = one[sensor]
            columns[sensor] = value
            for lag in chosen.lags:
                columns[f"{sensor}__lag_{lag * PERIOD}s"] = value.shift(lag)
            for window in chosen.windows:
                rolled = value.rolling(window, min_periods=1 if skip else window)
                columns |= {
                    f"{sensor}__mean_{window}": rolled.mean(),
                    f"{sensor}__std_{window}": rolled.std(),
                    f"{sensor}__min_{window}": rolled.min(),
                    f"{sensor}__max_{window}": rolled.max(),
                }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts)


@pytest.mark.parametrize("missing", ["Propagate", "Skip"])
@pytest.mark.parametrize(
    ("lags", "windows"),
    [((1, 4), (3, 7)), ((), (5,)), ((9,), (2, 3, 5)), ((2,), ()), ((), ())],
    ids=["both", "one window that is all", "a lag beyond the windows", "lags alone", "values alone"],
)
def test_features_are_those_of_pandas(missing: str, lags: tuple[int, ...], windows: tuple[int, ...]) -> None:
    chosen = plan(lags=lags, windows=windows, missing=missing)
    found = series(odd_values(), assets=2)
    samples, features = all_features(found, chosen)
    expected = oracle(found, chosen)[list(chosen.names)].to_numpy()[samples.row]
    np.testing.assert_allclose(features, expected, rtol=1e-9, atol=CLOSE, equal_nan=True)


@pytest.mark.parametrize("position", range(7))
def test_a_missing_sample_anywhere_in_a_window_makes_its_statistics_missing(position: int) -> None:
    chosen = plan(sensors="a", lags=(), windows=(3, 7))
    window = np.arange(7.0).reshape(1, 7, 1)
    window[0, position] = np.nan
    features = dict(zip(chosen.names, run(chosen, window)[0], strict=True))
    assert {name for name, value in features.items() if np.isnan(value)} >= {
        f"a__{statistic}_7" for statistic in ("mean", "std", "min", "max")
    }
    assert np.isnan(features["a__max_3"]) == (position >= 4)


def test_a_missing_sample_of_one_sensor_leaves_the_others_alone() -> None:
    chosen = plan(lags=(), windows=(3,))
    window = np.random.default_rng(1).normal(size=(1, 3, 3))
    whole = run(chosen, window)[0]
    window[0, 1, 0] = np.nan
    changed = [name for name, a, b in zip(chosen.names, whole, run(chosen, window)[0], strict=True) if a != b]
    assert changed == ["a__mean_3", "a__std_3", "a__min_3", "a__max_3"]


def test_skipping_leaves_a_statistic_missing_only_where_nothing_is_left() -> None:
    chosen = plan(sensors="a", lags=(), windows=(3,), missing="Skip")
    window = np.array([[[np.nan], [np.nan], [4.0]], [[np.nan]] * 3, [[1.0], [np.inf], [3.0]]])
    values = run(chosen, window)
    np.testing.assert_array_equal(values[0], [4.0, 4.0, np.nan, 4.0, 4.0])
    np.testing.assert_array_equal(values[1], [np.nan] * 5)
    np.testing.assert_allclose(values[2], [3.0, 2.0, np.sqrt(2.0), 1.0, 3.0])


def test_context_follows_the_sensors_features_and_infinite_context_is_missing() -> None:
    chosen = plan(sensors="a", lags=(), windows=(), context=("age", "errors__count_1d"))
    feed = {"window": np.array([[[1.0]], [[2.0]]]), "context": np.array([[3.0, np.inf], [np.nan, 4.0]])}
    features = session(feature_graph(chosen)).run(None, feed)[0]
    np.testing.assert_array_equal(features, [[1.0, 3.0, np.nan], [2.0, np.nan, 4.0]])


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_give_the_same_features_whether_they_are_kept_or_computed_anew(threads: int) -> None:
    chosen = plan()
    found = series(np.random.default_rng(2).normal(size=(20_000, 3)))
    samples, kept = feature_rows(found, chosen)
    assert kept.block_rows < len(samples)
    windows = Windows(found, samples, np.zeros((len(samples), 0)), chosen.window_length)
    anew = FeatureBlocks(chosen, windows, threads=threads, kept_bytes=0)
    rows = np.arange(0, len(samples), 7)
    np.testing.assert_array_equal(kept.matrix(rows), anew.matrix(rows))


def test_a_window_has_the_rows_up_to_its_samples_from_the_oldest_on() -> None:
    chosen = plan()
    found = series(np.random.default_rng(3).normal(size=(50, 3)))
    samples, _ = feature_rows(found, chosen)
    taken = Windows(found, samples, np.zeros((len(samples), 0)), chosen.window_length).take(np.array([0, 5, 6]))
    expected = [found.values[row - chosen.window_length + 1 : row + 1] for row in samples.row[[0, 5, 6]]]
    np.testing.assert_array_equal(taken["window"], expected)


def run(chosen: FeaturePlan, window: Floats) -> Floats:
    return np.asarray(session(feature_graph(chosen)).run(None, {"window": window})[0])
