"""When slots are: cron fields in a time zone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from eagle_operator.domain.timetable import (
    InvalidTimetableError,
    InvalidTimeZoneError,
    is_slot,
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


def test_seconds_of_the_moment_asked_for_do_not_matter() -> None:
    slot = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    for before in (timedelta(microseconds=1), timedelta(milliseconds=999), timedelta(seconds=1), timedelta(seconds=59)):
        assert next_slot("0 2 * * 0", "Etc/UTC", slot - before) == slot
        assert next_slot("0 2 * * 0", "Etc/UTC", slot + before) == slot + timedelta(days=7)


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    slot = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    tokyo = (slot - timedelta(minutes=1)).astimezone(ZoneInfo("Asia/Tokyo"))
    assert next_slot("0 2 * * 0", "Europe/Berlin", tokyo) == slot
    assert is_slot("0 2 * * 0", "Europe/Berlin", slot.astimezone(ZoneInfo("Asia/Tokyo")))


def test_a_slot_is_one_to_the_second() -> None:
    slot = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    assert is_slot("0 2 * * 0", "Europe/Berlin", slot)
    for off in (timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)):
        assert not is_slot("0 2 * * 0", "Europe/Berlin", slot - off)
        assert not is_slot("0 2 * * 0", "Europe/Berlin", slot + off)


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


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("61 0 1 1 *", "'61 0 1 1 *' is not a timetable: Bad minute '61', must be 0 to 59"),
        ("0 24 * * *", "Bad hour '24', must be 0 to 23"),
        ("0 0 0 * *", "Bad day-of-month '0', must be 1 to 31"),
        ("0 0 * janu *", "Bad month 'janu', must be 1 to 12 or jan to dec"),
        ("0 0 * * 5-7", "Bad day-of-week '7', must be 0 to 6 or sun to sat"),
        ("0 0 * * fri-mon", "Bad day-of-week 'fri-mon', its end comes before its beginning"),
        ("*/0 * * * *", "Bad minute '*/0', its step must be at least 1"),
        ("0 */-1 * * *", "Bad hour '*/-1'"),
        ("0 0 , * *", "Bad day-of-month ','"),
        ("0 2 * *", "must be five fields"),
        ("0 0 30 2 *", "Bad day-of-month, none of its months has that day"),
    ],
)
def test_what_is_wrong_with_fields_is_said(fields: str, why: str) -> None:
    with pytest.raises(InvalidTimetableError, match=f"{re.escape(why)}$"):
        next_slot(fields, "Etc/UTC", SATURDAY)


@pytest.mark.parametrize("ask", [slots_between, is_slot], ids=lambda ask: ask.__name__)
def test_wrong_fields_and_zones_are_named_whatever_is_asked(ask: Callable[..., object]) -> None:
    more: tuple[datetime, ...] = (SATURDAY, SATURDAY) if ask is slots_between else (SATURDAY,)
    limit = {"limit": 1} if ask is slots_between else {}
    with pytest.raises(InvalidTimetableError):
        ask("0 0 31 6 *", "Etc/UTC", *more, **limit)
    with pytest.raises(InvalidTimeZoneError):
        ask("0 0 1 6 *", "Nowhere/Town", *more, **limit)


@pytest.mark.parametrize("fields", ["0 0 30 2 *", "0 0 30,31 feb *", "0 0 31 4,6,9,11 *", "0 0 31 2-6/2 */1"])
def test_days_that_no_month_has_are_refused(fields: str) -> None:
    with pytest.raises(InvalidTimetableError):
        next_slot(fields, "Etc/UTC", SATURDAY)


def test_a_day_that_no_month_has_does_no_harm_beside_a_weekday() -> None:
    assert next_slot("0 0 31 2 1", "Etc/UTC", SATURDAY) == datetime(2027, 2, 1, tzinfo=UTC)


def test_the_day_that_a_century_leaves_out_is_waited_for() -> None:
    after = datetime(2096, 3, 1, tzinfo=UTC)
    assert next_slot("0 0 29 2 *", "Etc/UTC", after) == datetime(2104, 2, 29, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ("0 2 ? * ?", "0 2 * * *"),
        ("?/20 2 * * *", "0,20,40 2 * * *"),
        ("5/15 2 * * *", "5,20,35,50 2 * * *"),
        ("5-5/15 2 * * *", "5 2 * * *"),
        ("10-40/15,50 2 * * *", "10,25,40,50 2 * * *"),
        ("*/99 2 * * *", "0 2 * * *"),
        ("007 2 * * *", "7 2 * * *"),
        ("0 2 * jan-MAR/2,Dec *", "0 2 * 1,3,12 *"),
        ("0 2 * * 5/1", "0 2 * * 5,6"),
        ("0 2 * * Mon-Fri/2", "0 2 * * 1,3,5"),
        ("0 2 1,* * 1", "0 2 * * 1"),
        ("0 2 */1 * 1", "0 2 * * 1"),
        ("  0\t2 *  * * ", "0 2 * * *"),
        (",0,,30, 2 * * *", "0,30 2 * * *"),
    ],
)
def test_what_is_written_in_another_way_is_read_the_same(fields: str, same: str) -> None:
    until = SATURDAY + timedelta(days=400)
    expected = slots_between(same, "Etc/UTC", SATURDAY, until, limit=60)
    assert len(expected) == 60 or same == "0 2 * * 1"
    assert slots_between(fields, "Etc/UTC", SATURDAY, until, limit=60) == expected
