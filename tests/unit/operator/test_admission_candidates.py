"""Which Jobs admission may let go, and which keep a place, where names alone would mislead."""

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_operator.mirror import Mirror, Queue

ORDER = f"{b.NAME}-m-1"


@pytest.fixture
def mirror() -> Mirror:
    """An order that waits; its Job is for the test to make."""
    mirror = Mirror()
    mirror.remember("Namespace", raw.namespace())
    mirror.remember("TrainingSchedule", raw.schedule(uid=b.SCHEDULE_UID))
    mirror.remember("CronJob", raw.cron_job())
    mirror.remember("ModelVersion", raw.model_version(ORDER, state="Queued"))
    return mirror


def a_job(version: int = 1, *, owner: tuple[str, str] = ("ModelVersion", f"uid-{ORDER}"), **more: object) -> raw.Raw:
    return raw.job(ORDER, version, owner=owner, uid="uid-job", **more)  # type: ignore[arg-type]


def queue(mirror: Mirror) -> Queue:
    return mirror.queue(b.NOW, enabled=True)


@pytest.mark.parametrize("owner", [("ModelVersion", f"uid-{ORDER}"), ("CronJob", b.CRON_JOB_UID)])
def test_a_run_of_the_schedules_own_may_go(mirror: Mirror, owner: tuple[str, str]) -> None:
    mirror.remember("Job", a_job(owner=owner))
    assert [candidate.key for candidate in queue(mirror).candidates] == [(b.NAMESPACE, ORDER)]


def test_a_strangers_job_by_the_name_of_a_waiting_run_may_not(mirror: Mirror) -> None:
    mirror.remember("Job", a_job(owner=("Workflow", "uid-of-somebody")))
    assert queue(mirror).candidates == []


def test_a_run_of_a_schedule_that_was_deleted_and_made_anew_may_not(mirror: Mirror) -> None:
    mirror.remember("Job", a_job())
    mirror.remember("TrainingSchedule", raw.schedule(9, uid="uid-of-the-new-one"))
    assert queue(mirror).candidates == []


def test_nothing_may_go_in_a_namespace_that_is_being_deleted(mirror: Mirror) -> None:
    mirror.remember("Job", a_job())
    ending = raw.namespace(version=9)
    ending["metadata"]["deletionTimestamp"] = raw.TIME
    mirror.remember("Namespace", ending)
    assert queue(mirror).candidates == []


@pytest.mark.parametrize("seen_by", ["the pod", "the count of the Job"])
def test_a_run_that_was_suspended_again_keeps_its_place_until_its_pod_is_gone(mirror: Mirror, seen_by: str) -> None:
    counts = {"terminating": 1} if seen_by == "the count of the Job" else {}
    mirror.remember("Job", a_job(suspend=True, status=counts))
    if seen_by == "the pod":
        mirror.remember("Pod", raw.pod("pod", job_uid="uid-job"))
    assert (len(queue(mirror).running), queue(mirror).candidates) == (1, [])
    mirror.remember("Job", a_job(2, suspend=True))
    mirror.forget("Pod", raw.pod("pod", 2, job_uid="uid-job"))
    assert (len(queue(mirror).running), len(queue(mirror).candidates)) == (0, 1)
