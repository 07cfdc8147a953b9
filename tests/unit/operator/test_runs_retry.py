"""The life of a run that is tried again: it fails, waits, is queued anew, and comes to a good or to a clear end."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.test_runs import MANUAL, NEXT, manual, step

from eagle_contract.api import ModelVersionStatus, TrainingResult, TrainingScheduleStatus, names, training_hash
from eagle_contract.api.schedule import ServedVersion
from eagle_contract.api.version import Attempt
from eagle_operator.domain.following import ATTEMPTS_KEPT
from eagle_operator.domain.runs import Step
from eagle_operator.domain.world import Job, Pod, Version
from eagle_operator.domain.writes import Create, DeleteJob, ForgetResult, ReadLog, Write

RETRY_JOB = f"{b.slot_name()}-retry-1"
DUE = b.later(minutes=5)
HASH = training_hash(b.spec())
OTHER: dict[str, Any] = {"features": {"rollingWindows": [7]}}
"""A spec that trains something else."""
DAY = timedelta(days=1)


def tried(*ends: tuple[str, str | None], number: int = 1, **changes: Any) -> ModelVersionStatus:
    """The status after attempts that ended so: reason, and the letter of the model that one came to."""
    attempts = [
        Attempt(
            number=n,
            job_name=names.attempt_job_name(b.slot_name(), n),
            pod_uid=f"uid-pod-{n}",
            start_time=b.SLOT,
            finish_time=b.NOW,
            reason=reason,
            model_digest=b.digest(letter) if letter else None,
        )
        for n, (reason, letter) in enumerate(ends, start=number)
    ]
    known = {"attempts": attempts, "training_hash": HASH, "trainer_image": "trainer:1", **changes}
    return b.running().model_copy(update=known)


def waits(*ends: tuple[str, str | None], due: datetime = DUE, **changes: Any) -> ModelVersionStatus:
    """It waits for its next attempt."""
    known = {
        "state": "WaitingToRetry",
        "reporter_uid": None,
        "next_attempt_time": due,
        "retries_used": len(ends or "x"),
    }
    status = tried(*(ends or [("Error", None)]), **{**known, **changes})
    return b.with_conditions(
        status, {"Trained": ("Unknown", "WaitingToRetry"), "Retrying": ("True", "WaitingToRetry")}, message="failed"
    )


def queued_again(**changes: Any) -> ModelVersionStatus:
    """It waits for the turn of its second attempt."""
    status = waits(state="Queued", next_attempt_time=None, **changes)
    return b.with_conditions(status, {"Trained": ("Unknown", "Queued")})


def second(result: TrainingResult | None = None, **changes: Any) -> ModelVersionStatus:
    """Its second attempt is under way."""
    status = waits(state="Running", next_attempt_time=None, reporter_uid="uid-pod", result=result, **changes)
    attempt = Attempt(number=2, job_name=RETRY_JOB, pod_uid="uid-pod", start_time=b.SLOT)
    status = status.model_copy(update={"attempts": [*status.attempts, attempt]})
    return b.with_conditions(status, {"Trained": ("Unknown", "Running")})


def gave_up(reason: str = "Exhausted", **changes: Any) -> ModelVersionStatus:
    """It failed, and is not tried again."""
    status = tried(("Error", None), **{"state": "Failed", "retries_used": 3, "reporter_uid": None, **changes})
    return b.with_conditions(status, {"Trained": ("False", "Error"), "Retrying": ("False", reason)}, message="over")


def retry_job(**changes: Any) -> Job:
    """The Job of the second attempt, as the operator makes it."""
    known = {"slot": None, "version": b.slot_name(), "attempt": 2, "owner_kind": "ModelVersion"}
    return b.job(RETRY_JOB, **{**known, **changes})


def running_retry(**changes: Any) -> Job:
    return retry_job(**{"suspended": False, "pods": 1, "start_time": b.SLOT, **changes})


def failing(
    status: ModelVersionStatus | None = None,
    *,
    job: Job | None = None,
    code: int = 11,
    now: datetime = b.NOW,
    **facts: Any,
) -> Step:
    """The step in which an attempt is found to have failed; its log was read."""
    known = job or b.running_job(failed=True, pods=0)
    pod = b.pod(of=known, phase="Failed", exit_code=code, exit_message="it is so")
    version = b.version(status=status or b.running().model_copy(update={"training_hash": HASH}))
    return step(version, known, **{"pods": (pod,), "log_tails": {"uid-pod": "the log"}, "now": now, **facts})


def low() -> TrainingResult:
    """A model that does not pass the gate."""
    return b.result(metrics=[{"name": "accuracy", "value": "0.5"}])


def kinds(*writes: Write) -> list[str]:
    return [type(write).__name__ for write in writes]


# --- an attempt fails


def test_an_attempt_that_failed_is_closed_and_the_next_one_is_told_in_one_write() -> None:
    done = failing()
    assert (done.status.state, done.ended, done.look_again) == ("WaitingToRetry", "attempt-1", DUE)
    assert (done.status.next_attempt_time, done.status.retries_used) == (DUE, 1)
    assert done.status.reporter_uid is None
    (attempt,) = done.status.attempts
    assert (attempt.reason, attempt.finish_time, attempt.log_tail) == ("SourceUnavailable", b.NOW, "the log")
    assert b.conclusion(done.status, "Trained") == ("Unknown", "WaitingToRetry")
    assert b.conclusion(done.status, "Retrying") == ("True", "WaitingToRetry")
    follows = "attempt 2 follows at 02:05:05 UTC, 2 more after it"
    assert b.message(done.status, "Retrying") == follows
    assert b.message(done.status, "Trained") == f"SourceUnavailable: it is so; {follows}"


def test_the_last_failure_ends_the_run_and_says_what_leads_out() -> None:
    done = failing(second(retries_used=3), job=running_retry(failed=True, pods=0))
    assert (done.status.state, done.ended) == ("Failed", "end-2")
    assert (done.status.reporter_uid, done.status.next_attempt_time) == (None, None)
    assert b.conclusion(done.status, "Trained") == ("False", "SourceUnavailable")
    assert b.conclusion(done.status, "Retrying") == ("False", "Exhausted")
    assert "a changed spec, a manual run or the next slot" in b.message(done.status, "Trained")


def test_an_invalid_configuration_waits_for_a_changed_spec() -> None:
    done = failing(code=10)
    assert done.status.state == "Failed"
    assert b.conclusion(done.status, "Retrying") == ("False", "WaitingForChange")
    assert b.message(done.status, "Trained") == "it is so. it starts again when the spec changes"


def test_what_the_schedule_does_not_retry_says_so() -> None:
    done = failing(of=b.schedule(retry={"retryOn": ["ValidationFailed"]}))
    assert (done.status.state, b.conclusion(done.status, "Retrying")) == ("Failed", ("False", "NotRetried"))


def test_after_want_of_memory_the_next_attempt_has_more() -> None:
    of = b.schedule(retry={"maxMemory": "4Gi"}, trainer={"resources": {"limits": {"memory": "2Gi"}}})
    killed = b.pod(phase="Failed", exit_code=137, exit_reason="OOMKilled")
    known = b.running().model_copy(update={"training_hash": training_hash(of.spec)})
    done = failing(known, of=of, pods=(killed,))
    assert (done.status.attempts[0].reason, done.status.memory_limit) == ("OutOfMemory", "3072Mi")
    made = step(b.version(status=done.status), of=of, now=DUE)
    (create,) = b.of_kind(made.after, Create)
    (container,) = create.manifest["spec"]["template"]["spec"]["containers"]
    assert (container["resources"]["limits"], container["resources"]["requests"]) == (
        {"memory": "3072Mi"},
        {"memory": "3072Mi"},
    )


def test_want_of_memory_a_second_time_raises_what_was_raised() -> None:
    of = b.schedule(retry={"maxMemory": "8Gi"}, trainer={"resources": {"limits": {"memory": "2Gi"}}})
    job = running_retry(failed=True, pods=0)
    killed = b.pod(of=job, phase="Failed", exit_code=137, exit_reason="OOMKilled")
    done = failing(second(memory_limit="3Gi"), job=job, of=of, pods=(killed,))
    assert done.status.memory_limit == "4608Mi"


# --- the end of the log


def test_the_logs_end_is_read_before_the_end_is_written_and_nothing_else_is_done_meanwhile() -> None:
    done = failing(log_tails={})
    assert (done.status.state, done.ended) == ("Running", "")
    (read,) = done.after
    assert isinstance(read, ReadLog)
    assert read.pod.meta.uid == "uid-pod"


@pytest.mark.parametrize(
    "pod",
    [
        b.pod(phase="Failed", started=False, exit_code=1),
        b.pod(deleting=True, deletion_time=b.NOW - timedelta(minutes=5), exit_code=1),
    ],
    ids=["never started", "on a lost node"],
)
def test_a_log_that_cannot_be_had_is_not_asked_for(pod: Pod) -> None:
    done = failing(pods=(pod,), log_tails={})
    assert (done.status.state, done.status.attempts[0].log_tail) == ("WaitingToRetry", None)


def test_a_log_without_a_word_is_read_once_and_leaves_none() -> None:
    assert failing(log_tails={"uid-pod": ""}).status.attempts[0].log_tail is None


def test_a_long_log_keeps_its_end_within_two_kibibytes_without_half_a_character() -> None:
    tail = failing(log_tails={"uid-pod": "x" + "é" * 3000}).status.attempts[0].log_tail
    assert tail is not None
    assert 2046 <= len(tail.encode()) <= 2048
    assert set(tail) == {"é"}


def test_the_log_of_a_run_that_went_well_is_not_read() -> None:
    version = b.version(status=b.running().model_copy(update={"result": b.result()}))
    done = step(version, b.running_job(complete=True, pods=0), pods=(b.pod(phase="Succeeded", exit_code=0),))
    assert b.of_kind(done.after, ReadLog) == []
    assert done.status.state == "Succeeded"


def test_a_cancelled_runs_log_is_kept_too() -> None:
    status = b.running()
    version = b.version(status=status, cancelled=True)
    job = b.running_job(failing=True, failure_reason="DeadlineExceeded")
    (read,) = step(version, job, pods=(b.pod(),)).after
    assert isinstance(read, ReadLog)
    done = step(version, job, pods=(b.pod(),), log_tails={"uid-pod": "so far"})
    assert (done.status.state, done.status.attempts[0].log_tail) == ("Cancelled", "so far")


def test_of_earlier_attempts_the_reason_is_kept_and_neither_words_nor_log() -> None:
    first = tried(("Error", None)).attempts[0].model_copy(update={"message": "why", "log_tail": "log"})
    done = step(b.version(status=queued_again(attempts=[first])), running_retry())
    assert [(a.reason, a.message, a.log_tail) for a in done.status.attempts] == [
        ("Error", None, None),
        (None, None, None),
    ]


def test_of_very_many_attempts_the_newest_are_kept_and_their_numbers_go_on() -> None:
    many = tried(*[("NodeLost", None)] * ATTEMPTS_KEPT, number=5).attempts
    job = running_retry(attempt=5 + ATTEMPTS_KEPT)
    status = step(b.version(status=queued_again(attempts=many)), job).status
    assert [attempt.number for attempt in status.attempts] == list(range(6, 6 + ATTEMPTS_KEPT))


# --- a node that is lost


def lost_pod(uid: str = "uid-pod", *, of: Job | None = None, since: timedelta = timedelta(seconds=121)) -> Pod:
    return b.pod(uid, of=of, deleting=True, deletion_time=b.NOW - since)


def test_a_pod_that_does_not_go_long_after_it_was_told_to_is_lost_and_the_run_goes_on_at_once() -> None:
    done = step(b.version(status=b.running()), b.running_job(), pods=(lost_pod(),))
    assert (done.status.state, done.status.attempts[0].reason) == ("WaitingToRetry", "NodeLost")
    assert (done.status.next_attempt_time, done.status.retries_used) == (b.NOW, 0)
    assert kinds(*done.after) == ["DeleteJob"]


def test_before_that_it_is_waited_for_and_then_looked_at_again() -> None:
    pod = lost_pod(since=timedelta(seconds=119))
    done = step(b.version(status=b.running()), b.running_job(), pods=(pod,))
    assert (done.status.state, done.after, done.look_again) == ("Running", (), b.NOW + timedelta(seconds=1))


def test_a_pod_that_replaces_the_lost_one_keeps_the_attempt_alive() -> None:
    new = b.pod("uid-new", created=b.later(seconds=1))
    done = step(b.version(status=b.running()), b.running_job(), pods=(lost_pod(), new))
    assert (done.status.state, done.status.reporter_uid) == ("Running", "uid-new")


def test_what_a_lost_pod_had_reported_counts() -> None:
    version = b.version(status=b.running().model_copy(update={"result": b.result()}))
    assert step(version, b.running_job(), pods=(lost_pod(),)).status.state == "Succeeded"


def test_the_job_of_a_lost_node_goes_though_the_operator_ended_before_it_had_deleted_it() -> None:
    status = waits(("NodeLost", None), due=b.NOW, retries_used=0)
    job = b.running_job()
    left = step(b.version(status=status), job, retry_job(), pods=(lost_pod(of=job),))
    assert [write.job.meta.name for write in b.of_kind(left.after, DeleteJob)] == [b.slot_name()]


@pytest.mark.parametrize("state", ["Cancelled", "Failed", "Succeeded"])
def test_a_run_that_is_over_is_looked_at_when_its_last_pod_counts_as_lost(state: str) -> None:
    status = tried(("Cancelled", None), state=state, reporter_uid=None)
    job, pod = b.running_job(failing=True), lost_pod(since=timedelta(seconds=20))
    waiting = step(b.version(status=status), job, pods=(pod,))
    assert (waiting.after, waiting.look_again) == ((), b.later(seconds=100))
    late = step(b.version(status=status), job, pods=(pod,), now=b.later(seconds=100))
    assert kinds(*late.after) == ["DeleteJob"]


# --- waiting for the next attempt


def test_until_its_time_nothing_happens() -> None:
    done = step(b.version(status=waits()), now=DUE - timedelta(seconds=1))
    assert (done.after, done.look_again, done.status) == ((), DUE, waits())


def test_when_its_time_has_come_its_job_is_made_before_it_is_queued() -> None:
    made = step(b.version(status=waits()), now=DUE)
    assert made.status.state == "WaitingToRetry"
    (create,) = b.of_kind(made.after, Create)
    metadata = create.manifest["metadata"]
    assert (metadata["name"], metadata["labels"][names.ATTEMPT_LABEL]) == (RETRY_JOB, "2")
    assert metadata["ownerReferences"][0]["uid"] == f"uid-{b.slot_name()}"
    assert create.manifest["spec"]["suspend"] is True


def test_then_it_is_queued_like_any_other_from_now_on() -> None:
    now = DUE + timedelta(seconds=2)
    status = step(b.version(status=waits()), retry_job(), now=now).status
    assert (status.state, status.queued_time, status.next_attempt_time) == ("Queued", now, None)
    assert b.conclusion(status, "Admitted") == ("False", "WaitingForSlot")
    assert b.conclusion(status, "Retrying") == ("True", "WaitingToRetry")


def test_a_result_of_the_attempt_before_is_forgotten_before_the_next_one_may_report() -> None:
    status = waits(("ValidationFailed", "a"), result=low())
    done = step(b.version(status=status), now=DUE)
    assert kinds(*done.after) == ["ForgetResult"]
    assert b.of_kind(step(b.version(status=status), now=DUE - timedelta(seconds=1)).after, ForgetResult) == []


def test_the_job_of_the_attempt_before_is_marked_meanwhile() -> None:
    done = step(b.version(status=waits()), b.running_job(failed=True, pods=0))
    assert kinds(*done.after) == ["MarkRecorded"]


def test_the_next_attempt_begins_with_its_job() -> None:
    pod = b.pod("uid-second", of=running_retry())
    status = step(b.version(status=queued_again()), running_retry(), b.running_job(failed=True), pods=(pod,)).status
    assert (status.state, status.reporter_uid) == ("Running", "uid-second")
    assert [(a.number, a.job_name, a.pod_uid) for a in status.attempts] == [
        (1, b.slot_name(), "uid-pod-1"),
        (2, RETRY_JOB, "uid-second"),
    ]
    assert (status.training_hash, status.retries_used) == (HASH, 1)


@pytest.mark.parametrize("order", [b.version(status=queued_again()), manual(queued_again())], ids=["slot", "manual"])
def test_a_retry_whose_job_was_deleted_while_it_waited_is_not_made_again(order: Version) -> None:
    done = step(order)
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Failed", ("False", "JobDeleted"))
    assert (done.after, b.conclusion(done.status, "Retrying")) == ((), None)


@pytest.mark.parametrize("status", [second(), queued_again()], ids=["running", "waiting"])
def test_an_attempt_is_followed_by_its_own_job_and_not_by_an_earlier_ones(status: ModelVersionStatus) -> None:
    first = b.running_job(failed=True, recorded=True, pods=0)
    job = running_retry() if status.state == "Running" else retry_job()
    done = step(b.version(status=status), first, job, pods=(b.pod(of=job),))
    assert done.status.state == status.state


def test_a_manual_run_is_tried_again_like_a_slots() -> None:
    job = b.running_job(name=MANUAL, slot=None, version=MANUAL, failed=True, pods=0)
    status = b.running(job=MANUAL).model_copy(update={"training_hash": HASH})
    done = step(manual(status), job)
    assert done.status.state == "WaitingToRetry"
    (create,) = b.of_kind(step(manual(done.status), now=DUE).after, Create)
    assert create.manifest["metadata"]["name"] == f"{MANUAL}-retry-1"


# --- the gate


def validated(status: ModelVersionStatus, **facts: Any) -> Step:
    """The step in which an attempt ended with the model that the status has."""
    job = running_retry(complete=True, pods=0) if len(status.attempts) > 1 else b.running_job(complete=True, pods=0)
    return step(b.version(status=status, **facts.pop("order", {})), job, **facts)


def test_a_model_that_does_not_pass_is_a_failed_attempt() -> None:
    done = validated(b.running().model_copy(update={"result": low()}))
    assert (done.status.state, done.ended) == ("WaitingToRetry", "attempt-1")
    (attempt,) = done.status.attempts
    assert (attempt.reason, attempt.model_digest) == ("ValidationFailed", b.digest("a"))
    assert attempt.message == "BelowMinimum: accuracy is 0.5, below the minimum of 0.75"
    assert b.conclusion(done.status, "Validated") is None
    assert done.status.version is None


@pytest.mark.parametrize("retry", [{"retryOn": ["TrainingFailed"]}, {"retryOn": []}, {"delaysSeconds": []}], ids=str)
def test_where_it_is_not_retried_the_run_succeeds_and_its_model_stays_out(retry: dict[str, Any]) -> None:
    done = validated(b.running().model_copy(update={"result": low()}), of=b.schedule(retry=retry))
    assert done.status.state == "Succeeded"
    assert b.conclusion(done.status, "Validated") == ("False", "BelowMinimum")
    assert b.conclusion(done.status, "Retrying") is None


def test_changed_inputs_wait_for_a_person_and_are_not_retried() -> None:
    active = b.version(f"{b.NAME}-1", b.trained("b", schemaDigest=b.digest("9")))
    of = b.schedule(b.in_service((f"{b.NAME}-1", "b")))
    done = validated(b.running().model_copy(update={"result": b.result()}), of=of, others=(active,))
    assert (done.status.state, b.conclusion(done.status, "Validated")) == ("Succeeded", ("False", "SchemaChanged"))


def test_when_no_attempt_came_to_a_good_model_the_last_one_is_kept_with_its_verdict() -> None:
    done = validated(
        second(low(), retries_used=3).model_copy(
            update={"result": b.result(attempt=2, letter="b", metrics=low().wire()["metrics"])}
        )
    )
    assert (done.status.state, done.ended) == ("Failed", "end-2")
    assert b.conclusion(done.status, "Trained") == ("True", "Completed")
    assert b.conclusion(done.status, "Validated") == ("False", "BelowMinimum")
    assert b.conclusion(done.status, "Retrying") == ("False", "Exhausted")
    assert done.status.version == b.label("b")


def test_the_same_model_again_ends_the_run() -> None:
    result = b.result(attempt=2, metrics=[{"name": "accuracy", "value": "0.5"}])
    first = tried(("ValidationFailed", "a")).attempts
    status = second(result).model_copy(update={"attempts": [*first, second().attempts[-1]]})
    done = validated(status)
    assert (done.status.state, b.conclusion(done.status, "Retrying")) == ("Failed", ("False", "Exhausted"))
    assert "the very same model" in b.message(done.status, "Retrying")


def test_a_good_model_of_a_later_attempt_makes_the_run_succeed_and_nothing_waits_any_more() -> None:
    done = validated(second(b.result(attempt=2), memory_limit="3Gi"))
    assert (done.status.state, done.status.version, done.ended) == ("Succeeded", b.label("a"), "end-2")
    assert b.conclusion(done.status, "Retrying") is None
    assert (done.status.memory_limit, done.status.next_attempt_time) == (None, None)


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


# --- a queue that is full


def orders(count: int, status: ModelVersionStatus | None = None) -> tuple[Version, ...]:
    """Orders of people, one a second, the first a minute before NOW."""
    moments = [b.NOW - timedelta(seconds=60 - n) for n in range(count)]
    return tuple(
        b.version(f"{b.NAME}-m-old{n}", status, trigger="Manual", slot=None, created=moment)
        for n, moment in enumerate(moments)
    )


@pytest.mark.parametrize("status", [b.queued(), None], ids=["waiting", "not taken up yet"])
def test_an_order_beyond_those_that_may_wait_is_refused_and_told_what_to_do(status: ModelVersionStatus | None) -> None:
    assert step(manual(created=b.NOW), others=orders(4, status)).status.state == "Queued"
    done = step(manual(created=b.NOW), others=orders(5, status))
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Failed", ("False", "QueueFull"))
    assert b.message(done.status, "Trained") == (
        "5 ordered runs of this schedule wait already, as many as may; cancel one, or order again later"
    )


def test_of_orders_made_at_once_exactly_as_many_are_taken_as_may_wait() -> None:
    made = orders(7)
    states = [step(order, others=tuple(o for o in made if o is not order)).status.state for order in made]
    assert states == ["Queued"] * 5 + ["Failed"] * 2


@pytest.mark.parametrize("status", [b.running(), waits(), b.trained()], ids=["runs", "waits to retry", "ended"])
def test_only_orders_that_wait_count(status: ModelVersionStatus) -> None:
    assert step(manual(created=b.NOW), others=orders(9, status)).status.state == "Queued"


def test_slots_neither_count_nor_are_refused() -> None:
    assert step(b.version(), others=orders(9, b.queued())).status.state == "Queued"
    slots = tuple(b.version(slot=b.SLOT - n * DAY, status=b.queued()) for n in range(1, 9))
    assert step(manual(created=b.NOW), others=slots).status.state == "Queued"


# --- its age in the queue


def test_an_order_waits_since_it_was_taken_up() -> None:
    assert step(manual()).status.queued_time == b.NOW


def replaced(older: ModelVersionStatus, *, policy: str = "Replace", created: datetime = NEXT) -> datetime | None:
    """Since when the run of the next slot waits, if the one before it is like this."""
    before = b.version(status=older)
    newer = b.version(slot=NEXT, created=created)
    of = b.schedule(concurrencyPolicy=policy)
    return step(newer, others=(before,), of=of, now=NEXT + timedelta(seconds=5)).status.queued_time


def superseded(when: datetime) -> ModelVersionStatus:
    status = b.queued().model_copy(update={"state": "Cancelled", "queued_time": b.SLOT, "conditions": []})
    ended = b.with_conditions(status, {"Trained": ("False", "Superseded")})
    (trained,) = ended.conditions
    return ended.model_copy(update={"conditions": [trained.model_copy(update={"last_transition_time": when})]})


def test_a_slot_that_takes_the_place_of_a_waiting_one_has_its_age() -> None:
    waiting = b.queued().model_copy(update={"queued_time": b.SLOT})
    assert replaced(waiting) == b.SLOT
    assert replaced(superseded(NEXT + timedelta(seconds=1))) == b.SLOT


@pytest.mark.parametrize(
    ("older", "policy"),
    [
        (b.queued().model_copy(update={"queued_time": b.SLOT}), "Forbid"),
        (superseded(NEXT - DAY), "Replace"),
        (b.running().model_copy(update={"queued_time": b.SLOT}), "Replace"),
        (b.trained().model_copy(update={"queued_time": b.SLOT}), "Replace"),
        (queued_again(queued_time=b.SLOT), "Replace"),
    ],
    ids=["forbid", "superseded long before", "running", "ended", "tried"],
)
def test_any_other_slot_begins_to_wait_when_it_comes(older: ModelVersionStatus, policy: str) -> None:
    assert replaced(older, policy=policy) == NEXT + timedelta(seconds=5)


def test_only_the_slot_directly_before_hands_its_age_on() -> None:
    weeks = [b.version(slot=b.SLOT - 7 * DAY, status=superseded(NEXT + DAY)), b.version(status=b.trained())]
    newer = b.version(slot=NEXT, created=NEXT)
    done = step(newer, others=tuple(weeks), of=b.schedule(concurrencyPolicy="Replace"), now=NEXT)
    assert done.status.queued_time == NEXT


# --- an order that came back from a backup


def test_what_a_backup_brought_back_never_runs_however_new_it_looks() -> None:
    for order in (manual(), b.version(), manual(cancelled=True)):
        done = step(replace(order, restored=True), b.job())
        assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Failed", ("False", "Expired"))
        assert "backup" in b.message(done.status, "Trained")
