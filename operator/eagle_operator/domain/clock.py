"""The schedule's clock: which slots count, and how its CronJob is to be."""

from dataclasses import dataclass
from datetime import datetime

from eagle_contract.api import Resolved, TrainingScheduleStatus
from eagle_contract.api.schedule import MissedSlots
from eagle_operator.domain import timetable
from eagle_operator.domain.manifests import covers
from eagle_operator.domain.training_job import cron_job
from eagle_operator.domain.world import Installation, Job, Manifest, World
from eagle_operator.domain.writes import Apply, DeleteJob, Write


@dataclass(frozen=True)
class ClockStep:
    """The clock's part: `status` must be written before `writes` are done."""

    status: TrainingScheduleStatus
    writes: tuple[Write, ...]
    fresh: tuple[Job, ...]
    """Slot Jobs that count and have no version yet."""
    next_slot: datetime | None


def tick(world: World, resolved: Resolved, installation: Installation, now: datetime) -> ClockStep:
    """What the clock needs now.

    Raises timetable.InvalidTimeZoneError and timetable.InvalidTimetableError. Kubernetes starts old slots on its own
    after a change of the timetable, on resume and when a waiting Job is deleted; `notBefore` keeps them from running.
    """
    upcoming = timetable.next_slot(resolved.schedule, resolved.time_zone, now)
    status = _not_before(world, resolved, now)
    stale, fresh = _sorted_out(world, status, resolved, now)
    status = _missed(status, stale).model_copy(
        update={"next_schedule_time": None if resolved.suspend else upcoming, "last_schedule_time": _last(world)}
    )
    desired = cron_job(world.schedule, resolved, installation)
    writes: tuple[Write, ...] = tuple(DeleteJob(job) for job in stale)
    if not _is_as(world.cron_job, desired):
        writes += (Apply(desired),)
    return ClockStep(status, writes, fresh, None if resolved.suspend else upcoming)


def _is_as(cron_job: Manifest | None, desired: Manifest) -> bool:
    """Nobody changed what is desired, and nothing was taken out of it since it was applied."""
    if cron_job is None or not covers(cron_job.get("spec"), desired["spec"]):
        return False
    return covers(cron_job["metadata"].get("annotations"), desired["metadata"]["annotations"])


def _not_before(world: World, resolved: Resolved, now: datetime) -> TrainingScheduleStatus:
    status = world.schedule.status
    clock = f"{resolved.schedule} {resolved.time_zone}"
    changed = status.clock is not None and status.clock != clock
    was_suspended = bool(world.cron_job and world.cron_job.get("spec", {}).get("suspend"))
    resumed = was_suspended and not resolved.suspend
    cancelled = any(
        version.spec.cancellation
        and version.status.state in ("Queued", "Running")
        and version.spec.trigger == "Schedule"
        for version in world.versions
    )
    moved = {"clock": clock}
    if changed or resumed or (cancelled and not _just_moved(status, world)):
        return status.model_copy(update={**moved, "not_before": now.replace(microsecond=0)})
    return status.model_copy(update=moved)


def _just_moved(status: TrainingScheduleStatus, world: World) -> bool:
    """Whether notBefore already covers every slot that was seen."""
    slots = [job.slot for job in world.jobs if job.slot]
    return status.not_before is not None and all(slot <= status.not_before for slot in slots)


def _sorted_out(
    world: World, status: TrainingScheduleStatus, resolved: Resolved, now: datetime
) -> tuple[tuple[Job, ...], tuple[Job, ...]]:
    """Slot Jobs without a version: those that no longer count, and those that do."""
    stale, fresh = [], []
    for job in world.jobs:
        if job.slot is None or job.meta.deleting or job.finished or world.version(job.meta.name):
            continue
        if job.meta.owner_kind != "CronJob":
            continue
        age = (now - job.slot).total_seconds()
        outdated = status.not_before is not None and job.slot <= status.not_before
        if job.suspended and (outdated or age > resolved.starting_deadline_seconds):
            stale.append(job)
        else:
            fresh.append(job)
    return tuple(stale), tuple(fresh)


def _missed(status: TrainingScheduleStatus, stale: tuple[Job, ...]) -> TrainingScheduleStatus:
    last = status.missed_slots.last_time if status.missed_slots else None
    newly = sorted(job.slot for job in stale if job.slot and (last is None or job.slot > last))
    if not newly:
        return status
    before = status.missed_slots.count if status.missed_slots else 0
    return status.model_copy(update={"missed_slots": MissedSlots(count=before + len(newly), last_time=newly[-1])})


def _last(world: World) -> datetime | None:
    slots = [version.spec.scheduled_time for version in world.versions if version.spec.scheduled_time]
    known = world.schedule.status.last_schedule_time
    return max([*slots, *([known] if known else [])], default=None)
