"""Alarms and events of the holdout as stretches of rows: what the pictures, lists and splits of the card are made of.

The rules are those of the figures (`evaluate`): an event is caught by an alarm on one of its rows; an alarm is drawn as
false if it was raised and cleared without a positive row in between, and counted as `evaluate` counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from eagle_trainer import evaluate
from eagle_trainer.evaluate import Scored
from eagle_trainer.series import SECOND, Flags, Integers, LabelEvents


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A stretch of rows (positions `first` to `last`, inclusive) of one asset with an alarm on each."""

    asset: int
    first: int
    last: int
    right: bool


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event that was to be caught, in microseconds. `alarm` is the first alarm's time, None if it was missed.

    `highest` is the highest probability on its rows, None if no row of it was scored.
    """

    asset: int
    start: int
    end: int
    alarm: int | None
    highest: float | None

    @property
    def lead(self) -> int:
        """Microseconds from the first alarm to the end; 0 if it was missed."""
        return 0 if self.alarm is None else self.end - self.alarm


def rows_by_asset(scored: Scored) -> dict[int, slice]:
    """The rows of each asset; samples are sorted by asset and time."""
    codes, first = np.unique(scored.samples.asset, return_index=True)
    ends = [*first[1:].tolist(), len(scored.samples)]
    return {int(code): slice(int(start), end) for code, start, end in zip(codes, first, ends, strict=True)}


def of_rows(scored: Scored, rows: slice | Flags, *, events: Flags) -> Scored:
    """A part of the holdout: some rows and some events."""
    chosen = np.arange(len(scored.samples))[rows]
    e = scored.events
    return replace(
        scored,
        samples=scored.samples.take(chosen),
        probability=scored.probability[chosen],
        events=LabelEvents(
            asset=e.asset[events], start=e.start[events], end=e.end[events], positive=e.positive[events]
        ),
    )


def of_asset(scored: Scored, code: int) -> Scored:
    """The part of one asset."""
    rows = rows_by_asset(scored).get(code, slice(0, 0))
    return of_rows(scored, rows, events=scored.events.asset == code)


def alarms(scored: Scored, threshold: float) -> list[Alarm]:
    """All alarms in the order of assets and time."""
    alarm = scored.probability >= threshold
    asset, time, positive = scored.samples.asset, scored.samples.time, scored.samples.target == 1.0
    near = np.diff(time) <= 1.5 * scored.period_seconds * SECOND
    goes_on = alarm[1:] & alarm[:-1] & near & (asset[1:] == asset[:-1])
    first = np.flatnonzero(alarm & ~np.append(False, goes_on))
    last = np.flatnonzero(alarm & ~np.append(goes_on, False))
    hits = np.append(0, np.cumsum(positive))
    right = hits[last + 1] > hits[first]
    return [
        Alarm(asset=int(asset[a]), first=int(a), last=int(b), right=bool(good))
        for a, b, good in zip(first, last, right, strict=True)
    ]


def false_rows(scored: Scored, threshold: float) -> Integers:
    """The row at which each false alarm begins that is counted, rising."""
    return evaluate.false_alarm_rows(scored, scored.probability >= threshold)


def false_by_asset(scored: Scored, threshold: float) -> dict[int, int]:
    """How many false alarms each asset that was scored had."""
    owners = scored.samples.asset[false_rows(scored, threshold)]
    return {code: int(np.count_nonzero(owners == code)) for code in rows_by_asset(scored)}


def events(scored: Scored, threshold: float) -> list[Event]:
    """The positive events in the order of their ends."""
    found = [_event(scored, rows, start, end, asset, threshold) for rows, asset, start, end in _places(scored)]
    return sorted(found, key=lambda event: (event.end, event.asset))


def _places(scored: Scored) -> Iterator[tuple[slice, int, int, int]]:
    owners, e = rows_by_asset(scored), scored.events
    for i in np.flatnonzero(e.positive):
        asset, start, end = int(e.asset[i]), int(e.start[i]), int(e.end[i])
        mine = owners.get(asset, slice(0, 0))
        inside = mine.start + np.searchsorted(scored.samples.time[mine], [start, end])
        yield slice(int(inside[0]), int(inside[1])), asset, start, end


def _event(scored: Scored, rows: slice, start: int, end: int, asset: int, threshold: float) -> Event:
    probability, time = scored.probability[rows], scored.samples.time[rows]
    if not len(probability):
        return Event(asset=asset, start=start, end=end, alarm=None, highest=None)
    above = np.flatnonzero(probability >= threshold)
    first = int(time[above[0]]) if len(above) else None
    return Event(asset=asset, start=start, end=end, alarm=first, highest=float(probability.max()))
