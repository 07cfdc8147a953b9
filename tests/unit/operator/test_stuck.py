"""A run that should have ended, begun or told of itself by now is said to be stuck, once, until it is not any more."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus, resolve
from eagle_contract.api.version import Progress
from eagle_operator.domain.plan import plan
from eagle_operator.domain.stuck import Verdict, judge
from eagle_operator.domain.world import Pod, Version, World
from eagle_operator.domain.writes import Plan, Report, SetScheduleStatus

DEADLINE = b.SLOT + timedelta(hours=2)
OVERDUE = DEADLINE + timedelta(seconds=120)
SILENT = b.SLOT + timedelta(minutes=15)
MANUAL = f"{b.NAME}-m-1"


def queued(since: datetime = b.SLOT) -> Version:
    return b.version(status=b.queued().model_copy(update={"queued_time": since}))


def running(heard: datetime | None = None) -> Version:
    progress = Progress(step="fit", percent=10, updated_time=heard) if heard else None
    return b.version(status=b.running().model_copy(update={"progress": progress}))


def judged(*versions: Version, now: datetime, pods: tuple[Pod, ...] = (b.pod(),), **spec: Any) -> Verdict:
    world = b.world(*versions, of=b.schedule(**spec), pods=pods)
    return judge(world, resolve(world.schedule.spec, b.DEFAULTS), now)


def reason(verdict: Verdict) -> str:
    return verdict.stuck.reason if verdict.stuck else ""


# --- waiting


def test_a_run_that_waits_longer_than_the_schedule_allows_is_stuck() -> None:
    limit = b.SLOT + timedelta(hours=2)
    before = judged(queued(), now=limit - timedelta(seconds=1))
    assert (reason(before), before.look_again) == ("", limit)
    found = judged(queued(), now=limit)
    assert found.stuck is not None
    assert (found.stuck.reason, found.stuck.version, found.look_again) == ("WaitingTooLong", b.slot_name(), None)
    assert found.stuck.message == f"{b.slot_name()} waits for its turn since 2026-11-22 02:00 UTC"


def test_how_long_is_too_long_is_the_schedules_own() -> None:
    own: dict[str, Any] = {"monitoring": {"stuckAfterSeconds": 60}}
    assert reason(judged(queued(), now=b.later(seconds=54), **own)) == ""
    assert reason(judged(queued(), now=b.later(seconds=55), **own)) == "WaitingTooLong"


@pytest.mark.parametrize("state", ["WaitingToRetry", "Succeeded", "Failed", "Cancelled", None])
def test_a_run_that_neither_waits_for_its_turn_nor_runs_is_not_stuck(state: Any) -> None:
    status = running().status.model_copy(update={"state": state, "queued_time": b.SLOT})
    assert judged(b.version(status=status), now=b.later(days=9)) == Verdict()


# --- running


def test_an_attempt_that_is_there_two_minutes_after_its_deadline_is_stuck() -> None:
    heard = OVERDUE - timedelta(minutes=1)
    before = judged(running(heard), now=OVERDUE - timedelta(seconds=1))
    assert (reason(before), before.look_again) == ("", OVERDUE)
    found = judged(running(heard), now=OVERDUE)
    assert found.stuck is not None
    assert found.stuck.reason == "AttemptOverdue"
    assert found.stuck.message == (
        f"attempt 1 of {b.slot_name()} should have ended by 2026-11-22 04:00 UTC; its pod does not die"
    )


def test_the_deadline_is_the_schedules_own() -> None:
    heard = b.later(minutes=3)
    assert reason(judged(running(heard), now=b.SLOT + timedelta(seconds=180), timeoutSeconds=60)) == "AttemptOverdue"


def test_an_attempt_that_was_not_heard_of_for_a_quarter_of_an_hour_is_stuck() -> None:
    before = judged(running(), now=SILENT - timedelta(seconds=1))
    assert (reason(before), before.look_again) == ("", SILENT)
    found = judged(running(), now=SILENT)
    assert found.stuck is not None
    assert found.stuck.reason == "HeartbeatLost"
    assert found.stuck.message == f"attempt 1 of {b.slot_name()} was last heard of at 2026-11-22 02:00 UTC"
    assert found.look_again == OVERDUE


def test_each_word_of_the_trainers_gives_it_another_quarter_of_an_hour() -> None:
    heard = b.SLOT + timedelta(minutes=40)
    found = judged(running(heard), now=heard + timedelta(minutes=14))
    assert (reason(found), found.look_again) == ("", heard + timedelta(minutes=15))
    assert reason(judged(running(heard), now=heard + timedelta(minutes=15))) == "HeartbeatLost"


def test_what_was_heard_of_an_earlier_attempt_says_nothing_about_this_one() -> None:
    version = running(b.SLOT - timedelta(hours=5))
    assert reason(judged(version, now=SILENT - timedelta(seconds=1))) == ""


@pytest.mark.parametrize(
    "pods", [(), (b.pod(started=False, phase="Pending"),), (b.pod("uid-other"),)], ids=["none", "pending", "another's"]
)
def test_a_pod_that_does_not_start_is_not_missed_at_its_word_for_it_has_a_time_out_of_its_own(
    pods: tuple[Pod, ...],
) -> None:
    found = judged(running(), now=SILENT, pods=pods)
    assert (reason(found), found.look_again) == ("", OVERDUE)


def test_of_several_the_one_that_is_stuck_for_the_longest_is_told() -> None:
    waiting = b.version(MANUAL, queued().status, trigger="Manual", slot=None)
    both = judged(waiting, running(), now=b.later(days=1))
    assert reason(both) == "HeartbeatLost"


# --- what the schedule says of it


def a_plan(world: World, now: datetime) -> Plan:
    return plan(world, b.INSTALLATION, b.DEFAULTS, now)


def looked_at(version: Version, now: datetime, status: TrainingScheduleStatus | None = None) -> Plan:
    """The plan of a schedule that runs that version."""
    job = b.running_job() if version.status.attempts else b.job()
    return a_plan(b.world(version, of=b.schedule(status), jobs=(job,), pods=(b.pod(),)), now)


def alarms(due: Plan) -> list[Report]:
    return [report for report in b.of_kind(due, Report) if report.reason == "StuckJob"]


def test_a_schedule_of_which_nothing_is_stuck_says_nothing_of_it() -> None:
    due = looked_at(running(), b.NOW)
    assert b.conclusion(b.schedule_status(due), "StuckJob") is None
    assert (alarms(due), due.look_again) == ([], SILENT)


def test_a_stuck_run_is_a_condition_and_a_warning() -> None:
    due = looked_at(running(), SILENT)
    assert b.conclusion(b.schedule_status(due), "StuckJob") == ("True", "HeartbeatLost")
    (alarm,) = alarms(due)
    assert (alarm.kind, alarm.warning) == ("TrainingSchedule", True)
    assert alarm.message == f"HeartbeatLost: attempt 1 of {b.slot_name()} was last heard of at 2026-11-22 02:00 UTC"


def test_it_is_told_once() -> None:
    first = looked_at(running(), SILENT)
    again = looked_at(running(), SILENT + timedelta(minutes=5), b.schedule_status(first))
    assert alarms(again) == []
    assert b.conclusion(b.schedule_status(first), "StuckJob") == ("True", "HeartbeatLost")


def test_it_is_the_same_event_for_an_operator_that_ended_before_it_wrote_the_condition() -> None:
    first, again = looked_at(running(), SILENT), looked_at(running(), SILENT + timedelta(minutes=5))
    assert alarms(first) == alarms(again)


def test_another_reason_is_told_as_well() -> None:
    first = looked_at(running(), SILENT)
    heard = OVERDUE - timedelta(minutes=1)
    late = looked_at(running(heard), OVERDUE, b.schedule_status(first))
    assert [alarm.message.split(":")[0] for alarm in alarms(late)] == ["AttemptOverdue"]


def test_what_was_heard_of_and_falls_silent_again_is_told_again() -> None:
    first = looked_at(running(), SILENT)
    heard = SILENT + timedelta(minutes=5)
    well = looked_at(running(heard), heard, b.schedule_status(first))
    assert b.conclusion(b.schedule_status(well), "StuckJob") == ("False", "NotStuck")
    again = looked_at(running(heard), heard + timedelta(minutes=15), b.schedule_status(well))
    assert alarms(again)[0].about != alarms(first)[0].about


def test_another_run_that_is_stuck_for_the_same_reason_is_told_too() -> None:
    first = looked_at(queued(), b.later(hours=2))
    other = b.version(MANUAL, queued().status, trigger="Manual", slot=None)
    world = b.world(
        other, of=b.schedule(b.schedule_status(first)), jobs=(b.job(MANUAL, slot=None, version=MANUAL),), pods=()
    )
    assert len(alarms(a_plan(world, b.later(hours=2, minutes=1)))) == 1


def test_it_is_cleared_when_the_run_has_ended() -> None:
    first = looked_at(running(), SILENT)
    world = b.world(b.version(status=b.trained(image="serving:1")), of=b.schedule(b.schedule_status(first)))
    cleared = b.schedule_status(a_plan(world, SILENT + timedelta(minutes=1)))
    assert b.conclusion(cleared, "StuckJob") == ("False", "NotStuck")
    after = replace(world, schedule=replace(world.schedule, status=cleared))
    assert b.of_kind(a_plan(after, SILENT + timedelta(minutes=2)), SetScheduleStatus) == []
