"""A change of the clocks neither adds nor loses a run."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eagle_operator.domain.timetable import is_slot, next_slot, slots_between

CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),
    "Africa/Cairo": ("2026-04-23T22:00", "2026-10-29T21:00"),
    "America/Santiago": ("2026-09-06T04:00", "2026-04-05T03:00"),
    "Asia/Beirut": ("2026-03-28T22:00", "2026-10-24T21:00"),
    "America/Nuuk": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "Antarctica/Troll": ("2026-03-29T01:00", "2026-10-25T01:00"),
}
"""When the clocks go forward and back in 2026, in UTC."""


def slots_of_day(fields: str, time_zone: str, day: str) -> list[str]:
    """Those of a local day, as the clocks there read them."""
    zone, begin = ZoneInfo(time_zone), datetime.fromisoformat(day).replace(tzinfo=UTC)
    around = slots_between(fields, time_zone, begin - timedelta(days=1), begin + timedelta(days=2), limit=10**4)
    local = [slot.astimezone(zone) for slot in around]
    return [slot.isoformat("T", "minutes")[11:] for slot in local if str(slot.date()) == day]


@pytest.mark.parametrize(
    ("fields", "time_zone", "day", "slots"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["03:00+02:00"]),
        ("30 2 * * *", "America/New_York", "2026-03-08", ["03:00-04:00"]),
        ("30 2 * * 0", "Europe/Berlin", "2026-03-29", ["03:00+02:00"]),
        ("30 2 29 3 *", "Europe/Berlin", "2026-03-29", ["03:00+02:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["02:30+11:00"]),
        ("0 0 * * *", "America/Santiago", "2026-09-06", ["01:00-03:00"]),
        ("30 1 * * *", "Antarctica/Troll", "2026-03-29", ["03:00+02:00"]),
    ],
)
def test_a_time_that_the_clocks_skip_is_made_up_after_the_gap(
    fields: str, time_zone: str, day: str, slots: list[str]
) -> None:
    assert slots_of_day(fields, time_zone, day) == slots


@pytest.mark.parametrize(
    ("fields", "slots"),
    [
        ("0,15,30 2 * * *", ["03:00+02:00"]),
        ("*/10 2 * * *", ["03:00+02:00"]),
        ("0 2,3 * * *", ["03:00+02:00"]),
        ("30 2,3 * * *", ["03:00+02:00", "03:30+02:00"]),
        ("30 1-3 * * *", ["01:30+01:00", "03:00+02:00", "03:30+02:00"]),
        ("0 1,4 * * *", ["01:00+01:00", "04:00+02:00"]),
    ],
)
def test_what_one_gap_leaves_out_is_one_slot_also_with_the_one_after_it(fields: str, slots: list[str]) -> None:
    assert slots_of_day(fields, "Europe/Berlin", "2026-03-29") == slots


@pytest.mark.parametrize(
    ("fields", "time_zone", "day", "slots"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["02:30+02:00"]),
        ("*/30 2,3 * * *", "Europe/Berlin", "2026-10-25", ["02:00+02:00", "02:30+02:00", "03:00+01:00", "03:30+01:00"]),
        ("0 1 * * *", "America/New_York", "2026-11-01", ["01:00-04:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["01:45+11:00"]),
        ("30 23 * * *", "America/Santiago", "2026-04-04", ["23:30-03:00"]),
        ("30 23 * * thu", "Africa/Cairo", "2026-10-29", ["23:30+03:00"]),
        ("30 1,2 * * *", "Antarctica/Troll", "2026-10-25", ["01:30+02:00", "02:30+02:00"]),
    ],
)
def test_a_time_that_comes_twice_is_a_slot_the_first_time(
    fields: str, time_zone: str, day: str, slots: list[str]
) -> None:
    assert slots_of_day(fields, time_zone, day) == slots


def test_the_second_time_is_no_slot() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert is_slot("30 2 * * *", "Europe/Berlin", first)
    assert not is_slot("30 2 * * *", "Europe/Berlin", first + timedelta(hours=1))


def test_days_are_those_of_the_time_that_was_meant() -> None:
    # Friday begins at one; Thursday has no run then, and Friday only one.
    assert slots_of_day("30 0 * * fri", "Africa/Cairo", "2026-04-24") == ["01:00+03:00"]
    assert slots_of_day("30 0 24 4 *", "Africa/Cairo", "2026-04-24") == ["01:00+03:00"]
    assert slots_of_day("30 0 * * thu", "Africa/Cairo", "2026-04-24") == []
    # Saturday ends at eleven; its run falls on Sunday.
    assert slots_of_day("30 23 * * sat", "America/Nuuk", "2026-03-28") == []
    assert slots_of_day("30 23 * * sat", "America/Nuuk", "2026-03-29") == ["00:00-01:00"]
    assert slots_of_day("30 23 * * sun", "America/Nuuk", "2026-03-29") == ["23:30-01:00"]


@pytest.mark.parametrize("fields", ["*/20 * * * *", "*/20 ? * * *", "*/20 */1 * * *", "*/20 3,* * * *"])
def test_an_hour_of_any_value_is_an_interval_that_goes_on(fields: str) -> None:
    for change in CHANGES["Europe/Berlin"]:
        begin = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(hours=2)
        expected = [begin + number * timedelta(minutes=20) for number in range(1, 13)]
        assert slots_between(fields, "Europe/Berlin", begin, expected[-1], limit=99) == expected


@pytest.mark.parametrize("hours", ["*/2", "?/2"])
def test_an_interval_of_hours_is_what_the_clocks_read(hours: str) -> None:
    spring, autumn = (
        slots_of_day(f"30 {hours} * * *", "Europe/Berlin", day)[:4] for day in ("2026-03-29", "2026-10-25")
    )
    assert spring == ["00:30+01:00", "04:30+02:00", "06:30+02:00", "08:30+02:00"]
    assert autumn == ["00:30+02:00", "02:30+02:00", "02:30+01:00", "04:30+01:00"]


def test_an_interval_knows_of_a_change_long_before_its_next_slot() -> None:
    winter = datetime(2025, 12, 31, tzinfo=UTC)
    assert next_slot("0 * 1 4 *", "Europe/Berlin", winter) == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_a_list_of_an_interval_and_an_hour_is_of_times_of_day() -> None:
    slots = ["00:00+01:00", "03:00+02:00", "12:00+02:00"]
    assert slots_of_day("0 */12,2 * * *", "Europe/Berlin", "2026-03-29") == slots


def test_an_interval_goes_on_after_half_an_hour_and_at_midnight() -> None:
    twice = ["01:00+11:00", "01:30+11:00", "01:30+10:30", "02:00+10:30"]
    assert slots_of_day("*/30 * * * *", "Australia/Lord_Howe", "2026-04-05")[2:6] == twice
    assert slots_of_day("45 * * * *", "Australia/Lord_Howe", "2026-10-04")[1:3] == ["01:45+10:30", "02:45+11:00"]
    assert slots_of_day("0 */9 * * fri", "Africa/Cairo", "2026-04-24") == ["09:00+03:00", "18:00+03:00"]
    assert slots_of_day("0 * * * sat", "America/Santiago", "2026-04-04")[-2:] == ["23:00-03:00", "23:00-04:00"]


@pytest.mark.parametrize("hour", ["*/24", "?/99", "0"])
def test_a_step_beyond_the_day_is_a_time_of_day(hour: str) -> None:
    assert slots_of_day(f"0 {hour} * * *", "Africa/Cairo", "2026-04-24") == ["01:00+03:00"]


def test_hours_that_are_listed_are_times_of_day_also_when_they_are_all_hours() -> None:
    slots = slots_of_day("0 0-23 * * *", "Europe/Berlin", "2026-10-25")
    assert slots[1:5] == ["01:00+02:00", "02:00+02:00", "03:00+01:00", "04:00+01:00"]
    assert len(slots) == 24


@pytest.mark.parametrize("time_zone", CHANGES)
def test_every_local_day_has_exactly_one_run(time_zone: str) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for fields in ("30 2 * * *", "0 0 * * *", "30 1 * * *"):
        slots = slots_between(fields, time_zone, begin, begin + timedelta(days=365), limit=10**4)
        days = [slot.astimezone(ZoneInfo(time_zone)).date() for slot in slots]
        assert days == [days[0] + timedelta(days=number) for number in range(365)]


FIELDS = (
    *("30 2 * * *", "*/7 2 * * *", "0 0 * * *", "30 23 * * 6", "15,45 1-3 * * *", "30 0 24 4 *", "0 3 29 2 *"),
    *("*/7 * * * *", "45 */2 * * *", "10 */5 * * 5", "0 * 1 1 *"),
)


@settings(max_examples=200, deadline=None)
@given(
    fields=st.sampled_from(FIELDS),
    zone_and_change=st.sampled_from([(zone, change) for zone, both in CHANGES.items() for change in both]),
    away=st.timedeltas(timedelta(hours=-3), timedelta(hours=3)),
    further=st.floats(0, 0.99),
)
def test_slots_only_go_forward_from_wherever_they_are_asked_for(
    fields: str, zone_and_change: tuple[str, str], away: timedelta, further: float
) -> None:
    zone, change = zone_and_change
    after = datetime.fromisoformat(change).replace(tzinfo=UTC) + away
    slot = next_slot(fields, zone, after)
    assert slot > after
    assert (slot.second, slot.microsecond, slot.tzinfo) == (0, 0, UTC)
    assert is_slot(fields, zone, slot)
    assert next_slot(fields, zone, after + further * (slot - after)) == slot
    assert slots_between(fields, zone, after, slot, limit=9) == [slot]
    assert slots_between(fields, zone, after, slot + timedelta(days=3000), limit=2)[1] == next_slot(fields, zone, slot)
