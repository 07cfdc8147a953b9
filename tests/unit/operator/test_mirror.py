"""The cluster as last seen: events that come late, twice or never do no harm."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_contract.api import names
from eagle_operator.domain.world import Waiting, World
from eagle_operator.mirror import Mirror

KEY = (b.NAMESPACE, b.NAME)
SLOT_JOB = b.slot_name()
MANUAL = f"{b.NAME}-m-1"


@pytest.fixture
def mirror() -> Mirror:
    """Knows the namespace, the schedule and its CronJob."""
    mirror = Mirror()
    mirror.remember("Namespace", raw.namespace())
    mirror.remember("TrainingSchedule", raw.schedule(uid=b.SCHEDULE_UID))
    mirror.remember("CronJob", raw.cron_job())
    return mirror


def world(mirror: Mirror, waiting: dict[tuple[str, str], Waiting] | None = None) -> World:
    seen = mirror.world(KEY, waiting or {})
    assert seen is not None
    return seen


def job_names(objects: Any) -> list[str]:
    return [thing.meta.name for thing in objects]


def suspended(mirror: Mirror) -> bool:
    job = mirror.job((b.NAMESPACE, SLOT_JOB))
    assert job is not None
    return job.suspended


# --- events


def test_an_event_says_which_schedule_to_look_at(mirror: Mirror) -> None:
    assert mirror.remember("Job", raw.job(SLOT_JOB)) == KEY
    assert mirror.remember("ModelVersion", raw.model_version(MANUAL)) == KEY
    assert mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID)) == KEY
    assert mirror.forget("Job", raw.job(SLOT_JOB)) == KEY


def test_an_older_state_never_replaces_a_newer_one(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 5, suspend=False))
    assert mirror.remember("Job", raw.job(SLOT_JOB, 4, suspend=True)) is None
    assert mirror.remember("Job", raw.job(SLOT_JOB, 5, suspend=True)) is None
    assert not suspended(mirror)


def test_versions_are_compared_as_numbers(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 9, suspend=True))
    mirror.remember("Job", raw.job(SLOT_JOB, 10, suspend=False))
    assert not suspended(mirror)


def test_another_object_of_the_same_name_takes_its_place(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 5, uid="first"))
    mirror.remember("Job", raw.job(SLOT_JOB, 7, uid="second"))
    job = mirror.job((b.NAMESPACE, SLOT_JOB))
    assert job is not None
    assert job.meta.uid == "second"


def test_the_former_object_of_a_name_does_not_come_back(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 7, uid="second"))
    mirror.remember("Job", raw.job(SLOT_JOB, 6, uid="first"))
    assert mirror.forget("Job", raw.job(SLOT_JOB, 8, uid="first")) is None
    job = mirror.job((b.NAMESPACE, SLOT_JOB))
    assert job is not None
    assert job.meta.uid == "second"


def test_the_end_of_what_was_never_seen_changes_nothing(mirror: Mirror) -> None:
    assert mirror.forget("Job", raw.job("never")) is None


def test_an_answer_after_the_end_adds_nothing(mirror: Mirror) -> None:
    assert mirror.refresh("Job", raw.job(SLOT_JOB)) is None
    mirror.remember("Job", raw.job(SLOT_JOB))
    mirror.forget("Job", raw.job(SLOT_JOB))
    assert mirror.refresh("Job", raw.job(SLOT_JOB, 9)) is None
    assert mirror.count("Job") == 0


def test_an_answer_about_another_object_of_the_name_adds_nothing(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 1, uid="second", suspend=True))
    assert mirror.refresh("Job", raw.job(SLOT_JOB, 9, uid="first", suspend=False)) is None
    assert suspended(mirror)


def test_an_answer_about_what_is_known_is_taken_in(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 1))
    assert mirror.refresh("Job", raw.job(SLOT_JOB, 2, suspend=False)) == KEY
    assert not suspended(mirror)


# --- lists


def test_a_list_ends_what_ended_unseen(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job("ghost", 3))
    mirror.remember("Job", raw.job(SLOT_JOB, 4))
    assert raw.list_into(mirror, "Job", [raw.job(SLOT_JOB, 4)], "10") == {KEY}
    assert job_names(world(mirror).jobs) == [SLOT_JOB]


def test_a_list_does_not_end_what_was_made_after_it(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 11))
    assert raw.list_into(mirror, "Job", [], "10") == set()
    assert job_names(world(mirror).jobs) == [SLOT_JOB]


def test_a_list_brings_what_was_never_told(mirror: Mirror) -> None:
    assert raw.list_into(mirror, "Job", [raw.job(SLOT_JOB, 4)], "10") == {KEY}


def test_a_list_from_before_an_end_does_not_bring_the_object_back(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 4))
    mirror.forget("Job", raw.job(SLOT_JOB, 11))
    assert raw.list_into(mirror, "Job", [raw.job(SLOT_JOB, 4)], "10") == set()
    assert mirror.count("Job") == 0


def test_an_object_that_left_the_watch_and_came_back_is_seen_again(mirror: Mirror) -> None:
    mirror.remember("Deployment", raw.deployment(1))
    mirror.forget("Deployment", raw.deployment(2))
    mirror.remember("Deployment", raw.deployment(3))
    assert world(mirror).deployment is not None


def test_a_list_that_says_nothing_new_changes_no_schedule(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, 4))
    assert raw.list_into(mirror, "Job", [raw.job(SLOT_JOB, 4)], "10") == set()


def test_an_object_that_changes_its_schedule_leaves_the_other(mirror: Mirror) -> None:
    mirror.remember("Deployment", raw.deployment(1))
    mirror.remember("Deployment", raw.deployment(2, tags=raw.labels("another")))
    assert world(mirror).deployment is None
    assert mirror.count("Deployment") == 1


# --- worlds


def test_there_is_no_world_without_the_schedule(mirror: Mirror) -> None:
    assert mirror.world((b.NAMESPACE, "another"), {}) is None
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, deletionTimestamp=raw.TIME))
    assert mirror.world(KEY, {}) is None


def test_there_is_no_world_in_a_namespace_that_ends_or_was_not_seen_yet(mirror: Mirror) -> None:
    ending = raw.namespace(version=2)
    ending["metadata"]["deletionTimestamp"] = raw.TIME
    mirror.remember("Namespace", ending)
    assert mirror.world(KEY, {}) is None
    mirror.forget("Namespace", ending)
    assert mirror.world(KEY, {}) is None


def test_children_are_told_by_their_owners_uid(mirror: Mirror) -> None:
    mirror.remember("ModelVersion", raw.model_version(MANUAL))
    mirror.remember("ModelVersion", raw.model_version(f"{b.NAME}-m-2", owner="uid-of-a-former-schedule"))
    mirror.remember("ModelVersion", raw.model_version(f"{b.NAME}-m-3", owner=None))
    mirror.remember("Job", raw.job(SLOT_JOB))
    mirror.remember("Job", raw.job(MANUAL, owner=("ModelVersion", f"uid-{MANUAL}")))
    mirror.remember("Job", raw.job(f"{b.NAME}-9", owner=("CronJob", "uid-of-a-former-cronjob")))
    seen = world(mirror)
    assert job_names(seen.versions) == [MANUAL, f"{b.NAME}-m-3"]
    assert job_names(seen.jobs) == [SLOT_JOB, MANUAL]


def test_a_version_that_is_being_deleted_is_gone(mirror: Mirror) -> None:
    made = raw.model_version(MANUAL)
    made["metadata"]["deletionTimestamp"] = raw.TIME
    mirror.remember("ModelVersion", made)
    assert world(mirror).versions == ()


def test_the_organization_is_the_namespaces_label(mirror: Mirror) -> None:
    assert world(mirror).organization == "acme"
    mirror.remember("Namespace", raw.namespace(None, 2))
    assert world(mirror).organization is None


def test_a_deployment_without_the_label_is_a_strangers(mirror: Mirror) -> None:
    mirror.remember("Deployment", raw.deployment(tags={}))
    assert world(mirror).deployment is None


def test_in_mode_existing_the_named_deployment_counts(mirror: Mirror) -> None:
    serving = {"serving": {"mode": "Existing", "deploymentName": "mine"}}
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, spec=serving))
    mirror.remember("Deployment", raw.deployment(name="mine", availableReplicas=1))
    seen = world(mirror).deployment
    assert seen is not None
    assert (seen.meta.name, seen.available) == ("mine", 1)


def test_why_a_job_waits_is_part_of_its_schedules_world_alone(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB))
    reason = Waiting("WaitingForSlot", "place 1 in the queue")
    waiting = {(b.NAMESPACE, SLOT_JOB): reason, ("org-other", SLOT_JOB): Waiting("X", "x")}
    assert world(mirror, waiting).waiting == {SLOT_JOB: reason}


def test_what_no_decision_reads_is_not_kept(mirror: Mirror) -> None:
    made = raw.schedule(2, uid=b.SCHEDULE_UID, managedFields=[{"manager": "x" * 1000}], annotations={"a": "x" * 1000})
    mirror.remember("TrainingSchedule", made)
    mirror.remember("CronJob", raw.cron_job(2, annotations={"training.eagle-notifier.io/applied": "1", "other": "2"}))
    kept = world(mirror).cron_job
    assert kept is not None
    assert kept["metadata"]["annotations"] == {"training.eagle-notifier.io/applied": "1"}
    assert "xxxx" not in json.dumps(kept)


# --- admission's view


def queue(mirror: Mirror, *, enabled: bool = True, now: datetime = b.NOW) -> tuple[list[str], int, dict[str, str]]:
    """Names of those who may go, the number of places taken, and why others are held."""
    seen = mirror.queue(now, enabled=enabled)
    free = [candidate.key[1] for candidate in seen.candidates if not candidate.held]
    return free, len(seen.running), {c.key[1]: c.held.reason for c in seen.candidates if c.held}


def slot_run(mirror: Mirror, state: str = "Queued", **job: Any) -> None:
    order: dict[str, Any] = {"trigger": "Schedule", "scheduledTime": raw.TIME}
    mirror.remember("ModelVersion", raw.model_version(SLOT_JOB, state=state, **order))
    mirror.remember("Job", raw.job(SLOT_JOB, slot=raw.TIME, **job))


def test_a_queued_run_with_a_suspended_job_waits(mirror: Mirror) -> None:
    slot_run(mirror)
    assert queue(mirror) == ([SLOT_JOB], 0, {})


@pytest.mark.parametrize("state", ["Running", "Succeeded", "Failed", "Cancelled"])
def test_only_queued_runs_wait(mirror: Mirror, state: str) -> None:
    slot_run(mirror, state)
    assert queue(mirror) == ([], 0, {})


def test_a_job_without_a_version_does_not_wait_yet(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, slot=raw.TIME))
    assert queue(mirror) == ([], 0, {})


def test_a_cancelled_run_is_not_admitted_any_more(mirror: Mirror) -> None:
    mirror.remember("ModelVersion", raw.model_version(MANUAL, state="Queued", cancellation={"by": "alice"}))
    mirror.remember("Job", raw.job(MANUAL, owner=("ModelVersion", f"uid-{MANUAL}")))
    assert queue(mirror) == ([], 0, {})


@pytest.mark.parametrize(("not_before", "waits"), [("2026-11-22T02:00:00Z", False), ("2026-11-22T01:59:59Z", True)])
def test_a_slot_up_to_not_before_is_never_admitted(mirror: Mirror, not_before: str, waits: bool) -> None:
    slot_run(mirror)
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, status={"notBefore": not_before}))
    assert queue(mirror)[0] == ([SLOT_JOB] if waits else [])


@pytest.mark.parametrize(
    "job",
    [
        {"deletionTimestamp": raw.TIME},
        {"tags": {"kueue.x-k8s.io/queue-name": "q"}},
        {"status": {"conditions": [{"type": "Failed", "status": "True"}]}},
    ],
    ids=["deleted", "Kueue's", "finished"],
)
def test_some_suspended_jobs_are_not_ours_to_admit(mirror: Mirror, job: dict[str, Any]) -> None:
    slot_run(mirror, **job)
    assert queue(mirror) == ([], 0, {})


def test_a_run_of_a_schedule_that_is_gone_is_not_admitted(mirror: Mirror) -> None:
    slot_run(mirror)
    mirror.forget("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID))
    assert queue(mirror) == ([], 0, {})


def test_a_suspended_schedule_holds_its_slots_and_not_what_people_order(mirror: Mirror) -> None:
    slot_run(mirror)
    mirror.remember("ModelVersion", raw.model_version(MANUAL, state="Queued"))
    mirror.remember("Job", raw.job(MANUAL, owner=("ModelVersion", f"uid-{MANUAL}")))
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, spec={"suspend": True}))
    assert queue(mirror) == ([MANUAL], 0, {SLOT_JOB: "ScheduleSuspended"})


def test_an_installation_that_admits_nothing_holds_all(mirror: Mirror) -> None:
    slot_run(mirror)
    assert queue(mirror, enabled=False) == ([], 0, {SLOT_JOB: "AdmissionDisabled"})


@pytest.mark.parametrize(
    ("status", "places"),
    [
        ({}, 1),
        ({"active": 1}, 1),
        ({"terminating": 1, "conditions": [{"type": "Failed", "status": "True"}]}, 1),
        ({"conditions": [{"type": "FailureTarget", "status": "True"}]}, 1),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, 0),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, 0),
    ],
)
def test_a_run_keeps_its_place_until_none_of_its_pods_runs(mirror: Mirror, status: Any, places: int) -> None:
    slot_run(mirror, "Running", suspend=False, status=status)
    assert queue(mirror)[1] == places


@pytest.mark.parametrize(("phase", "places"), [("Running", 1), ("Pending", 1), ("Succeeded", 0), ("Failed", 0)])
def test_a_deleted_jobs_pods_count_while_they_live(mirror: Mirror, phase: str, places: int) -> None:
    slot_run(mirror, "Running", suspend=False)
    mirror.remember("Pod", raw.pod("trainer", job_uid=f"uid-{SLOT_JOB}", phase=phase))
    assert queue(mirror)[1] == 1
    mirror.forget("Job", raw.job(SLOT_JOB))
    assert queue(mirror)[1] == places


def test_a_servers_pod_takes_no_place(mirror: Mirror) -> None:
    server = raw.of("server", owner=("ReplicaSet", "uid-rs"), labels=raw.labels())
    mirror.remember("Pod", {**server, "spec": {"containers": []}, "status": {"phase": "Running"}})
    assert queue(mirror)[1] == 0


# --- retries, and pods that are lost


RETRY = f"{SLOT_JOB}-retry-1"
TAGS = {names.VERSION_LABEL: SLOT_JOB, names.ATTEMPT_LABEL: "2"}


def waits_for_attempt(mirror: Mirror, number: int, **status: Any) -> None:
    """The slot's run is queued for that attempt; the first one's Job has ended."""
    attempts = [{"number": n, "jobName": "x"} for n in range(1, number)]
    order: dict[str, Any] = {"trigger": "Schedule", "scheduledTime": raw.TIME}
    made = raw.model_version(SLOT_JOB, 5 + number, state="Queued", **order)
    made["status"] |= {"attempts": attempts, **status}
    mirror.remember("ModelVersion", made)


def a_retry(mirror: Mirror, **job: Any) -> None:
    mirror.remember("Job", raw.job(RETRY, owner=("ModelVersion", f"uid-{SLOT_JOB}"), tags=TAGS, **job))


def test_a_later_attempt_waits_in_its_own_job(mirror: Mirror) -> None:
    waits_for_attempt(mirror, 2)
    a_retry(mirror)
    assert queue(mirror) == ([RETRY], 0, {})


def test_only_the_job_of_the_attempt_that_is_next_may_go(mirror: Mirror) -> None:
    waits_for_attempt(mirror, 2)
    mirror.remember("Job", raw.job(SLOT_JOB, slot=raw.TIME))
    assert queue(mirror) == ([], 0, {})
    waits_for_attempt(mirror, 3)
    a_retry(mirror)
    assert queue(mirror) == ([], 0, {})


def test_a_run_stands_in_the_queue_since_it_says_it_waits(mirror: Mirror) -> None:
    slot_run(mirror)
    assert mirror.queue(b.NOW, enabled=True).candidates[0].waiting_since == b.SLOT
    waits_for_attempt(mirror, 1, queuedTime="2026-11-22T01:30:00Z")
    assert mirror.queue(b.NOW, enabled=True).candidates[0].waiting_since == b.SLOT - timedelta(minutes=30)


def deleted_pod(version: int = 1, *, phase: str = "Running", at: str = raw.TIME) -> raw.Raw:
    made = raw.pod("trainer", version, job_uid=f"uid-{SLOT_JOB}", phase=phase)
    made["metadata"]["deletionTimestamp"] = at
    return made


LOST = b.SLOT + timedelta(seconds=120)


def test_a_run_whose_pods_are_all_lost_leaves_its_place(mirror: Mirror) -> None:
    slot_run(mirror, "Running", suspend=False, status={"active": 1})
    mirror.remember("Pod", deleted_pod())
    assert queue(mirror, now=LOST - timedelta(seconds=1))[1] == 1
    assert queue(mirror, now=LOST)[1] == 0


def test_a_pod_that_is_not_lost_keeps_the_place_of_its_run(mirror: Mirror) -> None:
    slot_run(mirror, "Running", suspend=False, status={"active": 2})
    mirror.remember("Pod", deleted_pod())
    mirror.remember("Pod", raw.pod("second", job_uid=f"uid-{SLOT_JOB}"))
    assert queue(mirror, now=LOST)[1] == 1


def test_a_lost_pod_of_a_job_that_is_gone_keeps_no_place(mirror: Mirror) -> None:
    mirror.remember("Pod", deleted_pod())
    assert queue(mirror, now=LOST - timedelta(seconds=1))[1] == 1
    assert queue(mirror, now=LOST)[1] == 0


def test_a_run_without_any_pod_yet_keeps_its_place(mirror: Mirror) -> None:
    slot_run(mirror, "Running", suspend=False)
    assert queue(mirror, now=LOST)[1] == 1


def test_a_job_that_was_forgotten_or_replaced_neither_waits_nor_runs(mirror: Mirror) -> None:
    slot_run(mirror)
    raw.list_into(mirror, "Job", [], "10")
    assert queue(mirror) == ([], 0, {})
    slot_run(mirror)
    mirror.forget("Job", raw.job(SLOT_JOB, 11))
    assert queue(mirror) == ([], 0, {})


# --- Kueue


def test_a_schedule_says_into_which_queue_of_kueues_its_runs_go(mirror: Mirror) -> None:
    slot_run(mirror)
    assert mirror.queue(b.NOW, enabled=True).candidates[0].kueue == ""
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, spec={"trainer": {"queueName": "batch"}}))
    assert mirror.queue(b.NOW, enabled=True).candidates[0].kueue == "batch"


def test_a_run_in_kueues_queue_keeps_its_schedule_busy_until_it_runs(mirror: Mirror) -> None:
    slot_run(mirror, tags={names.KUEUE_LABEL: "batch"})
    seen = mirror.queue(b.NOW, enabled=True)
    assert (seen.candidates, seen.running, seen.elsewhere) == ([], [], {KEY})
    mirror.remember("Job", raw.job(SLOT_JOB, 2, slot=raw.TIME, tags={names.KUEUE_LABEL: "batch"}, suspend=False))
    seen = mirror.queue(b.NOW, enabled=True)
    assert (len(seen.running), seen.elsewhere) == (1, set())


# --- what a backup brings back, and what was read


def test_a_version_that_came_back_from_a_backup_is_known_by_its_label(mirror: Mirror) -> None:
    made = raw.model_version(MANUAL, owner=None)
    made["metadata"]["labels"] = {names.MANAGED_BY_LABEL: names.OPERATOR_MANAGER}
    mirror.remember("ModelVersion", made)
    (version,) = world(mirror).versions
    assert (version.restored, version.meta.ours) == (False, True)
    marked = raw.model_version(MANUAL, 2)
    marked["metadata"]["labels"] = {names.RESTORED_LABEL: "true"}
    mirror.remember("ModelVersion", marked)
    (version,) = world(mirror).versions
    assert version.restored


def test_whose_model_a_deployment_serves_is_kept(mirror: Mirror) -> None:
    made = raw.deployment()
    made["metadata"]["annotations"] = {names.SERVED_VERSION_ANNOTATION: MANUAL, "other": "x"}
    mirror.remember("Deployment", made)
    seen = world(mirror).deployment
    assert seen is not None
    assert seen.served_version == MANUAL


def test_the_end_of_a_log_is_there_for_its_schedule_until_it_is_dropped(mirror: Mirror) -> None:
    mirror.keep_log_tail(b.pod("uid-1"), "first")
    mirror.keep_log_tail(b.pod("uid-2"), "second")
    assert world(mirror).log_tails == {"uid-1": "first", "uid-2": "second"}
    mirror.drop_log_tails((b.NAMESPACE, "another"))
    assert len(world(mirror).log_tails) == 2
    mirror.drop_log_tails(KEY)
    mirror.drop_log_tails(KEY)
    assert world(mirror).log_tails == {}


def test_jobs_made_of_the_cron_job_by_the_operator_and_by_hand_belong_to_the_schedule(mirror: Mirror) -> None:
    mirror.remember("Job", raw.job(SLOT_JOB, slot=raw.TIME, owner=("TrainingSchedule", b.SCHEDULE_UID)))
    mirror.remember("Job", raw.job("by-hand"))
    assert job_names(world(mirror).jobs) == ["by-hand", SLOT_JOB]


@pytest.mark.parametrize(
    ("reason", "held"),
    [
        ("InvalidSchedule", True),
        ("InvalidTimeZone", True),
        ("OrganizationMismatch", True),
        ("DeploymentNotFound", True),
        ("NameConflict", False),
        ("SecretNotFound", False),
        ("Reconciled", False),
    ],
)
def test_a_schedule_that_cannot_be_as_it_is_lets_nothing_go(mirror: Mirror, reason: str, held: bool) -> None:
    slot_run(mirror)
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": "why"}
    mirror.remember("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID, status={"conditions": [ready]}))
    free, _, waiting = queue(mirror)
    assert (free, waiting) == (([], {SLOT_JOB: "ScheduleRefused"}) if held else ([SLOT_JOB], {}))


def test_when_an_organization_was_last_served_is_known_from_its_jobs_also_after_a_restart() -> None:
    mirror = Mirror()
    for version, start in enumerate(["2026-11-22T02:00:01Z", "2026-11-22T02:00:07Z", "2026-11-22T02:00:03Z"], start=1):
        mirror.remember("Job", raw.job(f"{b.NAME}-{version}", version, suspend=False, status={"startTime": start}))
    assert mirror.queue(b.later(hours=1), enabled=True).last_served == {b.NAMESPACE: b.SLOT + timedelta(seconds=7)}
    assert mirror.queue(b.NOW, enabled=True).last_served == {b.NAMESPACE: b.NOW}, "the clock may have been put back"
