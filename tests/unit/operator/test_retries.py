"""What follows an attempt that failed: another one and when, or the end of the run and the way out."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator import builders as b

from eagle_contract.api import ModelVersionStatus, resolve
from eagle_contract.api.version import Attempt
from eagle_operator.domain.conditions import MESSAGE_LIMIT
from eagle_operator.domain.following import ATTEMPTS_KEPT
from eagle_operator.domain.manifests import amount
from eagle_operator.domain.retries import FINAL, NOT_COUNTED, Again, Failure, GiveUp, follow_up

COUNTED = (
    "DeadlineExceeded",
    "PendingTimeout",
    "OutOfMemory",
    "SourceUnavailable",
    "StoreUnavailable",
    "InsufficientData",
    "ConversionFailed",
    "NoResult",
    "Error",
    "ValidationFailed",
)
WAYS_OUT = "a changed spec, a manual run or the next slot trains again"


def status(*reasons: str, used: int | None = None, digests: str = "", memory: str | None = None) -> ModelVersionStatus:
    """A run whose attempts ended so; the letters of `digests` stand for the models that they came to, '-' for none."""
    letters = digests or "-" * len(reasons)
    attempts = [
        Attempt(
            number=number,
            job_name=f"job-{number}",
            reason=reason,
            model_digest=None if letter == "-" else b.digest(letter),
        )
        for number, (reason, letter) in enumerate(zip(reasons, letters, strict=True), start=1)
    ]
    return ModelVersionStatus(state="Running", attempts=attempts, retries_used=used, memory_limit=memory)


def follows(
    known: ModelVersionStatus,
    *,
    message: str = "it is so.",
    memory: str | int | None = None,
    now: datetime = b.NOW,
    **retry: Any,
) -> Again | GiveUp:
    reason = known.attempts[-1].reason or ""
    resolved = resolve(b.spec(**({"retry": retry} if retry else {})), b.DEFAULTS)
    return follow_up(Failure(reason, message), known, resolved, memory, now)


def again(*args: Any, **facts: Any) -> Again:
    found = follows(*args, **facts)
    assert isinstance(found, Again), found
    return found


def gave_up(*args: Any, **facts: Any) -> GiveUp:
    found = follows(*args, **facts)
    assert isinstance(found, GiveUp), found
    return found


# --- delays


@pytest.mark.parametrize("reason", COUNTED)
def test_an_attempt_that_failed_is_repeated_after_the_first_delay(reason: str) -> None:
    found = again(status(reason))
    assert (found.at, found.retries_used) == (b.later(minutes=5), 1)


@pytest.mark.parametrize(("used", "minutes"), [(None, 5), (0, 5), (1, 15), (2, 45)])
def test_each_retry_has_a_delay_of_its_own(used: int | None, minutes: int) -> None:
    found = again(status("Error", used=used))
    assert (found.at, found.retries_used) == (b.later(minutes=minutes), (used or 0) + 1)


def test_when_all_delays_are_used_up_the_run_is_exhausted_and_the_ways_out_are_named() -> None:
    found = gave_up(status("Error", used=3))
    assert found.reason == "Exhausted"
    assert found.message == f"all 3 retries of spec.retry.delaysSeconds are used up; {WAYS_OUT}"


def test_a_run_that_has_used_more_than_there_are_now_is_exhausted() -> None:
    assert gave_up(status("Error", used=3), delaysSeconds=[60]).reason == "Exhausted"


def test_the_delays_are_the_schedules_own() -> None:
    assert again(status("Error", used=1), delaysSeconds=[60, 7]).at == b.later(seconds=7)


def test_the_time_of_the_next_attempt_has_whole_seconds_as_it_comes_back() -> None:
    assert again(status("Error"), now=b.NOW + timedelta(microseconds=7)).at == b.later(minutes=5)


@pytest.mark.parametrize(
    ("used", "left"), [(None, "2 more after it"), (1, "1 more after it"), (2, "the last one")], ids=str
)
def test_what_follows_is_told_with_its_number_its_time_and_how_many_are_left(used: int | None, left: str) -> None:
    earlier = ["Error"] * (used or 0)
    found = again(status(*earlier, "SourceUnavailable", used=used), message="the database is away.")
    when = found.at.strftime("%H:%M:%S")
    number = len(earlier) + 2
    assert found.message == f"attempt {number} follows at {when} UTC, {left}"


def test_a_long_story_of_what_failed_leaves_room_for_what_follows() -> None:
    told = str(Failure("Error", "word " * 500))
    assert told.startswith("Error: word word")
    assert told.endswith("…")
    longest = "; attempt 12 follows at 02:05:05 UTC with 12345Mi of memory, 10 more after it"
    assert len(told + longest) <= MESSAGE_LIMIT


# --- retryOn


@pytest.mark.parametrize(
    ("retry", "repeated"), [(["TrainingFailed"], False), (["ValidationFailed"], True), ([], False)]
)
def test_a_model_that_did_not_pass_is_repeated_if_the_schedule_says_so(retry: list[str], repeated: bool) -> None:
    assert isinstance(follows(status("ValidationFailed"), retryOn=retry), Again) == repeated


@pytest.mark.parametrize(
    ("retry", "repeated"), [(["TrainingFailed"], True), (["ValidationFailed"], False), ([], False)]
)
def test_an_attempt_without_a_model_is_repeated_if_the_schedule_says_so(retry: list[str], repeated: bool) -> None:
    assert isinstance(follows(status("Error"), retryOn=retry), Again) == repeated


@pytest.mark.parametrize("retry", [{"delaysSeconds": []}, {"retryOn": ["ValidationFailed"]}])
def test_what_is_not_retried_names_the_field_and_the_ways_out(retry: dict[str, Any]) -> None:
    found = gave_up(status("Error"), **retry)
    assert found.reason == "NotRetried"
    assert found.message == f"spec.retry asks for no retry of TrainingFailed; {WAYS_OUT}"


# --- reasons that are not like the others


@pytest.mark.parametrize(
    "retry", [{}, {"delaysSeconds": []}, {"retryOn": []}], ids=["as built in", "never", "on nothing"]
)
def test_a_lost_node_is_not_the_attempts_fault_and_uses_up_nothing(retry: dict[str, Any]) -> None:
    found = again(status("Error", "NodeLost", used=1, memory="3Gi"), **retry)
    assert (found.at, found.retries_used, found.memory_limit) == (b.NOW, 1, "3Gi")
    assert found.message == "attempt 3 follows at once"


def test_four_lost_nodes_in_a_row_are_no_chance_any_more_and_count() -> None:
    assert again(status(*["NodeLost"] * 3)).at == b.NOW
    found = again(status(*["NodeLost"] * 4))
    assert (found.at, found.retries_used) == (b.later(minutes=5), 1)
    assert gave_up(status(*["NodeLost"] * 4, used=3)).reason == "Exhausted"


def test_lost_nodes_that_another_end_lies_between_are_not_in_a_row() -> None:
    assert again(status(*["NodeLost"] * 3, "Error", "NodeLost", used=1)).at == b.NOW


@pytest.mark.parametrize("retry", [{}, {"delaysSeconds": []}])
def test_an_invalid_configuration_waits_for_a_change_of_the_spec(retry: dict[str, Any]) -> None:
    found = gave_up(status("InvalidConfiguration"), **retry)
    assert found == GiveUp("WaitingForChange", "it starts again when the spec changes")


def test_reasons_that_end_a_run_whatever_its_retries_are_apart_from_those_that_count() -> None:
    assert not FINAL & {*COUNTED, *NOT_COUNTED, "InvalidConfiguration"}


# --- the same model again


def test_the_same_model_twice_ends_the_run_for_its_data_are_the_same() -> None:
    found = gave_up(status("ValidationFailed", "ValidationFailed", used=1, digests="aa"))
    assert found.reason == "Exhausted"
    assert found.message == f"another attempt came to the very same model; {WAYS_OUT}"


def test_the_same_model_after_another_end_in_between_is_the_same_model() -> None:
    known = status("ValidationFailed", "SourceUnavailable", "ValidationFailed", used=2, digests="a-a")
    assert gave_up(known).reason == "Exhausted"


@pytest.mark.parametrize("digests", ["ab", "a-", "--"])
def test_another_model_or_none_is_worth_another_attempt(digests: str) -> None:
    assert again(status("ValidationFailed", "ValidationFailed", used=1, digests=digests)).retries_used == 2


def test_a_failure_without_a_model_says_nothing_about_the_models_before() -> None:
    known = status("ValidationFailed", "ValidationFailed", "Error", used=2, digests="aa-")
    assert again(known).retries_used == 3


# --- memory


@pytest.mark.parametrize(
    ("memory", "bound", "next_limit"),
    [
        ("2Gi", "4Gi", "3072Mi"),
        ("1G", "4Gi", "1431Mi"),
        (1_000_000_000, "4Gi", "1431Mi"),
        ("3Gi", "4Gi", "4Gi"),
        ("2Gi", "3Gi", "3Gi"),
        ("4Gi", "4Gi", "4Gi"),
        ("8Gi", "4Gi", "8Gi"),
        (None, "4Gi", None),
        ("2Gi", None, None),
    ],
)
def test_after_want_of_memory_there_is_half_as_much_again_up_to_the_bound(
    memory: str | int | None, bound: str | None, next_limit: str | None
) -> None:
    retry = {"maxMemory": bound} if bound else {}
    assert again(status("OutOfMemory"), memory=memory, **retry).memory_limit == next_limit


def test_more_memory_is_told() -> None:
    found = again(status("OutOfMemory"), memory="2Gi", maxMemory="4Gi")
    assert "attempt 2 follows at 02:05:05 UTC with 3072Mi of memory, 2 more after it" in found.message


@pytest.mark.parametrize(("memory", "bound"), [("4Gi", "4Gi"), ("8Gi", "4Gi"), ("2Gi", None)])
def test_no_more_memory_than_before_is_not_told_as_more(memory: str, bound: str | None) -> None:
    retry = {"maxMemory": bound} if bound else {}
    assert "of memory" not in again(status("OutOfMemory"), memory=memory, **retry).message


def test_what_was_raised_once_stays_raised_whatever_else_fails() -> None:
    assert again(status("OutOfMemory", "Error", used=1, memory="3Gi"), memory="3Gi").memory_limit == "3Gi"


@given(
    mebibytes=st.integers(1, 1 << 20),
    bound=st.one_of(st.none(), st.integers(1, 1 << 20)),
    reason=st.sampled_from(COUNTED),
)
def test_memory_never_shrinks_and_never_passes_the_bound_that_it_was_raised_to(
    mebibytes: int, bound: int | None, reason: str
) -> None:
    retry = {"maxMemory": f"{bound}Mi"} if bound else {}
    found = again(status(reason), memory=f"{mebibytes}Mi", **retry)
    if found.memory_limit is None:
        assert reason != "OutOfMemory" or bound is None
    else:
        limit = amount(found.memory_limit) // 2**20
        assert limit >= mebibytes
        assert limit <= max(mebibytes, bound or 0)


# --- whatever happens


@given(
    reasons=st.lists(st.sampled_from([*COUNTED, "NodeLost", "InvalidConfiguration"]), min_size=1, max_size=40),
    delays=st.lists(st.integers(1, 86_400), max_size=10),
)
def test_a_run_has_no_more_counted_retries_than_delays_and_always_comes_to_an_end(
    reasons: list[str], delays: list[int]
) -> None:
    used: int | None = None
    past: list[str] = []
    for reason in reasons:
        past.append(reason)
        found = follows(status(*past[-ATTEMPTS_KEPT:], used=used), delaysSeconds=delays)
        if isinstance(found, GiveUp):
            assert found.reason != "Exhausted" or used == len(delays)
            return
        assert found.retries_used in ((used or 0), (used or 0) + 1)
        assert found.at >= b.NOW
        used = found.retries_used
        assert used <= len(delays)
    assert len(past) <= 5 * (len(delays) + 1)
