"""A feature knows its own past, as far as its window reaches, and nothing else."""

import numpy as np
import pytest
from tests.unit.trainer.arrays import all_features, plan, series

from eagle_trainer.series import Floats

NOW = 120


@pytest.fixture
def values() -> Floats:
    return np.random.default_rng(3).normal(size=(200, 3))


@pytest.mark.parametrize("missing", ["Propagate", "Skip"])
def test_changing_the_future_changes_no_feature_of_the_past(values: Floats, missing: str) -> None:
    chosen = plan(missing=missing)
    samples, before = all_features(series(values), chosen)
    values[NOW + 1 :] = np.nan
    _, after = all_features(series(values), chosen)
    past = samples.row <= NOW
    assert past.sum() > 100
    np.testing.assert_array_equal(before[past], after[past])


def test_shuffling_the_past_beyond_the_window_changes_nothing(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values), chosen)
    oldest = NOW - chosen.window_length + 1
    values[:oldest] = np.random.default_rng(4).permutation(values[:oldest])
    _, after = all_features(series(values), chosen)
    present = samples.row >= NOW
    np.testing.assert_array_equal(before[present], after[present])


def test_every_sample_of_the_window_counts(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values), chosen)
    row = int(np.flatnonzero(samples.row == NOW)[0])
    for position in range(NOW - chosen.window_length + 1, NOW + 1):
        changed = values.copy()
        changed[position] += 1.0
        _, after = all_features(series(changed), chosen)
        assert (after[row] != before[row]).any(), position


def test_a_window_does_not_reach_into_another_asset(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values, assets=2), chosen)
    values[:100] = 0.0
    _, after = all_features(series(values, assets=2), chosen)
    second = samples.asset == 1
    np.testing.assert_array_equal(before[second], after[second])
    assert samples.row[second].min() == 100 + chosen.window_length - 1
