"""Blocked folds: every stretch of time is judged by a model that has not seen it, nor what lies near it.

For conditions that come back, such as the regimes of a test rig or the seasons of a plant: the newest part alone may
lack some of them. A fold takes every n-th stretch; what a model learns from ends a horizon and a window before each of
its fold's stretches and begins again a horizon and a window after it. Stretches end where an event begins, so that the
rows of one event are never on both sides.
"""

import numpy as np

from eagle_trainer.series import Flags, Integers, LabelEvents, Samples
from eagle_trainer.split import FEWEST_EVENTS, Split, stretches_in, uncut

FOLDS = 5


def blocked_split(samples: Samples, events: LabelEvents, *, margin: int, kind: str, folds: int = FOLDS) -> Split:
    """All rows are both judged and learned from, in folds; `split.folds` has the pairs (fit, check).

    `margin` is the time that a window looks back, in microseconds; it is left out on both sides beside the rows' own
    horizons. `kind` is what an event is called in the message. The result is not evaluable with fewer than eight
    events, or where fewer than two folds have both classes to learn from.
    """
    first, last = int(samples.time.min()), int(samples.time.max())
    settling = int((samples.until - samples.time).max())
    edges = _edges(samples, events, stretches_in(last - first, margin + settling, folds))
    pairs = []
    for fold in range(folds):
        spans = list(zip(edges[fold:-1:folds], edges[fold + 1 :: folds], strict=True))
        pair = _pair(samples, events, spans, margin=margin, settling=settling)
        if pair is not None:
            pairs.append(pair)
    held = int(np.count_nonzero(events.start >= first))
    holdout = np.logical_or.reduce([check for _, check in pairs]) if pairs else np.ones(len(samples), bool)
    why = None
    if held < FEWEST_EVENTS:
        why = f"the data have {held} {kind}, and {FEWEST_EVENTS} are needed to judge a model"
    elif len(pairs) < 2:
        why = f"the {kind} lie so that no two stretches of time can judge each other"
    return Split(
        boundary=first,
        training=np.ones(len(samples), bool),
        holdout=holdout,
        events=held,
        evaluable=why is None,
        message=f"{why}; raise source.dataRangeDays or wait for more data" if why else None,
        folds=tuple(pairs),
    )


def _edges(samples: Samples, events: LabelEvents, stretches: int) -> Integers:
    """Where stretches begin, and after the last one's end: about equal numbers of rows, moved to where events begin.

    With one asset no run of a label is cut, neither of 1 nor of 0; with several no event is.
    """
    quantiles = np.quantile(samples.time, np.linspace(0, 1, stretches + 1), method="nearest").astype(np.int64)
    starts = np.unique(events.start[(events.start > quantiles[0]) & (events.start <= quantiles[-1])])
    allowed = uncut(events, starts)
    inner = quantiles[1:-1]
    if len(allowed):
        after = np.searchsorted(allowed, inner)
        above, below = allowed[np.minimum(after, len(allowed) - 1)], allowed[np.maximum(after - 1, 0)]
        inner = np.where(np.abs(above - inner) < np.abs(inner - below), above, below)
    return np.unique(np.concatenate([quantiles[:1], inner, quantiles[-1:] + 1]))


def _pair(
    samples: Samples, events: LabelEvents, spans: list[tuple[int, int]], *, margin: int, settling: int
) -> tuple[Flags, Flags] | None:
    check, near = np.zeros(len(samples), bool), np.zeros(len(samples), bool)
    for start, end in spans:
        check |= (samples.time >= start) & (samples.time < end)
        near |= (samples.until + margin >= start) & (samples.time <= end + settling + margin)
        overlap = events.positive & (events.start < end) & (events.end > start)
        for i in np.flatnonzero(overlap & ((events.start < start) | (events.end > end))):
            near |= (
                (samples.asset == events.asset[i]) & (samples.time >= events.start[i]) & (samples.time < events.end[i])
            )
    fit = ~near
    if not check.any() or not fit.any() or not 0.0 < float(samples.target[fit].mean()) < 1.0:
        return None
    return fit, check
