"""The operator's slots against those of the cron library that Kubernetes uses, over two years and eight time zones.

Where no clock changes, both must say the same. Where one does, a clock that is advanced step by step says what is
right; what the library does there is written down as a fact, since the operator has to make up for it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.cluster import REPOSITORY
from tests.support.cron_library import SOURCES, CronLibrary, FieldsRefusedError, cron_library

from eagle_operator.domain.timetable import InvalidTimetableError, is_slot, next_slot, slots_between

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
DAY, STEP = timedelta(days=1), timedelta(minutes=10)

ZONES = (
    "Etc/UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Cairo",  # leaves out midnight
    "America/Santiago",  # the same, in the south
    "America/Nuuk",  # leaves out the last hour of a day
)
TIMES_OF_DAY = (
    "30 2 * * *",
    "0 0 * * *",
    "30 23 * * *",
    "10 1 * * *",
    "0,20,30 2 * * *",
    "0 2,3 * * *",
    "*/10 2 * * *",
    "0 2 * * 0",
    "30 0 * * fri",
    "30 23 * * SAT",
    "20 0 25-31 3,10 *",
    "40 1 5,25 * 6",
    "0 0 1 * *",
    "0 */24 * * *",
)
INTERVALS = (
    "0 * * * *",
    "30 */4 * * *",
    "10 */6 1-7 * 0",
    "0 */2 * * 0",
    "10 */5 * * 5",
    "*/20 ? 4-6,24-30 4,9,10 ?",
)
NIGHT = [f"{hour:02}:00+{ahead}" for hour, ahead in [(0, "11:00"), *((hour, "10:30") for hour in range(2, 24, 2))]]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CronLibrary]:
    with cron_library(tmp_path_factory.mktemp("cron-library")) as library:
        yield library


@cache
def slots(fields: str, time_zone: str) -> list[datetime]:
    """The operator's slots of the two years."""
    return slots_between(fields, time_zone, BEGIN, END, limit=10**6)


@cache
def slots_of_kubernetes(library: CronLibrary, fields: str, time_zone: str) -> list[datetime]:
    return library.slots_between(fields, time_zone, BEGIN, END)


@dataclass(frozen=True)
class SimulatedClock:
    """Whoever looks at a time zone's clocks step by step."""

    moments: list[datetime]
    """In UTC."""
    readings: list[datetime]
    furthest: list[datetime]
    """The latest that the clocks have read up to each moment."""

    def runs_at_times_of_day(self, times: list[datetime]) -> list[datetime]:
        """One is started when some of the times have come since the last step that never had come before."""
        steps = {bisect_left(self.furthest, time) for time in times}
        return [self.moments[step] for step in sorted(steps) if 0 < step < len(self.moments)]

    def runs_at_intervals(self, times: list[datetime]) -> list[datetime]:
        """One is started when the clocks read one of the times."""
        steps = zip(self.moments[1:], self.readings[1:], strict=True)
        wanted = set(times)
        return [moment for moment, reading in steps if reading in wanted]


@cache
def simulated_clock(
    time_zone: str, begin: datetime = BEGIN, end: datetime = END, step: timedelta = STEP
) -> SimulatedClock:
    zone = ZoneInfo(time_zone)
    moments = [begin + step * number for number in range((end - begin) // step + 1)]
    readings = [moment.astimezone(zone).replace(tzinfo=None) for moment in moments]
    return SimulatedClock(moments, readings, list(accumulate(readings, max)))


@cache
def clock_changes(time_zone: str) -> list[datetime]:
    """The first moments of the new time."""
    clock = simulated_clock(time_zone)
    steps = pairwise(zip(clock.moments, clock.readings, strict=True))
    return [now for (_, before), (now, after) in steps if after - before != STEP]


@cache
def local_times(library: CronLibrary, fields: str, begin: datetime = BEGIN, end: datetime = END) -> list[datetime]:
    """The local times that the fields name: what the library says where no clock ever changes."""
    named = library.slots_between(fields, "Etc/UTC", begin - DAY, end + DAY)
    return [slot.replace(tzinfo=None) for slot in named]


def within_a_day_after(changes: list[datetime], slot: datetime) -> bool:
    return any(change <= slot <= change + DAY for change in changes)


def test_the_library_is_the_one_of_the_kubernetes_that_tests_run_against() -> None:
    sums = (SOURCES / "go.sum").read_text().splitlines()
    assert sums
    assert set(sums) <= set((REPOSITORY / "dev/cluster/go/kubernetes/go.sum").read_text().splitlines())


@pytest.mark.parametrize("time_zone", ZONES)
def test_without_a_change_of_the_clocks_slots_are_those_of_kubernetes(library: CronLibrary, time_zone: str) -> None:
    changes = clock_changes(time_zone)
    for fields in TIMES_OF_DAY + INTERVALS:
        theirs, ours = slots_of_kubernetes(library, fields, time_zone), slots(fields, time_zone)
        assert len(ours) > 20
        differing = sorted(set(theirs) ^ set(ours))
        assert [slot for slot in differing if not within_a_day_after(changes, slot)] == [], fields


@pytest.mark.parametrize("time_zone", ZONES)
def test_each_time_of_day_is_one_slot_on_every_day_of_two_years(library: CronLibrary, time_zone: str) -> None:
    clock = simulated_clock(time_zone)
    for fields in TIMES_OF_DAY:
        assert slots(fields, time_zone) == clock.runs_at_times_of_day(local_times(library, fields)), fields


@pytest.mark.parametrize("time_zone", ZONES)
def test_intervals_go_by_what_the_clocks_read(library: CronLibrary, time_zone: str) -> None:
    clock = simulated_clock(time_zone)
    for fields in INTERVALS:
        assert slots(fields, time_zone) == clock.runs_at_intervals(local_times(library, fields)), fields


@pytest.mark.parametrize("time_zone", ZONES)
def test_every_local_day_has_exactly_one_run(time_zone: str) -> None:
    for fields in ("30 2 * * *", "0 0 * * *", "10 1 * * *"):
        days = [slot.astimezone(ZoneInfo(time_zone)).date() for slot in slots(fields, time_zone)]
        assert days == [days[0] + number * DAY for number in range(730)], fields


@pytest.mark.parametrize("time_zone", ZONES)
def test_from_slot_to_slot_and_all_at_once_is_the_same(time_zone: str) -> None:
    for fields in TIMES_OF_DAY[:5]:
        moment, walked = BEGIN, []
        while (moment := next_slot(fields, time_zone, moment)) <= END:
            walked.append(moment)
        assert walked == slots(fields, time_zone), fields


@pytest.mark.parametrize("time_zone", ZONES[2:])
def test_the_next_slot_is_right_at_every_moment_around_a_change(time_zone: str) -> None:
    for change in clock_changes(time_zone)[:2]:
        moments = [change + number * STEP for number in range(-13, 14)]
        for fields in TIMES_OF_DAY + INTERVALS:
            upcoming = slots(fields, time_zone)
            for moment in moments:
                expected = upcoming[bisect_right(upcoming, moment)]
                assert next_slot(fields, time_zone, moment) == expected, (fields, moment)
                assert is_slot(fields, time_zone, moment) == (moment in upcoming), (fields, moment)


@pytest.mark.parametrize("time_zone", ZONES)
def test_what_only_kubernetes_starts_is_no_slot(library: CronLibrary, time_zone: str) -> None:
    for fields in TIMES_OF_DAY + INTERVALS:
        for slot in set(slots_of_kubernetes(library, fields, time_zone)) - set(slots(fields, time_zone)):
            assert not is_slot(fields, time_zone, slot), (fields, slot)


@pytest.mark.parametrize(
    ("fields", "time_zone", "day", "kubernetes", "eagle"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", [], ["03:00+02:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["02:30+02:00", "02:30+01:00"], ["02:30+02:00"]),
        ("30 2 * * *", "America/New_York", "2026-03-08", [], ["03:00-04:00"]),
        ("10 1 * * *", "America/New_York", "2026-11-01", ["01:10-04:00", "01:10-05:00"], ["01:10-04:00"]),
        ("0 0 * * *", "America/Santiago", "2026-09-06", [], ["01:00-03:00"]),
        ("30 23 * * *", "America/Santiago", "2026-04-04", ["23:30-03:00", "23:30-04:00"], ["23:30-03:00"]),
        ("30 0 * * fri", "Africa/Cairo", "2026-04-24", [], ["01:00+03:00"]),
        ("30 23 * * *", "Africa/Cairo", "2026-10-29", ["23:30+03:00", "23:30+02:00"], ["23:30+03:00"]),
        # The last hour of that Saturday is made up on Sunday, on which Sunday's own run follows.
        ("30 23 * * sat", "America/Nuuk", "2026-03-29", [], ["00:00-01:00"]),
        ("30 23 * * *", "America/Nuuk", "2026-03-29", ["23:30-01:00"], ["00:00-01:00", "23:30-01:00"]),
        # The library steps by whole hours from before the change, beside what the clocks read after half an hour's.
        ("40 1 * * *", "Australia/Lord_Howe", "2026-10-04", ["01:40+10:30", "02:40+11:00"], ["01:40+10:30"]),
        ("0 2 * * *", "Australia/Lord_Howe", "2026-10-04", [], ["02:30+11:00"]),
        ("0 2 * * *", "Australia/Lord_Howe", "2026-04-05", [], ["02:00+10:30"]),
        ("0 0 * * *", "Australia/Lord_Howe", "2026-04-06", [], ["00:00+10:30"]),
        ("0 */2 5 4 *", "Australia/Lord_Howe", "2026-04-05", NIGHT[:1] + NIGHT[2:], NIGHT),
        # It looks for that Friday's midnight, and finds Thursday's last hour and then Saturday.
        ("0 9 * * fri", "Africa/Cairo", "2026-04-24", [], ["09:00+03:00"]),
        ("0 */9 * * fri", "Africa/Cairo", "2026-04-24", [], ["09:00+03:00", "18:00+03:00"]),
    ],
)
def test_on_the_days_of_a_change_kubernetes_starts_none_and_two(
    library: CronLibrary, fields: str, time_zone: str, day: str, kubernetes: list[str], eagle: list[str]
) -> None:
    zone = ZoneInfo(time_zone)
    theirs, ours = (
        [slot.astimezone(zone) for slot in every]
        for every in (slots_of_kubernetes(library, fields, time_zone), slots(fields, time_zone))
    )
    assert [slot.isoformat("T", "minutes")[11:] for slot in theirs if str(slot.date()) == day] == kubernetes
    assert [slot.isoformat("T", "minutes")[11:] for slot in ours if str(slot.date()) == day] == eagle


@pytest.mark.parametrize("time_zone", ZONES)
def test_kubernetes_starts_no_interval_that_is_no_slot(library: CronLibrary, time_zone: str) -> None:
    for fields in INTERVALS:
        theirs, ours = slots_of_kubernetes(library, fields, time_zone), slots(fields, time_zone)
        assert set(theirs) <= set(ours), fields
        if time_zone not in ("Australia/Lord_Howe", "Africa/Cairo"):
            assert theirs == ours, fields


def test_kubernetes_looks_for_a_slot_no_further_than_five_years(library: CronLibrary) -> None:
    after = datetime(2096, 3, 1, tzinfo=UTC)
    assert library.slots_between("0 0 29 2 *", "Etc/UTC", after, after + 3000 * DAY) == []
    assert next_slot("0 0 29 2 *", "Etc/UTC", after) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [(", * * * *", "no minute"), ("0 0 * *-x *", "every month"), ("0 +5 * * *", "5"), ("0 *-5/6 * * *", "*/6")],
)
def test_what_the_library_only_lets_pass_by_mistake_is_refused(library: CronLibrary, fields: str, meant: str) -> None:
    library.slots_between(fields, "Etc/UTC", BEGIN, END)
    with pytest.raises(InvalidTimetableError):
        next_slot(fields, "Etc/UTC", BEGIN)


FIELDS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, "jan Feb MAR dec"), (0, 6, "sun Mon SAT"))
"""Bounds and names."""


def parts(first: int, last: int, names: str, *, stars: bool = True) -> st.SearchStrategy[str]:
    """One field as Kubernetes takes it."""
    number = st.integers(first, last).map(str)
    span = st.tuples(st.integers(first, last), st.integers(first, last)).map(lambda ends: f"{min(ends)}-{max(ends)}")
    base = number | span | st.sampled_from(names.split()) if names else number | span
    base = base | st.sampled_from("*?") if stars else base
    step = st.just("") | st.integers(1, last + 2).map(lambda every: f"/{every}")
    return st.lists(st.builds(str.__add__, base, step), min_size=1, max_size=3).map(",".join)


TIMETABLES = st.tuples(*(st.sampled_from("*?") | parts(*field) for field in FIELDS)).map(" ".join)
TOKENS = st.sampled_from(
    ["*", "?", "-", "/", ",", "+", "0", "1", "5", "6", "7", "31", "60", "jan", "Mon", "x", "_", "L"]
)
NONSENSE = st.lists(st.lists(TOKENS, min_size=1, max_size=4).map("".join), min_size=4, max_size=6).map("  ".join)
ODDITIES = re.compile(r"(^|\s),+(\s|$)|[*?]-|\+")


@settings(max_examples=400, deadline=None)
@given(
    fields=TIMETABLES | st.sampled_from(["@yearly", "@monthly", "@weekly", "@daily", "@hourly"]),
    after=st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
)
def test_any_fields_are_read_as_kubernetes_reads_them(library: CronLibrary, fields: str, after: datetime) -> None:
    until = after + 5 * 365 * DAY
    theirs = library.slots_between(fields, "Etc/UTC", after, until, limit=20)
    if theirs:
        assert slots_between(fields, "Etc/UTC", after, until, limit=20) == theirs
    else:
        with pytest.raises(InvalidTimetableError):
            next_slot(fields, "Etc/UTC", after)


@settings(max_examples=400, deadline=None)
@given(fields=NONSENSE)
def test_what_kubernetes_refuses_is_refused(library: CronLibrary, fields: str) -> None:
    assume(not ODDITIES.search(fields))
    try:
        theirs = library.slots_between(fields, "Etc/UTC", BEGIN, BEGIN + 5 * 365 * DAY, limit=5)
    except FieldsRefusedError:
        theirs = []
    if theirs:
        assert slots_between(fields, "Etc/UTC", BEGIN, END, limit=5) == theirs
    else:
        with pytest.raises(InvalidTimetableError, match="is not a timetable"):
            next_slot(fields, "Etc/UTC", BEGIN)


@settings(max_examples=80, deadline=None)
@given(
    time_zone=st.sampled_from(ZONES[2:]),
    number=st.integers(0, 3),
    minute=st.sampled_from("*?") | parts(*FIELDS[0]),
    hour=parts(*FIELDS[1], stars=False),
    interval=st.none() | st.sampled_from(["*", "?", "*/2", "?/3", "*/5", "*/7", "3,*"]),
    weekday=st.just("*") | parts(*FIELDS[4]),
)
def test_any_fields_go_by_the_clocks_when_they_change(
    library: CronLibrary, time_zone: str, number: int, minute: str, hour: str, interval: str | None, weekday: str
) -> None:
    change = clock_changes(time_zone)[number]
    begin, end = change - DAY / 4, change + DAY
    clock = simulated_clock(time_zone, begin, end, timedelta(minutes=1))
    fields = f"{minute} {interval or hour} * * {weekday}"
    runs = clock.runs_at_intervals if interval else clock.runs_at_times_of_day
    expected = runs(local_times(library, fields, begin, end))
    assert slots_between(fields, time_zone, begin, end, limit=10**6) == expected
