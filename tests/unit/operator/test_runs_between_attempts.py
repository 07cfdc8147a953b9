"""What may come between the attempts of a run: the next slot, a cancellation, another spec."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.retried import (
    DAY,
    DUE,
    HASH,
    OTHER,
    RETRY_JOB,
    gave_up,
    kinds,
    low,
    queued_again,
    retry_job,
    running_retry,
    second,
    tried,
    validated,
    waits,
)
from tests.unit.operator.test_runs import MANUAL, NEXT, manual, step

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus, training_hash
from eagle_contract.api.schedule import ServedVersion
from eagle_operator.domain.world import Version
from eagle_operator.domain.writes import Create, DeleteJob

# --- the next slot


@pytest.mark.parametrize("status", [waits(), queued_again()], ids=["waits to retry", "queued"])
@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_the_next_slot_supersedes_a_run_between_its_attempts(status: ModelVersionStatus, policy: Any) -> None:
    following = b.version(slot=NEXT, status=b.queued())
    of = b.schedule(concurrencyPolicy=policy)
    done = step(b.version(status=status), retry_job(), others=(following,), of=of)
    assert (done.status.state, done.ended) == ("Cancelled", "end-1")
    assert b.conclusion(done.status, "Trained") == ("False", "Superseded")
    assert b.conclusion(done.status, "Retrying") is None
    assert done.status.next_attempt_time is None
    assert [write.job.meta.name for write in b.of_kind(done.after, DeleteJob)] == [RETRY_JOB]


def test_neither_a_persons_order_nor_an_older_slot_supersedes_it() -> None:
    ordered, older = manual(b.queued()), b.version(slot=b.SLOT - 7 * DAY, status=b.queued())
    assert step(b.version(status=waits()), others=(ordered, older)).status.state == "WaitingToRetry"


def test_a_manual_run_that_waits_to_retry_is_superseded_by_no_slot_of_before_it() -> None:
    order = manual(waits(), created=b.later(hours=1))
    assert step(order, others=(b.version(status=b.queued()),)).status.state == "WaitingToRetry"


def test_what_was_tried_is_not_superseded_by_not_before_alone() -> None:
    of = b.schedule(TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC", not_before=b.later(hours=1)))
    assert step(b.version(status=queued_again()), retry_job(), of=of).status.state == "Queued"


# --- cancel


@pytest.mark.parametrize("status", [waits(), queued_again()], ids=["waits to retry", "queued"])
def test_cancelling_between_attempts_ends_the_run_and_removes_the_waiting_job(status: ModelVersionStatus) -> None:
    done = step(b.version(status=status, cancelled=True), retry_job())
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Cancelled", ("False", "Cancelled"))
    assert (done.status.next_attempt_time, b.conclusion(done.status, "Retrying")) == (None, None)
    assert [write.job.meta.name for write in b.of_kind(done.after, DeleteJob)] == [RETRY_JOB]


def test_cancelling_between_attempts_before_there_is_a_job_leaves_none() -> None:
    done = step(b.version(status=waits(), cancelled=True), now=DUE + DAY)
    assert (done.status.state, done.after) == ("Cancelled", ())


def test_cancelling_a_later_attempt_ends_its_job_and_no_other_attempt_follows() -> None:
    version = b.version(status=second(), cancelled=True)
    assert kinds(*step(version, running_retry(), pods=(b.pod(of=running_retry()),)).after) == ["EndJob"]
    ended = running_retry(failed=True, pods=0, failure_reason="DeadlineExceeded")
    done = step(version, ended)
    assert (done.status.state, done.status.attempts[-1].reason) == ("Cancelled", "Cancelled")


def test_a_job_that_was_let_go_just_as_its_run_was_cancelled_is_removed() -> None:
    status = b.queued().model_copy(update={"state": "Cancelled"})
    done = step(b.version(status=status, cancelled=True), b.running_job(), pods=(b.pod(),))
    assert kinds(*done.after) == ["DeleteJob"]


def test_a_job_that_ends_by_itself_after_its_run_is_over_is_left_to_its_end() -> None:
    status = tried(("Cancelled", None), state="Cancelled")
    for pods in ((b.pod(),), ()):
        done = step(b.version(status=status, cancelled=True), b.running_job(failing=True), pods=pods)
        assert done.after == ()


def test_a_cancellation_that_comes_when_the_model_is_published_changes_nothing_but_that_nobody_serves_it() -> None:
    status = b.running().model_copy(update={"result": b.result()})
    done = validated(status, order={"cancelled": True})
    assert done.status.state == "Succeeded"
    assert "the cancellation came when it was done" in b.message(done.status, "Trained")
    assert b.conclusion(done.status, "Serving") == ("False", "NotPromoted")
    weak = validated(b.running().model_copy(update={"result": low()}), order={"cancelled": True})
    assert (weak.status.state, b.conclusion(weak.status, "Validated")) == ("Succeeded", ("False", "BelowMinimum"))


# --- the spec changes


def test_a_changed_spec_is_tried_at_once_with_all_retries_anew() -> None:
    done = step(b.version(status=waits(memory_limit="3Gi")), of=b.schedule(**OTHER))
    assert (done.status.state, done.status.next_attempt_time) == ("WaitingToRetry", b.NOW)
    assert (done.status.retries_used, done.status.memory_limit) == (None, None)
    assert b.message(done.status, "Retrying") == "the spec changed; another attempt follows at once"
    (create,) = b.of_kind(step(b.version(status=done.status), of=b.schedule(**OTHER)).after, Create)
    assert create.manifest["metadata"]["name"] == RETRY_JOB


def test_a_changed_spec_counts_although_the_next_attempt_is_due() -> None:
    done = step(b.version(status=waits()), of=b.schedule(**OTHER), now=DUE + timedelta(minutes=1))
    assert (done.status.retries_used, done.after) == (None, ())


def test_what_is_repeated_at_once_needs_no_hastening() -> None:
    status = waits(("NodeLost", None), due=b.NOW, retries_used=0)
    done = step(b.version(status=status), of=b.schedule(**OTHER))
    assert (done.status, kinds(*done.after)) == (status, ["Create"])


def test_another_change_of_the_spec_does_not_hasten_anything() -> None:
    done = step(b.version(status=waits()), of=b.schedule(promotion={"policy": "Manual"}, retry={"delaysSeconds": [1]}))
    assert (done.status, done.look_again) == (waits(), DUE)


@pytest.mark.parametrize("reason", ["Exhausted", "NotRetried", "WaitingForChange"])
def test_a_run_that_gave_up_starts_again_when_what_it_trains_changes(reason: str) -> None:
    assert step(b.version(status=gave_up(reason))).status == gave_up(reason)
    done = step(b.version(status=gave_up(reason)), of=b.schedule(**OTHER))
    assert (done.status.state, done.status.next_attempt_time, done.status.retries_used) == (
        "WaitingToRetry",
        b.NOW,
        None,
    )
    assert b.conclusion(done.status, "Retrying") == ("True", "WaitingToRetry")


def test_it_starts_again_once_for_each_change() -> None:
    of = b.schedule(**OTHER)
    again = gave_up(training_hash=training_hash(of.spec))
    assert step(b.version(status=again), of=of).status == again


@pytest.mark.parametrize(
    "other",
    [
        b.version(slot=NEXT, created=NEXT, status=b.trained("b")),
        b.version(MANUAL, b.queued(), trigger="Manual", slot=None, created=NEXT),
    ],
    ids=["a later slot", "a later order"],
)
def test_an_old_run_does_not_start_again(other: Version) -> None:
    assert step(b.version(status=gave_up()), of=b.schedule(**OTHER), others=(other,)).status == gave_up()


def passed_over(**changes: Any) -> ModelVersionStatus:
    """It gave up, and its last model is there, which did not pass."""
    status = b.trained("a", validated=("False", "BelowMinimum")).model_copy(
        update={"state": "Failed", "training_hash": HASH, "retries_used": 3, **changes}
    )
    return b.with_conditions(status, {"Retrying": ("False", "Exhausted")})


def served(name: str = b.slot_name()) -> ServedVersion:
    return b.served(name, "a")


@pytest.mark.parametrize(
    ("status", "spec", "of_schedule", "order"),
    [
        (passed_over(), {}, {"active_version": served()}, {}),
        (passed_over(), {}, {"previous_version": served()}, {}),
        (passed_over(), {"serving": {"pin": {"version": b.slot_name()}}}, {}, {}),
        (passed_over(serving_image="serving:1"), {}, {}, {}),
        (passed_over(), {}, {}, {"decision": "Approved"}),
    ],
    ids=["active", "served before", "pinned", "being rolled out", "approved"],
)
def test_a_run_whose_model_serves_or_is_to_serve_stays_what_it_is(
    status: ModelVersionStatus, spec: Any, of_schedule: Any, order: Any
) -> None:
    known = TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC", **of_schedule)
    done = step(b.version(status=status, **order), of=b.schedule(known, **OTHER, **spec))
    assert (done.status, done.after) == (status, ())


def test_a_run_whose_model_nobody_wants_starts_again_and_has_no_model_until_it_comes_to_another() -> None:
    done = step(b.version(status=passed_over()), of=b.schedule(**OTHER))
    assert (done.status.state, done.status.version) == ("WaitingToRetry", None)


@pytest.mark.parametrize(
    "status",
    [
        b.with_conditions(tried(("JobDeleted", None), state="Failed"), {"Trained": ("False", "JobDeleted")}),
        b.with_conditions(ModelVersionStatus(state="Failed"), {"Trained": ("False", "Expired")}),
        tried(("Cancelled", None), state="Cancelled"),
        b.trained(),
    ],
    ids=["job deleted", "expired", "cancelled", "succeeded"],
)
def test_a_run_that_ended_otherwise_does_not_start_again(status: ModelVersionStatus) -> None:
    done = step(b.version(status=status), of=b.schedule(**OTHER))
    assert done.status == status


def test_a_failed_run_that_was_cancelled_meanwhile_does_not_start_again() -> None:
    assert step(b.version(status=gave_up(), cancelled=True), of=b.schedule(**OTHER)).status == gave_up()
