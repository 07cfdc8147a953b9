"""Names that programs, charts and users rely on."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagle_contract.api import names
from eagle_contract.api.exits import TrainerExit, reason_of_exit

SHA = "a1b2c3d4" + "0" * 56
SLOT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def test_a_slots_job_is_named_as_kubernetes_names_it() -> None:
    # seen on a real CronJob: 2026-11-22T01:00:00Z is minute 29921820 since the epoch
    assert names.slot_name("press-line", SLOT) == "press-line-29921820"
    assert names.slot_name("press-line", SLOT + timedelta(seconds=59)) == "press-line-29921820"


def test_a_first_attempt_bears_the_versions_name_and_later_ones_say_which_they_are() -> None:
    assert names.attempt_job_name("press-line-29921820", 1) == "press-line-29921820"
    assert names.attempt_job_name("press-line-29921820", 3) == "press-line-29921820-retry-2"


def test_children_are_named_after_their_schedule() -> None:
    assert (names.serving_name("press-line"), names.manual_prefix("press-line")) == (
        "press-line-serving",
        "press-line-m-",
    )


def test_a_version_label_is_the_runs_time_and_the_models_digest() -> None:
    assert names.version_label(SLOT, SHA) == "v2026-11-22T01-00-00-000Z_a1b2c3d4"


def test_a_version_label_is_in_utc_with_milliseconds() -> None:
    there = datetime(2026, 11, 22, 2, 0, 0, 7999, tzinfo=timezone(timedelta(hours=1)))
    assert names.version_label(there, SHA) == "v2026-11-22T01-00-00-007Z_a1b2c3d4"


@pytest.mark.parametrize("digest", ["", "a1b2c3d4", SHA.upper(), f"sha256:{SHA}", SHA + "0", "g" * 64])
def test_a_label_wants_a_whole_digest(digest: str) -> None:
    with pytest.raises(ValueError, match="must be 64 hexadecimal digits"):
        names.version_label(SLOT, digest)


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),
    sha=st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_a_version_label_can_be_a_folder_a_label_value_and_part_of_a_url(moment: datetime, sha: str) -> None:
    label = names.version_label(moment.replace(tzinfo=UTC), sha)
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", label)
    assert len(label) <= 63


@given(
    first=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),
    second=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),
)
def test_labels_sort_as_their_times_do(first: datetime, second: datetime) -> None:
    labels = [names.version_label(moment.replace(tzinfo=UTC), SHA) for moment in sorted([first, second])]
    assert labels == sorted(labels)


def test_the_longest_names_still_fit_into_kubernetes() -> None:
    schedule = "s" * names.SCHEDULE_NAME_MAX
    assert len(names.slot_name(schedule, datetime(2150, 1, 1, tzinfo=UTC))) <= names.VERSION_NAME_MAX
    version = "v" * names.VERSION_NAME_MAX
    assert len(names.attempt_job_name(version, 1001)) <= 63
    assert len(names.serving_name(schedule)) <= 63


@pytest.mark.parametrize("schedule", ["press", "a", "press-line-2", "p-1234567", "retry-1"])
def test_a_schedules_name_may_be(schedule: str) -> None:
    assert re.fullmatch(names.SCHEDULE_NAME_PATTERN, schedule)
    assert not any(re.search(ending, schedule) for ending in names.RESERVED_ENDINGS if schedule != "retry-1")


@pytest.mark.parametrize("name", ["press-29921820", "press-12345678901", "press-retry-1"])
def test_names_that_runs_have_are_reserved(name: str) -> None:
    assert any(re.search(ending, name) for ending in names.RESERVED_ENDINGS)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "Completed"),
        (1, "Error"),
        (10, "InvalidConfiguration"),
        (11, "SourceUnavailable"),
        (12, "InsufficientData"),
        (13, "ConversionFailed"),
        (14, "StoreUnavailable"),
        (143, "Error"),
        (99, "Error"),
        (-1, "Error"),
    ],
)
def test_an_exit_code_has_a_reason_even_if_nobody_knows_it(code: int, reason: str) -> None:
    assert reason_of_exit(code) == reason


def test_every_exit_has_a_reason() -> None:
    assert all(code.reason for code in TrainerExit)
