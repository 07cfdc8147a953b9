"""The clock: which slots count, what is missed, and how the CronJob is kept."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus, resolve
from eagle_contract.api.schedule import MissedSlots
from eagle_operator.domain import training_job
from eagle_operator.domain.plan import plan
from eagle_operator.domain.world import Job, Manifest, Schedule, Version, World
from eagle_operator.domain.writes import Apply, Create, DeleteJob, Plan, SetScheduleStatus

CLOCK = "0 2 * * 0 Etc/UTC"
MISSED = TrainingScheduleStatus(clock=CLOCK, missed_slots=MissedSlots(count=2, last_time=b.SLOT - timedelta(days=7)))


def not_before(moment: datetime) -> TrainingScheduleStatus:
    return TrainingScheduleStatus(clock=CLOCK, not_before=moment)


def cron_job(of: Schedule, **changes: Any) -> Manifest:
    """The schedule's CronJob as it should be, but for changes of its spec."""
    manifest = b.cron_job_of(training_job.cron_job(of, resolve(of.spec, b.DEFAULTS), b.INSTALLATION))
    return {**manifest, "spec": {**manifest["spec"], **changes}}


def at(*jobs: Job, of: Schedule | None = None, versions: tuple[Version, ...] = (), **changes: Any) -> World:
    schedule = of or b.schedule()
    return b.world(*versions, of=schedule, jobs=jobs, cron_job=cron_job(schedule, **changes))


def decided(world: World, now: datetime = b.NOW) -> Plan:
    return plan(world, b.INSTALLATION, b.DEFAULTS, now)


def created(due: Plan) -> list[Manifest]:
    return [write.manifest for write in b.of_kind(due, Create)]


def applied(due: Plan) -> list[Manifest]:
    return [write.manifest for write in b.of_kind(due, Apply) if write.manifest["kind"] == "CronJob"]


# --- slots that count


def test_a_slots_job_gets_its_version() -> None:
    (manifest,) = created(decided(at(b.job())))
    assert manifest["kind"] == "ModelVersion"
    assert manifest["metadata"]["name"] == b.slot_name()
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == b.SCHEDULE_UID
    assert manifest["spec"] == {
        "scheduleName": b.NAME,
        "trigger": "Schedule",
        "scheduledTime": "2026-11-22T02:00:00Z",
        "requestedBy": "schedule",
    }


def test_a_slots_job_that_runs_already_gets_its_version_however_late() -> None:
    assert len(created(decided(at(b.running_job()), b.later(hours=5)))) == 1


@pytest.mark.parametrize(
    "job",
    [b.job(complete=True), b.job(deleting=True), b.job(slot=None), b.job(owner_kind="ModelVersion")],
    ids=["finished", "deleted", "no slot", "ordered"],
)
def test_other_jobs_get_no_version(job: Job) -> None:
    assert created(decided(at(job))) == []


def test_a_slot_gets_one_version() -> None:
    assert created(decided(at(b.job(), versions=(b.version(status=b.queued()),)))) == []


# --- slots that do not count


@pytest.mark.parametrize("moment", [b.SLOT, b.SLOT + timedelta(minutes=1)])
def test_a_slot_up_to_not_before_is_deleted_and_counted_and_gets_no_version(moment: datetime) -> None:
    due = decided(at(b.job(), of=b.schedule(not_before(moment))))
    assert created(due) == []
    assert len(b.of_kind(due, DeleteJob)) == 1
    assert b.schedule_status(due).missed_slots == MissedSlots(count=1, last_time=b.SLOT)


def test_a_missed_slot_is_counted_before_its_job_is_deleted() -> None:
    written = b.kinds(decided(at(b.job(), of=b.schedule(not_before(b.SLOT)))))
    assert written.index("SetScheduleStatus") < written.index("DeleteJob")


def test_a_missed_slot_is_counted_once_though_its_job_is_still_there() -> None:
    status = MISSED.model_copy(update={"missed_slots": MissedSlots(count=3, last_time=b.SLOT), "not_before": b.SLOT})
    due = decided(at(b.job(), of=b.schedule(status)))
    assert b.schedule_status(due).missed_slots == MissedSlots(count=3, last_time=b.SLOT)
    assert len(b.of_kind(due, DeleteJob)) == 1


def test_missed_slots_add_up() -> None:
    status = MISSED.model_copy(update={"not_before": b.SLOT})
    assert b.schedule_status(decided(at(b.job(), of=b.schedule(status)))).missed_slots == MissedSlots(
        count=3, last_time=b.SLOT
    )


def test_a_slot_that_waited_longer_than_the_starting_deadline_unseen_is_missed() -> None:
    due = decided(at(b.job()), b.SLOT + timedelta(seconds=3601))
    assert (created(due), len(b.of_kind(due, DeleteJob))) == ([], 1)


def test_a_job_that_runs_is_never_deleted_as_missed() -> None:
    due = decided(at(b.running_job(), of=b.schedule(not_before(b.SLOT))))
    assert b.of_kind(due, DeleteJob) == []


# --- notBefore moves


def test_a_changed_timetable_moves_not_before_before_the_cron_job_changes() -> None:
    of = b.schedule(schedule="0 3 * * 0")
    due = decided(b.world(of=of, cron_job=cron_job(b.schedule())))
    status = b.schedule_status(due)
    assert (status.not_before, status.clock) == (b.NOW, "0 3 * * 0 Etc/UTC")
    written = b.kinds(due)
    assert written.index("SetScheduleStatus") < written.index("Apply")


def test_a_changed_time_zone_moves_it_as_well() -> None:
    due = decided(b.world(of=b.schedule(timeZone="Europe/Berlin"), cron_job=cron_job(b.schedule())))
    assert b.schedule_status(due).not_before == b.NOW


def test_a_new_schedule_has_no_past_to_leave_out() -> None:
    status = b.schedule_status(decided(b.world(of=b.schedule(TrainingScheduleStatus()))))
    assert (status.not_before, status.clock) == (None, CLOCK)


def test_resuming_moves_it() -> None:
    due = decided(at(suspend=True))
    assert b.schedule_status(due).not_before == b.NOW
    assert applied(due)[0]["spec"]["suspend"] is False


def test_a_slot_that_kubernetes_replays_on_resume_does_not_run() -> None:
    moved = not_before(b.later(days=1))
    due = decided(at(b.job(), of=b.schedule(moved)), b.later(days=1, seconds=1))
    assert (created(due), len(b.of_kind(due, DeleteJob))) == ([], 1)


def test_suspending_does_not_move_it() -> None:
    due = decided(at(of=b.schedule(suspend=True), suspend=False))
    assert b.schedule_status(due).not_before is None
    assert applied(due)[0]["spec"]["suspend"] is True


@pytest.mark.parametrize("status", [b.queued(), b.running()], ids=["waiting", "running"])
def test_cancelling_a_slots_run_moves_it_once(status: Any) -> None:
    version, job = b.version(status=status, cancelled=True), b.running_job()
    first = decided(at(job, versions=(version,)))
    assert b.schedule_status(first).not_before == b.NOW
    moved = b.schedule(b.schedule_status(first))
    again = decided(at(job, of=moved, versions=(version,)), b.later(seconds=30))
    assert [w.status.not_before for w in b.of_kind(again, SetScheduleStatus)] in ([], [b.NOW])


def test_cancelling_a_manual_run_does_not_move_it() -> None:
    version = b.version(f"{b.NAME}-m-1", b.queued(), trigger="Manual", slot=None, cancelled=True)
    assert b.schedule_status(decided(at(versions=(version,)))).not_before is None


# --- what the status says


def test_the_next_slot_is_told_and_looked_at() -> None:
    due = decided(at())
    assert b.schedule_status(due).next_schedule_time == b.SLOT + timedelta(days=7)
    assert due.look_again == b.SLOT + timedelta(days=7, seconds=2)


def test_a_suspended_schedule_has_no_next_slot() -> None:
    due = decided(at(of=b.schedule(suspend=True)))
    assert (b.schedule_status(due).next_schedule_time, due.look_again) == (None, None)
    assert b.conclusion(b.schedule_status(due), "Training") == ("False", "Suspended")


def test_the_last_slot_that_ran_is_told_and_not_forgotten() -> None:
    due = decided(at(versions=(b.version(status=b.running()),)))
    assert b.schedule_status(due).last_schedule_time == b.SLOT
    status = b.schedule_status(due)
    assert b.of_kind(decided(at(of=b.schedule(status))), SetScheduleStatus)[0].status.last_schedule_time == b.SLOT


# --- the CronJob


def test_a_missing_cron_job_is_made() -> None:
    assert len(applied(decided(b.world()))) == 1


def test_a_cron_job_that_is_as_it_should_be_is_left_alone() -> None:
    assert applied(decided(at())) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"trainer": {"nodeSelector": {"disk": "ssd"}}}, {}),
        ({"trainer": {"tolerations": [{"operator": "Exists"}]}}, {}),
        ({"trainer": {"queueName": "kueue"}}, {}),
        ({"trainer": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}}, {}),
        (
            {"trainer": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}},
            {"trainer": {"resources": {"limits": {"cpu": 2}}}},
        ),
        ({}, {"trainer": {"nodeSelector": {"disk": "ssd"}}}),
        ({"timeoutSeconds": 100}, {}),
    ],
    ids=["node selector", "toleration", "queue", "resources", "one limit", "added", "time-out"],
)
def test_what_is_taken_out_of_the_schedule_is_taken_out_of_its_cron_job(before: Any, after: Any) -> None:
    world = b.world(of=b.schedule(**after), cron_job=cron_job(b.schedule(**before)))
    assert len(applied(decided(world))) == 1


def test_image_pull_secrets_that_the_installation_has_no_more_are_taken_out() -> None:
    had = replace(b.INSTALLATION, image_pull_secrets=("registry",))
    of = b.schedule()
    manifest = b.cron_job_of(training_job.cron_job(of, resolve(of.spec, b.DEFAULTS), had))
    assert len(applied(decided(b.world(of=of, cron_job=manifest)))) == 1
