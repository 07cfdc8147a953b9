"""The life of a run that is tried again: it fails, waits, is queued anew, and comes to a good or to a clear end."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.retried import (
    DUE,
    HASH,
    RETRY_JOB,
    failing,
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
from tests.unit.operator.test_runs import MANUAL, manual, step

from eagle_contract.api import ModelVersionStatus, names, training_hash
from eagle_operator.domain.following import ATTEMPTS_KEPT
from eagle_operator.domain.world import Job, Pod, Version
from eagle_operator.domain.writes import Create, DeleteJob, ForgetResult, ReadLog

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


def test_a_job_that_is_complete_before_its_result_was_seen_is_looked_at_once_more() -> None:
    version, job = b.version(status=b.running()), b.running_job(complete=True, pods=0)
    looked = step(version, job, pods=(b.pod(started=False, phase="Pending"),))
    (read,) = b.of_kind(looked.after, ReadLog)
    assert (read.version, looked.status) == (version, version.status), "an outdated view of it must not end the attempt"
    seen = step(version, job, pods=(b.pod(),), log_tails={"uid-pod": ""})
    assert seen.status.attempts[-1].reason == "NoResult"
