"""The holdout is new to the model: newest, purged, whole events, or the result says that it cannot judge."""

import numpy as np
import pytest
from tests.unit.trainer.arrays import START, STEP, events, samples_at

from eagle_trainer.series import Flags, LabelEvents, Samples
from eagle_trainer.split import FEWEST_EVENTS, LONGEST_SHARE, holdout_split, time_folds

HORIZON = 10 * STEP
ROWS = 4000


def history(failures: int, *, rows: int = ROWS, last: float = 0.99, first: float = 0.02) -> tuple[Samples, LabelEvents]:
    """One asset with evenly spread failures between two shares of the time."""
    time = START + np.arange(rows) * STEP
    ends = START + np.linspace(first * rows, last * rows, failures).astype(np.int64) * STEP
    found = events(*((0, int(end) - HORIZON, int(end)) for end in ends))
    target = np.zeros(rows)
    for start, end in zip(found.start, found.end, strict=True):
        target[(time >= start) & (time < end)] = 1.0
    return samples_at(time, target, horizon=HORIZON), found


def test_the_holdout_is_the_newest_part_with_a_fifth_of_the_events() -> None:
    samples, found = history(100)
    split = holdout_split(samples, found, purge=0, kind="failures")
    assert split.evaluable
    assert split.message is None
    assert split.events == 20
    assert (samples.time[split.holdout] >= split.boundary).all()
    assert samples.time[split.holdout].max() == samples.time.max()


def test_the_holdout_has_at_least_eight_events() -> None:
    samples, found = history(24)
    split = holdout_split(samples, found, purge=0, kind="failures")
    assert split.evaluable
    assert split.events == FEWEST_EVENTS


def test_no_training_row_learns_from_the_holdouts_time() -> None:
    samples, found = history(100)
    purge = 7 * STEP
    split = holdout_split(samples, found, purge=purge, kind="failures")
    assert (samples.until[split.training] + purge < split.boundary).all()
    assert not (split.training & split.holdout).any()
    left_out = np.count_nonzero(~split.training & ~split.holdout)
    assert left_out == (HORIZON + purge) // STEP


def test_the_boundary_cuts_no_event() -> None:
    samples, found = history(100)
    split = holdout_split(samples, found, purge=0, kind="failures")
    cut = (found.start < split.boundary) & (found.end > split.boundary)
    assert not cut.any()


def test_overlapping_events_of_other_assets_move_the_boundary() -> None:
    samples, found = history(40)
    wanted = int(found.start[-8])
    other = (1, wanted - 5 * STEP, wanted + 5 * STEP)
    both = events(*zip(found.asset, found.start, found.end, strict=True), other)
    split = holdout_split(samples, both, purge=0, kind="failures")
    assert split.evaluable
    assert not ((both.start < split.boundary) & (both.end > split.boundary)).any()


def test_where_every_boundary_cuts_an_event_its_remaining_rows_belong_to_neither_side() -> None:
    samples, found = history(40)
    always = (0, int(samples.time.min()) - STEP, int(samples.time.max()) + STEP)
    both = events(*zip(found.asset, found.start, found.end, strict=True), always)
    split = holdout_split(samples, both, purge=0, kind="failures")
    assert not split.holdout.any()


@pytest.mark.parametrize(
    ("failures", "last", "message"),
    [
        (5, 0.99, "the data have 5 failures, and the holdout alone needs 8"),
        (0, 0.99, "the data have 0 failures, and the holdout alone needs 8"),
        (30, 0.5, "the newest 8 failures take 6"),
    ],
)
def test_data_that_cannot_judge_a_model_say_why(failures: int, last: float, message: str) -> None:
    samples, found = history(failures, last=last)
    split = holdout_split(samples, found, purge=0, kind="failures")
    assert not split.evaluable
    assert split.message is not None
    assert split.message.startswith(message)
    assert "raise source.dataRangeDays" in split.message
    assert split.training.any()
    assert split.holdout.any()


def test_the_holdout_never_takes_more_than_two_fifths_of_the_time() -> None:
    samples, found = history(12)
    split = holdout_split(samples, found, purge=0, kind="failures")
    assert not split.evaluable
    span = int(samples.time.max() - samples.time.min())
    assert samples.time.max() - split.boundary <= LONGEST_SHARE * span


def test_time_folds_check_every_training_row_once_and_purge_both_sides() -> None:
    samples, found = history(60)
    training = holdout_split(samples, found, purge=0, kind="failures").training
    margin = 20 * STEP
    folds = time_folds(samples, training, folds=4, margin=margin)
    assert len(folds) == 4
    np.testing.assert_array_equal(sum(check.astype(int) for _, check in folds), training.astype(int))
    for fit, check in folds:
        assert fit.any()
        assert not (fit & ~training).any()
        assert distance(samples, fit, check) > margin


def distance(samples: Samples, fit: Flags, check: Flags) -> int:
    """The smallest time between what a fitted row's label touches and what a checked row's label touches."""
    checked = np.unique(samples.time[check])
    time, until = samples.time[fit], samples.until[fit]
    after = np.searchsorted(checked, time)
    ahead = checked[np.minimum(after, len(checked) - 1)] - until
    behind = time - (checked[np.maximum(after - 1, 0)] + HORIZON)
    return int(min(ahead[after < len(checked)].min(), behind[after > 0].min()))


def test_folds_of_several_assets_are_stretches_of_time_for_all_of_them() -> None:
    time = np.concatenate([START + np.arange(5000) * STEP] * 3)
    samples = samples_at(time, np.zeros(15_000), asset=np.repeat([0, 1, 2], 5000), horizon=HORIZON)
    for fit, check in time_folds(samples, np.ones(15_000, bool), folds=5, margin=0):
        assert distance(samples, fit, check) > 0
        for asset in (1, 2):
            np.testing.assert_array_equal(check[samples.asset == asset], check[samples.asset == 0])


def test_short_histories_still_give_folds_of_about_equal_size() -> None:
    samples, _ = history(3, rows=200)
    folds = time_folds(samples, np.ones(200, bool), folds=4, margin=0)
    assert [int(check.sum()) for _, check in folds] == pytest.approx([50] * 4, abs=1)


def test_a_label_that_flickers_is_split_as_fast_as_one_that_does_not() -> None:
    """Half a million runs of the label: what looks at all runs for each of them would take hours."""
    rows = 500_000
    time = START + np.arange(rows) * STEP
    runs = LabelEvents(
        asset=np.zeros(rows, np.int64), start=time, end=time + 1, positive=np.asarray(np.arange(rows) % 2 == 1)
    )
    split = holdout_split(samples_at(time, np.arange(rows) % 2), runs, purge=0, kind="runs of the label")
    assert split.evaluable
    assert split.events == rows // 5
