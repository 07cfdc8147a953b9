"""Runs take turns: their Jobs start when the operator or Kueue says so, and their clock is the operator's."""

from collections.abc import Callable

import pytest
from tests.support.api import Api
from tests.support.eagle import Organization
from tests.support.workloads import CRON_JOB_CONTROLLER, JOB_CONTROLLER, cron_job, job

LABEL = "training.eagle-notifier.io/schedule"
OURS = {LABEL: "press"}
KUEUE = "system:serviceaccount:kueue-system:kueue-controller-manager"
START = {"spec": {"suspend": False}}


@pytest.fixture(scope="module")
def kueue(administrator: Api) -> Api:
    """Kueue, where the cluster has it; here with the administrator's groups, as its own rights are not installed."""
    return administrator.impersonate(KUEUE, group="system:masters")


def test_the_operator_starts_a_waiting_run(operator: Api, organization: Organization) -> None:
    waiting = operator.create(job(organization.namespace, "eagle-trainer", suspend=True, labels=OURS))
    assert operator.merge(waiting, START, dryRun="All")["spec"]["suspend"] is False


def test_kueue_starts_a_waiting_run(operator: Api, kueue: Api, organization: Organization) -> None:
    waiting = operator.create(job(organization.namespace, "eagle-trainer", suspend=True, labels=OURS))
    placed = {"spec": {"suspend": False, "template": {"spec": {"nodeSelector": {"pool": "training"}}}}}
    assert kueue.merge(waiting, placed, dryRun="All")["spec"]["suspend"] is False


def test_nobody_else_starts_one_not_even_the_administrator(
    administrator: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    waiting = operator.create(job(organization.namespace, "eagle-trainer", suspend=True, labels=OURS))
    for caller in (administrator, administrator.impersonate(CRON_JOB_CONTROLLER, group="system:masters")):
        message = refusal(caller.merge, waiting, START)
        assert "spec.suspend must be true: the operator starts the runs in turn" in message
        assert "a ModelVersion with trigger Manual" in message


@pytest.mark.parametrize(
    ("account", "labels"), [("eagle-trainer", None), ("default", OURS)], ids=["by its account", "by its label"]
)
def test_a_job_that_counts_as_a_run_is_born_suspended(
    administrator: Api, organization: Organization, account: str, labels: dict[str, str], refusal: Callable[..., str]
) -> None:
    born = job(organization.namespace, account, suspend=False, labels=labels)
    assert "spec.suspend must be true" in refusal(administrator.create, born, dryRun="All")
    administrator.create(job(organization.namespace, account, suspend=True, labels=labels), dryRun="All")


def test_taking_the_label_off_does_not_free_a_run(
    administrator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    waiting = administrator.create(job(organization.namespace, "default", suspend=True, labels=OURS))
    freed = {"metadata": {"labels": {LABEL: None}}, **START}
    assert "spec.suspend must be true" in refusal(administrator.merge, waiting, freed)


def test_a_run_that_was_started_goes_on_being_updated_by_its_controller(
    administrator: Api, operator: Api, organization: Organization
) -> None:
    started = operator.create(job(organization.namespace, "eagle-trainer", suspend=False, labels=OURS), dryRun="All")
    assert started["spec"]["suspend"] is False
    waiting = operator.create(job(organization.namespace, "eagle-trainer", suspend=True, labels=OURS))
    controller = administrator.impersonate(JOB_CONTROLLER, group="system:masters")
    controller.merge(waiting, {"metadata": {"annotations": {"seen": "yes"}}})


def test_other_jobs_are_nobodys_business(administrator: Api, organization: Organization) -> None:
    other = administrator.create(job(organization.namespace, "default", suspend=True))
    assert administrator.merge(other, START, dryRun="All")["spec"]["suspend"] is False


def test_the_clock_is_changed_through_its_schedule(
    administrator: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    clock = operator.create(cron_job(organization.namespace, "eagle-trainer", OURS))
    told = "this CronJob is the clock of a TrainingSchedule; change the TrainingSchedule press instead"
    assert told in refusal(administrator.merge, clock, {"spec": {"suspend": True}})
    assert told in refusal(administrator.merge, clock, {"metadata": {"labels": {LABEL: None}}})
    assert told in refusal(administrator.merge, clock, {"metadata": {"labels": {LABEL: "other"}}})
    assert operator.merge(clock, {"spec": {"schedule": "0 1 30 2 *"}})["spec"]["schedule"] == "0 1 30 2 *"
    now = {"status": {"lastScheduleTime": "2026-11-22T01:00:00Z"}}
    assert administrator.impersonate(CRON_JOB_CONTROLLER).replace({**operator.get(clock), **now}, "status")["status"]


def test_metadata_of_a_clock_may_be_changed_by_the_garbage_collector(
    administrator: Api, operator: Api, organization: Organization
) -> None:
    clock = operator.create(cron_job(organization.namespace, "eagle-trainer", OURS))
    collector = administrator.impersonate("system:serviceaccount:kube-system:generic-garbage-collector")
    assert collector.merge(clock, {"metadata": {"ownerReferences": []}})["metadata"]["name"]


def test_nobody_else_makes_a_clock(administrator: Api, organization: Organization, refusal: Callable[..., str]) -> None:
    labelled = cron_job(organization.namespace, "default", OURS)
    assert "change the TrainingSchedule press instead" in refusal(administrator.create, labelled, dryRun="All")
    clock = cron_job(organization.namespace, "eagle-trainer")
    assert "eagle-trainer is for runs that the operator starts" in refusal(administrator.create, clock, dryRun="All")
    administrator.create(cron_job(organization.namespace, "default"), dryRun="All")
