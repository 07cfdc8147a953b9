"""Jobs that Kubernetes goes on making for a schedule that cannot be as it is."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.operator import builders as b

from eagle_contract.api import TrainingScheduleStatus
from eagle_operator.domain.plan import plan
from eagle_operator.domain.world import World
from eagle_operator.domain.writes import DeleteJob, Plan

TOO_LARGE = {"resources": {"limits": {"memory": "900Gi"}}}
SMALL = replace(b.INSTALLATION, max_trainer={"memory": "8Gi"})
SLOTS = [b.SLOT - timedelta(hours=hours) for hours in (0, 1, 2, 30)]


def held(organization: str | None = "acme") -> World:
    status = TrainingScheduleStatus(clock="0 * * * * Etc/UTC")
    hourly = b.schedule(status, created=b.SLOT - timedelta(days=9), schedule="0 * * * *", trainer=TOO_LARGE)
    jobs = tuple(b.job(b.slot_name(slot), slot=slot) for slot in SLOTS)
    return b.world(of=hourly, organization=organization, jobs=jobs)


def decided(world: World) -> Plan:
    return plan(world, SMALL, b.DEFAULTS, b.NOW)


def test_those_that_are_too_late_to_run_are_removed_and_the_newest_is_kept() -> None:
    due = decided(held())
    assert b.conclusion(b.schedule_status(due), "Ready") == ("False", "InvalidSchedule")
    assert [write.job.slot for write in b.of_kind(due, DeleteJob)] == SLOTS[1:]


def test_their_slots_are_counted_once_the_schedule_is_as_it_may_be() -> None:
    mended = held()
    jobs = tuple(job for job in mended.jobs if job.slot == b.SLOT)
    due = plan(replace(mended, jobs=jobs), b.INSTALLATION, b.DEFAULTS, b.NOW)
    missed = b.schedule_status(due).missed_slots
    assert missed is not None
    assert (missed.count, missed.last_time) == (9 * 24 - 1, b.SLOT - timedelta(hours=1))


def test_where_no_organization_is_nothing_is_removed() -> None:
    assert not b.of_kind(decided(held(organization=None)), DeleteJob)
