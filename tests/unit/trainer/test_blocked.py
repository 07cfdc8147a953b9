"""Blocked folds: every row is judged by a model that saw nothing near it, and no event is on both sides."""

from itertools import pairwise

import numpy as np
import pytest
from tests.unit.trainer.arrays import START, STEP, events, samples_at

from eagle_trainer.blocked import FOLDS, blocked_split
from eagle_trainer.series import Flags, LabelEvents, Samples

HORIZON = 10 * STEP
WINDOW = 7 * STEP


def failing(failures: int, *, rows: int = 6000, assets: int = 1, horizon: int = HORIZON) -> tuple[Samples, LabelEvents]:
    """Failures at random moments of each asset."""
    random = np.random.default_rng(failures + assets)
    time = START + np.arange(rows) * STEP
    spans, target = [], np.zeros((assets, rows))
    for asset in range(assets):
        for row in np.sort(random.choice(np.arange(30, rows - 5, 20), failures // assets, replace=False)):
            spans.append((asset, START + int(row) * STEP - horizon, START + int(row) * STEP))
            target[asset, max(row - horizon // STEP, 0) : row] = 1.0
    samples = samples_at(
        np.tile(time, assets), target.ravel(), asset=np.repeat(np.arange(assets), rows), horizon=horizon
    )
    return samples, events(*spans)


def runs(*lengths: int) -> tuple[Samples, LabelEvents]:
    """A label by column that is 0 and 1 in turn, for so many rows each."""
    edges = np.concatenate([[0], np.cumsum(lengths)])
    target = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(float)
    spans = [(0, START + int(a) * STEP, START + int(b) * STEP) for a, b in pairwise(edges)]
    positive = [bool(number % 2) for number in range(len(lengths))]
    return samples_at(START + np.arange(edges[-1]) * STEP, target), events(*spans, positive=positive)


def nearest(samples: Samples, fit: Flags, check: Flags) -> int:
    """The smallest time between a row that is learned from and one that is judged, horizons included."""
    fitted, checked = np.flatnonzero(fit), np.flatnonzero(check)
    order = checked[np.argsort(samples.time[checked])]
    time, until = samples.time[order], samples.until[order]
    gaps = []
    for row in fitted:
        after = np.searchsorted(time, samples.time[row])
        if after < len(time):
            gaps.append(int(time[after] - samples.until[row]))
        if after > 0:
            gaps.append(int(samples.time[row] - until[after - 1]))
    return min(gaps)


@pytest.mark.parametrize("assets", [1, 3])
def test_every_row_is_judged_once_and_nothing_near_it_was_learned_from(assets: int) -> None:
    samples, found = failing(60, assets=assets, rows=2000)
    split = blocked_split(samples, found, margin=WINDOW, kind="failures")
    assert split.evaluable
    assert split.holdout.all()
    assert len(split.folds) == FOLDS
    np.testing.assert_array_equal(sum(check.astype(int) for _, check in split.folds), 1)
    for fit, check in split.folds:
        assert nearest(samples, fit, check) > WINDOW


def test_folds_are_about_equally_large() -> None:
    samples, found = failing(60)
    split = blocked_split(samples, found, margin=WINDOW, kind="failures")
    assert [check.mean() for _, check in split.folds] == pytest.approx([1 / FOLDS] * FOLDS, abs=0.05)


@pytest.mark.parametrize("lengths", [[400] * 16, [900, 50, 100, 700, 300, 300, 60, 500, 40, 800, 350, 350]])
def test_no_run_of_a_label_is_learned_from_and_judged(lengths: list[int]) -> None:
    samples, found = runs(*lengths)
    split = blocked_split(samples, found, margin=WINDOW, kind="runs of the label")
    assert split.evaluable
    for fit, check in split.folds:
        for start, end in zip(found.start, found.end, strict=True):
            run = (samples.time >= start) & (samples.time < end)
            assert not ((fit & run).any() and (check & run).any())


def test_a_positive_run_that_every_boundary_cuts_is_learned_from_only_where_it_is_not_judged() -> None:
    samples, found = runs(*[300] * 12)
    both = Samples(
        row=np.arange(2 * len(samples)),
        asset=np.repeat([0, 1], len(samples)),
        time=np.tile(samples.time, 2),
        until=np.tile(samples.until, 2),
        target=np.concatenate([samples.target, np.ones(len(samples))]),
    )
    spans = [*zip(found.asset, found.start, found.end, strict=True), (1, START, int(samples.time[-1]) + STEP)]
    all_events = events(*spans, positive=[*found.positive, True])
    split = blocked_split(both, all_events, margin=WINDOW, kind="runs of the label")
    assert split.folds
    for fit, _ in split.folds:
        assert not (fit & (both.asset == 1)).any()


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([2000, 2000, 2000], "the data have 3 runs of the label, and 8 are needed to judge a model"),
        ([3000, 3000], "the data have 2 runs of the label, and 8 are needed"),
    ],
)
def test_few_long_runs_cannot_judge_a_model(lengths: list[int], message: str) -> None:
    samples, found = runs(*lengths)
    split = blocked_split(samples, found, margin=WINDOW, kind="runs of the label")
    assert not split.evaluable
    assert split.message is not None
    assert split.message.startswith(message)
    assert split.holdout.any()


def test_positives_all_in_one_stretch_cannot_be_judged_by_the_others() -> None:
    samples, found = failing(60)
    late = samples.time >= samples.time[5000]
    none = samples_at(samples.time, samples.target * late, horizon=HORIZON)
    kept = found.start >= samples.time[5000]
    fewer = events(*zip(found.asset[kept], found.start[kept], found.end[kept], strict=True))
    split = blocked_split(none, fewer, margin=WINDOW, kind="failures")
    for fit, _ in split.folds:
        assert 0.0 < none.target[fit].mean() < 1.0
