"""What the clocks of a time zone read, and when they change."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks read at that moment, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def ahead(moment: datetime, zone: ZoneInfo) -> timedelta:
    """How far the clocks are ahead of UTC, in which `moment` must be."""
    return local(moment, zone) - moment.replace(tzinfo=None)


def first_time(reading: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which the clocks read that; when they skip it, the first moment after the gap."""
    moment = reading.replace(tzinfo=zone).astimezone(UTC)
    if local(moment, zone) == reading:
        return moment
    # What a gap leaves out is counted on from before it with fold 0, and back from after it with fold 1.
    before = reading.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return first_change(zone, before, moment) or moment


def first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first moment in (after, until], all in UTC, at which the clocks read something new; None if there is none."""
    years = range(after.year, until.year + 1)
    return next((change for year in years for change in _changes(zone, year) if after < change <= until), None)


@lru_cache(maxsize=2048)
def _changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The changes from one January to the next. No zone has ever had two within a day."""
    first, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    days = (first + timedelta(days=day) for day in range((end - first).days + 1))
    return tuple(_change(zone, day, next_day) for day, next_day in pairwise(days) if _differs(zone, day, next_day))


def _differs(zone: ZoneInfo, one: datetime, other: datetime) -> bool:
    return ahead(one, zone) != ahead(other, zone)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = ahead(before, zone)
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        before, after = (middle, after) if ahead(middle, zone) == old else (before, middle)
    return after
