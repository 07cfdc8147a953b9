"""The probability of a few assets over the holdout, with the events that were to be caught.

The drawing is stretched to the page's width; its words stand beside it as text, so they stay legible on any screen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.wording import counted, day, minute, percent, short
from eagle_trainer.evaluate import Scored, caught, events_of, false_alarms
from eagle_trainer.series import SECOND, Flags, Integers, LabelEvents, moment

MOST_ASSETS = 6
_MOST_EVENTS = 60
_WITH_EVENTS = 4
_BUCKETS = 420
_HEIGHT = 100
_CROWDED = 0.8
"""A threshold as near as this to an end of the scale takes its place."""


@dataclass(frozen=True)
class _Frame:
    """The stretch of time that all strips share, in microseconds."""

    start: int
    end: int

    def share(self, time: int) -> float:
        return min(max((time - self.start) / (self.end - self.start), 0.0), 1.0)


def strips(card: CardInput) -> Markup:
    """One strip for each chosen asset, the time axis under the last."""
    time = card.scored.samples.time
    frame = _Frame(int(time.min()), max(int(time.max()), int(time.min()) + 1))
    return together(*(_strip(card, code, frame) for code in chosen_assets(card.scored, card.assets)))


def chosen_assets(scored: Scored, assets: tuple[str, ...]) -> list[int]:
    """Assets to show: at most four with the most events, then those without an event that came nearest to an alarm."""
    present = np.unique(scored.samples.asset)
    events = {int(code): 0 for code in present}
    for code, _, _ in events_of(scored):
        if code in events:
            events[code] += 1
    highest = {code: float(scored.probability[scored.samples.asset == code].max()) for code in events}
    with_events = sorted((c for c in events if events[c]), key=lambda c: (-events[c], assets[c]))[:_WITH_EVENTS]
    others = sorted((c for c in events if not events[c]), key=lambda c: (-highest[c], assets[c]))
    return with_events + others[: MOST_ASSETS - len(with_events)]


def _strip(card: CardInput, code: int, frame: _Frame) -> Markup:
    mine = _of_asset(card.scored, code)
    alarm = mine.probability >= card.threshold
    found, lead = caught(mine, alarm)
    events = list(zip(events_of(mine), found, lead, strict=True))[:_MOST_EVENTS]
    bands = [_band(frame, start, end) for (_, start, end), _, _ in events]
    marks = [_mark(card, frame, end, bool(hit), int(ahead)) for (_, _, end), hit, ahead in events]
    line, area = _paths(mine, frame)
    height = _HEIGHT * (1.0 - card.threshold)
    drawing = element(
        "svg",
        *bands,
        element("path", d=area, class_="area"),
        element("line", x1=0, x2=1000, y1=f"{height:.1f}", y2=f"{height:.1f}", class_="threshold"),
        element("path", d=line, class_="curve"),
        viewBox=f"0 0 1000 {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Probability of {short(card.assets[code])}, at most {percent(float(mine.probability.max()))}",
    )
    return element(
        "div",
        element("h3", short(card.assets[code]), element("span", _summary(card, mine, alarm, found))),
        element(
            "div",
            element("div", drawing, *(marks if card.by_failures else ()), class_="drawing"),
            element("span", "1", class_="scale top") if card.threshold < _CROWDED else None,
            element("span", f"{card.threshold:g}", class_="scale cut", style=f"top:{height:.1f}%"),
            element("span", "0", class_="scale bottom") if card.threshold > 1 - _CROWDED else None,
            class_="frame",
        ),
        _axis(frame),
        class_="strip",
    )


def _of_asset(scored: Scored, code: int) -> Scored:
    rows, events = scored.samples.asset == code, scored.events.asset == code
    e = scored.events
    return Scored(
        samples=scored.samples.take(rows),
        probability=scored.probability[rows],
        events=LabelEvents(
            asset=e.asset[events], start=e.start[events], end=e.end[events], positive=e.positive[events]
        ),
        period_seconds=scored.period_seconds,
    )


def _summary(card: CardInput, mine: Scored, alarm: Flags, found: Flags) -> str:
    wrong = counted(false_alarms(mine, alarm), "false alarm")
    if not len(found):
        return f"no {'failure' if card.by_failures else 'positive stretch'} · {wrong}"
    kind = ("failure", "failures") if card.by_failures else ("positive stretch", "positive stretches")
    return f"{int(found.sum())} of {counted(len(found), *kind)} caught · {wrong}"


def _band(frame: _Frame, start: int, end: int) -> Markup:
    """The time in which an alarm is right."""
    left, right = 1000 * frame.share(start), 1000 * frame.share(end)
    return element(
        "rect", x=f"{left:.1f}", y=0, width=f"{max(right - left, 1.0):.1f}", height=_HEIGHT, class_="horizon"
    )


def _mark(card: CardInput, frame: _Frame, end: int, hit: bool, ahead: int) -> Markup:
    what = f"caught {ahead / (3600 * SECOND):.1f} hours ahead" if hit else "missed"
    return element(
        "span",
        "▼" if hit else "▽",
        class_="failure" if hit else "failure missed",
        style=f"left:{100 * frame.share(end):.2f}%",
        title=f"Failure at {minute(moment(end))}: {what}",
    )


def _axis(frame: _Frame) -> Markup:
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    return element(
        "div",
        *(
            element(
                "span",
                _tick(frame, share),
                class_="minor" if share in (0.25, 0.75) else None,
                style=f"left:{share:.0%}",
            )
            for share in shares
        ),
        class_="time",
    )


def _tick(frame: _Frame, share: float) -> str:
    at = moment(frame.start + round(share * (frame.end - frame.start)))
    return day(at) if frame.end - frame.start > 3 * 86_400 * SECOND else f"{at.day} {at:%b %H:%M}"


def _paths(mine: Scored, frame: _Frame) -> tuple[str, str]:
    """The line through lowest and highest probability of every bucket of time, and the area under the highest."""
    width = (frame.end - frame.start) / _BUCKETS
    bucket = np.minimum((mine.samples.time - frame.start) // max(width, 1.0), _BUCKETS - 1).astype(np.int64)
    broken = np.flatnonzero(np.diff(mine.samples.time) > max(1.5 * mine.period_seconds * SECOND, 1.5 * width)) + 1
    lines, areas = [], []
    for rows in np.split(np.arange(len(bucket)), broken):
        points, tops = [], []
        for part in np.split(rows, np.flatnonzero(np.diff(bucket[rows])) + 1):
            points += list(_extremes(mine, part, frame))
            best = part[int(np.argmax(mine.probability[part]))]
            tops.append(_point(mine, int(best), frame))
        lines.append("M" + "L".join(points) + ("h.5" if len(points) == 1 else ""))
        left, right = tops[0].split()[0], tops[-1].split()[0]
        areas.append(f"M{left} {_HEIGHT}L" + "L".join(tops) + f"L{right} {_HEIGHT}Z")
    return "".join(lines), "".join(areas)


def _extremes(mine: Scored, part: Integers, frame: _Frame) -> Iterator[str]:
    both = {int(part[np.argmin(mine.probability[part])]), int(part[np.argmax(mine.probability[part])])}
    return (_point(mine, row, frame) for row in sorted(both))


def _point(mine: Scored, row: int, frame: _Frame) -> str:
    return f"{1000 * frame.share(int(mine.samples.time[row])):.1f} {_HEIGHT * (1 - mine.probability[row]):.1f}"
