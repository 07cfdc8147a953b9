"""Cron fields as the CronJob controller reads them, in the words of CronSim.

CronSim knows more (L, W, #, Sunday as 7, seconds), lacks `?`, and reads some of what both know in another way: to it
*/2 is any day of the month, and 5/2 among the weekdays comes to Sunday, its 7. So it is only given stars and plain
numbers.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from cronsim import CronSim, CronSimError

_DESCRIPTORS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PARTS = re.compile(r"[^ \t\n\v\f\r]+")
_PIECE = re.compile(r"(?:(?P<star>[*?])|(?P<first>[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?)(?:/(?P<step>[0-9]{1,9}))?")
_ANY_TIME = datetime(2000, 1, 1)


class CronFieldsError(ValueError):
    """What is wrong with the fields, in words that complete a sentence."""


@dataclass(frozen=True)
class CronFields:
    """A timetable of local times."""

    for_cron_sim: str
    at_intervals: bool
    """Whether the hour is a star, with or without a step: not certain times of day, but again and again."""


def read(text: str) -> CronFields:
    """The five fields of a text, or of a name such as @daily.

    Raises CronFieldsError for what Kubernetes refuses or what never comes to pass, and for three oddities that its
    library lets pass unread: a field of nothing but commas, a range that begins with a star, a number with a plus.
    """
    parts = _PARTS.findall(_DESCRIPTORS.get(text, text).lower())
    if len(parts) != len(_FIELDS):
        raise CronFieldsError("must be five fields")
    values = [field.values(part) for field, part in zip(_FIELDS, parts, strict=True)]
    for_cron_sim = " ".join("*" if some is None else ",".join(map(str, sorted(some))) for some in values)
    try:
        CronSim(for_cron_sim, _ANY_TIME)
    except CronSimError as error:
        raise CronFieldsError(f"{error}, none of its months has that day") from error
    return CronFields(for_cron_sim, _at_intervals(parts[1], values[1]))


def _at_intervals(hour: str, hours: set[int] | None) -> bool:
    # */24 is midnight, a time of day.
    return hours is None or (hour.startswith(("*", "?")) and "," not in hour and len(hours) > 1)


@dataclass(frozen=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    """Of the values from `first` on."""

    def values(self, part: str) -> set[int] | None:
        """The values that the part names, or None for any value.

        Any day is another thing than every day: of day-of-month and day-of-week, one suffices if both are certain.
        """
        pieces = [self._piece(piece) for piece in part.split(",") if piece]
        if not pieces:
            raise CronFieldsError(f"Bad {self.name} {part!r}")
        certain = [piece for piece in pieces if piece is not None]
        return set().union(*certain) if len(certain) == len(pieces) else None

    def _piece(self, text: str) -> range | None:
        piece = _PIECE.fullmatch(text)
        if piece is None:
            raise CronFieldsError(f"Bad {self.name} {text!r}")
        step = int(piece["step"] or 1)
        if step == 0:
            raise CronFieldsError(f"Bad {self.name} {text!r}, its step must be at least 1")
        if piece["star"]:
            return None if step == 1 else range(self.first, self.last + 1, step)
        first = self._number(piece["first"])
        last = self._number(piece["last"]) if piece["last"] else self.last if piece["step"] else first
        if first > last:
            raise CronFieldsError(f"Bad {self.name} {text!r}, its end comes before its beginning")
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        number = self.first + self.names.index(text) if text in self.names else int(text) if text.isdigit() else None
        if number is None or not self.first <= number <= self.last:
            names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise CronFieldsError(f"Bad {self.name} {text!r}, must be {self.first} to {self.last}{names}")
        return number


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 0, 6, _WEEKDAYS),
)
