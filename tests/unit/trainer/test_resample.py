"""The grid keeps what the data say and invents nothing."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trainer.arrays import PERIOD, START, STEP, telemetry

from eagle_trainer.errors import InsufficientData
from eagle_trainer.resample import cells, resample
from eagle_trainer.series import SECOND, Floats, Integers, Series


def gridded(time: Integers | list[int], values: Floats | None = None, *, longest_gap: int = 3) -> Series:
    """One asset, one sensor that counts its rows from 0."""
    moments = np.asarray(time, np.int64)
    measured = np.arange(float(len(moments)))[:, None] if values is None else values
    return resample(telemetry(measured, time=moments), period_seconds=PERIOD, longest_gap=longest_gap)


def regular(rows: int) -> Integers:
    return START + np.arange(rows) * STEP


def test_regular_rows_stay_as_they_are() -> None:
    found = gridded(regular(5))
    assert found.time.tolist() == regular(5).tolist()
    assert found.values[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert found.observed.all()
    assert found.segment_start.tolist() == [0] * 5


@pytest.mark.parametrize("phase", [0, 1, 20, 29, 30, 31, 59])
def test_jitter_of_a_third_of_a_period_moves_no_row_into_another_cell(phase: int) -> None:
    jitter = np.random.default_rng(phase).integers(-PERIOD // 3, PERIOD // 3, 500) * SECOND
    time = regular(500) + phase * SECOND + jitter
    found = gridded(time)
    assert found.observed.all()
    np.testing.assert_array_equal(found.time, time)
    np.testing.assert_array_equal(found.values[:, 0], np.arange(500.0))


def test_a_short_gap_becomes_missing_rows_with_moments_of_the_grid() -> None:
    time = np.delete(regular(10), [4, 5])
    found = gridded(time)
    assert found.time.tolist() == regular(10).tolist()
    assert np.flatnonzero(~found.observed).tolist() == [4, 5]
    assert np.isnan(found.values[[4, 5], 0]).all()
    assert found.segment_start.tolist() == [0] * 10


def test_a_long_gap_breaks_the_series() -> None:
    time = np.delete(regular(20), np.arange(5, 9))
    found = gridded(time, longest_gap=3)
    assert found.observed.all()
    assert len(found.time) == 16
    assert found.segment_start.tolist() == [0] * 5 + [5] * 11


def test_a_gap_of_exactly_the_longest_does_not_break() -> None:
    found = gridded(np.delete(regular(20), np.arange(5, 8)), longest_gap=3)
    assert found.segment_start.tolist() == [0] * 20


def test_of_rows_in_one_cell_the_latest_counts_whatever_their_order() -> None:
    time = [*regular(3).tolist(), START + STEP + 10 * SECOND, START + STEP + 5 * SECOND]
    found = gridded(time)
    assert found.values[:, 0].tolist() == [0.0, 3.0, 2.0]
    assert found.time[1] == START + STEP + 10 * SECOND


def test_of_equal_moments_the_last_given_counts() -> None:
    found = gridded([START, START + STEP, START + STEP])
    assert found.values[:, 0].tolist() == [0.0, 2.0]


def test_the_order_of_rows_does_not_matter() -> None:
    time = np.delete(regular(60), [7, 20, 21, 22, 23, 24])
    order = np.random.default_rng(1).permutation(len(time))
    values = np.arange(float(len(time)))[:, None]
    one, two = gridded(time, values), gridded(time[order], values[order])
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.time, two.time)
    np.testing.assert_array_equal(one.segment_start, two.segment_start)


def test_assets_have_grids_and_segments_of_their_own() -> None:
    time = np.concatenate([regular(4), regular(4) + 17 * SECOND])
    found = resample(telemetry(np.arange(8.0)[:, None], assets=2, time=time), period_seconds=PERIOD, longest_gap=3)
    assert found.time.tolist() == time.tolist()
    assert found.segment_start.tolist() == [0] * 4 + [4] * 4


def test_a_label_column_goes_with_its_row() -> None:
    label = np.array([0.0, 1.0, 1.0])
    time = regular(4)[[0, 1, 3]]
    found = resample(telemetry(np.zeros((3, 1)), time=time, label=label), period_seconds=PERIOD, longest_gap=3)
    assert found.label is not None
    np.testing.assert_array_equal(found.label, [0.0, 1.0, np.nan, 1.0])


def test_rows_more_often_than_the_period_are_thinned_out() -> None:
    found = gridded(START + np.arange(600) * SECOND, longest_gap=3)
    assert len(found.time) in (10, 11)
    assert found.observed.all()
    assert np.diff(found.values[1:-1, 0]).tolist() == [60.0] * (len(found.time) - 3)


def test_no_row_at_all_is_said_with_what_to_check() -> None:
    with pytest.raises(InsufficientData, match="check timeColumn and dataRangeDays"):
        gridded([])


@given(st.lists(st.integers(0, 40 * PERIOD), min_size=1, max_size=60), st.integers(0, 5))
def test_every_row_of_the_grid_comes_from_the_data_or_is_missing(seconds: list[int], longest_gap: int) -> None:
    time = START + np.array(seconds, np.int64) * SECOND
    found = gridded(time, longest_gap=longest_gap)
    assert (np.diff(found.time) > 0).all()
    given = dict(zip(time.tolist(), range(len(time)), strict=True))
    for moment, value, observed in zip(found.time.tolist(), found.values[:, 0], found.observed, strict=True):
        assert given[moment] == value if observed else np.isnan(value)
    assert len(np.unique(cells(np.sort(time), STEP)[0])) == found.observed.sum()
    assert found.time[found.observed].max() == time.max()
    for row, start in enumerate(found.segment_start):
        assert start <= row
        assert (found.segment_start[start : row + 1] == start).all()


def test_a_cell_takes_of_each_sensor_the_last_value_that_fell_into_it() -> None:
    nan = np.nan
    time = [START, START + 5 * SECOND, START + STEP, START + STEP + 7 * SECOND]
    values = np.array([[1.0, nan], [nan, 2.0], [3.0, 4.0], [5.0, nan]])
    found = gridded(time, values)
    assert found.values.tolist() == [[1.0, 2.0], [5.0, 4.0]]
    assert found.time.tolist() == [time[1], time[3]]


def test_rows_without_an_asset_are_left_out() -> None:
    given = telemetry(np.arange(6.0)[:, None], time=np.repeat(regular(3), 2))
    asset = np.tile([0, -1], 3)
    found = resample(dataclasses.replace(given, asset=asset), period_seconds=PERIOD, longest_gap=3)
    assert found.values[:, 0].tolist() == [0.0, 2.0, 4.0]


def test_telemetry_that_is_a_grid_already_is_not_copied() -> None:
    given = telemetry(np.arange(10.0)[:, None], assets=2)
    assert resample(given, period_seconds=PERIOD, longest_gap=3).values is given.values


def test_a_period_far_shorter_than_the_rows_does_not_fill_memory_with_missing_samples() -> None:
    """An hour between rows, a window of an hour, and a period of a second: 3,600 samples for each row."""
    time = START + np.arange(1000) * 3600 * SECOND
    found = telemetry(np.zeros((1000, 1)), time=time)
    with pytest.raises(InsufficientData, match=r"1000 rows, .*samplePeriodSeconds 1 .*mostly every 3600 s") as refused:
        resample(found, period_seconds=1, longest_gap=3600)
    assert "features.rollingWindows" in str(refused.value)
    assert len(resample(found, period_seconds=1, longest_gap=3000).time) == 1000


@pytest.mark.parametrize("stray", [0, -(10**17), 4 * 10**18])
def test_a_row_that_is_centuries_away_is_a_row_and_no_more(stray: int) -> None:
    found = gridded(np.append(regular(10), stray))
    assert len(found.time) == 11
    assert found.observed.all()


def test_rows_none_of_which_names_an_asset_are_refused_with_the_column_to_look_at() -> None:
    found = dataclasses.replace(telemetry(np.zeros((4, 1))), asset=np.full(4, -1))
    with pytest.raises(InsufficientData, match=r"none of the 4 rows .* names an asset; check assetColumn"):
        resample(found, period_seconds=PERIOD, longest_gap=3)
