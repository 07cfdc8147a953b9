"""How an attempt ended, from what is left of its Job and pods."""

from datetime import datetime
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import ModelVersionStatus
from eagle_operator.domain.attempts import MESSAGE_LIMIT, Outcome, outcome, waiting_problem
from eagle_operator.domain.world import Job, Pod

CANCELLED = Outcome("Cancelled", "cancelled while it ran")
SUPERSEDED = Outcome("Superseded", "it made room")


def ended(
    job: Job | None,
    *pods: Pod,
    status: ModelVersionStatus | None = None,
    wish: Outcome | None = None,
    now: datetime = b.NOW,
) -> Outcome | None:
    known = status or b.running()
    return outcome(known.attempts[0], job, pods, known, wish=wish, now=now)


def reason(
    job: Job | None,
    *pods: Pod,
    status: ModelVersionStatus | None = None,
    wish: Outcome | None = None,
    now: datetime = b.NOW,
) -> str:
    found = ended(job, *pods, status=status, wish=wish, now=now)
    return found.reason if found else ""


def reported(**changes: object) -> ModelVersionStatus:
    return b.running().model_copy(update={"result": b.result(**changes)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, "Error"),
        (10, "InvalidConfiguration"),
        (11, "SourceUnavailable"),
        (12, "InsufficientData"),
        (13, "ConversionFailed"),
        (14, "StoreUnavailable"),
        (77, "Error"),
        (143, "Error"),
        (137, "Error"),
    ],
)
def test_an_exit_code_says_what_kind_of_end_it_was(code: int, expected: str) -> None:
    pod = b.pod(phase="Failed", exit_code=code, exit_message="it is so")
    assert ended(b.running_job(failed=True), pod) == Outcome(expected, "it is so")


def test_a_pod_without_a_message_is_told_by_its_code() -> None:
    found = ended(b.running_job(failed=True), b.pod(phase="Failed", exit_code=3))
    assert found == Outcome("Error", "the trainer ended with exit code 3 and no message")


def test_an_out_of_memory_kill_names_the_limit_to_raise() -> None:
    found = ended(b.running_job(failed=True), b.pod(phase="Failed", exit_code=137, exit_reason="OOMKilled"))
    assert found is not None
    assert found.reason == "OutOfMemory"
    assert "spec.trainer.resources.limits.memory" in found.message


def test_the_end_is_known_from_the_pod_before_the_job_says_failed() -> None:
    assert reason(b.running_job(failing=True), b.pod(phase="Failed", exit_code=12)) == "InsufficientData"


def test_a_failing_job_whose_pod_has_not_ended_is_not_judged_yet() -> None:
    assert ended(b.running_job(failing=True), b.pod()) is None


def test_without_its_pod_a_failed_job_is_judged_by_its_message() -> None:
    text = "Container trainer for pod org-acme/x failed with exit code 10 matching FailJob rule at index 1"
    assert reason(b.running_job(failed=True, failure_message=text)) == "InvalidConfiguration"
    assert reason(b.running_job(failed=True, failure_message="BackoffLimitExceeded")) == "Error"
    assert ended(b.running_job(failed=True)) == Outcome("Error", "the Job failed without a message")


def test_the_newest_pod_counts() -> None:
    evicted = b.pod("uid-old", phase="Failed", exit_code=143, disrupted=True)
    assert reason(b.running_job(failed=True), evicted, b.pod("uid-new", exit_code=12)) == "InsufficientData"


def test_a_long_message_is_cut_at_its_beginning_where_the_log_is_less_telling() -> None:
    found = ended(b.running_job(failed=True), b.pod(exit_code=1, exit_message="x" * 5000 + "the cause"))
    assert found is not None
    assert len(found.message) == MESSAGE_LIMIT
    assert found.message.endswith("the cause")


# --- the deadline


def late(**changes: object) -> Job:
    return b.running_job(**{"failing": True, "failure_reason": "DeadlineExceeded", **changes})


def test_a_pod_that_ran_until_the_deadline_took_too_long() -> None:
    assert reason(late(), b.pod()) == "DeadlineExceeded"
    assert reason(late(), b.pod(exit_code=143, phase="Failed")) == "DeadlineExceeded"


def test_a_pod_that_never_started_was_pending_and_the_cause_is_told() -> None:
    stuck = b.pod(phase="Pending", started=False, unschedulable="0/1 nodes")
    assert ended(late(deadline_seconds=1), stuck) == Outcome("PendingTimeout", "Unschedulable: 0/1 nodes")


def test_the_cause_that_was_told_before_is_kept_when_the_pod_is_gone() -> None:
    problem = {"Trained": ("Unknown", "Running")}
    status = b.with_conditions(b.running(), problem, message="ImageUnavailable: no such image")
    found = ended(late(deadline_seconds=1, failed=True), status=status)
    assert found == Outcome("PendingTimeout", "ImageUnavailable: no such image")


def test_a_cause_that_passed_is_no_cause_any_more() -> None:
    status = b.with_conditions(b.running(), {"Trained": ("Unknown", "Running")}, message="Unschedulable: 0/1 nodes")
    assert reason(late(), b.pod(), status=status) == "DeadlineExceeded"


def test_without_a_pod_the_operators_own_deadline_means_that_it_never_started() -> None:
    assert reason(late(deadline_seconds=1, failed=True)) == "PendingTimeout"


def test_without_a_pod_the_jobs_own_deadline_means_that_it_took_too_long() -> None:
    assert reason(late(deadline_seconds=7200, failed=True)) == "DeadlineExceeded"


# --- results


def test_a_complete_job_with_its_own_result_is_completed() -> None:
    assert reason(b.running_job(complete=True), status=reported()) == "Completed"


def test_an_end_without_a_result_is_no_result() -> None:
    assert reason(b.running_job(complete=True)) == "NoResult"


@pytest.mark.parametrize("older", [{"attempt": 2}, {"pod_uid": "uid-other"}], ids=["attempt", "pod"])
def test_an_attempt_is_never_judged_by_anothers_result(older: dict[str, object]) -> None:
    assert reason(b.running_job(complete=True), status=reported(**older)) == "NoResult"
    assert reason(None, status=reported(**older)) == "JobDeleted"


def test_a_failure_after_the_result_was_reported_is_a_failure() -> None:
    pod = b.pod(phase="Failed", exit_code=1, exit_message="no")
    assert reason(b.running_job(failed=True), pod, status=reported()) == "Error"


def test_a_vanished_job_with_a_result_of_this_attempt_was_completed() -> None:
    assert reason(None, status=reported()) == "Completed"


@pytest.mark.parametrize("wish", [CANCELLED, SUPERSEDED])
def test_a_vanished_job_without_one_was_deleted_or_ended_as_somebody_wished(wish: Outcome) -> None:
    assert reason(None) == "JobDeleted"
    assert ended(None, wish=wish) == wish


@pytest.mark.parametrize("wish", [CANCELLED, SUPERSEDED])
def test_a_failure_that_somebody_wished_for_is_told_as_the_wish(wish: Outcome) -> None:
    assert ended(late(), b.pod(), wish=wish) == wish
    assert ended(b.running_job(failed=True), b.pod(exit_code=143), wish=wish) == wish


def test_a_wish_that_came_too_late_changes_nothing_of_what_was_reported() -> None:
    assert reason(b.running_job(complete=True), status=reported(), wish=CANCELLED) == "Completed"
    assert reason(None, status=reported(), wish=CANCELLED) == "Completed"


def test_a_wish_alone_ends_nothing() -> None:
    assert ended(b.running_job(), b.pod(), wish=CANCELLED) is None


def test_a_job_that_runs_has_not_ended() -> None:
    assert ended(b.running_job(), b.pod(phase="Succeeded", exit_code=0), status=reported()) is None


# --- why a pod waits


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"unschedulable": "0/1 nodes"}, "Unschedulable: 0/1 nodes"),
        ({"waiting_reason": "ErrImagePull", "waiting_message": "not found"}, "ImageUnavailable: not found"),
        ({"waiting_reason": "ImagePullBackOff"}, "ImageUnavailable: ImagePullBackOff"),
        (
            {"waiting_reason": "CreateContainerConfigError", "waiting_message": 'secret "x" not found'},
            'CreateContainerConfigError: secret "x" not found',
        ),
        ({"waiting_reason": "ContainerCreating"}, ""),
        ({}, ""),
        ({"unschedulable": "0/1 nodes", "started": True}, ""),
    ],
)
def test_a_waiting_pods_problem_is_one_sentence(facts: dict[str, Any], told: str) -> None:
    assert waiting_problem(b.pod(**{"phase": "Pending", "started": False, **facts})) == told
