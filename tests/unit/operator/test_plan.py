"""One look at one schedule: what is refused, what is summed up, and in which order things are written."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus
from eagle_operator.domain.plan import plan, refused
from eagle_operator.domain.world import World
from eagle_operator.domain.writes import Adopt, Apply, Create, Plan, Report, SetVersionStatus


def decided(world: World, **installation: Any) -> Plan:
    return plan(world, replace(b.INSTALLATION, **installation), b.DEFAULTS, b.NOW)


# --- schedules that cannot be


def asked(**limits: Any) -> dict[str, Any]:
    return {"trainer": {"resources": {"limits": limits}}}


@pytest.mark.parametrize(
    ("world", "reason", "told"),
    [
        (b.world(organization=None), "OrganizationMismatch", "has no organization label"),
        (b.world(organization="globex"), "OrganizationMismatch", "is labelled 'globex'"),
        (b.world(of=b.schedule(timeZone="Nowhere/Town")), "InvalidTimeZone", "Nowhere/Town"),
        (b.world(of=b.schedule(schedule="61 * * * *")), "InvalidSchedule", "61 * * * *"),
        (b.world(of=b.schedule(schedule="0 0 30 2 *")), "InvalidSchedule", "0 0 30 2 *"),
        (b.world(cron_job={"metadata": {}, "spec": {}}), "NameConflict", "a CronJob of this name"),
        (
            b.world(of=b.schedule(**asked(memory="9Gi"))),
            "InvalidSchedule",
            "spec.trainer.resources.limits.memory is 9Gi",
        ),
        (
            b.world(of=b.schedule(trainer={"resources": {"requests": {"memory": "9Gi"}}})),
            "InvalidSchedule",
            "spec.trainer.resources.requests.memory is 9Gi",
        ),
    ],
    ids=["no label", "another label", "time zone", "fields", "never", "stranger", "limit", "request"],
)
def test_what_cannot_be_is_told_and_nothing_else_happens(world: World, reason: str, told: str) -> None:
    due = decided(world, max_trainer={"memory": "8Gi"})
    assert b.kinds(due) == ["Report", "SetScheduleStatus"]
    status = b.schedule_status(due)
    assert b.conclusion(status, "Ready") == ("False", reason)
    assert told in b.message(status, "Ready")
    assert b.conclusion(status, "Training") == ("Unknown", "NotReconciled")
    assert b.conclusion(status, "Serving") == ("Unknown", "NotReconciled")
    assert status.observed_generation == 1
    (report,) = b.of_kind(due, Report)
    assert (report.reason, report.warning) == (reason, True)


def test_what_cannot_be_is_told_once() -> None:
    world = b.world(organization=None)
    status = b.schedule_status(decided(world))
    again = replace(world, schedule=replace(world.schedule, status=status))
    assert decided(again).writes == ()


def test_what_the_api_server_refuses_is_told_in_the_same_way() -> None:
    due = refused(b.world(), b.INSTALLATION, b.DEFAULTS, ("InvalidSchedule", "spec.timeZone: unknown"), b.NOW)
    assert b.conclusion(b.schedule_status(due), "Ready") == ("False", "InvalidSchedule")


def test_as_much_as_the_installation_allows_is_allowed() -> None:
    due = decided(
        b.world(of=b.schedule(**asked(memory="8192Mi", cpu=4))), max_trainer={"memory": "8Gi", "cpu": "4000m"}
    )
    assert b.conclusion(b.schedule_status(due), "Ready") == ("True", "Reconciled")


BROKEN: dict[str, Any] = {"timeZone": "Nowhere/Town", "concurrencyPolicy": "Replace"}


def test_a_run_is_followed_to_its_end_although_the_schedule_was_broken_meanwhile() -> None:
    of = b.schedule(**BROKEN)
    pod = decided(b.world(b.version(status=b.running(None)), of=of, jobs=(b.running_job(),), pods=(b.pod(),)))
    assert b.version_status(pod).reporter_uid == "uid-pod"
    assert b.conclusion(b.schedule_status(pod), "Ready") == ("False", "InvalidTimeZone")
    ended = b.running().model_copy(update={"result": b.result()})
    end = decided(b.world(b.version(status=ended), of=of, jobs=(b.running_job(complete=True, pods=0),)))
    assert b.conclusion(b.version_status(end), "Validated") == ("True", "AllChecksPassed")
    vanished = decided(b.world(b.version(status=b.running()), of=of))
    assert b.conclusion(b.version_status(vanished), "Trained") == ("False", "JobDeleted")


def test_a_run_that_was_let_go_as_the_schedule_broke_is_admitted() -> None:
    due = decided(b.world(b.version(status=b.queued()), of=b.schedule(**BROKEN), jobs=(b.running_job(),)))
    assert b.version_status(due).state == "Running"


def test_a_run_of_a_broken_schedule_can_be_cancelled() -> None:
    waiting, job = b.version(status=b.queued(), cancelled=True), b.job()
    due = decided(b.world(waiting, of=b.schedule(**BROKEN), jobs=(job,)))
    assert b.version_status(due).state == "Cancelled"
    assert "DeleteJob" in b.kinds(due)
    going = b.version(status=b.running(), cancelled=True)
    assert "EndJob" in b.kinds(decided(b.world(going, of=b.schedule(**BROKEN), jobs=(b.running_job(),))))


@pytest.mark.parametrize("status", [b.queued(), None], ids=["waiting", "new"])
def test_no_run_of_a_broken_schedule_begins(status: Any) -> None:
    order = b.version(f"{b.NAME}-m-1", status, trigger="Manual", slot=None)
    due = decided(b.world(order, of=b.schedule(**BROKEN)))
    assert b.kinds(due) == ["Report", "SetScheduleStatus"]


# --- the order of writes


def test_a_version_that_has_no_owner_is_adopted_before_anything_else_becomes_of_it() -> None:
    due = decided(b.world(b.version(owner=None), jobs=(b.job(),)))
    (adopt,) = b.of_kind(due, Adopt)
    assert adopt.owner.uid == b.SCHEDULE_UID
    assert b.of_kind(due, SetVersionStatus) == []


def test_an_end_is_judged_and_told_in_one_write() -> None:
    status = b.running().model_copy(update={"result": b.result()})
    due = decided(b.world(b.version(status=status), jobs=(b.running_job(complete=True, pods=0),)))
    written = b.version_status(due)
    assert b.conclusion(written, "Trained") == ("True", "Completed")
    assert b.conclusion(written, "Validated") == ("True", "AllChecksPassed")
    (report,) = b.of_kind(due, Report)
    assert (report.kind, report.reason, report.warning) == ("ModelVersion", "Completed", False)


def test_nothing_goes_into_service_before_its_end_is_written() -> None:
    status = b.running().model_copy(update={"result": b.result()})
    due = decided(b.world(b.version(status=status), jobs=(b.running_job(complete=True, pods=0),)))
    assert [w.manifest["kind"] for w in b.of_kind(due, Apply)] == ["CronJob"]


def refused_by_the_gate(**retry: Any) -> Plan:
    """The plan when a run ended whose model is not good enough."""
    low = b.result(metrics=[{"name": "accuracy", "value": "0.5"}])
    status = b.running().model_copy(update={"result": low})
    of = b.schedule(retry=retry)
    return decided(b.world(b.version(status=status), of=of, jobs=(b.running_job(complete=True, pods=0),)))


def test_a_model_that_the_gate_refuses_is_a_warning() -> None:
    due = refused_by_the_gate(retryOn=["TrainingFailed"])
    assert b.version_status(due).state == "Succeeded"
    assert b.conclusion(b.version_status(due), "Validated") == ("False", "BelowMinimum")
    (report,) = b.of_kind(due, Report)
    assert report.warning
    assert "BelowMinimum: accuracy is 0.5" in report.message


def test_a_model_that_the_gate_refuses_and_that_is_tried_again_is_a_warning() -> None:
    due = refused_by_the_gate()
    assert b.version_status(due).state == "WaitingToRetry"
    (report,) = b.of_kind(due, Report)
    assert (report.reason, report.about, report.warning) == ("ValidationFailed", "attempt-1", True)
    assert report.message.startswith("ValidationFailed: BelowMinimum: accuracy is 0.5, below the minimum of 0.75;")


def test_a_verdict_stays_though_the_bounds_change() -> None:
    strict = b.schedule(promotion={"minimums": [{"metric": "accuracy", "value": "0.999"}]})
    due = decided(b.world(b.version(status=b.trained(image="serving:1")), of=strict))
    assert b.of_kind(due, SetVersionStatus) == []


def test_a_manual_order_gets_a_job() -> None:
    order = b.version(f"{b.NAME}-m-1", b.queued(), trigger="Manual", slot=None)
    (create,) = b.of_kind(decided(b.world(order)), Create)
    assert create.manifest["kind"] == "Job"


# --- the sum


@pytest.mark.parametrize(
    ("version", "training"),
    [
        (b.version(status=b.running()), ("True", "Running")),
        (b.version(status=b.queued()), ("True", "Queued")),
        (b.version(status=b.trained()), ("False", "Idle")),
    ],
)
def test_training_says_what_goes_on(version: Any, training: tuple[str, str]) -> None:
    jobs = () if version.status.state == "Succeeded" else (b.running_job(),) if version.status.attempts else (b.job(),)
    due = decided(b.world(version, jobs=jobs))
    assert b.conclusion(b.schedule_status(due), "Training") == training


def test_statistics_count_what_ended() -> None:
    failed = b.trained().model_copy(update={"state": "Failed", "result": None})
    cancelled = failed.model_copy(update={"state": "Cancelled"})
    versions = [
        b.version(f"{b.NAME}-m-{n}", status, trigger="Manual", slot=None)
        for n, status in enumerate([b.trained(), failed, cancelled, b.queued()])
    ]
    statistics = b.schedule_status(decided(b.world(*versions))).statistics
    assert statistics is not None
    assert (statistics.runs, statistics.success_rate, statistics.mean_accuracy) == (2, "0.5000", "0.9800")
    assert statistics.mean_training_seconds == "0.0"


def test_before_the_first_end_there_is_nothing_to_average() -> None:
    statistics = b.schedule_status(decided(b.world())).statistics
    assert statistics is not None
    assert statistics.wire() == {"runs": 0, "trend": "Unknown"}


def test_the_last_success_is_not_forgotten_with_its_version() -> None:
    known = TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC", last_successful_time=b.SLOT)
    assert b.schedule_status(decided(b.world(of=b.schedule(known)))).last_successful_time == b.SLOT


def test_effective_says_what_applies_after_all_defaults() -> None:
    effective = b.schedule_status(decided(b.world(of=b.schedule(timeoutSeconds=60)))).effective
    assert effective is not None
    wire = effective.wire()
    assert (wire["schedule"], wire["timeZone"], wire["timeoutSeconds"]) == ("0 2 * * 0", "Etc/UTC", 60)
    assert wire["promotion"]["minimums"] == [{"metric": "accuracy", "value": "0.75"}]
    assert wire["promotion"]["mustBeatBaseline"] is True


def test_fields_that_this_release_does_not_act_on_are_named() -> None:
    told: dict[str, Any] = {"notifications": {}, "monitoring": {"windowRuns": 5, "stuckAfterSeconds": 60}}
    status = b.schedule_status(decided(b.world(of=b.schedule(retry={"delaysSeconds": []}, **told))))
    assert b.conclusion(status, "Ready") == ("True", "Reconciled")
    assert b.message(status, "Ready") == (
        "accepted but not acted on in this release: spec.monitoring.windowRuns, spec.notifications"
    )


def test_a_secret_that_a_pod_misses_is_told_at_the_schedule() -> None:
    message = 'CreateContainerConfigError: secret "acme-scada" not found'
    stuck = b.pod(
        phase="Pending",
        started=False,
        waiting_reason="CreateContainerConfigError",
        waiting_message='secret "acme-scada" not found',
    )
    due = decided(b.world(b.version(status=b.running()), jobs=(b.running_job(),), pods=(stuck,)))
    assert b.conclusion(b.schedule_status(due), "Ready") == ("False", "SecretNotFound")
    assert b.message(b.schedule_status(due), "Ready") == message
