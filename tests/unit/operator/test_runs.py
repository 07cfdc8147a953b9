"""The life of one run, step by step: queued, admitted, running, ended."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus, names, resolve
from eagle_operator.domain.runs import Step, advance
from eagle_operator.domain.world import Job, Pod, Schedule, Version, Waiting
from eagle_operator.domain.writes import Create, DeleteJob, EndJob, HandToKueue, MarkRecorded

MANUAL = f"{b.NAME}-m-1"
PATIENCE = timedelta(seconds=600)
IDLE: dict[str, Any] = {"phase": "Pending", "started": False}


def step(
    version: Version,
    *jobs: Job,
    pods: tuple[Pod, ...] = (),
    now: datetime = b.NOW,
    of: Schedule | None = None,
    others: tuple[Version, ...] = (),
    **facts: Any,
) -> Step:
    """What becomes of the version next."""
    world = b.world(version, *others, of=of, jobs=jobs, pods=pods, **facts)
    return advance(world, version, resolve(world.schedule.spec, b.DEFAULTS), b.INSTALLATION, now)


def attempt_of(status: ModelVersionStatus) -> dict[str, object]:
    (attempt,) = status.attempts
    return attempt.wire()


def not_before(moment: datetime) -> Schedule:
    return b.schedule(TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC", not_before=moment))


def manual(status: ModelVersionStatus | None = None, **changes: object) -> Version:
    return b.version(MANUAL, status, trigger="Manual", slot=None, **changes)  # type: ignore[arg-type]


# --- a new order


def test_a_new_order_queues_and_says_so_in_every_condition_at_once() -> None:
    status = step(b.version(), b.job()).status
    assert status.state == "Queued"
    assert b.conclusion(status, "Admitted") == ("False", "WaitingForSlot")
    assert b.conclusion(status, "Trained") == ("Unknown", "Queued")


@pytest.mark.parametrize("trigger", ["Schedule", "Manual"])
def test_an_order_without_status_that_is_older_than_the_starting_deadline_never_runs(trigger: str) -> None:
    order = b.version() if trigger == "Schedule" else manual()
    status = step(order, now=b.SLOT + timedelta(seconds=3601)).status
    assert (status.state, b.conclusion(status, "Trained")) == ("Failed", ("False", "Expired"))


def test_a_slots_order_that_a_backup_brought_back_never_runs_though_the_object_itself_is_new() -> None:
    restored = b.version(created=b.later(days=30))
    status = step(restored, now=b.later(days=30, seconds=1)).status
    assert b.conclusion(status, "Trained") == ("False", "Expired")


def test_an_order_is_in_time_up_to_the_starting_deadline_itself() -> None:
    assert step(b.version(), now=b.SLOT + timedelta(seconds=3600)).status.state == "Queued"


def test_an_import_says_that_it_is_not_in_this_release() -> None:
    artifact = {"uri": "s3://x/", "digest": b.digest("a")}
    order = b.version(MANUAL, trigger="Import", slot=None, artifact=artifact)
    status = step(order).status
    assert b.conclusion(status, "Trained") == ("False", "InvalidConfiguration")
    assert "not in this release" in b.message(status, "Trained")


# --- waiting


def test_a_waiting_run_says_why_it_waits() -> None:
    reason = Waiting("OrganizationLimit", "the organization has 1 run(s) under way")
    status = step(b.version(status=b.queued()), b.job(), waiting={b.slot_name(): reason}).status
    assert b.conclusion(status, "Admitted") == ("False", "OrganizationLimit")
    assert b.message(status, "Admitted") == reason.message


KUEUE: dict[str, Any] = {"trainer": {"queueName": "batch"}}
HANDED_OVER = Waiting("WaitingInKueue", "Kueue decides when it runs: LocalQueue batch", for_kueue=True)


def waiting_for(reason: Waiting, job: Job, **spec: Any) -> Step:
    return step(b.version(status=b.queued()), job, of=b.schedule(**spec), waiting={b.slot_name(): reason})


def test_when_it_is_its_schedules_turn_a_job_is_handed_to_kueue_once() -> None:
    done = waiting_for(HANDED_OVER, b.job(), **KUEUE)
    (hand,) = done.after
    assert isinstance(hand, HandToKueue)
    assert (hand.job.meta.name, hand.queue) == (b.slot_name(), "batch")
    assert b.conclusion(done.status, "Admitted") == ("False", "WaitingInKueue")
    assert waiting_for(HANDED_OVER, b.job(queued_elsewhere=True), **KUEUE).after == ()


def test_before_its_turn_a_job_is_not_handed_to_kueue() -> None:
    assert waiting_for(Waiting("ScheduleBusy", "another run"), b.job(), **KUEUE).after == ()


def test_a_schedule_that_left_kueue_hands_nothing_over() -> None:
    assert waiting_for(HANDED_OVER, b.job()).after == ()


def test_a_job_in_kueues_queue_goes_on_saying_so() -> None:
    done = step(b.version(status=b.queued()), b.job(queued_elsewhere=True), of=b.schedule(**KUEUE))
    assert b.conclusion(done.status, "Admitted") == ("False", "WaitingInKueue")


def test_cancelling_what_waits_in_kueues_queue_deletes_its_job() -> None:
    done = step(b.version(status=b.queued(), cancelled=True), b.job(queued_elsewhere=True), of=b.schedule(**KUEUE))
    assert (done.status.state, len(b.of_kind(done.after, DeleteJob))) == ("Cancelled", 1)


def test_a_manual_order_gets_its_job_under_its_own_name() -> None:
    done = step(manual(b.queued()))
    (create,) = b.of_kind(done.after, Create)
    metadata = create.manifest["metadata"]
    assert metadata["name"] == MANUAL
    assert metadata["labels"][names.VERSION_LABEL] == MANUAL
    assert metadata["ownerReferences"][0]["uid"] == f"uid-{MANUAL}"
    assert create.manifest["spec"]["suspend"] is True


def test_a_slots_run_whose_job_was_deleted_while_it_waited_failed() -> None:
    status = step(b.version(status=b.queued())).status
    assert (status.state, b.conclusion(status, "Trained")) == ("Failed", ("False", "JobDeleted"))


NEXT = b.SLOT + timedelta(days=7)
REPLACE: dict[str, Any] = {"concurrencyPolicy": "Replace"}


def test_a_waiting_run_makes_room_for_the_next_slot_as_replace_says() -> None:
    waiting, following = b.version(status=b.queued()), b.version(slot=NEXT, status=b.queued())
    assert step(waiting, b.job(), of=b.schedule(**REPLACE)).status.state == "Queued"
    done = step(waiting, b.job(), of=b.schedule(**REPLACE), others=(following,))
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Cancelled", ("False", "Superseded"))
    assert [write.job.meta.name for write in b.of_kind(done.after, DeleteJob)] == [b.slot_name()]


def test_a_running_run_is_ended_cleanly_to_make_room_for_the_next_slot_as_replace_says() -> None:
    going, following = b.version(status=b.running()), b.version(slot=NEXT, status=b.queued())
    replaced: dict[str, Any] = {"of": b.schedule(**REPLACE), "others": (following,)}
    asked = step(going, b.running_job(), pods=(b.pod(),), **replaced)
    assert (asked.status.state, len(b.of_kind(asked.after, EndJob))) == ("Running", 1)
    gone = step(going, **replaced).status
    assert (gone.state, b.conclusion(gone, "Trained")) == ("Cancelled", ("False", "Superseded"))


def test_the_next_slot_replaces_neither_under_forbid_nor_what_a_person_ordered() -> None:
    following = b.version(slot=NEXT, status=b.queued())
    assert step(b.version(status=b.queued()), b.job(), others=(following,)).status.state == "Queued"
    kept = step(b.version(status=b.running()), b.running_job(), pods=(b.pod(),), others=(following,))
    assert kept.after == ()
    job = b.job(MANUAL, slot=None, version=MANUAL)
    ordered = step(manual(b.queued()), job, of=b.schedule(**REPLACE), others=(following,))
    assert (ordered.status.state, ordered.after) == ("Queued", ())


def test_the_newest_slot_replaces_and_is_not_replaced_by_an_older_one() -> None:
    newest, older = b.version(slot=NEXT, status=b.running()), b.version(status=b.queued())
    done = step(newest, b.running_job(slot=NEXT), pods=(b.pod(),), of=b.schedule(**REPLACE), others=(older,))
    assert b.of_kind(done.after, EndJob) == []


@pytest.mark.parametrize("slot", [b.SLOT - timedelta(hours=1), b.SLOT])
def test_a_waiting_run_of_a_slot_up_to_not_before_is_superseded_and_its_job_goes(slot: datetime) -> None:
    done = step(b.version(slot=slot, status=b.queued()), b.job(b.slot_name(slot), slot=slot), of=not_before(b.SLOT))
    assert b.conclusion(done.status, "Trained") == ("False", "Superseded")
    assert [write.job.meta.name for write in b.of_kind(done.after, DeleteJob)] == [b.slot_name(slot)]


def test_a_slot_after_not_before_counts() -> None:
    before = not_before(b.SLOT - timedelta(seconds=1))
    assert step(b.version(status=b.queued()), b.job(), of=before).status.state == "Queued"


def test_not_before_does_not_touch_a_manual_order() -> None:
    waiting = b.job(MANUAL, slot=None, version=MANUAL)
    assert step(manual(b.queued()), waiting, of=not_before(b.later(days=1))).status.state == "Queued"


# --- admitted


def test_a_job_that_was_let_go_makes_the_run_running_with_its_first_attempt() -> None:
    job = b.running_job()
    status = step(b.version(status=b.queued()), job, pods=(b.pod(),)).status
    assert status.state == "Running"
    assert b.conclusion(status, "Admitted") == ("True", "Admitted")
    assert b.conclusion(status, "Trained") == ("Unknown", "Running")
    assert (status.reporter_uid, status.trainer_image) == ("uid-pod", "trainer:1")
    expected = {"number": 1, "jobName": b.slot_name(), "podUID": "uid-pod", "startTime": "2026-11-22T02:00:00Z"}
    assert attempt_of(status) == expected


def test_a_job_that_was_let_go_counts_though_the_order_was_cancelled_meanwhile() -> None:
    assert step(b.version(status=b.queued(), cancelled=True), b.running_job()).status.state == "Running"


def test_the_pod_may_report_as_soon_as_it_is_seen() -> None:
    status = step(b.version(status=b.running(pod_uid=None)), b.running_job(), pods=(b.pod("uid-late"),)).status
    assert (status.reporter_uid, attempt_of(status)["podUID"]) == ("uid-late", "uid-late")


def test_after_an_eviction_the_new_pod_may_report_and_the_old_one_no_more() -> None:
    evicted = b.pod("uid-old", phase="Failed", disrupted=True, exit_code=143)
    new = b.pod("uid-new", created=b.later(minutes=1))
    done = step(b.version(status=b.running("uid-old")), b.running_job(), pods=(new, evicted))
    assert (done.status.reporter_uid, done.status.state) == ("uid-new", "Running")


def test_a_pod_that_is_gone_is_not_made_reporter() -> None:
    dead = b.pod("uid-dead", phase="Failed")
    assert step(b.version(status=b.running(pod_uid=None)), b.running_job(), pods=(dead,)).status.reporter_uid is None


# --- a pod that does not start


def test_what_keeps_a_pod_from_starting_is_told_while_it_waits() -> None:
    stuck = b.pod(**IDLE, unschedulable="0/1 nodes are available")
    done = step(b.version(status=b.running()), b.running_job(), pods=(stuck,))
    assert b.message(done.status, "Trained") == "Unschedulable: 0/1 nodes are available"
    assert done.after == ()
    assert done.look_again is not None
    assert done.look_again >= b.SLOT + PATIENCE


@pytest.mark.parametrize(
    ("job", "pods", "told"),
    [
        (b.running_job(deadline_seconds=1), (), "no room"),
        (b.running_job(deadline_seconds=1), (b.pod(deleting=True, **IDLE),), "no room"),
        (b.running_job(deadline_seconds=1), (b.pod(**IDLE),), "no room"),
        (b.running_job(), (b.pod(deleting=True, **IDLE),), "no room"),
        (b.running_job(), (b.pod(**IDLE),), ""),
        (b.running_job(), (b.pod(deleting=True, **IDLE), b.pod("uid-new", created=b.later(minutes=1))), ""),
    ],
    ids=["its pod is gone", "its pod goes", "told to end", "deleted by somebody", "mended", "another pod runs"],
)
def test_what_kept_a_pod_from_starting_is_known_after_the_pod(job: Job, pods: tuple[Pod, ...], told: str) -> None:
    seen = b.with_conditions(b.running(), {"Trained": ("Unknown", "Running")}, message="no room")
    assert b.message(step(b.version(status=seen), job, pods=pods).status, "Trained") == told


@pytest.mark.parametrize("pods", [(), (b.pod(**IDLE),)], ids=["no pod", "pending pod"])
def test_a_pod_that_does_not_start_in_time_ends_the_attempt(pods: tuple[Pod, ...]) -> None:
    late = b.SLOT + PATIENCE + timedelta(seconds=2)
    done = step(b.version(status=b.running(None)), b.running_job(), pods=pods, now=late)
    assert len(b.of_kind(done.after, EndJob)) == 1


@pytest.mark.parametrize("pods", [(), (b.pod(**IDLE),)], ids=["no pod", "pending pod"])
def test_an_attempt_that_is_being_ended_is_looked_at_when_something_changes_not_at_once(pods: tuple[Pod, ...]) -> None:
    late = b.SLOT + PATIENCE + timedelta(seconds=2)
    done = step(b.version(status=b.running(None)), b.running_job(deadline_seconds=1), pods=pods, now=late)
    assert done.after == ()
    assert done.look_again is None or done.look_again > late


def test_a_pod_that_runs_has_all_the_time_of_its_deadline() -> None:
    late = b.SLOT + timedelta(hours=1)
    done = step(b.version(status=b.running()), b.running_job(), pods=(b.pod(),), now=late)
    assert (done.after, done.look_again) == ((), None)


def test_after_an_eviction_late_in_training_the_new_pod_has_the_whole_patience_again() -> None:
    now = b.SLOT + timedelta(hours=1)
    evicted = b.pod("uid-old", phase="Failed", disrupted=True)
    new = b.pod("uid-new", created=now - timedelta(seconds=5), phase="Pending", started=False)
    done = step(b.version(status=b.running("uid-old")), b.running_job(), pods=(evicted, new), now=now)
    assert done.after == ()
    assert done.look_again is not None
    assert done.look_again >= now - timedelta(seconds=5) + PATIENCE


def test_between_an_evicted_pods_end_and_the_next_ones_beginning_nothing_is_ended() -> None:
    done = step(b.version(status=b.running("uid-old")), b.running_job(), now=b.SLOT + timedelta(hours=1))
    assert (done.after, done.look_again) == ((), None)


# --- the end


def test_a_result_of_its_own_pod_and_a_complete_job_make_a_version() -> None:
    version = b.version(status=b.running().model_copy(update={"result": b.result()}))
    done = step(version, b.running_job(pods=0, complete=True), pods=(b.pod(phase="Succeeded", exit_code=0),))
    assert (done.status.state, done.ended) == ("Succeeded", "end-1")
    assert b.conclusion(done.status, "Trained") == ("True", "Completed")
    assert done.status.version == b.label("a")
    assert done.status.reporter_uid is None
    assert attempt_of(done.status)["finishTime"] == "2026-11-22T02:00:05Z"


def test_the_label_of_a_manual_run_bears_the_time_of_its_order() -> None:
    order = manual(b.running(job=MANUAL).model_copy(update={"result": b.result()}), created=b.later(hours=1))
    done = step(order, b.running_job(name=MANUAL, slot=None, complete=True, pods=0))
    assert done.status.version == "v2026-11-22T03-00-05-000Z_aaaaaaaa"


def test_all_is_written_at_once_when_a_run_fails() -> None:
    failed = b.pod(phase="Failed", exit_code=11, exit_message="the database refuses the password\n")
    never = b.schedule(retry={"delaysSeconds": []})
    ended: dict[str, Any] = {"pods": (failed,), "of": never, "log_tails": {"uid-pod": "its log"}}
    done = step(b.version(status=b.running()), b.running_job(failed=True, pods=0), **ended)
    assert (done.status.state, done.ended) == ("Failed", "end-1")
    assert b.conclusion(done.status, "Trained") == ("False", "SourceUnavailable")
    assert attempt_of(done.status) == {
        "number": 1,
        "jobName": b.slot_name(),
        "podUID": "uid-pod",
        "startTime": "2026-11-22T02:00:00Z",
        "finishTime": "2026-11-22T02:00:05Z",
        "reason": "SourceUnavailable",
        "message": "the database refuses the password",
        "logTail": "its log",
    }
    assert done.status.version is None


# --- cancel


def test_a_cancelled_order_without_a_job_never_runs() -> None:
    done = step(manual(b.queued(), cancelled=True))
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Cancelled", ("False", "Cancelled"))
    assert done.after == ()


def test_cancelling_a_waiting_run_deletes_its_job() -> None:
    done = step(b.version(status=b.queued(), cancelled=True), b.job())
    assert done.status.state == "Cancelled"
    assert len(b.of_kind(done.after, DeleteJob)) == 1


def test_cancelling_a_running_run_lets_kubernetes_end_it() -> None:
    version = b.version(status=b.running(), cancelled=True)
    done = step(version, b.running_job(), pods=(b.pod(),))
    assert done.status.state == "Running"
    assert len(b.of_kind(done.after, EndJob)) == 1


@pytest.mark.parametrize("so_far", [{"deadline_seconds": 1}, {"failing": True}, {"failed": True}])
def test_cancelling_asks_once(so_far: dict[str, object]) -> None:
    version = b.version(status=b.running(), cancelled=True)
    assert not b.of_kind(step(version, b.running_job(**so_far), pods=(b.pod(),)).after, EndJob)


def test_a_run_that_was_cancelled_too_late_keeps_its_result() -> None:
    version = b.version(status=b.running().model_copy(update={"result": b.result()}), cancelled=True)
    status = step(version, b.running_job(complete=True, pods=0)).status
    assert status.state == "Succeeded"
    assert b.conclusion(status, "Serving") == ("False", "NotPromoted")


@pytest.mark.parametrize("state", ["Succeeded", "Failed", "Cancelled"])
def test_cancelling_a_finished_run_changes_nothing(state: str) -> None:
    status = b.trained().model_copy(update={"state": state})
    done = step(b.version(status=status, cancelled=True))
    assert (done.status, done.after) == (status, ())


# --- afterwards


def test_a_finished_job_is_marked_once_its_pods_are_gone() -> None:
    version = b.version(status=b.trained())
    assert step(version, b.running_job(complete=True, pods=1)).after == ()
    (mark,) = step(version, b.running_job(complete=True, pods=0)).after
    assert isinstance(mark, MarkRecorded)
    assert step(version, b.running_job(complete=True, pods=0, recorded=True)).after == ()


def test_a_waiting_job_of_a_run_that_ended_goes() -> None:
    status = b.trained().model_copy(update={"state": "Failed"})
    (delete,) = step(b.version(status=status), b.job()).after
    assert isinstance(delete, DeleteJob)
    assert step(b.version(status=status), b.job(deleting=True)).after == ()


def test_a_finished_run_whose_job_is_gone_needs_nothing() -> None:
    assert step(b.version(status=b.trained())).after == ()
