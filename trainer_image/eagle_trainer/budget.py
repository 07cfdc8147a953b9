"""Fits a training into its time budget: how many rows, folds and seeds, and what that is expected to cost.

Time is counted in work, not by a clock: a nominal machine of two CPUs turns rows, features, leaves and rounds into
seconds. So the same data and schedule give the same plan, and the same model, on any machine and at any load.

Rows are what goes first. Telemetry that is sampled densely repeats itself, and of a fleet's rows most are negative:
leaving some of them out costs little. What that does to the probabilities is known exactly and is put right
(King and Zeng, "Logistic Regression in Rare Events Data", 2001, prior correction).
"""

import math
from dataclasses import dataclass

import numpy as np

from eagle_trainer.parameters import Parameters
from eagle_trainer.series import Floats, Integers

PATIENCE = 25
"""Rounds that folds go on after their best one."""
EXPECTED_ROUNDS = 12.0
"""Divided by the learning rate: after so many rounds most models have learned what they can."""
ENOUGH_ROWS = 150_000
"""Rows that no further fold or seed is worth giving up for."""
FEWEST_ROWS = 20_000
LEAST_POSITIVE_SHARE = 0.25
"""Positives are thinned out only where they are more than this part of the rows kept."""
WAYS = ((4, 3), (4, 2), (3, 2), (3, 1), (2, 1))
"""(folds, seeds), the best first."""
_BINNED_BYTES = 350_000_000
"""Of the binned rows and the folds' copies of them, in the built-in budget; a longer budget may hold more."""
_BUILT_IN_SECONDS = 600

_PER_CELL, _PER_ROW, _PER_BIN, _PER_CHECKED_ROW = 3.5e-9, 1.2e-8, 2e-6, 4e-8
"""Seconds on the nominal machine: of a row's feature that is looked at, of a row, of a leaf's feature, and of a row
that a fold scores in each round. Measured with LightGBM 4.6."""
_PER_LEAF_TOGETHER, _PER_BYTE_SENT, _BYTES_OF_BIN = 2e-4, 1e-9, 16
"""Of each leaf that several workers agree on, and of what they send each other on a nominal network of 10 Gbit/s."""
_USUAL_BINS = 255


@dataclass(frozen=True, kw_only=True)
class Work:
    """What there is to learn from: `rows` of the training part with `positives`, and `all_rows` with the holdout."""

    rows: int
    positives: int
    all_rows: int
    features: int
    parameters: Parameters


@dataclass(frozen=True, kw_only=True)
class LearningPlan:
    """What is done within the budget.

    `positive_share` and `negative_share` are the parts of the rows that are learned from. `seconds` is what the fits
    are expected to take on the nominal machine, `wanted` what they would with all rows, folds and seeds.
    """

    folds: int
    seeds: int
    positive_share: float
    negative_share: float
    rows: int
    seconds: float
    wanted: float
    budget: float
    workers: int = 1

    @property
    def sampled(self) -> bool:
        """Not all rows are learned from."""
        return min(self.positive_share, self.negative_share) < 1.0

    @property
    def correction(self) -> float:
        """To be added to a margin that was learned from the rows kept, so that it speaks of all rows."""
        return math.log(self.negative_share / self.positive_share)

    @property
    def within(self) -> bool:
        """The budget is kept."""
        return self.seconds <= self.budget

    def told(self) -> str:
        """The plan in a sentence."""
        kept = (
            f"{self.rows:,} rows ({self.positive_share:.0%} of the positive and {self.negative_share:.1%} of the"
            " negative ones)"
            if self.sampled
            else f"all {self.rows:,} rows"
        )
        fits = f"{kept}, {self.folds} folds, {self.seeds} seed{'s' if self.seeds > 1 else ''}"
        machine = "two CPUs" if self.workers == 1 else f"{self.workers} workers with two CPUs each"
        if self.seconds >= self.wanted:
            return f"{fits}: about {self.seconds:.0f} s of fitting on {machine}, of {self.budget:.0f} s allowed"
        late = "" if self.within else "; no smaller plan is sensible, so model.timeBudgetSeconds will not be kept"
        return (
            f"{fits}: about {self.seconds:.0f} s of fitting on {machine} instead of {self.wanted:.0f} s with"
            f" everything, for model.timeBudgetSeconds {self.budget:.0f}{late}"
        )


def planned(work: Work, *, seconds: float, folds: int | None = None, workers: int = 1) -> LearningPlan:
    """The best plan within `seconds` of fitting; the smallest sensible one where none is.

    `folds`: so many are given, and not to be chosen. `workers`: so many nominal machines share each fit.
    """
    ways = [(folds, seeds) for seeds in (3, 2, 1)] if folds else list(WAYS)
    wanted = _cost(work, work.rows, *ways[0], workers)
    room = _BINNED_BYTES * max(1.0, seconds / _BUILT_IN_SECONDS)
    best: tuple[int, int, int] | None = None
    for parts, seeds in ways:
        # The rows themselves, those that the folds check, and those that they learn from.
        copies = 2 + (parts - 1) / workers
        most = min(int(room / (work.features * copies)), work.rows)
        rows = _affordable(work, parts, seeds, workers, seconds, most=most)
        if best is None or rows > best[0] or not best[0]:
            best = rows, parts, seeds
        if rows >= min(work.rows, ENOUGH_ROWS):
            break
    assert best is not None  # There is at least one way.
    rows, parts, seeds = best
    rows = min(work.rows, max(rows, FEWEST_ROWS))
    positive, negative = _shares(work, rows)
    kept = round(work.positives * positive) + round((work.rows - work.positives) * negative)
    return LearningPlan(
        folds=parts,
        seeds=seeds,
        positive_share=positive,
        negative_share=negative,
        rows=kept,
        seconds=_cost(work, kept, parts, seeds, workers),
        wanted=wanted,
        budget=float(seconds),
        workers=workers,
    )


def thinned(rows: Integers, target: Floats, plan: LearningPlan, *, seed: int) -> Integers:
    """The rows that are learned from, of sorted `rows` with their `target` [n].

    Of as many neighbours as the share says one is drawn, so that what is kept is spread evenly over assets and time
    and yet follows no cycle of the process.
    """
    if not plan.sampled:
        return rows
    random = np.random.default_rng(seed)
    kept = [
        drawn(np.flatnonzero(target == value), share, random)
        for value, share in ((0.0, plan.negative_share), (1.0, plan.positive_share))
    ]
    return rows[np.sort(np.concatenate(kept))]


def seconds_of_round(rows: int, features: int, parameters: Parameters, *, workers: int = 1) -> float:
    """What one tree takes on the nominal machine, or on so many of them."""
    leaves = int(parameters.values.get("num_leaves", 31))
    looked_at = features * float(parameters.values.get("feature_fraction", 1.0))
    depth = math.log2(max(leaves, 2)) / 5
    alone = rows * looked_at * _PER_CELL * depth + rows * _PER_ROW
    bins = leaves * looked_at * int(parameters.values.get("max_bin", _USUAL_BINS))
    sent = bins * _BYTES_OF_BIN * (workers - 1) / workers
    together = leaves * _PER_LEAF_TOGETHER + sent * _PER_BYTE_SENT if workers > 1 else 0.0
    return alone / workers + leaves * looked_at * _PER_BIN + together


def expected_rounds(parameters: Parameters) -> int:
    """How many rounds are planned with; the folds may need less, and never more than num_iterations."""
    return min(parameters.rounds, math.ceil(EXPECTED_ROUNDS / float(parameters.values["learning_rate"])))


def _cost(work: Work, rows: int, folds: int, seeds: int, workers: int) -> float:
    def tree(of_rows: float) -> float:
        return seconds_of_round(round(of_rows), work.features, work.parameters, workers=workers)

    rounds = expected_rounds(work.parameters)
    checking = tree(rows * (folds - 1) / folds) * folds
    checking += rows * _PER_CHECKED_ROW
    learning = tree(rows) * seeds
    again = tree(rows * work.all_rows / work.rows) * seeds
    tried = min(rounds + PATIENCE, work.parameters.rounds)
    # A sampled training also measures what sampling cost: the folds once more with half of the rows.
    measuring = checking * rounds * 0.5 if rows < work.rows else 0.0
    return checking * tried + measuring + (learning + again) * rounds


def _affordable(work: Work, folds: int, seeds: int, workers: int, seconds: float, *, most: int) -> int:
    """The most rows within the budget, up to `most`; cost grows with rows, so it is halved down to."""
    if _cost(work, most, folds, seeds, workers) <= seconds:
        return most
    low, high = 0, most - 1
    while low < high:
        middle = (low + high + 1) // 2
        if _cost(work, middle, folds, seeds, workers) <= seconds:
            low = middle
        else:
            high = middle - 1
    return low


def _shares(work: Work, rows: int) -> tuple[float, float]:
    if rows >= work.rows:
        return 1.0, 1.0
    usual = work.positives / work.rows
    positives = min(work.positives, round(max(LEAST_POSITIVE_SHARE, usual) * rows))
    return positives / max(work.positives, 1), (rows - positives) / max(work.rows - work.positives, 1)


def drawn(positions: Integers, share: float, random: np.random.Generator) -> Integers:
    """round(share * n) of n positions, one from each of as many stretches of equal length."""
    wanted = round(share * len(positions))
    if wanted >= len(positions):
        return positions
    edges = np.linspace(0, len(positions), wanted + 1)
    low = edges[:-1]
    place = np.floor(low + random.random(wanted) * (edges[1:] - low)).astype(np.int64)
    place = np.minimum(place, len(positions) - 1)
    return np.asarray(positions[place[np.diff(place, prepend=-1) > 0]], np.int64)
