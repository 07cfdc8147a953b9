"""When a schedule's slots are, so that a change of the clocks neither adds nor loses a run.

Cron fields are read as the CronJob controller reads them, but it goes by moments: it leaves out a local time that the
clocks skip, and starts twice at one that comes twice. Here the hour decides:

- Without a star it is a time of day. Each local time that the fields name is one slot: the first moment at which the
  clocks read it or, where they skip it, the first moment after the gap. Every day has one run of "30 2 * * *".
- With a star (`*`, `*/6`) it is an interval. Every moment is a slot at which the clocks read what the fields name.

CronSim has a rule for clock changes, too (Debian's). It never applies: CronSim is given local times without a zone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim

from eagle_operator.domain import cron_fields
from eagle_operator.domain.local_time import ahead, first_change, first_time, local

_SECOND = timedelta(seconds=1)


class InvalidTimeZoneError(ValueError):
    """No such time zone; the message is a sentence for users."""


class InvalidTimetableError(ValueError):
    """No such cron fields, or none that ever come; the message is a sentence for users."""


def next_slot(fields: str, time_zone: str, after: datetime) -> datetime:
    """The first slot later than `after`, in UTC.

    Raises InvalidTimeZoneError, or InvalidTimetableError if the fields are wrong or never come to pass.
    """
    return next(_slots(fields, time_zone, after))


def slots_between(fields: str, time_zone: str, after: datetime, until: datetime, *, limit: int) -> list[datetime]:
    """The slots in (after, until], in UTC, oldest first, at most `limit` of them. Raises as `next_slot` does."""
    return list(islice(takewhile(lambda slot: slot <= until, _slots(fields, time_zone, after)), limit))


def is_slot(fields: str, time_zone: str, moment: datetime) -> bool:
    """Whether a slot is at `moment`; Kubernetes starts at others, too. Raises as `next_slot` does."""
    return next_slot(fields, time_zone, moment - timedelta.resolution) == moment


def _slots(fields: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    zone, timetable = _zone(time_zone), _timetable(fields)
    rule = _at_intervals if timetable.at_intervals else _at_times_of_day
    return rule(timetable.for_cron_sim, zone, after.astimezone(UTC))


def _at_times_of_day(fields: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for reading in CronSim(fields, local(after, zone)):
        slot = first_time(reading, zone)
        # Times in the same gap are one slot; times that come twice may have had theirs before `after`.
        if slot > last:
            yield slot
            last = slot


def _at_intervals(fields: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last, offset, readings = after, ahead(after, zone), CronSim(fields, local(after, zone))
    while True:
        slot = (next(readings) - offset).replace(tzinfo=UTC)
        change = first_change(zone, last, slot)
        if change is None:
            yield slot
            last = slot
        else:
            # From here the clocks read something else, and already at the change itself it may be a slot.
            last, offset, readings = change, ahead(change, zone), CronSim(fields, local(change, zone) - _SECOND)


@lru_cache(maxsize=4096)
def _timetable(fields: str) -> cron_fields.CronFields:
    try:
        return cron_fields.read(fields)
    except cron_fields.CronFieldsError as error:
        raise InvalidTimetableError(f"spec.schedule {fields!r} is not a timetable: {error}") from error


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidTimeZoneError(
            f"spec.timeZone {name!r} is not known; use an IANA name such as Europe/Berlin or Etc/UTC"
        ) from error
