"""Which alarms would have come before which failures: a lane for each asset, and the list of the events."""

from collections.abc import Iterable

from eagle_trainer.card.alarms import Alarm, Event, alarms, events, false_by_asset, rows_by_asset
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table, together
from eagle_trainer.card.timeline import Frame, axis, frame_of, mark, summary
from eagle_trainer.card.wording import counted, day, number, score, short, span
from eagle_trainer.series import SECOND, moment

MOST_LANES = 24
MOST_EVENTS = 20
_MARKS_PER_LANE = 40
_GRID = 1000
"""Steps into which a lane is divided: alarms in the same step are drawn as one."""


def lanes(card: CardInput) -> Markup:
    """All assets if there are not too many: those with events first, then those with alarms."""
    frame = frame_of(card.scored)
    wrong = false_by_asset(card.scored, card.threshold)
    met: dict[int, list[Event]] = {code: [] for code in rows_by_asset(card.scored)}
    raised: dict[int, list[Alarm]] = {code: [] for code in met}
    for event in events(card.scored, card.threshold):
        met.setdefault(event.asset, []).append(event)
    for alarm in alarms(card.scored, card.threshold):
        raised[alarm.asset].append(alarm)
    order = sorted(raised, key=lambda code: (-len(met[code]), -len(raised[code]), card.assets[code]))
    rows = [_lane(card, frame, code, met[code], raised[code], wrong[code]) for code in order[:MOST_LANES]]
    more = order[MOST_LANES:]
    rest = None
    if more:
        told = summary(card, [event for code in more for event in met[code]], sum(wrong[code] for code in more))
        rest = element("p", f"{counted(len(more), 'more asset')}: {told}.", class_="hint")
    return element("div", *rows, axis(frame, "lane-axis"), rest, class_="lanes")


def event_list(card: CardInput) -> Markup | None:
    """The newest events and the first alarm before each."""
    met = events(card.scored, card.threshold)
    if not met:
        return None
    newest = met[::-1][:MOST_EVENTS]
    longest = max(card.horizon_seconds or 0, 1) * SECOND
    rows = [
        (
            name_cell(_written(event.end if card.by_failures else event.start)),
            cell(short(card.assets[event.asset], 40)),
            cell("–" if event.alarm is None else _written(event.alarm)),
            cell(_answer(card, event, longest), class_="answer"),
        )
        for event in newest
    ]
    heads = ["Failure (UTC)" if card.by_failures else "Since (UTC)", "Asset", "First alarm (UTC)"]
    heads.append("Warning" if card.by_failures else "Found")
    told = table(heads, rows, kind="plain events", caption=f"The newest {card.event[1]} and the alarms before them")
    older = met[::-1][MOST_EVENTS:]
    if not older:
        return told
    hits = sum(event.alarm is not None for event in older)
    return together(
        told, element("p", f"Before these: {counted(len(older), *card.event)}, {number(hits)} caught.", class_="hint")
    )


def _lane(card: CardInput, frame: Frame, code: int, met: list[Event], raised: list[Alarm], wrong: int) -> Markup:
    time = card.scored.samples.time
    period = card.scored.period_seconds * SECOND
    shapes = [_bar(_steps(frame, [(e.start, e.end) for e in met]), 0, 20, "horizon")]
    for right, top, height in ((True, 4, 12), (False, 10, 6)):
        spans = [(int(time[a.first]), int(time[a.last]) + period) for a in raised if a.right == right]
        shapes.append(_bar(_steps(frame, spans), top, height, "right" if right else "wrong"))
    text = summary(card, met, wrong)
    name = short(card.assets[code], 40)
    drawing = element(
        "svg",
        *shapes,
        viewBox=f"0 0 {_GRID} 20",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{name}: {text}",
    )
    marks = [mark(card, frame, event) for event in met[-_MARKS_PER_LANE:]] if card.by_failures else []
    return element(
        "div",
        element("span", name, class_="name", title=card.assets[code]),
        element("div", drawing, *marks, class_="drawing"),
        element("span", _score_of(met, wrong), class_="result"),
        class_="lane",
    )


def _steps(frame: Frame, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches on the lane's grid, at least two steps long, those that touch joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        left = min(int(_GRID * frame.share(start)), _GRID - 2)
        right = max(round(_GRID * frame.share(end)), left + 2)
        if joined and left <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(right, joined[-1][1]))
        else:
            joined.append((left, right))
    return joined


def _bar(steps: list[tuple[int, int]], top: int, height: int, kind: str) -> Markup | None:
    if not steps:
        return None
    return element("path", d="".join(f"M{left} {top}H{right}v{height}H{left}z" for left, right in steps), class_=kind)


def _score_of(met: list[Event], wrong: int) -> Markup:
    hits = sum(event.alarm is not None for event in met)
    return together(
        element("b", f"{hits}/{len(met)}") if met else None,
        element("i", f"{number(wrong)} false") if wrong else None,
    )


def _written(time: int) -> str:
    at = moment(time)
    return f"{day(at)}, {at:%H:%M}"


def _answer(card: CardInput, event: Event, longest: int) -> Markup | str:
    if event.alarm is None:
        near = f" came to {score(event.highest)}" if event.highest is not None else " no data before it"
        return together(element("span", "missed", class_="tag error"), near)
    if not card.by_failures:
        late = event.alarm - event.start
        return f"after {span(late / SECOND)} of {span((event.end - event.start) / SECOND)}" if late else "at once"
    width = min(100.0 * event.lead / longest, 100.0)
    return together(
        element("span", element("i", style=f"width:{width:.1f}%"), class_="bar lead"), span(event.lead / SECOND)
    )
