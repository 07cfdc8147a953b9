"""Slots where the clock of Kubernetes, or the operator's own of before, is ahead of the operator's."""

from datetime import timedelta

from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus
from eagle_operator.domain.plan import plan
from eagle_operator.domain.world import Job, World
from eagle_operator.domain.writes import DeleteJob

WEEKLY = TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC")
JUST_BEFORE = b.SLOT - timedelta(milliseconds=40)


def world(*jobs: Job, status: TrainingScheduleStatus = WEEKLY) -> World:
    clock = {
        "metadata": {"name": b.NAME, "uid": b.CRON_JOB_UID, "ownerReferences": [{"uid": b.SCHEDULE_UID}]},
        "spec": {},
    }
    made = b.schedule(status, created=b.SLOT - timedelta(days=3))
    return b.world(of=made, jobs=jobs, cron_job=clock)


def test_a_job_that_comes_a_moment_before_its_slot_is_taken_up_at_the_slot() -> None:
    due = plan(world(b.job()), b.INSTALLATION, b.DEFAULTS, JUST_BEFORE)
    assert not b.of_kind(due, DeleteJob)
    assert due.look_again == b.SLOT


def test_kubernetes_has_five_seconds_to_make_the_job_of_a_slot_to_come() -> None:
    due = plan(world(), b.INSTALLATION, b.DEFAULTS, JUST_BEFORE)
    assert due.look_again == b.SLOT + timedelta(seconds=5)


def test_the_next_time_that_is_told_is_one_that_will_run_though_later_ones_are_settled() -> None:
    ahead = WEEKLY.model_copy(update={"not_before": b.SLOT + timedelta(days=30)})
    due = plan(world(status=ahead), b.INSTALLATION, b.DEFAULTS, b.NOW)
    assert b.schedule_status(due).next_schedule_time == b.SLOT + timedelta(days=35)
