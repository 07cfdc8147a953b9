"""How the card writes numbers, moments and names, for people who look after machines."""

import re
from datetime import datetime

_LONGEST = 96
_SHARES = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "event_recall",
    "base_rate",
    "training_base_rate",
    "majority_accuracy",
    "logistic_accuracy",
)
_SCORES = ("average_precision", "roc_auc", "log_loss_skill", "log_loss", "brier", "calibration_error")


def number(value: float) -> str:
    """A plain number with about three digits that count; large ones with thin spaces between thousands."""
    if value == int(value) and abs(value) < 1e15:
        return _spaced(f"{int(value):,}")
    if abs(value) < 1e-4:
        return f"{value:.1e}".replace("-", "\u2212")
    decimals = (
        4 if abs(value) < 0.1 else 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    )
    return _spaced(f"{value:,.{decimals}f}")


def percent(share: float) -> str:
    """A share as per cent, never rounded to all or nothing."""
    value = 100.0 * share
    decimals = 0 if value in (0.0, 100.0) else 1 if 0.1 <= value <= 99.9 else 2
    while value not in (0.0, 100.0) and decimals < 6 and float(f"{value:.{decimals}f}") in (0.0, 100.0):
        decimals += 1
    return f"{value:.{decimals}f}\u202f%"


def score(value: float) -> str:
    """A figure on a scale from 0 to 1 with three decimals, more where they alone tell it from 0 or 1."""
    decimals = 3
    while value not in (0.0, 1.0) and decimals < 6 and float(f"{value:.{decimals}f}") in (0.0, 1.0):
        decimals += 1
    return f"{value:.{decimals}f}".replace("-", "\u2212")


def figure(name: str, value: float) -> str:
    """A figure of the model by its public name, as the card writes it everywhere."""
    if name in _SHARES:
        return percent(value)
    return score(value) if name in _SCORES or name.endswith(_SCORES) else number(value)


def span(seconds: float) -> str:
    """A duration in its natural unit."""
    for size, one, many in ((86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")):
        if seconds >= 1.5 * size or seconds == size:
            amount = seconds / size
            text = number(round(amount)) if amount >= 20 or amount == round(amount) else f"{amount:.1f}"
            return f"{text} {one if text == '1' else many}"
    return f"{number(seconds)} {'second' if seconds == 1 else 'seconds'}"


def day(moment: datetime) -> str:
    """A date, such as 4 May 2026."""
    return f"{moment.day} {moment:%b %Y}"


def minute(moment: datetime) -> str:
    """A moment in UTC."""
    return f"{day(moment)}, {moment:%H:%M} UTC"


def between(start: datetime, end: datetime) -> str:
    """A stretch of time, as exact as it needs to be."""
    if (end - start).total_seconds() >= 3 * 86_400:
        return f"{day(start)} to {day(end)}"
    if start.date() == end.date():
        return f"{day(start)}, {start:%H:%M} to {end:%H:%M} UTC"
    return f"{day(start)}, {start:%H:%M} to {minute(end)}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def short(text: str, longest: int = _LONGEST) -> str:
    """Text that a table can hold."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def feature(name: str, period_seconds: int) -> str:
    """A feature in words: `temperature__mean_24` at a sample an hour is "temperature, mean of 1 day"."""
    stem, mark, rest = name.rpartition("__")
    if not mark:
        return name.removeprefix("attribute_")
    if found := re.fullmatch(r"lag_(\d+)s", rest):
        return f"{stem}, {span(int(found[1]))} before"
    if found := re.fullmatch(r"(mean|std|min|max)_(\d+)", rest):
        words = {"mean": "mean", "std": "spread", "min": "lowest", "max": "highest"}
        return f"{stem}, {words[found[1]]} of {span(int(found[2]) * period_seconds)}"
    if found := re.fullmatch(r"count_(\d+)d", rest):
        return f"{stem}, count in {span(int(found[1]) * 86_400)}"
    if rest == "hours_since":
        return f"{stem}, hours since the last"
    return name


def signal(name: str) -> str:
    """What a feature is made from: a sensor, a kind of event, or an attribute."""
    return name.rpartition("__")[0] or name.removeprefix("attribute_")


def _spaced(text: str) -> str:
    return text.replace(",", "\u2009").replace("-", "\u2212")
