"""How the card writes numbers, moments and names, for people who look after machines."""

from datetime import datetime

_LONGEST = 96


def number(value: float) -> str:
    """A plain number with about three digits that count; large ones with thin spaces between thousands."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u2009")
    if abs(value) < 1e-4:
        return f"{value:.1e}"
    decimals = (
        4 if abs(value) < 0.1 else 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    )
    return f"{value:,.{decimals}f}".replace(",", "\u2009")


def percent(share: float) -> str:
    """A share as per cent, never rounded to all or nothing."""
    value = 100.0 * share
    decimals = 0 if value in (0.0, 100.0) else 1 if 0.1 <= value <= 99.9 else 2
    return f"{value:.{decimals}f}\u202f%"


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


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def short(text: str) -> str:
    """Text that a table can hold."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
