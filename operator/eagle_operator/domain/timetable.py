"""When a schedule's slots are: cron fields in a time zone, read as the CronJob controller reads them."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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


_PART = re.compile(r"(\*|[0-9]+|[A-Za-z]{3})(-([0-9]+|[A-Za-z]{3}))?(/[0-9]+)?")
_SUNDAY_AS_SEVEN = re.compile(r"(^|[,-])7")
_FIELD_NAMES = ("minute", "hour", "day-of-month", "month", "day-of-week")


class InvalidTimeZoneError(ValueError):
    """No such time zone; the message is a sentence for users."""


class InvalidTimetableError(ValueError):
    """No such cron fields, or none that ever come; the message is a sentence for users."""


def next_slot(fields: str, time_zone: str, after: datetime) -> datetime:
    """The first slot later than `after`, in UTC.

    Raises InvalidTimeZoneError, or InvalidTimetableError if the fields are wrong or never come to pass.
    """
    zone = _zone(time_zone)
    try:
        slots = CronSim(_as_kubernetes_reads(_DESCRIPTORS.get(fields, fields)), after.astimezone(zone))
        return next(slots).astimezone(UTC)
    except CronSimError as error:
        raise InvalidTimetableError(f"spec.schedule {fields!r} is not a timetable: {error}") from error
    except StopIteration:
        raise InvalidTimetableError(f"spec.schedule {fields!r} never comes to pass; mend its day or month") from None


def slots_between(fields: str, time_zone: str, after: datetime, until: datetime, *, limit: int) -> list[datetime]:
    """The slots in (after, until], oldest first, at most `limit` of them."""
    slots: list[datetime] = []
    moment = after
    while len(slots) < limit:
        moment = next_slot(fields, time_zone, moment)
        if moment > until:
            break
        slots.append(moment)
    return slots


def _as_kubernetes_reads(fields: str) -> str:
    """The fields so that CronSim finds the same slots. Raises CronSimError for what Kubernetes does not know.

    CronSim knows more (L, W, #, Sunday as 7, seconds), and to it */2 is any day, where Kubernetes sees certain days.
    """
    parts = fields.split()
    if len(parts) != len(_FIELD_NAMES):
        raise CronSimError("must be five fields")
    for name, part in zip(_FIELD_NAMES, parts, strict=True):
        if not all(_PART.fullmatch(piece) for piece in part.split(",")):
            raise CronSimError(f"Bad {name}")
    minute, hour, day, month, weekday = parts
    if _SUNDAY_AS_SEVEN.search(weekday):
        raise CronSimError("Bad day-of-week: Sunday is 0")
    return " ".join([minute, hour, _certain(day, "1-31"), month, _certain(weekday, "0-6")])


def _certain(part: str, all_of_them: str) -> str:
    return ",".join(
        all_of_them + piece[1:] if piece.startswith("*/") and piece != "*/1" else piece for piece in part.split(",")
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidTimeZoneError(
            f"spec.timeZone {name!r} is not known; use an IANA name such as Europe/Berlin or Etc/UTC"
        ) from error
