"""The schedule's clock: which slots are run, which are counted as missed, and how its CronJob is to be.

Kubernetes makes a suspended Job at each slot. What becomes of a slot is decided here, from the timetable alone: a Job
that Kubernetes makes for an old slot, or for a local time that was run already, runs nothing, and a slot for which it
makes none is made up for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from eagle_contract.api import Resolved, TrainingScheduleStatus, names
from eagle_contract.api.schedule import MissedSlots
from eagle_operator.domain import timetable
from eagle_operator.domain.manifests import covers, is_owned
from eagle_operator.domain.runs import FINISHED
from eagle_operator.domain.training_job import cron_job, slot_job
from eagle_operator.domain.world import Installation, Job, Manifest, Meta, Version, World
from eagle_operator.domain.writes import Apply, Create, DeleteJob, TagJob, Write

KUBERNETES_IS_LATE_AFTER = timedelta(seconds=5)
"""So long after a slot the operator waits for Kubernetes to make its Job, before it makes the Job itself."""

_COUNTED_AT_ONCE = 1000
"""Of more missed slots than these, the next look counts the rest, so that none takes long."""


@dataclass(frozen=True)
class ClockStep:
    """The clock's part: `status` must be written before `writes` are done."""

    status: TrainingScheduleStatus
    writes: tuple[Write, ...]
    orders: tuple[Job, ...]
    """Jobs whose runs begin now: they have no version yet."""
    look_again: datetime | None


def tick(world: World, resolved: Resolved, installation: Installation, now: datetime) -> ClockStep:
    """What the clock needs now.

    Raises timetable.InvalidTimeZoneError and timetable.InvalidTimetableError.
    """
    clock = _Clock(world, resolved, installation, now)
    following = clock.next_slot(now)
    status, complete = clock.moved()
    if not complete:
        return ClockStep(status, (), (), None)
    status, slot = clock.due(status)
    run = clock.run(slot) if slot else _Run()
    upcoming = clock.upcoming(status, following)
    status = status.model_copy(update={"next_schedule_time": upcoming})
    writes = (*clock.clean_up(status, slot), *run.writes, *clock.strangers_orders(), *clock.cron_job())
    moments = [run.look_again, clock.look_at(upcoming) if upcoming else None]
    return ClockStep(
        status,
        writes,
        (*run.orders, *clock.unordered(run.orders)),
        min((moment for moment in moments if moment), default=None),
    )


def left_behind(world: World, resolved: Resolved, installation: Installation, now: datetime) -> tuple[Write, ...]:
    """Jobs of slots that are too late to run. Kubernetes goes on making Jobs while a schedule cannot be as it is."""
    clock = _Clock(world, resolved, installation, now)
    jobs = ((job, job.slot) for job in clock.slot_jobs() if job.suspended)
    return tuple(DeleteJob(job) for job, slot in jobs if slot and now - slot > clock.deadline)


def lost(world: World, slot: datetime) -> TrainingScheduleStatus:
    """The status once a slot could not be run because somebody else's Job has its name."""
    return _missed(world.schedule.status, [slot], "NameConflict")


def lost_slot(status: TrainingScheduleStatus) -> datetime | None:
    """The newest slot, if it could not be run because somebody else's Job has its name."""
    missed = status.missed_slots
    if missed is None or missed.last_reason != "NameConflict" or missed.last_time is None:
        return None
    ran = status.last_schedule_time
    return missed.last_time if ran is None or ran < missed.last_time else None


@dataclass(frozen=True)
class _Run:
    """What one slot needs."""

    writes: tuple[Write, ...] = ()
    orders: tuple[Job, ...] = ()
    look_again: datetime | None = None


@dataclass(frozen=True)
class _Clock:
    world: World
    resolved: Resolved
    installation: Installation
    now: datetime

    @property
    def deadline(self) -> timedelta:
        return timedelta(seconds=self.resolved.starting_deadline_seconds)

    def moved(self) -> tuple[TrainingScheduleStatus, bool]:
        """`notBefore` moves when the timetable changes, on resume and on cancel: no older slot is run from then on.

        With False there is still more to be counted before it can move.
        """
        status = with_last_slot(self.world, self.world.schedule.status)
        clock = f"{self.resolved.schedule} {self.resolved.time_zone}"
        before = status.clock or self._cron_jobs_clock() or clock
        reason = self._why_moved(status, before, clock)
        if reason:
            passed = self._passed(status, before)
            status = _missed(status, passed, reason)
            if len(passed) == _COUNTED_AT_ONCE:
                return status, False
            status = status.model_copy(update={"not_before": self._moved_to(status)})
        return status.model_copy(update={"clock": clock}), True

    def _moved_to(self, status: TrainingScheduleStatus) -> datetime:
        """Now, but never back, and not before a run that is cancelled: the clock of the machine may be wrong."""
        moments = [status.not_before, self._cancelled_slot(), self.now.replace(microsecond=0)]
        return max(moment for moment in moments if moment)

    def _cron_jobs_clock(self) -> str | None:
        """What the CronJob was made for; a status that was never written, or was lost, does not tell."""
        spec = self.world.cron_job.get("spec", {}) if self.world.cron_job else {}
        return f"{spec['schedule']} {spec['timeZone']}" if {"schedule", "timeZone"} <= spec.keys() else None

    def _why_moved(self, status: TrainingScheduleStatus, before: str, clock: str) -> str:
        if before != clock:
            return "ScheduleChanged"
        was_suspended = bool(self.world.cron_job and self.world.cron_job.get("spec", {}).get("suspend"))
        if was_suspended and not self.resolved.suspend:
            return "Suspended"
        cancelled = self._cancelled_slot()
        if cancelled and (status.not_before is None or status.not_before < cancelled):
            return "Cancelled"
        return ""

    def _cancelled_slot(self) -> datetime | None:
        """The newest slot whose run is being cancelled."""
        cancelled = (v for v in self.world.versions if v.spec.cancellation and _is_slots_run_under_way(v))
        return max((version.run_time for version in cancelled), default=None)

    def _passed(self, status: TrainingScheduleStatus, clock: str) -> list[datetime]:
        """The slots of a timetable that were not settled yet."""
        fields, _, zone = clock.rpartition(" ")
        try:
            since = _settled(self.world, status)
            return timetable.slots_between(fields, zone, since, self.now, limit=_COUNTED_AT_ONCE)
        except (timetable.InvalidTimetableError, timetable.InvalidTimeZoneError):
            return []

    def due(self, status: TrainingScheduleStatus) -> tuple[TrainingScheduleStatus, datetime | None]:
        """The slot that is to be run, if one is; older ones, and one that is too late, are counted as missed."""
        if self.resolved.suspend:
            return status, None
        passed = self._passed(status, f"{self.resolved.schedule} {self.resolved.time_zone}")
        if not passed:
            return status, None
        newest = passed[-1] if len(passed) < _COUNTED_AT_ONCE else None
        if newest and self.now - newest <= self.deadline:
            return _missed(status, passed[:-1], "TooLate"), newest
        return _missed(status, passed, "TooLate"), None

    def upcoming(self, status: TrainingScheduleStatus, following: datetime) -> datetime | None:
        """The next slot that will run: a clock that once was ahead may have settled slots that are still to come."""
        if self.resolved.suspend:
            return None
        settled = _settled(self.world, status)
        return following if following > settled else self.next_slot(settled)

    def next_slot(self, after: datetime) -> datetime:
        """The timetable's first slot after that. Raises as `tick` does."""
        return timetable.next_slot(self.resolved.schedule, self.resolved.time_zone, after)

    def look_at(self, upcoming: datetime) -> datetime:
        """When to look at a slot to come: as it comes where its Job is there already, made by a clock ahead of ours."""
        is_made = any(job.slot == upcoming for job in self.world.jobs)
        return upcoming if is_made else upcoming + KUBERNETES_IS_LATE_AFTER

    def run(self, slot: datetime) -> _Run:
        """Begin the slot's run, or wait for what it has to wait for."""
        if self._held_up(slot):
            return _Run(look_again=slot + self.deadline + timedelta(seconds=1))
        job = next((job for job in self.world.jobs if job.slot == slot and not job.version), None)
        if job:
            return _Run() if job.meta.deleting else _Run(orders=(job,))
        late = slot + KUBERNETES_IS_LATE_AFTER
        if self.now < late:
            return _Run(look_again=late)
        return _Run(writes=(Create(slot_job(self.world.schedule, slot, self.resolved, self.installation)),))

    def _held_up(self, slot: datetime) -> bool:
        """Whether a slot has to wait: with Forbid for the end of an older one's run, unless that waits for a retry."""
        if self.resolved.concurrency_policy == "Replace":
            return False
        older = (v for v in self.world.versions if v.spec.trigger == "Schedule" and v.run_time < slot)
        return any(v.status.state in (None, "Running") or _waits_for_first_turn(v) for v in older)

    def clean_up(self, status: TrainingScheduleStatus, slot: datetime | None) -> tuple[Write, ...]:
        """Waiting slot Jobs without a version that are not, or no longer, to be run."""
        settled = _settled(self.world, status)
        return tuple(
            DeleteJob(job)
            for job in self.slot_jobs()
            if job.suspended and job.slot and job.slot != slot and (job.slot <= settled or not self._is_slot(job.slot))
        )

    def _is_slot(self, moment: datetime) -> bool:
        return timetable.is_slot(self.resolved.schedule, self.resolved.time_zone, moment)

    def unordered(self, known: tuple[Job, ...]) -> tuple[Job, ...]:
        """Jobs that run, or that somebody made of the CronJob, and that have no version yet."""
        tagged = (job for job in self.world.jobs if job.version and job.slot is None and job.waits)
        started = (job for job in self.slot_jobs() if not job.suspended)
        orders = [*started, *tagged]
        return tuple(job for job in orders if job not in known and not self._has_version(job))

    def strangers_orders(self) -> tuple[Write, ...]:
        """Jobs that an administrator made with `kubectl create job --from=cronjob/…`: each becomes an ordered run."""
        name = self.world.schedule.meta.name
        return tuple(
            TagJob(job, names.adopted_name(name, job.meta.uid))
            for job in self.world.jobs
            if job.meta.owner_kind == "CronJob" and job.slot is None and job.version is None and job.waits
        )

    def slot_jobs(self) -> list[Job]:
        """Slot Jobs without a version, whoever made them."""
        return [
            job
            for job in self.world.jobs
            if job.slot
            and not job.version
            and not job.meta.deleting
            and not job.finished
            and not self._has_version(job)
        ]

    def _has_version(self, job: Job) -> bool:
        return self.world.version(job.version or job.meta.name) is not None

    def cron_job(self) -> tuple[Write, ...]:
        desired = cron_job(self.world.schedule, self.resolved, self.installation)
        return () if _is_as(self.world.cron_job, desired, self.world.schedule.meta) else (Apply(desired),)


def _is_as(observed: Manifest | None, desired: Manifest, owner: Meta) -> bool:
    """Nobody changed what is desired, and nothing was taken out of it since it was applied."""
    if observed is None or not covers(observed.get("spec"), desired["spec"]):
        return False
    if not is_owned(observed, owner):
        return False
    return covers(observed["metadata"].get("annotations"), desired["metadata"]["annotations"])


def _is_slots_run_under_way(version: Version) -> bool:
    return version.spec.trigger == "Schedule" and version.status.state not in FINISHED


def _waits_for_first_turn(version: Version) -> bool:
    return version.status.state == "Queued" and not version.status.attempts


def _settled(world: World, status: TrainingScheduleStatus) -> datetime:
    """Up to when every slot was run or counted."""
    missed = status.missed_slots.last_time if status.missed_slots else None
    moments = [world.schedule.meta.created, status.not_before, status.last_schedule_time, missed]
    return max(moment for moment in moments if moment)


def _missed(status: TrainingScheduleStatus, slots: list[datetime], reason: str) -> TrainingScheduleStatus:
    if not slots:
        return status
    before = status.missed_slots.count if status.missed_slots else 0
    missed = MissedSlots(count=before + len(slots), last_time=slots[-1], last_reason=reason)
    return status.model_copy(update={"missed_slots": missed})


def with_last_slot(world: World, status: TrainingScheduleStatus) -> TrainingScheduleStatus:
    """The newest slot that has or had a run: its version may be gone, and of that only its Job may tell."""
    slots = [version.spec.scheduled_time for version in world.versions]
    recorded = [job.slot for job in world.jobs if job.recorded]
    known = [slot for slot in (*slots, *recorded, status.last_schedule_time) if slot]
    return status.model_copy(update={"last_schedule_time": max(known, default=None)})
