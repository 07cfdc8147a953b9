"""The clock: which slots count, what is missed, and how the CronJob is kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus, names, resolve
from eagle_contract.api.schedule import MissedSlots
from eagle_operator.domain import training_job
from eagle_operator.domain.plan import plan
from eagle_operator.domain.world import Job, Manifest, Schedule, Version, World
from eagle_operator.domain.writes import Apply, Create, DeleteJob, Plan, SetScheduleStatus

CLOCK = "0 2 * * 0 Etc/UTC"


def schedule(*, created: datetime = b.SLOT - timedelta(days=1), spec: Any = None, **status: Any) -> Schedule:
    """A schedule of the day before its first slot."""
    return b.schedule(TrainingScheduleStatus(**{"clock": CLOCK, **status}), created=created, **(spec or {}))


def missed(count: int, last: datetime, reason: str) -> MissedSlots:
    return MissedSlots(count=count, last_time=last, last_reason=reason)


def cron_job(of: Schedule, **changes: Any) -> Manifest:
    """The schedule's CronJob as it should be, but for changes of its spec."""
    manifest = b.cron_job_of(training_job.cron_job(of, resolve(of.spec, b.DEFAULTS), b.INSTALLATION))
    return {**manifest, "spec": {**manifest["spec"], **changes}}


def at(*jobs: Job, of: Schedule | None = None, versions: tuple[Version, ...] = (), **changes: Any) -> World:
    known = of or schedule()
    return b.world(*versions, of=known, jobs=jobs, cron_job=cron_job(known, **changes))


def decided(world: World, now: datetime = b.NOW) -> Plan:
    return plan(world, b.INSTALLATION, b.DEFAULTS, now)


def created(due: Plan) -> list[Manifest]:
    return [write.manifest for write in b.of_kind(due, Create)]


def versions(due: Plan) -> list[str]:
    """The names of the versions made."""
    return [made["metadata"]["name"] for made in created(due) if made["kind"] == "ModelVersion"]


def deleted(due: Plan) -> list[str]:
    return [write.job.meta.name for write in b.of_kind(due, DeleteJob)]


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
    assert versions(decided(at(b.running_job()), b.later(hours=5))) == [b.slot_name()]


def test_a_slots_job_that_ended_before_anybody_looked_is_not_made_again_but_gets_its_version() -> None:
    assert versions(decided(at(b.running_job(complete=True, pods=0)))) == [b.slot_name()]


def test_a_slot_that_was_run_is_not_run_again_though_its_version_is_gone() -> None:
    due = decided(at(b.running_job(complete=True, pods=0, recorded=True)))
    assert created(due) == []
    assert b.schedule_status(due).last_schedule_time == b.SLOT
    assert created(decided(at(of=schedule(last_schedule_time=b.SLOT)))) == []


def test_while_a_slots_job_is_being_deleted_nothing_takes_its_name() -> None:
    due = decided(at(b.job(deleting=True)), b.later(minutes=1))
    assert created(due) == []
    assert b.schedule_status(due).missed_slots is None


def test_a_job_of_an_attempt_is_nobodys_slot() -> None:
    retry = b.job(f"{b.slot_name()}-retry-1", slot=None, version=b.slot_name(), attempt=2, owner_kind="ModelVersion")
    assert created(decided(at(b.job(), retry, versions=(b.version(status=b.queued()),)))) == []


def test_a_slot_gets_one_version() -> None:
    assert created(decided(at(b.job(), versions=(b.version(status=b.queued()),)))) == []


# --- a slot that kubernetes does not make


def test_kubernetes_has_some_seconds_to_make_a_slots_job() -> None:
    due = decided(at(), b.SLOT + timedelta(seconds=4.9))
    assert created(due) == []
    assert due.look_again == b.SLOT + timedelta(seconds=5)


def test_then_the_operator_makes_it_as_kubernetes_would_have() -> None:
    (manifest,) = created(decided(at(), b.SLOT + timedelta(seconds=5)))
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("Job", b.slot_name())
    assert manifest["metadata"]["annotations"] == {names.SLOT_ANNOTATION: "2026-11-22T02:00:00Z"}
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == b.SCHEDULE_UID
    assert manifest["spec"]["suspend"] is True
    template = cron_job(schedule())["spec"]["jobTemplate"]
    assert manifest["metadata"]["labels"] == template["metadata"]["labels"]
    assert manifest["spec"] == template["spec"]


def test_a_slots_job_that_the_operator_made_gets_its_version_like_any_other() -> None:
    made = b.job(owner_kind="TrainingSchedule", owner_uid=b.SCHEDULE_UID)
    assert versions(decided(at(made), b.later(minutes=1))) == [b.slot_name()]


def test_a_slot_is_made_up_for_within_the_starting_deadline_and_missed_after_it() -> None:
    last_moment = b.SLOT + timedelta(seconds=3600)
    assert len(created(decided(at(), last_moment))) == 1
    late = decided(at(), last_moment + timedelta(seconds=1))
    assert created(late) == []
    assert b.schedule_status(late).missed_slots == missed(1, b.SLOT, "TooLate")


def test_of_many_missed_slots_the_newest_is_made_up_for_and_the_others_are_counted() -> None:
    now = b.SLOT + timedelta(days=21, minutes=5)
    due = decided(at(), now)
    assert b.schedule_status(due).missed_slots == missed(3, b.SLOT + timedelta(days=14), "TooLate")
    assert [manifest["metadata"]["name"] for manifest in created(due)] == [b.slot_name(b.SLOT + timedelta(days=21))]
    written = b.kinds(due)
    assert written.index("SetScheduleStatus") < written.index("Create")


def test_a_new_schedule_has_no_slots_before_it_was_made() -> None:
    restored = b.schedule(TrainingScheduleStatus(), created=b.later(minutes=20))
    due = decided(at(b.job(), of=restored), b.later(minutes=30))
    assert created(due) == []
    assert b.schedule_status(due).missed_slots is None


def test_a_slot_at_the_moment_of_its_schedules_birth_belongs_to_the_past() -> None:
    assert created(decided(at(of=b.schedule(created=b.SLOT)), b.later(minutes=1))) == []


EVERY_MINUTE: dict[str, Any] = {"schedule": "* * * * *"}


def minutely(**status: Any) -> Schedule:
    return schedule(clock="* * * * * Etc/UTC", not_before=b.SLOT, spec=EVERY_MINUTE, **status)


def counted(of: Schedule, now: datetime, **cron: Any) -> tuple[Schedule, list[str]]:
    """The schedule after so many looks as it takes, and the names of what was made."""
    made: list[str] = []
    for _ in range(5):
        due = decided(at(of=of, **cron), now)
        made += [manifest["metadata"]["name"] for manifest in created(due)]
        found = b.of_kind(due, SetScheduleStatus)
        of = replace(of, status=found[-1].status) if found else of
        if created(due) or of.status.not_before != b.SLOT:
            break
    return of, made


def test_more_missed_slots_than_one_look_counts_are_counted_all_the_same() -> None:
    now = b.SLOT + timedelta(minutes=2500, seconds=6)
    after, made = counted(minutely(), now)
    assert after.status.missed_slots == missed(2499, b.SLOT + timedelta(minutes=2499), "TooLate")
    assert made == [b.slot_name(b.SLOT + timedelta(minutes=2500))]


def test_no_slot_is_begun_while_newer_ones_are_still_to_be_counted() -> None:
    patient = {**EVERY_MINUTE, "startingDeadlineSeconds": 604_800}
    of = schedule(clock="* * * * * Etc/UTC", not_before=b.SLOT, spec=patient)
    first = decided(at(of=of), b.SLOT + timedelta(minutes=1500, seconds=6))
    assert created(first) == []
    assert b.schedule_status(first).missed_slots == missed(1000, b.SLOT + timedelta(minutes=1000), "TooLate")


def test_not_before_moves_when_the_last_of_many_missed_slots_is_counted() -> None:
    now = b.SLOT + timedelta(minutes=2500, seconds=6)
    first = decided(at(of=minutely(), suspend=True), now)
    assert b.schedule_status(first).missed_slots == missed(1000, b.SLOT + timedelta(minutes=1000), "Suspended")
    assert (b.schedule_status(first).not_before, applied(first)) == (b.SLOT, [])
    after, made = counted(minutely(), now, suspend=True)
    assert after.status.missed_slots == missed(2500, b.SLOT + timedelta(minutes=2500), "Suspended")
    assert (after.status.not_before, made) == (now, [])


# --- slots that do not count


@pytest.mark.parametrize("moment", [b.SLOT, b.SLOT + timedelta(minutes=1)])
def test_a_job_of_a_slot_up_to_not_before_is_deleted_and_gets_no_version(moment: datetime) -> None:
    due = decided(at(b.job(), of=schedule(not_before=moment)))
    assert created(due) == []
    assert deleted(due) == [b.slot_name()]


def test_what_was_settled_when_not_before_moved_is_not_counted_again() -> None:
    before = missed(3, b.SLOT, "Suspended")
    due = decided(at(b.job(), of=schedule(not_before=b.SLOT, missed_slots=before)))
    assert b.schedule_status(due).missed_slots == before


def test_missed_slots_add_up() -> None:
    of = schedule(missed_slots=missed(2, b.SLOT - timedelta(days=7), "Suspended"))
    assert b.schedule_status(decided(at(of=of), b.later(days=1))).missed_slots == missed(3, b.SLOT, "TooLate")


def test_a_slot_that_waited_longer_than_the_starting_deadline_unseen_is_missed() -> None:
    due = decided(at(b.job()), b.SLOT + timedelta(seconds=3601))
    assert (created(due), deleted(due)) == ([], [b.slot_name()])
    assert b.schedule_status(due).missed_slots == missed(1, b.SLOT, "TooLate")


def test_a_missed_slot_is_counted_before_its_job_is_deleted() -> None:
    written = b.kinds(decided(at(b.job()), b.SLOT + timedelta(seconds=3601)))
    assert written.index("SetScheduleStatus") < written.index("DeleteJob")


def test_a_job_that_runs_is_never_deleted_as_missed() -> None:
    due = decided(at(b.running_job(), of=schedule(not_before=b.SLOT)))
    assert deleted(due) == []
    assert versions(due) == [b.slot_name()]


def test_a_suspended_schedule_begins_no_slot_and_counts_none_before_it_is_resumed() -> None:
    of = schedule(spec={"suspend": True})
    due = decided(at(b.job(), of=of, suspend=True), b.later(days=10))
    assert (created(due), deleted(due)) == ([], [])
    assert b.schedule_status(due).missed_slots is None


def test_a_job_of_a_slot_that_was_settled_goes_although_its_schedule_is_suspended() -> None:
    of = schedule(not_before=b.SLOT, spec={"suspend": True})
    assert deleted(decided(at(b.job(), of=of, suspend=True))) == [b.slot_name()]


# --- the clocks change


BERLIN: dict[str, Any] = {"schedule": "30 2 * * *", "timeZone": "Europe/Berlin"}
FIRST_HALF_PAST_TWO = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND_HALF_PAST_TWO = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def in_berlin(last: datetime) -> Schedule:
    """A daily schedule whose last run was of that slot."""
    return schedule(clock="30 2 * * * Europe/Berlin", last_schedule_time=last, spec=BERLIN, created=last)


def test_in_autumn_the_second_half_past_two_is_no_slot_and_its_job_goes_uncounted() -> None:
    first = b.job(slot=FIRST_HALF_PAST_TWO, complete=True, recorded=True)
    second = b.job(slot=SECOND_HALF_PAST_TWO)
    due = decided(at(first, second, of=in_berlin(FIRST_HALF_PAST_TWO)), SECOND_HALF_PAST_TWO + timedelta(seconds=6))
    assert (created(due), deleted(due)) == ([], [b.slot_name(SECOND_HALF_PAST_TWO)])
    assert b.schedule_status(due).missed_slots is None
    assert b.schedule_status(due).next_schedule_time == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_the_second_half_past_twos_job_goes_while_the_first_ones_run_goes_on() -> None:
    running = b.version(slot=FIRST_HALF_PAST_TWO, status=b.running(started=FIRST_HALF_PAST_TWO))
    job, second = b.running_job(slot=FIRST_HALF_PAST_TWO), b.job(slot=SECOND_HALF_PAST_TWO)
    world = at(job, second, of=in_berlin(FIRST_HALF_PAST_TWO - timedelta(days=1)), versions=(running,))
    due = decided(world, SECOND_HALF_PAST_TWO + timedelta(seconds=6))
    assert (created(due), deleted(due)) == ([], [b.slot_name(SECOND_HALF_PAST_TWO)])


def test_in_spring_the_half_past_two_that_is_skipped_is_made_up_for_after_the_gap() -> None:
    yesterday, gap_ends = datetime(2027, 3, 27, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    due = decided(at(of=in_berlin(yesterday)), gap_ends + timedelta(seconds=5))
    assert [manifest["metadata"]["name"] for manifest in created(due)] == [b.slot_name(gap_ends)]


# --- notBefore moves


def test_a_changed_timetable_moves_not_before_before_the_cron_job_changes() -> None:
    of = schedule(spec={"schedule": "0 3 * * 0"})
    due = decided(b.world(of=of, cron_job=cron_job(schedule())))
    status = b.schedule_status(due)
    assert (status.not_before, status.clock) == (b.NOW, "0 3 * * 0 Etc/UTC")
    written = b.kinds(due)
    assert written.index("SetScheduleStatus") < written.index("Apply")


def test_a_changed_time_zone_moves_it_as_well() -> None:
    due = decided(b.world(of=schedule(spec={"timeZone": "Europe/Berlin"}), cron_job=cron_job(schedule())))
    assert b.schedule_status(due).not_before == b.NOW


def test_a_changed_timetable_counts_what_was_due_by_the_old_one_and_nothing_by_the_new_one() -> None:
    of = schedule(spec={"schedule": "*/10 * * * *"})
    due = decided(at(b.job(), of=of), b.later(minutes=25))
    assert b.schedule_status(due).missed_slots == missed(1, b.SLOT, "ScheduleChanged")
    assert (created(due), deleted(due)) == ([], [b.slot_name()])


def test_an_old_timetable_that_was_broken_has_no_slots_to_count() -> None:
    due = decided(at(of=schedule(clock="61 * * * * Nowhere/Town")))
    status = b.schedule_status(due)
    assert (status.not_before, status.missed_slots, status.clock) == (b.NOW, None, CLOCK)


def test_a_new_schedule_has_no_past_to_leave_out() -> None:
    status = b.schedule_status(decided(b.world(of=b.schedule(TrainingScheduleStatus()))))
    assert (status.not_before, status.clock) == (None, CLOCK)


def test_a_new_schedule_is_ready_by_one_status_once_its_cron_job_is_made() -> None:
    due = decided(b.world(of=b.schedule(TrainingScheduleStatus())))
    assert b.kinds(due) == ["Apply", "SetScheduleStatus"]
    ready = b.schedule_status(due).conditions
    assert [c.status for c in ready if c.type == "Ready"] == ["True"]


def test_a_timetable_that_changed_while_its_cron_job_was_all_that_was_written_replays_nothing() -> None:
    nothing = TrainingScheduleStatus()
    of = b.schedule(nothing, created=b.SLOT - timedelta(days=1), schedule="0 3 * * 0")
    due = decided(b.world(of=of, cron_job=cron_job(schedule())))
    assert b.schedule_status(due).not_before == b.NOW
    assert created(due) == []


def test_resuming_moves_it_and_counts_what_passed_meanwhile() -> None:
    due = decided(at(suspend=True), b.later(days=8))
    status = b.schedule_status(due)
    assert status.not_before == b.later(days=8)
    assert status.missed_slots == missed(2, b.SLOT + timedelta(days=7), "Suspended")
    assert applied(due)[0]["spec"]["suspend"] is False
    assert created(due) == []


def test_a_slot_that_kubernetes_replays_on_resume_does_not_run() -> None:
    due = decided(at(b.job(), of=schedule(not_before=b.later(days=1))), b.later(days=1, seconds=1))
    assert (created(due), deleted(due)) == ([], [b.slot_name()])


def test_suspending_does_not_move_it() -> None:
    due = decided(at(of=schedule(spec={"suspend": True}), suspend=False))
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


def test_cancelling_a_run_that_waits_to_retry_moves_it_too() -> None:
    status = b.running().model_copy(update={"state": "WaitingToRetry", "next_attempt_time": b.later(minutes=5)})
    assert b.schedule_status(decided(at(versions=(b.version(status=status, cancelled=True),)))).not_before == b.NOW


def test_cancelling_counts_the_slot_that_waited_for_the_cancelled_run_but_not_its_own() -> None:
    cancelled = b.version(status=b.running(), cancelled=True)
    next_slot = b.SLOT + timedelta(days=7)
    due = decided(at(b.running_job(), b.job(slot=next_slot), versions=(cancelled,)), next_slot + timedelta(minutes=1))
    assert b.schedule_status(due).missed_slots == missed(1, next_slot, "Cancelled")
    assert (created(due), deleted(due)) == ([], [b.slot_name(next_slot)])


def test_cancelling_a_manual_run_does_not_move_it() -> None:
    version = b.version(f"{b.NAME}-m-1", b.queued(), trigger="Manual", slot=None, cancelled=True)
    of = schedule(last_schedule_time=b.SLOT)
    assert b.schedule_status(decided(at(of=of, versions=(version,)))).not_before is None


@pytest.mark.parametrize("known", [b.later(hours=1), None], ids=["moved before", "never moved"])
def test_it_never_goes_back_though_the_clock_of_the_machine_does(known: datetime | None) -> None:
    early = b.SLOT - timedelta(hours=3)
    changed = decided(at(of=schedule(not_before=known, spec={"schedule": "0 3 * * 0"})), early)
    assert b.schedule_status(changed).not_before == (known or early)
    cancelled = b.version(status=b.running(), cancelled=True)
    due = decided(at(b.running_job(), of=schedule(not_before=known), versions=(cancelled,)), early)
    found = [write.status.not_before for write in b.of_kind(due, SetScheduleStatus)]
    assert set(found) <= {known or b.SLOT}


# --- what the status says


def test_the_next_slot_is_told_and_looked_at_when_kubernetes_should_have_made_its_job() -> None:
    due = decided(at(of=schedule(last_schedule_time=b.SLOT)))
    assert b.schedule_status(due).next_schedule_time == b.SLOT + timedelta(days=7)
    assert due.look_again == b.SLOT + timedelta(days=7, seconds=5)


def test_a_suspended_schedule_has_no_next_slot() -> None:
    due = decided(at(of=schedule(spec={"suspend": True})))
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
        ({"trainer": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}}, {}),
        (
            {"trainer": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}},
            {"trainer": {"resources": {"limits": {"cpu": 2}}}},
        ),
        ({}, {"trainer": {"nodeSelector": {"disk": "ssd"}}}),
        ({"timeoutSeconds": 100}, {}),
    ],
    ids=["node selector", "toleration", "resources", "one limit", "added", "time-out"],
)
def test_what_is_taken_out_of_the_schedule_is_taken_out_of_its_cron_job(before: Any, after: Any) -> None:
    world = b.world(of=b.schedule(**after), cron_job=cron_job(b.schedule(**before)))
    assert len(applied(decided(world))) == 1


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_kubernetes_is_only_the_clock_and_never_told_to_forbid_or_to_replace(policy: str) -> None:
    (manifest,) = applied(decided(b.world(of=b.schedule(concurrencyPolicy=policy))))
    assert manifest["spec"]["concurrencyPolicy"] == "Allow"
    replaced = decided(at(of=b.schedule(concurrencyPolicy=policy), concurrencyPolicy="Forbid"))
    assert len(applied(replaced)) == 1


def test_a_queue_of_kueues_is_not_put_into_the_template_where_it_would_be_out_of_turn() -> None:
    (manifest,) = applied(decided(b.world(of=b.schedule(trainer={"queueName": "batch"}))))
    assert names.KUEUE_LABEL not in manifest["spec"]["jobTemplate"]["metadata"]["labels"]


def test_a_cron_job_that_a_backup_brought_back_without_its_owner_is_owned_again() -> None:
    of = b.schedule()
    restored = cron_job(of)
    restored = {**restored, "metadata": {k: v for k, v in restored["metadata"].items() if k != "ownerReferences"}}
    due = decided(b.world(of=of, cron_job=restored))
    assert applied(due)[0]["metadata"]["ownerReferences"][0]["uid"] == b.SCHEDULE_UID


def test_image_pull_secrets_that_the_installation_has_no_more_are_taken_out() -> None:
    had = replace(b.INSTALLATION, image_pull_secrets=("registry",))
    of = b.schedule()
    manifest = b.cron_job_of(training_job.cron_job(of, resolve(of.spec, b.DEFAULTS), had))
    assert len(applied(decided(b.world(of=of, cron_job=manifest)))) == 1
