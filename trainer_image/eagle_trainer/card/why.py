"""Why the newest alarms were raised: what each feature did to the odds."""

import math

from eagle_trainer.card.content import CardInput, Explained
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.wording import feature, minute, number, percent, short, signal
from eagle_trainer.series import SECOND, moment

_BARS = 15
_SMALLEST = 0.01
"""Pushes in log odds below this round to a factor of one."""


def reasons(card: CardInput) -> Markup:
    """One block for each explained answer."""
    return element("div", *(_reason(card, answer) for answer in card.explained), class_="reasons")


def by_signal(card: CardInput) -> Markup:
    """The share of all gain that comes from each sensor, kind of event or attribute."""
    total: dict[str, float] = {}
    for name, gain in card.importance:
        total[signal(name)] = total.get(signal(name), 0.0) + gain
    return _bars([(name, name, gain) for name, gain in total.items()], most=_BARS)


def by_feature(card: CardInput) -> Markup:
    """The features that gave the trees most."""
    period = card.scored.period_seconds
    return _bars([(feature(name, period), name, gain) for name, gain in card.importance], most=_BARS)


def _bars(items: list[tuple[str, str, float]], *, most: int) -> Markup:
    total = sum(gain for _, _, gain in items) or 1.0
    first = sorted(items, key=lambda item: (-item[2], item[1]))[:most]
    longest = max((gain for _, _, gain in first), default=0.0) or 1.0
    rows = (
        element(
            "li",
            element("span", short(words), class_="name", title=short(name)),
            element("span", element("i", style=f"width:{100 * gain / longest:.1f}%"), class_="bar"),
            element("span", percent(gain / total), class_="share"),
        )
        for words, name, gain in first
        if gain > 0
    )
    return element("ol", *rows, class_="bars")


def _reason(card: CardInput, answer: Explained) -> Markup:
    longest = max([abs(part.push) for part in answer.parts] + [abs(answer.rest), _SMALLEST])
    period = card.scored.period_seconds
    rows = [
        _push(feature(part.feature, period), part.value, part.push, longest, name=part.feature) for part in answer.parts
    ]
    usual = 1 / (1 + math.exp(-answer.usual))
    return element(
        "article",
        element(
            "h3",
            short(card.assets[answer.asset], 40),
            element("span", minute(moment(answer.time))),
        ),
        element(
            "p",
            element("b", percent(answer.probability)),
            f" instead of the usual {percent(usual)}",
            element("span", _outcome(card, answer), class_=f"tag {_tag(answer)}"),
            class_="asked",
        ),
        element("ul", *rows, _push("all other features", None, answer.rest, longest), class_="pushes"),
    )


def _push(words: str, value: str | None, push: float, longest: float, *, name: str | None = None) -> Markup:
    width = 50 * abs(push) / longest
    side = "left:50%" if push >= 0 else f"left:{50 - width:.1f}%"
    return element(
        "li",
        element(
            "span", short(words, 60), element("b", value) if value is not None else None, title=name, class_="name"
        ),
        element(
            "span",
            element("i", style=f"{side};width:{width:.1f}%", class_="up" if push >= 0 else "down"),
            class_="both",
        ),
        element("span", factor(push), class_="share"),
    )


def factor(push: float) -> str:
    """Log odds as what the odds are multiplied or divided by."""
    if abs(push) < _SMALLEST:
        return "× 1"
    times = math.exp(min(abs(push), 30.0))
    return f"{'×' if push > 0 else '÷'} {number(times) if times < 1e6 else 'over a million'}"


def _outcome(card: CardInput, answer: Explained) -> str:
    if answer.kind == "none":
        return "no alarm: the highest there was"
    if answer.kind == "false":
        return f"false alarm: no {card.event[0]} followed" if card.by_failures else "false alarm: the label stayed 0"
    followed = [
        int(end)
        for asset, end, positive in zip(
            card.scored.events.asset, card.scored.events.end, card.scored.events.positive, strict=True
        )
        if positive and asset == answer.asset and end > answer.time
    ]
    if not card.by_failures or not followed:
        return "right"
    return f"right: failure {number(round((min(followed) - answer.time) / (3600 * SECOND), 1))} h later"


def _tag(answer: Explained) -> str:
    return {"right": "fine", "false": "error", "none": "info"}[answer.kind]


def legend() -> Markup:
    """How the bars are read."""
    return together(
        "At the moment the alarm was raised: what each feature did to the odds of an event. Bars to the right made it"
        " more likely, bars to the left less. The factors multiply to the probability (SHAP values of the trees)."
    )
