"""From the choice of a version to pods that serve it, as a plan has it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus, names, resolve
from eagle_contract.api.schedule import Service
from eagle_operator.domain import serving_deployment, training_job
from eagle_operator.domain.plan import plan
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import Deployment, Installation, Manifest, Schedule, Version, World
from eagle_operator.domain.writes import Apply, Plan, Report, SetScheduleStatus, SetVersionStatus

OLD, NEW = f"{b.NAME}-1", f"{b.NAME}-2"
MANUAL = {"promotion": {"policy": "Manual"}}
NOTHING = TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC")
OLD_SERVES = b.in_service((OLD, "a"))
NEW_SERVES = b.in_service((NEW, "b"), (OLD, "a"))


def old(**facts: Any) -> Version:
    return b.version(OLD, b.trained("a", **{"serving": ("True", "Promoted"), "image": "serving:1", **facts}))


def new(*, decision: Any = None, generation: int = 1, **facts: Any) -> Version:
    status = b.trained("b", **{"image": "serving:1", **facts})
    created = b.SLOT + timedelta(hours=1)
    return b.version(NEW, status, created=created, decision=decision, generation=generation)


def a_world(*versions: Version, status: TrainingScheduleStatus = NOTHING, **facts: Any) -> World:
    """A world whose CronJob and Service are as they should be."""
    spec = facts.pop("spec", {})
    schedule: Schedule = b.schedule(status, **spec)
    resolved = resolve(schedule.spec, b.DEFAULTS)
    cron_job = b.cron_job_of(training_job.cron_job(schedule, resolved, b.INSTALLATION))
    service = serving_deployment.service(schedule)
    return b.world(*versions, of=schedule, **{"cron_job": cron_job, "service": service, **facts})


def decided(world: World, installation: Installation = b.INSTALLATION) -> Plan:
    return plan(world, installation, b.DEFAULTS, b.NOW)


def applied(due: Plan, kind: str) -> list[Manifest]:
    return [write.manifest for write in b.of_kind(due, Apply) if write.manifest["kind"] == kind]


def rolled_out(due: Plan) -> str | None:
    """The models that the one Deployment applied is told."""
    (manifest,) = applied(due, "Deployment")
    return served_models(Deployment(meta=b.meta("x"), labels={}, spec=manifest["spec"]))


def rolled_out_or_none(due: Plan) -> str | None:
    return rolled_out(due) if applied(due, "Deployment") else None


def reports(due: Plan) -> list[Report]:
    return b.of_kind(due, Report)


# --- into service


def test_the_first_good_model_gets_its_deployment_and_its_address() -> None:
    due = decided(a_world(old(serving=None, image=None), service=None))
    assert rolled_out(due) == b.models("a")
    assert len(applied(due, "Service")) == 1
    assert b.version_status(due).serving_image == "serving:1"
    assert b.conclusion(b.schedule_status(due), "Serving") == ("False", "RollingOut")
    assert b.schedule_status(due).active_version is None


def test_a_new_model_changes_the_template_while_the_old_one_serves() -> None:
    due = decided(a_world(old(), new(), status=OLD_SERVES, deployment=b.deployment("a")))
    assert rolled_out(due) == b.models("b")
    status = b.schedule_status(due)
    assert b.conclusion(status, "Serving") == ("True", "RollingOut")
    assert status.active_version == OLD_SERVES.active_version


def test_the_new_version_is_active_when_all_its_pods_are() -> None:
    due = decided(a_world(old(), new(), status=OLD_SERVES, deployment=b.deployment("b")))
    status = b.schedule_status(due)
    assert status.active_version is not None
    assert (status.active_version.name, status.active_version.version) == (NEW, b.label("b"))
    assert status.previous_version == OLD_SERVES.active_version
    assert [(s.name, s.reason, s.to is None) for s in status.serving_history or []] == [
        (NEW, "Promoted", True),
        (OLD, "Promoted", False),
    ]
    assert b.conclusion(status, "Serving") == ("True", "Serving")
    assert [report.reason for report in reports(due)] == ["Promoted"]


def test_the_conditions_of_the_versions_follow_from_the_schedules_status() -> None:
    due = decided(a_world(old(), new(), status=OLD_SERVES, deployment=b.deployment("b")))
    assert b.conclusion(b.version_status(due, OLD), "Serving") == ("False", "Superseded")
    assert b.conclusion(b.version_status(due, NEW), "Serving") == ("True", "Promoted")
    written = b.kinds(due)
    assert written.index("SetScheduleStatus") < written.index("SetVersionStatus")


def test_a_promotion_is_told_once_though_its_status_was_not_written() -> None:
    world = a_world(old(), new(), status=OLD_SERVES, deployment=b.deployment("b"))
    (first,), (second,) = (reports(plan(world, b.INSTALLATION, b.DEFAULTS, b.later(minutes=n))) for n in (0, 1))
    assert first == second


def test_coming_into_service_again_is_told_again() -> None:
    again = replace(old(), spec=old().spec)
    once = a_world(new(decision="Rejected"), again, status=NEW_SERVES, deployment=b.deployment("a"))
    later = NEW_SERVES.model_copy(update={"active_version": b.served(NEW, "b", since=b.later(days=1))})
    twice = a_world(new(decision="Rejected"), again, status=later, deployment=b.deployment("a"))
    assert reports(decided(once)) != reports(decided(twice))


def test_a_promotion_is_told_though_another_run_moves_in_the_same_look() -> None:
    ordered = b.version(f"{b.NAME}-m-1", trigger="Manual", slot=None)
    due = decided(a_world(old(), new(), ordered, status=OLD_SERVES, deployment=b.deployment("b")))
    told = [report.reason for report in reports(due)]
    active = b.schedule_status(due).active_version
    assert active is not None
    assert (active.name, told) in [(NEW, ["Promoted"]), (OLD, [])]


def test_nothing_is_written_when_all_is_as_it_should_be() -> None:
    world = a_world(old(), status=OLD_SERVES, deployment=b.deployment("a"))
    status = b.schedule_status(decided(world))
    settled = replace(world, schedule=replace(world.schedule, status=status))
    assert decided(settled).writes == ()


def test_a_history_is_bounded() -> None:
    long = [Service(name=f"v{n}", version="v", from_=b.SLOT, reason="Promoted") for n in range(10)]
    status = OLD_SERVES.model_copy(update={"serving_history": long})
    due = decided(a_world(old(), new(), status=status, deployment=b.deployment("b")))
    history = b.schedule_status(due).serving_history
    assert history is not None
    assert (len(history), history[0].name) == (10, NEW)


# --- images


def test_a_new_operator_changes_no_running_template() -> None:
    world = a_world(old(), status=OLD_SERVES, deployment=b.deployment("a", image="serving:1"))
    newer = replace(b.INSTALLATION, serving_image="serving:2", image_pull_secrets=("more",))
    assert applied(decided(world, newer), "Deployment") == []


def test_a_new_operators_image_comes_with_the_next_promotion() -> None:
    newer = replace(b.INSTALLATION, serving_image="serving:2")
    due = decided(a_world(old(), new(image=None), status=OLD_SERVES, deployment=b.deployment("a")), newer)
    (manifest,) = applied(due, "Deployment")
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "serving:2"
    assert b.version_status(due).serving_image == "serving:2"


def test_going_back_goes_back_to_the_image_as_well() -> None:
    newer = replace(b.INSTALLATION, serving_image="serving:2")
    deployment = b.deployment("b", image="serving:2")
    bad = b.server("b", exit_code=21, exit_message="no")
    world = a_world(old(), new(image="serving:2"), status=OLD_SERVES, deployment=deployment, pods=(bad,))
    waiting = replace(world, deployment=replace(deployment, available=0))
    (manifest,) = applied(decided(waiting, newer), "Deployment")
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "serving:1"


def test_other_settings_of_the_deployment_are_brought_up_to_date_without_touching_its_template() -> None:
    world = a_world(old(), status=OLD_SERVES, deployment=b.deployment("a"), spec={"serving": {"replicas": 3}})
    (manifest,) = applied(decided(world), "Deployment")
    assert manifest["spec"]["replicas"] == 3
    assert manifest["spec"]["template"] == b.deployment("a").spec["template"]


def test_without_replicas_of_its_own_the_schedule_leaves_them_to_an_autoscaler() -> None:
    due = decided(a_world(old(), status=OLD_SERVES, deployment=None))
    (manifest,) = applied(due, "Deployment")
    assert "replicas" not in manifest["spec"]


# --- rollouts that fail


def failing(**facts: Any) -> World:
    bad = b.server("b", last_exit_code=22, last_exit_message="the golden answers differ")
    deployment = b.deployment("b", replicas=2, updated=1, available=1)
    return a_world(old(), new(**facts), status=OLD_SERVES, deployment=deployment, pods=(bad,))


def test_a_failed_rollout_is_marked_before_the_template_goes_back() -> None:
    due = decided(failing())
    marked = b.version_status(due)
    assert b.conclusion(marked, "Serving") == ("False", "RolloutFailed")
    assert b.message(marked, "Serving") == "the golden answers differ"
    assert rolled_out(due) == b.models("a")
    written = b.kinds(due)
    assert written.index("SetVersionStatus") < written.index("Apply")
    status = b.schedule_status(due)
    assert status.active_version == OLD_SERVES.active_version
    assert b.conclusion(status, "Serving") == ("True", "RolledBack")


def test_a_failed_rollout_is_a_warning_for_people() -> None:
    (report,) = reports(decided(failing()))
    assert (report.reason, report.warning) == ("RolloutFailed", True)
    assert "the golden answers differ" in report.message
    assert f"{b.label('a')} goes on serving" in report.message


def test_a_rollout_that_fails_again_after_an_approval_is_marked_again() -> None:
    approved = {"decision": "Approved", "generation": 2, "serving": ("False", "RolloutFailed")}
    due = decided(failing(**approved))
    found = [c for c in b.version_status(due).conditions if c.type == "Serving"]
    assert [(c.reason, c.observed_generation) for c in found] == [("RolloutFailed", 2)]
    assert rolled_out(due) == b.models("a")


def test_a_first_model_that_fails_leaves_nothing_in_service() -> None:
    bad = b.server("b", last_exit_code=22, last_exit_message="no")
    deployment = b.deployment("b", updated=1, available=0)
    due = decided(a_world(new(), deployment=deployment, pods=(bad,)))
    assert b.conclusion(b.version_status(due), "Serving") == ("False", "RolloutFailed")
    assert b.conclusion(b.schedule_status(due), "Serving") == ("False", "DeploymentUnavailable")
    assert applied(due, "Deployment") == []


def test_the_version_in_service_is_never_marked_when_its_pods_fail_later() -> None:
    bad = b.server("a", last_exit_code=23, last_exit_message="the key is gone")
    world = a_world(old(), status=OLD_SERVES, deployment=b.deployment("a", available=0), pods=(bad,))
    due = decided(world)
    assert b.of_kind(due, SetVersionStatus) == []
    assert b.conclusion(b.schedule_status(due), "Serving") == ("False", "DeploymentUnavailable")
    assert "the key is gone" in b.message(b.schedule_status(due), "Serving")


def test_a_rollout_that_is_held_up_goes_on_and_says_by_what() -> None:
    stuck = b.server("b", phase="Pending", unschedulable="0/1 nodes")
    deployment = b.deployment("b", replicas=2, updated=1, available=1, progressing_reason="ProgressDeadlineExceeded")
    due = decided(a_world(old(), new(), status=OLD_SERVES, deployment=deployment, pods=(stuck,)))
    assert b.of_kind(due, SetVersionStatus) == []
    assert "0/1 nodes" in b.message(b.schedule_status(due), "Serving")


# --- projections


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (new(validated=("False", "BelowMinimum")), "BelowMinimum: "),
        (new(), "waits for an approval"),
    ],
)
def test_a_version_that_does_not_go_in_says_why(version: Version, told: str) -> None:
    due = decided(a_world(old(), version, status=OLD_SERVES, deployment=b.deployment("a"), spec=MANUAL))
    status = b.version_status(due)
    assert b.conclusion(status, "Serving") == ("False", "NotPromoted")
    assert told in b.message(status, "Serving")


def test_a_version_that_passes_under_a_pin_says_so() -> None:
    world = a_world(
        old(), new(), status=OLD_SERVES, deployment=b.deployment("a"), spec={"serving": {"pin": {"version": OLD}}}
    )
    status = b.version_status(decided(world))
    assert b.conclusion(status, "Serving") == ("False", "NotPromoted")
    assert "is pinned" in b.message(status, "Serving")


def test_a_rejected_version_says_so() -> None:
    rejected = new(decision="Rejected", serving=("False", "NotPromoted"))
    status = b.version_status(decided(a_world(old(), rejected, status=OLD_SERVES, deployment=b.deployment("a"))))
    assert b.conclusion(status, "Serving") == ("False", "Rejected")


def test_a_rejected_version_says_so_also_when_its_rollout_had_failed() -> None:
    rejected = new(decision="Rejected", serving=("False", "RolloutFailed"), generation=2)
    due = decided(a_world(old(), rejected, status=OLD_SERVES, deployment=b.deployment("a")))
    assert b.conclusion(b.version_status(due), "Serving") == ("False", "Rejected")


def test_a_pinned_version_whose_rollout_failed_goes_on_saying_so_although_it_is_rejected() -> None:
    """Otherwise it would be rolled out again, fail again, and so on: a pin outdoes a rejection."""
    rejected = new(decision="Rejected", serving=("False", "RolloutFailed"), generation=2)
    pinned = {"serving": {"pin": {"version": NEW}}}
    due = decided(a_world(old(), rejected, status=OLD_SERVES, deployment=b.deployment("a"), spec=pinned))
    assert b.of_kind(due, SetVersionStatus) == []
    assert rolled_out_or_none(due) is None


def test_a_rolled_back_version_says_rejected_and_the_other_rolled_back_to() -> None:
    rejected = new(decision="Rejected", serving=("True", "Promoted"))
    back = old(serving=("False", "Superseded"))
    due = decided(a_world(back, rejected, status=NEW_SERVES, deployment=b.deployment("a")))
    assert b.conclusion(b.version_status(due, NEW), "Serving") == ("False", "Rejected")
    assert b.conclusion(b.version_status(due, OLD), "Serving") == ("True", "RolledBackTo")
    status = b.schedule_status(due)
    assert b.conclusion(status, "Serving") == ("True", "RolledBack")
    assert (status.serving_history or [])[0].by == "alice"


# --- other modes


def test_mode_none_keeps_models_and_serves_none() -> None:
    due = decided(a_world(old(serving=None), spec={"serving": {"mode": "None"}}))
    assert [kind for kind in b.kinds(due) if kind == "Apply"] == []
    assert "mode is None" in b.message(b.schedule_status(due), "Serving")


def existing(deployment: Deployment | None, **facts: Any) -> World:
    mine = {"serving": {"mode": "Existing", "deploymentName": "mine"}}
    return a_world(old(serving=None), deployment=deployment, spec=mine, **facts)


def test_mode_existing_sets_one_variable_in_a_deployment_that_consents() -> None:
    (manifest,) = applied(decided(existing(b.deployment("z"))), "Deployment")
    assert manifest["metadata"] == {
        "name": "mine",
        "namespace": b.NAMESPACE,
        "annotations": {names.SERVED_VERSION_ANNOTATION: OLD},
    }
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container == {"name": "server", "env": [{"name": "EAGLE_MODELS", "value": b.models("a")}]}
    assert applied(decided(existing(b.deployment("a"))), "Deployment") == []


def test_mode_existing_without_a_deployment_that_consents_is_told() -> None:
    due = decided(existing(None))
    assert b.conclusion(b.schedule_status(due), "Ready") == ("False", "DeploymentNotFound")
    assert b.kinds(due) == ["Report", "SetScheduleStatus"]


@pytest.mark.parametrize("deployment", [b.deployment("a", available=0), None], ids=["no pod", "no deployment"])
def test_an_active_version_without_any_ready_pod_does_not_serve(deployment: Deployment | None) -> None:
    world = a_world(old(), status=OLD_SERVES, deployment=deployment)
    (write,) = b.of_kind(decided(world), SetScheduleStatus)
    assert b.conclusion(write.status, "Serving") == ("False", "DeploymentUnavailable")


def test_a_model_whose_run_was_cancelled_too_late_waits_for_an_approval() -> None:
    unwanted = new(serving=("False", "NotPromoted"))
    due = decided(a_world(old(), unwanted, status=OLD_SERVES, deployment=b.deployment("a")))
    assert applied(due, "Deployment") == []
    wanted = new(serving=("False", "NotPromoted"), decision="Approved")
    due = decided(a_world(old(), wanted, status=OLD_SERVES, deployment=b.deployment("a")))
    assert rolled_out(due) == b.models("b")


def test_what_the_deployment_serves_goes_on_serving_when_all_statuses_are_lost() -> None:
    for spec in ({}, {"serving": {"pin": {"version": OLD}}}):
        lost = b.version(OLD, owner=b.SCHEDULE_UID)
        world = a_world(lost, status=NOTHING, deployment=b.deployment("a", image="serving:0"), spec=spec)
        status = b.schedule_status(decided(world))
        assert status.active_version is not None
        assert (status.active_version.name, status.active_version.digest) == (OLD, b.digest("a"))
        assert applied(decided(world), "Deployment") == []
