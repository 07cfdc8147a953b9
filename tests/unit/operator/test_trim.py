"""From what the API server sends to the facts that decisions need."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_contract.api import names
from eagle_operator import trim


def job(**status: Any) -> Any:
    return trim.job(raw.job("j", status=status))


def pod(**status: Any) -> Any:
    return trim.pod(raw.pod("p", job_uid="uid-j", **status))


def container(**facts: Any) -> dict[str, Any]:
    return {"containerStatuses": [facts]}


def test_a_slots_job_knows_its_slot_and_the_ordered_one_its_version() -> None:
    slot = trim.job(raw.job("j", slot="2026-11-22T03:00:00+01:00"))
    assert (slot.slot, slot.version, slot.suspended) == (b.SLOT, None, True)
    ordered = trim.job(raw.job("j", tags={"training.eagle-notifier.io/model-version": "v"}))
    assert (ordered.slot, ordered.version) == (None, "v")


def test_a_job_that_fails_tells_why_before_it_has_failed() -> None:
    target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "too late"}
    failing = job(conditions=[target], active=1)
    assert (failing.failing, failing.failed, failing.finished) == (True, False, False)
    assert (failing.failure_reason, failing.failure_message) == ("DeadlineExceeded", "too late")
    failed = job(conditions=[target, {"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}])
    assert (failed.finished, failed.failure_reason) == (True, "PodFailurePolicy")


def test_a_condition_that_is_not_true_says_nothing() -> None:
    assert not job(
        conditions=[{"type": "Failed", "status": "False"}, {"type": "Complete", "status": "Unknown"}]
    ).finished


def test_pods_on_their_way_out_are_counted() -> None:
    assert job(active=1, terminating=2).pods == 3


def test_a_job_knows_its_labels_its_owner_and_its_times() -> None:
    tags = {"training.eagle-notifier.io/recorded": "true", "kueue.x-k8s.io/queue-name": "q"}
    made = trim.job(raw.job("j", tags=tags, status={"startTime": raw.TIME}, deletionTimestamp=raw.TIME))
    assert (made.recorded, made.queued_elsewhere, made.meta.deleting) == (True, True, True)
    assert (made.meta.owner_kind, made.meta.owner_uid) == ("CronJob", b.CRON_JOB_UID)
    assert (made.start_time, made.meta.created, made.deadline_seconds) == (b.SLOT, b.SLOT, 7200)


def test_an_owner_that_does_not_control_is_no_owner() -> None:
    made = raw.of("j")
    made["metadata"]["ownerReferences"] = [{"kind": "CronJob", "uid": "u", "name": "x"}]
    assert trim.meta(made).owner_uid is None


def test_a_pod_that_ended_tells_its_exit() -> None:
    ended = pod(
        phase="Failed", **container(state={"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "m"}})
    )
    assert (ended.exit_code, ended.exit_reason, ended.exit_message, ended.started) == (137, "OOMKilled", "m", True)
    assert ended.gone


def test_a_pod_that_crashed_tells_its_last_exit() -> None:
    crashed = pod(
        **container(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            lastState={"terminated": {"exitCode": 21, "message": "the digest is wrong"}},
        )
    )
    assert (crashed.last_exit_code, crashed.last_exit_message) == (21, "the digest is wrong")
    assert (crashed.waiting_reason, crashed.started, crashed.gone) == ("CrashLoopBackOff", True, False)


@pytest.mark.parametrize(
    ("facts", "started"),
    [
        ({}, False),
        (container(state={"waiting": {"reason": "ContainerCreating"}}), False),
        (container(state={"running": {}}), True),
    ],
)
def test_a_pod_has_started_once_its_container_ran(facts: dict[str, Any], started: bool) -> None:
    assert pod(phase="Pending", **facts).started is started


def test_a_pod_that_fits_nowhere_says_so() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert pod(phase="Pending", conditions=[condition]).unschedulable == "0/1 nodes"
    assert pod(conditions=[{"type": "PodScheduled", "status": "True"}]).unschedulable == ""


def test_an_evicted_pod_was_disrupted() -> None:
    assert pod(conditions=[{"type": "DisruptionTarget", "status": "True"}]).disrupted
    assert not pod().disrupted


def test_a_servers_pod_tells_its_models_and_has_no_job() -> None:
    server = raw.of("s", owner=("ReplicaSet", "uid-rs"), labels=raw.labels())
    env = [{"name": "OTHER", "value": "x"}, {"name": "EAGLE_MODELS", "value": "[]"}]
    seen = trim.pod({**server, "spec": {"containers": [{"name": "side"}, {"name": "server", "env": env}]}})
    assert (seen.models, seen.job_uid, seen.schedule, seen.phase) == ("[]", None, b.NAME, "Pending")


def test_a_deployment_tells_how_its_rollout_stands() -> None:
    progressing = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "m"}
    seen = trim.deployment(
        raw.deployment(
            observedGeneration=3, replicas=2, updatedReplicas=1, availableReplicas=1, conditions=[progressing]
        )
    )
    assert (seen.observed_generation, seen.replicas, seen.updated, seen.available) == (3, 2, 1, 1)
    assert (seen.progressing_reason, seen.progressing_message) == ("ProgressDeadlineExceeded", "m")
    assert trim.deployment(raw.deployment()).available == 0


@pytest.mark.parametrize("text", ["2026-11-22T02:00:00Z", "2026-11-22T03:00:00+01:00", "2026-11-22T02:00:00.000000Z"])
def test_times_are_read_as_kubernetes_writes_them(text: str) -> None:
    assert trim.moment(text) == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(("label", "attempt"), [({}, 1), ("2", 2), ("12", 12), ("two", 1), ("", 1), ("-3", 1)])
def test_a_job_without_a_number_of_its_own_is_a_first_attempts(label: Any, attempt: int) -> None:
    tags = {names.ATTEMPT_LABEL: label} if isinstance(label, str) else label
    assert trim.job(raw.job("j", tags=tags)).attempt == attempt


def test_a_pod_that_was_told_to_go_is_lost_so_long_after_it_should_have_gone() -> None:
    made = raw.pod("p", job_uid="uid-j")
    made["metadata"]["deletionTimestamp"] = raw.TIME
    told = trim.pod(made)
    assert (told.gone, told.ended, told.given_up_at) == (True, False, b.SLOT + timedelta(seconds=120))
    assert not told.lost(b.SLOT + timedelta(seconds=119))
    assert told.lost(b.SLOT + timedelta(seconds=120))


def test_a_pod_that_ended_or_was_not_told_to_go_is_never_lost() -> None:
    made = raw.pod("p", job_uid="uid-j", phase="Failed")
    made["metadata"]["deletionTimestamp"] = raw.TIME
    for seen in (trim.pod(made), pod()):
        assert seen.given_up_at is None
        assert not seen.lost(b.SLOT + timedelta(days=9))


@pytest.mark.parametrize(("manager", "ours"), [("eagle-operator", True), ("helm", False), (None, False)])
def test_what_the_operator_made_or_took_over_once_bears_its_label(manager: str | None, ours: bool) -> None:
    tags = {names.MANAGED_BY_LABEL: manager} if manager else {}
    assert trim.meta(raw.of("x", labels=tags)).ours is ours


def test_a_deployment_tells_whose_model_it_was_written_for() -> None:
    made = raw.deployment()
    assert trim.deployment(made).served_version == ""
    made["metadata"]["annotations"] = {names.SERVED_VERSION_ANNOTATION: "press-line-1"}
    assert trim.deployment(made).served_version == "press-line-1"
