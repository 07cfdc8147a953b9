"""A row is 1, 0 or unknown: what is unknown is never taken for 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trainer.arrays import PERIOD, START, STEP, series

from eagle_trainer.errors import InsufficientData
from eagle_trainer.labels import complete_rows, label_by_column, label_by_failures
from eagle_trainer.series import LabelEvents, Samples

ROWS = 100
HORIZON = 10
END = START + (ROWS - 1) * STEP
LATER = END + 1000 * STEP
"""Failures are recorded until long after the data."""


def labelled(
    failures: list[int], *, recovery: int = 0, known_until: int = LATER, assets: int = 1, horizon: int = HORIZON
) -> tuple[Samples, LabelEvents]:
    """Samples of the first asset's 100 rows; failures in microseconds."""
    found = series(np.zeros((ROWS * assets, 1)), assets=assets)
    rows = complete_rows(found, 1)
    return label_by_failures(
        found,
        rows,
        np.zeros(len(failures), np.int64),
        np.array(sorted(failures), np.int64),
        horizon_seconds=horizon * PERIOD,
        recovery_seconds=recovery * PERIOD,
        known_until=known_until,
    )


def targets(samples: Samples) -> dict[int, float]:
    """Row to label."""
    return dict(zip(samples.row.tolist(), samples.target.tolist(), strict=True))


def at(row: float) -> int:
    return START + round(row * STEP)


def test_rows_are_positive_from_one_horizon_before_a_failure_until_just_before_it() -> None:
    found = targets(labelled([at(50)])[0])
    assert [row for row, target in found.items() if target == 1.0] == list(range(40, 50))


def test_a_failure_between_two_rows_counts_for_the_rows_before_it() -> None:
    found = targets(labelled([at(50.5)])[0])
    assert [row for row, target in found.items() if target == 1.0] == list(range(41, 51))


def test_the_row_at_a_failure_belongs_to_the_time_after_it() -> None:
    assert targets(labelled([at(50)])[0])[50] == 0.0


def test_two_failures_within_a_horizon_make_one_stretch() -> None:
    found = targets(labelled([at(50), at(55)])[0])
    assert [row for row, target in found.items() if target == 1.0] == list(range(40, 55))


def test_the_last_horizon_before_the_end_of_the_data_is_left_out() -> None:
    found = targets(labelled([at(20)])[0])
    assert max(found) == ROWS - 1 - HORIZON


def test_without_any_failure_the_last_horizon_is_left_out_as_well() -> None:
    found = targets(labelled([])[0])
    assert max(found) == ROWS - 1 - HORIZON
    assert set(found.values()) == {0.0}


def test_failures_recorded_only_until_a_moment_leave_later_rows_out() -> None:
    found = targets(labelled([at(20)], known_until=at(60))[0])
    assert max(found) == 60 - HORIZON


def test_an_asset_whose_data_end_with_a_failure_is_known_to_its_end() -> None:
    found = targets(labelled([END + STEP // 2])[0])
    assert [row for row, target in found.items() if target == 1.0] == list(range(90, 100))


def test_a_failure_shortly_before_the_end_does_not_settle_the_rows_after_it() -> None:
    found = targets(labelled([at(95)])[0])
    assert not set(range(95, 100)) & set(found)


def test_recovery_after_a_failure_is_left_out() -> None:
    found = targets(labelled([at(50)], recovery=5)[0])
    assert [row for row in range(40, 60) if row not in found] == [50, 51, 52, 53, 54]


def test_a_second_failure_does_not_bring_back_rows_in_recovery() -> None:
    found = targets(labelled([at(50), at(57)], recovery=5)[0])
    assert not {50, 51, 52, 53, 54} & set(found)
    assert found[55] == found[56] == 1.0


def test_failures_of_one_asset_say_nothing_of_another() -> None:
    samples, _ = labelled([at(50)], assets=2)
    assert samples.target[samples.asset == 0].sum() == HORIZON
    assert samples.target[samples.asset == 1].sum() == 0


def test_samples_are_settled_at_the_end_of_their_horizon() -> None:
    samples, _ = labelled([at(50)])
    assert (samples.until - samples.time == HORIZON * STEP).all()


def test_an_event_without_any_positive_row_is_no_event() -> None:
    _, found = labelled([START, at(50), LATER])
    assert found.end.tolist() == [at(50)]
    assert found.start.tolist() == [at(40)]


@given(
    failures=st.lists(st.integers(-5, 2 * ROWS + 10), unique=True, max_size=6),
    recovery=st.integers(0, 12),
    horizon=st.integers(1, 15),
    known=st.integers(0, ROWS + 20),
)
def test_labels_follow_the_definition(failures: list[int], recovery: int, horizon: int, known: int) -> None:
    """Failures at half rows, against the definition written out row by row."""
    moments = sorted(at(failure / 2) for failure in failures)
    samples, _ = labelled(moments, recovery=recovery, known_until=at(known), horizon=horizon)
    expected = {}
    for row in range(ROWS):
        now = at(row)
        upcoming = [moment for moment in moments if now < moment <= now + horizon * STEP]
        ended = bool(upcoming) and upcoming[-1] == moments[-1] >= END and len(upcoming) == 1
        settled = now + horizon * STEP <= min(END, at(known)) or ended
        recovering = any(moment <= now < moment + recovery * STEP for moment in moments)
        if settled and not recovering:
            expected[row] = float(bool(upcoming))
    assert targets(samples) == expected


def test_a_label_column_is_taken_as_it_is_and_its_runs_are_events() -> None:
    label = np.repeat([0.0, 1.0, 0.0, 1.0], 25)
    label[60] = np.nan
    found = series(np.zeros((ROWS, 1)), label=label)
    samples, runs = label_by_column(found, complete_rows(found, 1), column="leaks")
    assert 60 not in samples.row
    np.testing.assert_array_equal(samples.target, label[samples.row])
    assert runs.positive.tolist() == [False, True, False, True]
    assert [(int(s - START) // STEP, int(e - START) // STEP) for s, e in zip(runs.start, runs.end, strict=True)] == [
        (0, 24),
        (25, 49),
        (50, 74),
        (75, 99),
    ]


def test_runs_of_a_label_column_end_with_their_asset() -> None:
    found = series(np.zeros((40, 1)), assets=2, label=np.ones(40))
    _, runs = label_by_column(found, complete_rows(found, 1), column="leaks")
    assert runs.asset.tolist() == [0, 1]


def test_a_label_column_with_other_values_is_refused_by_name_and_value() -> None:
    label = np.zeros(ROWS)
    label[[3, 5]] = [2.0, 0.5]
    found = series(np.zeros((ROWS, 1)), label=label)
    with pytest.raises(InsufficientData, match=r"label\.column 'leaks' must be 0 or 1 in every row, but has 0\.5, 2"):
        label_by_column(found, complete_rows(found, 1), column="leaks")


def test_only_rows_with_a_whole_window_of_their_own_segment_are_complete() -> None:
    values = np.zeros((30, 1))
    found = series(values, assets=2)
    assert complete_rows(found, 5).tolist() == [*range(4, 15), *range(19, 30)]
