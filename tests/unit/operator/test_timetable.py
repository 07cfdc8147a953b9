"""When slots are: cron fields in a time zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagle_operator.domain.timetable import (
    InvalidTimetableError,
    InvalidTimeZoneError,
    next_slot,
    slots_between,
)

SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "zone", "expected"),
    [
        ("0 2 * * 0", "Etc/UTC", "2026-11-22T02:00"),
        ("0 2 * * 0", "Europe/Berlin", "2026-11-22T01:00"),
        ("0 2 * * 0", "America/New_York", "2026-11-22T07:00"),
        ("0 2 * * 0", "Asia/Kathmandu", "2026-11-21T20:15"),
        ("@hourly", "Etc/UTC", "2026-11-21T13:00"),
        ("@daily", "Etc/UTC", "2026-11-22T00:00"),
        ("@midnight", "Etc/UTC", "2026-11-22T00:00"),
        ("@weekly", "Etc/UTC", "2026-11-22T00:00"),
        ("@monthly", "Etc/UTC", "2026-12-01T00:00"),
        ("@yearly", "Etc/UTC", "2027-01-01T00:00"),
        ("@annually", "Etc/UTC", "2027-01-01T00:00"),
        ("*/15 * * * *", "Etc/UTC", "2026-11-21T12:15"),
        ("0 3 29 2 *", "Etc/UTC", "2028-02-29T03:00"),
        ("0 0 13 * 5", "Etc/UTC", "2026-11-27T00:00"),
    ],
)
def test_the_next_slot_is_in_utc(fields: str, zone: str, expected: str) -> None:
    slot = next_slot(fields, zone, SATURDAY)
    assert slot == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert slot.tzinfo is UTC


def test_a_slot_is_later_than_the_moment_asked_for() -> None:
    slot = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert next_slot("0 2 * * 0", "Etc/UTC", slot) == slot + timedelta(days=7)


def test_local_time_stays_when_the_clocks_change() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert slots_between("30 5 * * *", "Europe/Berlin", before, before + timedelta(days=2), limit=5) == [
        datetime(2026, 3, 29, 3, 30, tzinfo=UTC),
        datetime(2026, 3, 30, 3, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize("zone", ["Nowhere/Town", "Europe", "Europe/Berlin/", "UTC+25"])
def test_an_unknown_time_zone_is_named(zone: str) -> None:
    with pytest.raises(InvalidTimeZoneError, match="is not known; use an IANA name"):
        next_slot("0 2 * * 0", zone, SATURDAY)


@pytest.mark.parametrize(
    "fields", ["0 2 * *", "61 * * * *", "0 2 * * nosuchday", "* * * * * *", "", "@never", "a b c d e"]
)
def test_wrong_fields_are_named(fields: str) -> None:
    with pytest.raises(InvalidTimetableError, match="is not a timetable"):
        next_slot(fields, "Etc/UTC", SATURDAY)


@pytest.mark.parametrize("fields", ["0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_days_that_no_month_has_are_refused(fields: str) -> None:
    with pytest.raises(InvalidTimetableError):
        next_slot(fields, "Etc/UTC", SATURDAY)


@pytest.mark.parametrize("fields", ["0 0 L * *", "0 0 * * 5L", "0 0 * * 1#2", "0 0 * * 7", "0 0 LW * *"])
def test_fields_that_only_some_crons_know_are_refused_as_kubernetes_refuses_them(fields: str) -> None:
    with pytest.raises(InvalidTimetableError):
        next_slot(fields, "Etc/UTC", SATURDAY)


def test_slots_between_leaves_out_its_beginning_and_has_its_end() -> None:
    end = SATURDAY + timedelta(hours=2)
    assert slots_between("@hourly", "Etc/UTC", SATURDAY, end, limit=9) == [SATURDAY + timedelta(hours=1), end]


def test_slots_between_gives_the_oldest_up_to_its_limit() -> None:
    assert len(slots_between("* * * * *", "Etc/UTC", SATURDAY, SATURDAY + timedelta(days=1), limit=3)) == 3


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ("0 0 */2 * 1", [23, 25, 27, 29, 30]),  # every odd day, and every Monday
        ("0 0 1 * */3", [22, 25, 28, 29]),
        ("0 0 * * 1", [23, 30]),
        ("0 0 1,25 * 1", [23, 25, 30]),
    ],
)
def test_days_and_weekdays_add_up_as_they_do_in_kubernetes(fields: str, days: list[int]) -> None:
    november = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert [slot.day for slot in slots_between(fields, "Etc/UTC", SATURDAY, november, limit=9)] == days


@given(
    after=st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    fields=st.sampled_from(["0 2 * * 0", "*/7 * * * *", "30 1 1 * *", "15 3 * * 1-5"]),
    zone=st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_slots_only_ever_go_forward(after: datetime, fields: str, zone: str) -> None:
    first = next_slot(fields, zone, after)
    assert first > after
    assert next_slot(fields, zone, first) > first
