"""One run as its steps see it: what they look at, what they write of it, and what it leaves behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from eagle_contract.api import ModelVersionStatus, Resolved, training_hash
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.version import RunState
from eagle_operator.domain import conditions
from eagle_operator.domain.attempts import Outcome
from eagle_operator.domain.world import Installation, Job, Version, World
from eagle_operator.domain.writes import DeleteJob, MarkRecorded, Write

FINISHED = ("Succeeded", "Failed", "Cancelled")
REPLACED = Outcome("Superseded", "it made room for the next slot, as spec.concurrencyPolicy Replace says")


def next_number(status: ModelVersionStatus) -> int:
    """The number of a run's next attempt."""
    return status.attempts[-1].number + 1 if status.attempts else 1


@dataclass(frozen=True)
class Step:
    """Where a run stands now."""

    version: Version
    status: ModelVersionStatus
    after: tuple[Write, ...] = ()
    look_again: datetime | None = None
    ended: str = ""
    """What ended in this very step, an attempt or the run, by a name that no other such end has; '' if nothing."""


@dataclass(frozen=True)
class Run:
    """A version, the world that it lives in, and the moment."""

    world: World
    version: Version
    resolved: Resolved
    installation: Installation
    now: datetime

    @property
    def status(self) -> ModelVersionStatus:
        """The version's, as it was seen."""
        return self.version.status

    @property
    def next_number(self) -> int:
        """The number that its next attempt will have."""
        return next_number(self.status)

    @cached_property
    def fingerprint(self) -> str:
        """Of what an attempt that begins now would train."""
        return training_hash(self.world.schedule.spec)

    @property
    def makes_room(self) -> bool:
        """Whether a newer slot takes its place."""
        of_slot = self.version.spec.trigger == "Schedule"
        return of_slot and self.resolved.concurrency_policy == "Replace" and self.has_newer_slot

    @property
    def has_newer_slot(self) -> bool:
        """Whether a later slot has a run."""
        return any(version.run_time > self.version.run_time for version in self.other_slots())

    def other_slots(self) -> Iterator[Version]:
        """The runs of slots, but for this one."""
        return (v for v in self.world.versions if v.spec.trigger == "Schedule" and v is not self.version)

    def with_condition(
        self,
        kind: str,
        value: ConditionStatus,
        reason: str,
        message: str = "",
        *,
        on: ModelVersionStatus | None = None,
    ) -> ModelVersionStatus:
        """The status, or `on`, with that condition."""
        status = on or self.status
        changed = conditions.with_condition(
            status.conditions, kind, value, reason, message, generation=self.version.meta.generation, now=self.now
        )
        return status.model_copy(update={"conditions": changed})

    def stays(self, status: ModelVersionStatus | None = None, *writes: Write, until: datetime | None = None) -> Step:
        """No step further, but for what is due anyway: earlier attempts' Jobs are put in order."""
        moments = [until, *self._lost_at()]
        after = (*writes, *self.tidied())
        return Step(self.version, status or self.status, after, min((m for m in moments if m), default=None))

    def ends(
        self,
        state: RunState,
        reason: str,
        message: str,
        *,
        on: ModelVersionStatus | None = None,
        after: tuple[Write, ...] = (),
    ) -> Step:
        """The run is over."""
        trained: ConditionStatus = "True" if reason == "Completed" else "False"
        status = self.with_condition("Trained", trained, reason, message, on=on)
        gave_up = conditions.find(status.conditions, "Retrying")
        if gave_up and (state != "Failed" or gave_up.status == "True"):
            status = status.model_copy(update={"conditions": conditions.without(status.conditions, "Retrying")})
        over = {"state": state, "reporter_uid": None, "next_attempt_time": None, "memory_limit": None}
        ended = f"end-{len(status.attempts) and status.attempts[-1].number}"
        return Step(self.version, status.model_copy(update=over), after=after, ended=ended)

    def tries_changed_spec(self) -> Step:
        """What it is to train is something else now: the retries begin anew, and the first one at once."""
        message = "the spec changed; another attempt follows at once"
        status = self.with_condition("Trained", "Unknown", "WaitingToRetry", message)
        status = self.with_condition("Retrying", "True", "WaitingToRetry", message, on=status)
        fresh = {"retries_used": None, "memory_limit": None, "version": None, "state": "WaitingToRetry"}
        at_once = {"next_attempt_time": self.now.replace(microsecond=0)}
        return Step(self.version, status.model_copy(update={**fresh, **at_once}))

    def tidied(self) -> tuple[Write, ...]:
        """The Jobs of attempts that are over, marked or removed."""
        recorded = [MarkRecorded(job) for job in self._over() if job.finished and job.pods == 0 and not job.recorded]
        left = [DeleteJob(job) for job in self._over() if not job.finished and self._is_of_no_use(job)]
        return (*left, *recorded)

    def _over(self) -> list[Job]:
        """Jobs of attempts whose end is in the status, and any Job of a run that is over."""
        ended = {attempt.number for attempt in self.status.attempts if attempt.finish_time}
        jobs = self.world.jobs_of(self.version.meta.name)
        is_over = self.status.state in FINISHED
        return [job for job in jobs if not job.meta.deleting and (is_over or job.attempt in ended)]

    def _is_of_no_use(self, job: Job) -> bool:
        """Whether nothing more will come of it: it waits, its run ended as it was let go, or its node is lost."""
        begun = any(attempt.number == job.attempt for attempt in self.status.attempts)
        return job.waits or not begun or self._is_lost(job)

    def _is_lost(self, job: Job) -> bool:
        pods = self.world.pods_of(job)
        return bool(pods) and all(pod.ended or pod.lost(self.now) for pod in pods)

    def _lost_at(self) -> list[datetime]:
        """When pods of attempts that are over will count as lost."""
        pods = [pod for job in self._over() if not job.finished for pod in self.world.pods_of(job)]
        return [pod.given_up_at for pod in pods if pod.given_up_at and pod.given_up_at > self.now]
