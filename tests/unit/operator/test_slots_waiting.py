"""Slots that come while something is in their way: an older run, a stranger's Job; and Jobs made by hand."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.test_slots import CLOCK, applied, at, created, decided, deleted, missed, schedule, versions

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus, names
from eagle_operator.domain.plan import slot_lost
from eagle_operator.domain.world import Job, Version
from eagle_operator.domain.writes import Create, Report, SetVersionStatus, TagJob

NEXT = b.SLOT + timedelta(days=7)
SOON = NEXT + timedelta(seconds=10)
REPLACE: dict[str, Any] = {"concurrencyPolicy": "Replace"}
UNDER_WAY = {"waits": b.queued(), "runs": b.running(), "was just made": ModelVersionStatus()}
MANUAL = f"{b.NAME}-m-1"


def retrying(state: str) -> ModelVersionStatus:
    """Between two attempts."""
    due = b.SLOT + timedelta(days=8) if state == "WaitingToRetry" else None
    return b.running().model_copy(update={"state": state, "next_attempt_time": due})


# --- forbid


@pytest.mark.parametrize("status", UNDER_WAY.values(), ids=UNDER_WAY)
def test_with_forbid_a_slot_waits_for_the_run_of_an_older_one(status: ModelVersionStatus) -> None:
    older = b.version(status=status)
    due = decided(at(b.running_job(), b.job(slot=NEXT), versions=(older,)), SOON)
    assert (created(due), deleted(due)) == ([], [])
    assert due.look_again is not None
    assert due.look_again <= NEXT + timedelta(seconds=3601)


def test_a_slot_that_waits_keeps_its_job_and_needs_none_to_be_made() -> None:
    world = at(b.running_job(), versions=(b.version(status=b.running()),))
    assert created(decided(world, SOON)) == []


def test_when_the_older_run_has_ended_the_slot_begins() -> None:
    ended = b.version(status=b.trained(image="serving:1"))
    assert versions(decided(at(b.job(slot=NEXT), versions=(ended,)), SOON)) == [b.slot_name(NEXT)]


@pytest.mark.parametrize("state", ["WaitingToRetry", "Queued"])
def test_a_slot_does_not_wait_for_a_run_between_its_attempts_which_it_supersedes(state: str) -> None:
    older = b.version(status=retrying(state))
    assert versions(decided(at(b.job(slot=NEXT), versions=(older,)), SOON)) == [b.slot_name(NEXT)]


@pytest.mark.parametrize("status", [b.running(), b.queued()], ids=["runs", "waits"])
def test_a_slot_does_not_wait_for_what_a_person_ordered(status: ModelVersionStatus) -> None:
    ordered = b.version(MANUAL, status, trigger="Manual", slot=None)
    of = schedule(last_schedule_time=b.SLOT)
    due = decided(at(b.job(slot=NEXT), of=of, versions=(ordered,)), SOON)
    assert b.slot_name(NEXT) in versions(due)


def test_of_slots_that_wait_the_newest_stays_and_the_others_are_missed_with_their_jobs() -> None:
    newest = NEXT + timedelta(days=7)
    world = at(b.running_job(), b.job(slot=NEXT), b.job(slot=newest), versions=(b.version(status=b.running()),))
    due = decided(world, newest + timedelta(seconds=10))
    assert b.schedule_status(due).missed_slots == missed(1, NEXT, "TooLate")
    assert (created(due), deleted(due)) == ([], [b.slot_name(NEXT)])


def test_a_slot_that_waited_too_long_is_missed_although_the_older_run_goes_on() -> None:
    world = at(b.running_job(), b.job(slot=NEXT), versions=(b.version(status=b.running()),))
    in_time = decided(world, NEXT + timedelta(seconds=3600))
    assert deleted(in_time) == []
    late = decided(world, NEXT + timedelta(seconds=3601))
    assert b.schedule_status(late).missed_slots == missed(1, NEXT, "TooLate")
    assert deleted(late) == [b.slot_name(NEXT)]


def test_a_newer_slots_run_does_not_hold_up_an_older_slot_that_is_due_no_more() -> None:
    newer = b.version(slot=NEXT, status=b.running())
    due = decided(at(b.running_job(slot=NEXT), b.job(), versions=(newer,)), SOON)
    assert (created(due), deleted(due)) == ([], [b.slot_name()])
    assert b.schedule_status(due).missed_slots is None


# --- replace


@pytest.mark.parametrize("status", UNDER_WAY.values(), ids=UNDER_WAY)
def test_with_replace_a_slot_begins_at_once(status: ModelVersionStatus) -> None:
    older = b.version(status=status)
    world = at(b.running_job(), b.job(slot=NEXT), of=schedule(spec=REPLACE), versions=(older,))
    assert versions(decided(world, SOON)) == [b.slot_name(NEXT)]


def test_with_replace_the_older_run_is_ended_once_the_newer_one_is_on_record() -> None:
    older, newer = b.version(status=b.running()), b.version(slot=NEXT, status=ModelVersionStatus(), created=NEXT)
    before = at(b.running_job(), b.job(slot=NEXT), of=schedule(spec=REPLACE), versions=(older,))
    assert "EndJob" not in b.kinds(decided(before, SOON))
    after = replace(before, versions=(older, newer), pods=(b.pod(),))
    assert "EndJob" in b.kinds(decided(after, SOON))


# --- suspended, and resumed


def test_a_run_of_before_the_suspension_waits_and_is_superseded_on_resume() -> None:
    waiting = b.version(status=b.queued())
    held = decided(at(b.job(), of=schedule(spec={"suspend": True}), versions=(waiting,), suspend=True), b.later(days=1))
    assert b.version_status(held).state == "Queued"
    resumed = schedule(not_before=b.later(days=1))
    due = decided(at(b.job(), of=resumed, versions=(waiting,)), b.later(days=1, seconds=1))
    assert b.conclusion(b.version_status(due), "Trained") == ("False", "Superseded")


def test_what_ran_already_when_a_schedule_was_suspended_gets_its_version() -> None:
    due = decided(at(b.running_job(), of=schedule(spec={"suspend": True}), suspend=True))
    assert versions(due) == [b.slot_name()]


def test_the_slots_of_a_suspension_that_the_clock_of_kubernetes_did_not_see_are_missed_or_made_up_for() -> None:
    due = decided(at(), b.SLOT + timedelta(days=7, minutes=30))
    assert b.schedule_status(due).missed_slots == missed(1, b.SLOT, "TooLate")
    assert [manifest["metadata"]["name"] for manifest in created(due)] == [b.slot_name(NEXT)]


# --- somebody else's Job


def lost(**changes: Any) -> TrainingScheduleStatus:
    """The status that is written when a slot's name was found to be taken."""
    due = slot_lost(at(of=schedule(**changes)), b.SLOT, "a Job named 'x' is there", b.NOW)
    return b.schedule_status(due)


def test_a_slot_whose_name_somebody_has_taken_is_missed_and_told() -> None:
    status = lost()
    assert status.missed_slots == missed(1, b.SLOT, "NameConflict")
    assert b.conclusion(status, "Ready") == ("False", "NameConflict")
    (event,) = b.of_kind(slot_lost(at(), b.SLOT, "a Job named 'x' is there", b.NOW), Report)
    assert (event.reason, event.warning, event.about) == ("NameConflict", True, "slot-202611220200")


def test_it_is_not_tried_again_and_said_until_another_slot_runs() -> None:
    due = decided(at(of=b.schedule(lost(), created=b.SLOT - timedelta(days=1))), b.later(minutes=1))
    assert created(due) == []
    status = b.schedule_status(due)
    assert b.conclusion(status, "Ready") == ("False", "NameConflict")
    assert b.slot_name() in b.message(status, "Ready")
    run = b.version(slot=NEXT, status=b.queued())
    of = b.schedule(status, created=b.SLOT - timedelta(days=1))
    after = decided(at(b.job(slot=NEXT), of=of, versions=(run,)), SOON)
    assert b.conclusion(b.schedule_status(after), "Ready") == ("True", "Reconciled")


def test_missed_slots_of_before_are_not_forgotten_when_a_name_is_taken() -> None:
    before = missed(4, b.SLOT - timedelta(days=7), "TooLate")
    assert lost(missed_slots=before).missed_slots == missed(5, b.SLOT, "NameConflict")


# --- a timetable that changes


def test_a_run_of_the_old_timetable_that_waits_is_superseded_and_one_that_runs_goes_on() -> None:
    of = schedule(clock="0 3 * * 0 Etc/UTC", not_before=b.NOW, spec={"schedule": "0 3 * * 0"})
    waiting = decided(at(b.job(), of=of, versions=(b.version(status=b.queued()),)), b.later(seconds=1))
    assert b.conclusion(b.version_status(waiting), "Trained") == ("False", "Superseded")
    running = b.version(status=b.running())
    world = replace(at(b.running_job(), of=of, versions=(running,)), pods=(b.pod(),))
    assert b.of_kind(decided(world, b.later(seconds=1)), SetVersionStatus) == []


def test_a_first_slot_after_the_change_runs() -> None:
    of = schedule(clock="0 3 * * 0 Etc/UTC", not_before=b.NOW, spec={"schedule": "0 3 * * 0"})
    slot = b.SLOT + timedelta(hours=1)
    assert versions(decided(at(b.job(slot=slot), of=of), slot + timedelta(seconds=1))) == [b.slot_name(slot)]


def test_a_schedule_of_before_the_clock_was_recorded_counts_from_its_creation() -> None:
    unknown = b.schedule(TrainingScheduleStatus(), created=b.SLOT - timedelta(days=1))
    due = decided(at(b.job(), of=unknown))
    assert b.schedule_status(due).clock == CLOCK
    assert versions(due) == [b.slot_name()]


# --- a Job that somebody made of the CronJob


def by_hand(name: str = "by-hand", **changes: Any) -> Job:
    """As `kubectl create job by-hand --from=cronjob/press-line` makes it."""
    return b.job(name, slot=None, **changes)


ADOPTED = names.adopted_name(b.NAME, "uid-by-hand")


def settled(*jobs: Job, orders: tuple[Version, ...] = (), now: datetime = b.NOW) -> Any:
    return decided(at(*jobs, of=schedule(last_schedule_time=b.SLOT), versions=orders), now)


def test_a_job_made_of_the_cron_job_by_hand_is_tagged_first() -> None:
    due = settled(by_hand())
    (tag,) = b.of_kind(due, TagJob)
    assert (tag.job.meta.name, tag.version) == ("by-hand", ADOPTED)
    assert created(due) == []


def test_the_name_of_its_version_is_one_that_a_persons_order_may_have() -> None:
    assert ADOPTED.startswith(names.manual_prefix(b.NAME))
    longest = names.adopted_name("x" * names.SCHEDULE_NAME_MAX, "0123456789abcdef")
    assert len(longest) <= names.VERSION_NAME_MAX


def test_then_it_becomes_an_order_like_a_persons() -> None:
    due = settled(by_hand(version=ADOPTED))
    assert b.of_kind(due, TagJob) == []
    (manifest,) = created(due)
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("ModelVersion", ADOPTED)
    assert manifest["spec"] == {"scheduleName": b.NAME, "trigger": "Manual", "requestedBy": "kubectl create job"}


def test_it_waits_for_its_turn_in_its_own_job_and_gets_no_other() -> None:
    order = b.version(ADOPTED, b.queued(), trigger="Manual", slot=None)
    due = settled(by_hand(version=ADOPTED), orders=(order,))
    assert b.of_kind(due, Create) == []
    running = b.running_job(name="by-hand", slot=None, version=ADOPTED)
    assert b.version_status(settled(running, orders=(order,))).state == "Running"
    assert b.version_status(settled(running, orders=(order,))).attempts[0].job_name == "by-hand"


@pytest.mark.parametrize(
    "job",
    [by_hand(suspended=False), by_hand(deleting=True), by_hand(complete=True), by_hand(owner_kind="ModelVersion")],
    ids=["runs", "is deleted", "ended", "an order's"],
)
def test_any_other_job_is_left_alone(job: Job) -> None:
    due = settled(job)
    assert (b.of_kind(due, TagJob), created(due), deleted(due)) == ([], [], [])


def test_a_job_by_hand_whose_run_is_refused_goes() -> None:
    refused = b.with_conditions(ModelVersionStatus(state="Failed"), {"Trained": ("False", "QueueFull")})
    order = b.version(ADOPTED, refused, trigger="Manual", slot=None)
    assert deleted(settled(by_hand(version=ADOPTED), orders=(order,))) == ["by-hand"]


def test_a_suspended_schedule_still_takes_what_people_order_of_its_cron_job() -> None:
    of = schedule(spec={"suspend": True}, last_schedule_time=b.SLOT)
    assert len(b.of_kind(decided(at(by_hand(), of=of, suspend=True)), TagJob)) == 1


def test_the_cron_job_is_not_touched_by_any_of_this() -> None:
    assert applied(settled(by_hand())) == []
