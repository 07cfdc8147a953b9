"""What the metrics say of runs: counted from accepted status writes, shown from the world as it is.

A write of a status carries the old and the new one, and is refused if the old one is not so any more. So what lies
between the two happened once, and is counted once. What is under way is shown anew at each look: it is right again
after a restart.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from prometheus_client import Gauge

from eagle_contract.api import ModelVersionStatus
from eagle_contract.api.version import Attempt
from eagle_operator import metrics
from eagle_operator.domain import conditions
from eagle_operator.domain.world import Version, Waiting, World
from eagle_operator.domain.writes import SetScheduleStatus, SetVersionStatus, Write

_FINISHED = ("Succeeded", "Failed", "Cancelled")
_GIVEN_UP = ("Cancelled", "Superseded")
_UNDER_WAY = (metrics.RUN_QUEUED, metrics.RUN_ADMITTED, metrics.RUN_DEADLINE, metrics.RUN_HEARTBEAT)
_BY_SCHEDULE = (*_UNDER_WAY, metrics.RUNS_ENDED, metrics.RUN_RETRIES, metrics.MISSED_SLOTS)


def observe(write: Write) -> None:
    """Count what an accepted write says has happened."""
    match write:
        case SetVersionStatus(version, status):
            _run(version, version.status, status)
        case SetScheduleStatus(schedule, status):
            before = schedule.status.missed_slots.count if schedule.status.missed_slots else 0
            after = status.missed_slots.count if status.missed_slots else 0
            if after > before:
                metrics.MISSED_SLOTS.labels(*schedule.meta.key).inc(after - before)


def show(world: World) -> None:
    """Say what is under way of a schedule: what an alert on runs that are stuck looks at."""
    key = world.schedule.meta.key
    queued = [v.status.queued_time for v in world.versions if v.status.state == "Queued" and v.status.queued_time]
    _set(metrics.RUN_QUEUED, key, min(queued, default=None))
    running = next((v for v in world.versions if v.status.state == "Running" and v.status.attempts), None)
    attempt = running.status.attempts[-1] if running else None
    admitted = attempt.start_time if attempt else None
    _set(metrics.RUN_ADMITTED, key, admitted)
    _set(metrics.RUN_DEADLINE, key, _deadline(world, running, attempt) if running and attempt else None)
    _set(metrics.RUN_HEARTBEAT, key, _heartbeat(running, admitted) if running and admitted else None)


def forget(namespace: str, schedule: str) -> None:
    """Remove the series of a schedule that is gone."""
    for metric in _BY_SCHEDULE:
        metric.remove_by_labels({"namespace": namespace, "schedule": schedule})


def stand_back() -> None:
    """Show nothing any more of what is under way: another operator knows it now."""
    for metric in _UNDER_WAY:
        metric.clear()
    show_queue(0, ())


def show_queue(running: int, waiting: Iterable[Waiting]) -> None:
    """Say how many runs there are, and why those that wait do."""
    reasons = Counter(each.reason for each in waiting)
    metrics.RUNS.labels("running").set(running)
    metrics.RUNS.labels("waiting").set(reasons.total())
    for reason in [labels[0] for labels in _labels(metrics.RUN_QUEUE)]:
        if reason not in reasons:
            metrics.RUN_QUEUE.labels(reason).set(0)
    for reason, count in reasons.items():
        metrics.RUN_QUEUE.labels(reason).set(count)


def _run(version: Version, before: ModelVersionStatus, after: ModelVersionStatus) -> None:
    key = version.meta.namespace, version.spec.schedule_name
    if before.state == "Queued" and after.state == "Running" and after.attempts:
        _admitted(version, before, after.attempts[-1])
    attempt = after.attempts[-1] if after.attempts else None
    if attempt and attempt.finish_time and before.state == "Running" and after.state != "Running":
        _attempt_ended(attempt, attempt.finish_time)
        if after.state == "WaitingToRetry":
            metrics.RUN_RETRIES.labels(*key, attempt.reason or "Unknown").inc()
    if after.state in _FINISHED and before.state not in _FINISHED:
        metrics.RUNS_ENDED.labels(*key, after.state, _why(after)).inc()


def _admitted(version: Version, before: ModelVersionStatus, attempt: Attempt) -> None:
    if attempt.start_time is None:
        return
    if before.queued_time:
        metrics.RUN_WAIT.observe(_seconds(attempt.start_time - before.queued_time))
    if version.spec.scheduled_time and not before.attempts:
        metrics.LATENESS.observe(_seconds(attempt.start_time - version.spec.scheduled_time))


def _attempt_ended(attempt: Attempt, end: datetime) -> None:
    result = "Succeeded" if attempt.reason == "Completed" else "Cancelled" if attempt.reason in _GIVEN_UP else "Failed"
    if attempt.start_time:
        metrics.RUN_DURATION.labels(result).observe(_seconds(end - attempt.start_time))


def _why(status: ModelVersionStatus) -> str:
    reason = conditions.reason(status.conditions, "Trained") or "Unknown"
    return "ValidationFailed" if status.state == "Failed" and reason == "Completed" else reason


def _deadline(world: World, running: Version, attempt: Attempt) -> datetime | None:
    job = world.attempt_job(running.meta.name, attempt.number)
    if job is None or job.start_time is None or job.deadline_seconds is None or job.told_to_end:
        return None
    return job.start_time + timedelta(seconds=job.deadline_seconds)


def _heartbeat(running: Version, admitted: datetime) -> datetime | None:
    """An earlier attempt's does not count."""
    progress = running.status.progress
    return progress.updated_time if progress and progress.updated_time >= admitted else None


def _set(gauge: Gauge, key: tuple[str, str], moment: datetime | None) -> None:
    if moment:
        gauge.labels(*key).set(moment.timestamp())
    else:
        gauge.remove(*key)


def _labels(gauge: Gauge) -> list[tuple[str, ...]]:
    return [tuple(sample.labels.values()) for family in gauge.collect() for sample in family.samples]


def _seconds(duration: timedelta) -> float:
    """Clocks of several machines are in play: what seems to end before it began took no time."""
    return max(duration.total_seconds(), 0.0)
