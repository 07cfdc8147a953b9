"""Which rows judge the model, and which it may learn from: by time, purged, and without cutting an event in two.

The holdout is the newest part. It is as short as it can be while it holds a fifth of the events and at least eight; if
that takes more than two fifths of the time, the data cannot judge a model, and the result says so.
"""

from dataclasses import dataclass, replace

import numpy as np

from eagle_trainer.series import Flags, Integers, LabelEvents, Samples

EVENT_SHARE = 0.2
FEWEST_EVENTS = 8
LONGEST_SHARE = 0.4
_FALLBACK_SHARE = 0.3
_STRETCHES = 3
"""Stretches of each fold, where the data are long enough …"""
_STRETCH_MARGINS = 4
"""… for a stretch to be so many times as long as what is purged beside it."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Rows of the samples: `training` ends a purge before `boundary` (microseconds), `holdout` begins at it.

    `evaluable` is False, with the reason in `message`, when the holdout cannot judge a model. With blocked folds every
    row is on both sides, and `folds` has the pairs (fit, check) whose checks make up the holdout.
    """

    boundary: int
    training: Flags
    holdout: Flags
    events: int
    evaluable: bool
    message: str | None = None
    folds: tuple[tuple[Flags, Flags], ...] = ()


def holdout_split(samples: Samples, events: LabelEvents, *, purge: int, kind: str) -> Split:
    """The split by time. `purge` in microseconds is left out before the boundary beyond the rows' own horizons.

    `kind` is what an event is called in the message ("failures", or "runs of the label").
    """
    first, last = int(samples.time.min()), int(samples.time.max())
    span = max(last - first, 1)
    wanted = max(FEWEST_EVENTS, int(np.ceil(EVENT_SHARE * len(events.start))))
    candidates = np.unique(events.start[events.start > first])
    counts = len(events.start) - np.searchsorted(np.sort(events.start), candidates)
    enough = candidates[counts >= wanted]
    allowed = enough[last - enough <= LONGEST_SHARE * span]
    if len(allowed):
        whole = uncut(events, allowed)
        return _at(samples, events, int(whole[-1] if len(whole) else allowed[-1]), purge)
    if len(events.start) < wanted:
        why = f"the data have {len(events.start)} {kind}, and the holdout alone needs {wanted}"
    elif len(enough):
        why = f"the newest {wanted} {kind} take {(last - int(enough[-1])) / span:.0%} of the time, not at most 40 %"
    else:
        why = f"the newest {wanted} {kind} begin where the data begin"
    split = _at(samples, events, _fallback(events, first, last), purge)
    return replace(split, evaluable=False, message=f"{why}; raise source.dataRangeDays or wait for more data")


def time_folds(samples: Samples, training: Flags, *, folds: int, margin: int) -> list[tuple[Flags, Flags]]:
    """Pairs (fit, check) of rows, for choosing rounds and for calibrating.

    Time is cut into stretches with about equal numbers of training rows, and every `folds`-th stretch belongs to the
    same fold: conditions come back in stretches, and a fold that lacked one altogether would judge something else than
    the final model. `margin` (microseconds) is purged on both sides of each stretch, beyond the rows' own horizons.
    """
    time = samples.time[training]
    settling = int((samples.until - samples.time).max())
    span = int(time.max() - time.min())
    stretches = stretches_in(span, margin + settling, folds)
    edges = np.quantile(time, np.linspace(0, 1, stretches + 1), method="nearest").astype(np.int64)
    edges[-1] += 1
    pairs = []
    for fold in range(folds):
        check, near = np.zeros(len(samples), bool), np.zeros(len(samples), bool)
        for start, end in zip(edges[fold:-1:folds], edges[fold + 1 :: folds], strict=True):
            check |= training & (samples.time >= start) & (samples.time < end)
            near |= (samples.until + margin >= start) & (samples.time <= end + settling + margin)
        fit = training & ~near
        if fit.any() and check.any():
            pairs.append((fit, check))
    return pairs


def stretches_in(span: int, margin: int, folds: int) -> int:
    """How many stretches a time of `span` microseconds is cut into, when `margin` is purged beside each."""
    return int(np.clip(span // (_STRETCH_MARGINS * margin + 1), folds, _STRETCHES * folds))


def uncut(events: LabelEvents, boundaries: Integers) -> Integers:
    """The boundaries that lie strictly inside no positive event."""
    start, end = np.sort(events.start[events.positive]), np.sort(events.end[events.positive])
    inside = np.searchsorted(start, boundaries, side="left") - np.searchsorted(end, boundaries, side="right")
    return np.asarray(boundaries[inside == 0], np.int64)


def _fallback(events: LabelEvents, first: int, last: int) -> int:
    """The newest three tenths of the time, moved back so that no event is cut if that is possible."""
    boundary = last - round(_FALLBACK_SHARE * (last - first))
    whole = uncut(events, np.append(np.unique(events.start), boundary))
    earlier = whole[(whole <= boundary) & (whole > first + 0.5 * (last - first))]
    return int(earlier.max()) if len(earlier) else boundary


def _at(samples: Samples, events: LabelEvents, boundary: int, purge: int) -> Split:
    """The split at a moment. What an event that began before it still has of rows belongs to neither side."""
    holdout = samples.time >= boundary
    for i in np.flatnonzero(events.positive & (events.start < boundary) & (events.end > boundary)):
        holdout &= ~((samples.asset == events.asset[i]) & (samples.time < events.end[i]))
    return Split(
        boundary=boundary,
        training=samples.until + purge < boundary,
        holdout=holdout,
        events=int(np.count_nonzero(events.start >= boundary)),
        evaluable=True,
    )
