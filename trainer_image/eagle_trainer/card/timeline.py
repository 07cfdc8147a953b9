"""The probability of a few assets over the holdout, with the events that were to be caught.

The drawing is stretched to the page's width; its words stand beside it as text, so they stay legible on any screen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eagle_trainer.card.alarms import Event, events, false_by_asset, of_asset
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.wording import counted, minute, percent, short, span
from eagle_trainer.evaluate import Scored
from eagle_trainer.series import SECOND, Integers, moment

MOST_ASSETS = 4
_MOST_EVENTS = 60
_WITH_EVENTS = 3
_BUCKETS = 420
_HEIGHT = 100
_CROWDED = 0.8
"""A threshold as near as this to an end of the scale takes its place."""


@dataclass(frozen=True)
class Frame:
    """The stretch of time that all drawings share, in microseconds."""

    start: int
    end: int

    def share(self, time: int) -> float:
        """Where a moment lies, from 0 to 1."""
        return min(max((time - self.start) / (self.end - self.start), 0.0), 1.0)


def frame_of(scored: Scored) -> Frame:
    """The whole holdout."""
    time = scored.samples.time
    return Frame(int(time.min()), max(int(time.max()), int(time.min()) + 1))


def strips(card: CardInput) -> Markup:
    """One strip for each chosen asset, the time axis under the last."""
    frame = frame_of(card.scored)
    wrong = false_by_asset(card.scored, card.threshold)
    drawn = (_strip(card, code, frame, wrong[code]) for code in chosen_assets(card))
    return together(*drawn, axis(frame, "strip-axis"))


def chosen_assets(card: CardInput) -> list[int]:
    """Assets to look at: three with events, those with missed ones first; then with false alarms or near to one."""
    scored, threshold = card.scored, card.threshold
    present = [int(code) for code in np.unique(scored.samples.asset)]
    met, missed = dict.fromkeys(present, 0), dict.fromkeys(present, 0)
    wrong = false_by_asset(scored, threshold)
    for event in events(scored, threshold):
        if event.asset in met:
            met[event.asset] += 1
            missed[event.asset] += event.alarm is None
    highest = {code: float(scored.probability[scored.samples.asset == code].max()) for code in present}
    with_events = sorted((c for c in present if met[c]), key=lambda c: (-missed[c], -met[c], card.assets[c]))
    others = sorted((c for c in present if not met[c]), key=lambda c: (-wrong[c], -highest[c], card.assets[c]))
    first = with_events[: _WITH_EVENTS if others else MOST_ASSETS]
    return first + others[: MOST_ASSETS - len(first)]


def axis(frame: Frame, kind: str) -> Markup:
    """Dates under a drawing."""
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    ticks = (
        element(
            "span",
            _tick(frame, share),
            class_="minor" if share in (0.25, 0.75) else None,
            style=f"left:{share:.0%}",
        )
        for share in shares
    )
    return element("div", *ticks, class_=f"time {kind}", aria_hidden="true")


def mark(card: CardInput, frame: Frame, event: Event) -> Markup:
    """A failure: filled where an alarm came before it, hollow where it was missed."""
    what = "missed" if event.alarm is None else f"first alarm {span(event.lead / SECOND)} before"
    return element(
        "span",
        "▽" if event.alarm is None else "▼",
        class_="failure missed" if event.alarm is None else "failure",
        style=f"left:{100 * frame.share(event.end):.2f}%",
        title=f"Failure at {minute(moment(event.end))}: {what}",
    )


def summary(card: CardInput, met: list[Event], wrong: int) -> str:
    """What happened to one asset, in words."""
    told = counted(wrong, "false alarm")
    if not met:
        return f"no {card.event[0]} · {told}"
    hits = sum(event.alarm is not None for event in met)
    return f"{hits} of {counted(len(met), *card.event)} caught · {told}"


def _strip(card: CardInput, code: int, frame: Frame, wrong: int) -> Markup:
    mine = of_asset(card.scored, code)
    met = events(mine, card.threshold)
    bands = [_band(frame, event) for event in met[:_MOST_EVENTS]]
    marks = [mark(card, frame, event) for event in met[:_MOST_EVENTS]] if card.by_failures else []
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
        element("h4", short(card.assets[code]), element("span", summary(card, met, wrong))),
        element(
            "div",
            element("div", drawing, *marks, class_="drawing"),
            element("span", "1", class_="scale top") if card.threshold < _CROWDED else None,
            element("span", f"{card.threshold:g}", class_="scale cut", style=f"top:{height:.1f}%"),
            element("span", "0", class_="scale bottom") if card.threshold > 1 - _CROWDED else None,
            class_="frame",
        ),
        class_="strip",
    )


def _band(frame: Frame, event: Event) -> Markup:
    """The time in which an alarm is right."""
    left, right = 1000 * frame.share(event.start), 1000 * frame.share(event.end)
    return element(
        "rect", x=f"{left:.1f}", y=0, width=f"{max(right - left, 1.0):.1f}", height=_HEIGHT, class_="horizon"
    )


def _tick(frame: Frame, share: float) -> str:
    at = moment(frame.start + round(share * (frame.end - frame.start)))
    return f"{at.day} {at:%b}" if frame.end - frame.start > 3 * 86_400 * SECOND else f"{at.day} {at:%b %H:%M}"


def _paths(mine: Scored, frame: Frame) -> tuple[str, str]:
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


def _extremes(mine: Scored, part: Integers, frame: Frame) -> Iterator[str]:
    both = {int(part[np.argmin(mine.probability[part])]), int(part[np.argmax(mine.probability[part])])}
    return (_point(mine, row, frame) for row in sorted(both))


def _point(mine: Scored, row: int, frame: Frame) -> str:
    return f"{1000 * frame.share(int(mine.samples.time[row])):.1f} {_HEIGHT * (1 - mine.probability[row]):.1f}"
