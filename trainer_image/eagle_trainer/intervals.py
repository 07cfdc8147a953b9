"""How sure a figure is: a bootstrap over assets and over stretches of an asset's time, never over single rows.

Rows near each other in time are alike, and so are the rows of one machine. A draw takes assets with replacement, then
blocks of each drawn asset's time; where there are few assets, blocks alone. All figures are drawn on the same blocks,
so that a difference of two models is a paired one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from eagle_trainer import metrics
from eagle_trainer.series import Floats, Integers, LabelEvents, Samples, spread

REPLICATES = 300
MOST_BLOCKS = 5_000
"""More than enough to draw from; longer blocks than needed make intervals wider, never too narrow."""
FEWEST_BLOCKS = 5
_FEWEST_ASSETS = 8
"""Fewer assets say too little of how assets differ."""
_MOST_STEPS = 4096


@dataclass(frozen=True, kw_only=True)
class Interval:
    """90 % of the draws lie within: a twentieth is below `lower`, a twentieth above `upper`."""

    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Average precision of one model less another's on the same rows; bounds of a one-sided 90 % (None: too few)."""

    difference: float
    lower: float | None
    upper: float | None


class Bootstrap:
    """Draws of the blocks of some samples. `block` [N] says to which block each sample belongs."""

    def __init__(self, samples: Samples, block: Integers, *, seed: int) -> None:
        self.block = block
        self.target = samples.target
        self.blocks = int(block.max()) + 1 if len(block) else 0
        owner = np.zeros(self.blocks, np.int64)
        owner[block] = samples.asset
        self.times = _drawn(owner, seed)

    @property
    def enough(self) -> bool:
        """Whether there are blocks enough for bounds to mean anything."""
        return self.blocks >= FEWEST_BLOCKS

    def totals(self, values: Floats, rows: Integers | None = None) -> Floats:
        """[R]: the sum of a value of every sample (or of the samples at `rows`), in every draw."""
        block = self.block if rows is None else self.block[rows]
        return np.asarray(self.times @ np.bincount(block, weights=values, minlength=self.blocks))

    def average_precision(self, probability: Floats) -> Floats:
        """[R]: NaN in draws without a positive sample. Exact up to 4,096 distinct probabilities of positives."""
        steps = np.unique(probability[self.target == 1.0])
        if not len(steps):
            return np.full(len(self.times), np.nan)
        steps = spread(steps, _MOST_STEPS)
        step = np.searchsorted(steps, probability, side="right") - 1
        kept = step >= 0
        place = (self.block[kept], len(steps) - 1 - step[kept])
        shape = (self.blocks, len(steps))
        shown = np.cumsum(self.times @ csr_matrix((np.ones(int(kept.sum())), place), shape=shape), axis=1)
        hits = np.cumsum(self.times @ csr_matrix((self.target[kept], place), shape=shape), axis=1)
        precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
        gained = np.diff(hits, axis=1, prepend=0.0)
        positives = hits[:, -1]
        found = (gained * precision).sum(axis=1)
        return np.asarray(np.divide(found, positives, out=np.full(len(found), np.nan), where=positives > 0))

    def interval(self, drawn: Floats) -> Interval | None:
        """The interval of a figure's draws; None when half of them gave no figure, or when blocks are too few."""
        kept = drawn[np.isfinite(drawn)]
        if not self.enough or len(kept) < REPLICATES / 2:
            return None
        lower, upper = np.quantile(kept, [0.05, 0.95])
        return Interval(lower=float(lower), upper=float(upper))

    def compare(self, first: Floats, second: Floats | None) -> Comparison | None:
        """Average precision of `first` less that of `second` (None: a constant); None when no row is positive."""
        if not self.target.any():
            return None
        constant = np.zeros(len(self.target)) if second is None else second
        one, two = metrics.average_precision(first, self.target), metrics.average_precision(constant, self.target)
        drawn = self.average_precision(first) - self.average_precision(constant)
        kept = drawn[np.isfinite(drawn)]
        if not self.enough or len(kept) < REPLICATES / 2:
            return Comparison(difference=one - two, lower=None, upper=None)
        lower, upper = np.quantile(kept, [0.1, 0.9])
        return Comparison(difference=one - two, lower=float(lower), upper=float(upper))


def time_blocks(samples: Samples, length: int) -> Integers:
    """The block of every sample: stretches of `length` microseconds of one asset, counted from 0.

    Where rows are so far apart that this gives far more blocks than are of use, the stretches are longer.
    """
    since = samples.time - samples.time.min()
    while True:
        block = _numbered(samples.asset * (1 << 40) + since // length)
        if not _too_many(block, samples) or length > since.max():
            return block
        length *= 2


def run_blocks(samples: Samples, events: LabelEvents, length: int) -> Integers:
    """Blocks for labels by column: every positive run is one, what lies between is cut into pieces as long as a run.

    Rows of one run are alike however long it lasts. Runs shorter than `length` (microseconds) in the middle case give
    blocks of time.
    """
    if not events.positive.any():
        return time_blocks(samples, length)
    usual = int(np.median((events.end - events.start)[events.positive]))
    if usual < length:
        return time_blocks(samples, length)
    order = np.lexsort((events.start, events.asset))
    start, positive = events.start[order], events.positive[order]
    first = int(min(samples.time.min(), start.min()))
    span = int(max(samples.time.max(), start.max())) - first + 1
    began = np.searchsorted(events.asset[order] * span + (start - first), samples.asset * span + (samples.time - first))
    # A row at the very start of a run belongs to it.
    exact = np.minimum(began, len(start) - 1)
    began += (start[exact] == samples.time) & (events.asset[order][exact] == samples.asset)
    run = np.maximum(began - 1, 0)
    piece = np.where(positive[run], 0, np.maximum(samples.time - start[run], 0) // usual)
    block = _numbered((samples.asset * (len(start) + 1) + began) * (1 << 24) + piece)
    return time_blocks(samples, usual) if _too_many(block, samples) else block


def metric_intervals(bootstrap: Bootstrap, rows: Mapping[str, tuple[Floats, Floats]]) -> dict[str, Interval]:
    """Intervals of ratios of sums: by name, (numerator, denominator) of every draw; those that cannot be had left out.

    A denominator of 0 gives no figure.
    """
    found = {}
    for name, (above, below) in rows.items():
        drawn = np.divide(above, below, out=np.full(len(above), np.nan), where=below != 0)
        interval = bootstrap.interval(drawn)
        if interval is not None:
            found[name] = interval
    return found


def _too_many(block: Integers, samples: Samples) -> bool:
    """Whether there are far more blocks than are of use, beside one for each asset."""
    return int(block.max()) >= 2 * MOST_BLOCKS + int(samples.asset.max()) + 1


def _numbered(key: Integers) -> Integers:
    return np.asarray(np.unique(key, return_inverse=True)[1], np.int64)


def _drawn(owner: Integers, seed: int) -> Floats:
    """[R,B]: how often each block is drawn. `owner` [B] is the block's asset."""
    random = np.random.default_rng(seed)
    blocks = len(owner)
    times = np.zeros((REPLICATES, blocks))
    assets = [np.flatnonzero(owner == code) for code in np.unique(owner)]
    for replicate in range(REPLICATES):
        if len(assets) < _FEWEST_ASSETS:
            chosen = random.integers(0, blocks, blocks)
        else:
            drawn = random.integers(0, len(assets), len(assets))
            parts = [assets[code] for code in drawn]
            chosen = np.concatenate([part[random.integers(0, len(part), len(part))] for part in parts])
        times[replicate] = np.bincount(chosen, minlength=blocks)
    return times
