"""A run before its attempt: ordered, queued, or waiting for the time of its next attempt."""

from datetime import datetime, timedelta
from itertools import islice

from eagle_contract.api import ModelVersionStatus
from eagle_operator.domain import conditions, training_job
from eagle_operator.domain.attempts import Outcome
from eagle_operator.domain.following import admitted
from eagle_operator.domain.run import REPLACED, Run, Step
from eagle_operator.domain.world import Job, Manifest, Version, Waiting
from eagle_operator.domain.writes import Create, DeleteJob, ForgetResult, HandToKueue, Write

_LONGEST_DELAY = timedelta(days=1)
"""The longest that spec.retry may ask for: an attempt that is due later was put off by a clock that was ahead."""


def enter(run: Run) -> Step:
    """An order without a status is new, or it comes from a backup: then it must not run again."""
    spec = run.version.spec
    if run.version.restored:
        why = "it came back from a backup without what had become of it; order a new run if one is wanted"
        return run.ends("Failed", "Expired", why)
    if spec.trigger == "Import":
        return run.ends("Failed", "InvalidConfiguration", "trigger Import is not in this release; train instead")
    if run.now - run.version.run_time > timedelta(seconds=run.resolved.starting_deadline_seconds):
        return run.ends("Failed", "Expired", "the order is older than spec.startingDeadlineSeconds allows")
    if spec.cancellation:
        return run.ends("Cancelled", "Cancelled", "cancelled before it began")
    most = run.installation.max_waiting_manual_runs
    if spec.trigger == "Manual" and _orders_before(run, most) == most:
        why = f"{most} ordered runs of this schedule wait already, as many as may; cancel one, or order again later"
        return run.ends("Failed", "QueueFull", why)
    return Step(run.version, _queued(run, _waiting_since(run)))


def wait(run: Run) -> Step:
    """It waits for its turn."""
    job = run.world.attempt_job(run.version.meta.name, run.next_number)
    if job and not job.suspended:
        return admitted(run, job)
    given_up = _given_up(run)
    if given_up:
        after = (DeleteJob(job),) if job and not job.meta.deleting else ()
        return run.ends("Cancelled", given_up.reason, given_up.message, after=after)
    if job is None or job.meta.deleting:
        return _without_job(run, job)
    waiting = run.world.waiting.get(job.meta.name) or _unknown(run, job)
    status = run.with_condition("Admitted", "False", waiting.reason, waiting.message)
    return run.stays(status, *_to_kueue(run, job, waiting))


def wait_to_retry(run: Run) -> Step:
    """It waits for the time of its next attempt."""
    job = run.world.attempt_job(run.version.meta.name, run.next_number)
    given_up = _given_up(run)
    if given_up:
        after = (DeleteJob(job),) if job and not job.meta.deleting else ()
        return run.ends("Cancelled", given_up.reason, given_up.message, after=(*after, *run.tidied()))
    due = run.status.next_attempt_time or run.now
    if run.status.retries_used and run.status.training_hash != run.fingerprint:
        return run.tries_changed_spec()
    if run.now < due <= run.now + _LONGEST_DELAY:
        return run.stays(until=due)
    if run.status.result is not None:
        return run.stays(run.status, ForgetResult(run.version))
    if job is None:
        return run.stays(run.status, Create(_job(run)))
    return run.stays(_queued(run, run.now).model_copy(update={"next_attempt_time": None}))


def _queued(run: Run, since: datetime) -> ModelVersionStatus:
    status = run.with_condition("Admitted", "False", "WaitingForSlot", "waits for its turn")
    status = run.with_condition("Trained", "Unknown", "Queued", on=status)
    return status.model_copy(update={"state": "Queued", "queued_time": since.replace(microsecond=0)})


def _waiting_since(run: Run) -> datetime:
    """A slot's run that takes the place of one that waits still has that one's age in the queue."""
    if run.version.spec.trigger != "Schedule" or run.resolved.concurrency_policy != "Replace":
        return run.now
    older = (version for version in run.other_slots() if version.run_time < run.version.run_time)
    last = max(older, key=lambda version: version.run_time, default=None)
    return last.status.queued_time or run.now if last and _gave_way_waiting(last, run.version) else run.now


def _gave_way_waiting(older: Version, newer: Version) -> bool:
    """Whether it waits for its first turn, or did so until the other came."""
    end = conditions.find(older.status.conditions, "Trained")
    gave_way = end is not None and end.reason == "Superseded" and end.last_transition_time >= newer.meta.created
    return not older.status.attempts and (older.status.state == "Queued" or gave_way)


def _orders_before(run: Run, limit: int) -> int:
    """How many orders of people wait, or came before this one and are still to be taken up; not counted beyond limit.

    Somebody may order thousands at once.
    """
    me = (run.version.meta.created, run.version.meta.name)
    others = (v for v in run.world.versions if v.spec.trigger == "Manual" and v is not run.version)
    before = (
        v
        for v in others
        if v.status.state == "Queued" or (v.status.state is None and (v.meta.created, v.meta.name) < me)
    )
    return sum(1 for _ in islice(before, limit))


def _given_up(run: Run) -> Outcome | None:
    """Why it is not to wait any longer."""
    if run.version.spec.cancellation:
        return Outcome("Cancelled", "cancelled while it waited")
    if run.status.attempts:
        superseded = Outcome("Superseded", "the next slot came before its next attempt")
        return superseded if run.has_newer_slot else None
    if run.makes_room:
        return REPLACED
    return Outcome("Superseded", "its slot lies before status.notBefore") if _is_outdated(run) else None


def _is_outdated(run: Run) -> bool:
    not_before, slot = run.world.schedule.status.not_before, run.version.spec.scheduled_time
    return bool(run.version.spec.trigger == "Schedule" and not_before and slot and slot <= not_before)


def _without_job(run: Run, ending: Job | None) -> Step:
    if run.next_number > 1 or run.version.spec.trigger == "Schedule":
        return run.ends("Failed", "JobDeleted", "its Job was deleted while it waited")
    return run.stays() if ending else run.stays(run.status, Create(_job(run)))


def _job(run: Run) -> Manifest:
    return training_job.ordered_job(
        run.world.schedule,
        run.version,
        run.resolved,
        run.installation,
        attempt=run.next_number,
        memory=run.status.memory_limit,
    )


def _unknown(run: Run, job: Job) -> Waiting:
    """Why it waits while admission has not said so."""
    if job.queued_elsewhere:
        return Waiting("WaitingInKueue", "Kueue decides when it runs")
    return Waiting("WaitingForSlot", "waits for its turn")


def _to_kueue(run: Run, job: Job, waiting: Waiting) -> tuple[Write, ...]:
    trainer = run.world.schedule.spec.trainer
    queue = trainer.queue_name if trainer else None
    return (HandToKueue(job, queue),) if queue and waiting.for_kueue and not job.queued_elsewhere else ()
