"""Whether a run is stuck: it should have ended, or begun, or told of itself by now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from eagle_contract.api import Resolved
from eagle_contract.api.version import Attempt
from eagle_operator.domain.world import Version, World

_OVERDUE_AFTER = timedelta(seconds=120)
"""Beyond its deadline: so long may it take until a pod is gone."""
_SILENT_AFTER = timedelta(minutes=15)
_MINUTE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A reason of the StuckJob condition, and a sentence."""

    version: str
    since: datetime
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is stuck now, and when something may be if nothing happens before."""

    stuck: Stuck | None = None
    look_again: datetime | None = None


def judge(world: World, resolved: Resolved, now: datetime) -> Verdict:
    """The run that is stuck for the longest."""
    found = [limit for version in world.versions for limit in _limits(world, version, resolved)]
    return Verdict(
        stuck=min((limit for limit in found if limit.since <= now), key=lambda limit: limit.since, default=None),
        look_again=min((limit.since for limit in found if limit.since > now), default=None),
    )


def _limits(world: World, version: Version, resolved: Resolved) -> Iterator[Stuck]:
    """From when on a run counts as stuck if nothing becomes of it, and why."""
    status, name = version.status, version.meta.name
    attempt = status.attempts[-1] if status.attempts else None
    if status.state == "Queued" and status.queued_time:
        since = status.queued_time + timedelta(seconds=resolved.stuck_after_seconds)
        waited = f"{name} waits for its turn since {status.queued_time:{_MINUTE}} UTC"
        yield Stuck(name, since, "WaitingTooLong", waited)
    elif status.state == "Running" and attempt and attempt.start_time:
        deadline = attempt.start_time + timedelta(seconds=resolved.timeout_seconds)
        what = f"attempt {attempt.number} of {name}"
        late = f"{what} should have ended by {deadline:{_MINUTE}} UTC; its pod does not die"
        yield Stuck(name, deadline + _OVERDUE_AFTER, "AttemptOverdue", late)
        if _started(world, attempt):
            heard = max(attempt.start_time, status.progress.updated_time) if status.progress else attempt.start_time
            silent = f"{what} was last heard of at {heard:{_MINUTE}} UTC"
            yield Stuck(name, heard + _SILENT_AFTER, "HeartbeatLost", silent)


def _started(world: World, attempt: Attempt) -> bool:
    """Whether there is something to be heard of; a pod that does not start has a time-out of its own."""
    return any(pod.meta.uid == attempt.pod_uid and pod.started for pod in world.pods)
