"""The life of one run: queued, admitted, running, ended. One step at a time, each a status and what goes with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from eagle_contract.api import ModelVersionStatus, Resolved, names
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.version import Attempt, RunState
from eagle_operator.domain import attempts, conditions, timetable
from eagle_operator.domain.training_job import ordered_job
from eagle_operator.domain.world import Installation, Job, Pod, Version, Waiting, World
from eagle_operator.domain.writes import Create, DeleteJob, EndJob, MarkRecorded, Write

FINISHED = ("Succeeded", "Failed", "Cancelled")
_PATIENCE = timedelta(seconds=1)
_REPLACED = "it made room for the next slot, as spec.concurrencyPolicy Replace says"


@dataclass(frozen=True)
class Step:
    """Where a run stands now."""

    version: Version
    status: ModelVersionStatus
    after: tuple[Write, ...] = ()
    look_again: datetime | None = None
    ended: bool = False
    """Whether the run ended in this very step."""


def advance(world: World, version: Version, resolved: Resolved, installation: Installation, now: datetime) -> Step:
    """One step of the run's life. `resolved` are the schedule's values; the order's overrides are the trainer's."""
    run = _Run(world, version, resolved, installation, now)
    if version.status.state is None:
        return run.enter()
    if version.status.state in FINISHED:
        return run.tidy()
    if version.status.state == "Queued":
        return run.wait()
    return run.follow()


@dataclass(frozen=True)
class _Run:
    world: World
    version: Version
    resolved: Resolved
    installation: Installation
    now: datetime

    @property
    def job(self) -> Job | None:
        return self.world.job(names.attempt_job_name(self.version.meta.name, 1))

    def enter(self) -> Step:
        """An order without a status is new, or it comes from a backup: then it must not run again."""
        if self.version.spec.trigger == "Import":
            return self._end("Failed", "InvalidConfiguration", "trigger Import is not in this release; train instead")
        age = self.now - (self.version.spec.scheduled_time or self.version.meta.created)
        if age > timedelta(seconds=self.resolved.starting_deadline_seconds):
            return self._end("Failed", "Expired", "the order is older than spec.startingDeadlineSeconds allows")
        status = self._with("Admitted", "False", "WaitingForSlot", "waits for its turn")
        status = self._with("Trained", "Unknown", "Queued", on=status)
        return Step(self.version, status.model_copy(update={"state": "Queued"}))

    def wait(self) -> Step:
        job = self.job
        if job and not job.suspended:
            return self._admitted(job)
        after = (DeleteJob(job),) if job else ()
        if self.version.spec.cancellation:
            return self._end("Cancelled", "Cancelled", "cancelled before it began", after=after)
        if self._outdated():
            return self._end("Cancelled", "Superseded", "its slot lies before status.notBefore", after=after)
        if job is None:
            return self._missing_job()
        waiting = self.world.waiting.get(job.meta.name, Waiting("WaitingForSlot", "waits for its turn"))
        return Step(self.version, self._with("Admitted", "False", waiting.reason, waiting.message))

    def follow(self) -> Step:
        attempt, job = self.version.status.attempts[-1], self.job
        pods = self.world.pods_of(job) if job else ()
        ended = attempts.outcome(
            attempt, job, pods, self.version.status, cancelled=self.version.spec.cancellation is not None
        )
        if ended:
            gave_way = ended.reason == "JobDeleted" and self._replaced()
            return self._ended(attempt, attempts.Outcome("Superseded", _REPLACED) if gave_way else ended)
        pod = _reporter(pods)
        status = self.version.status
        if pod and pod.meta.uid != status.reporter_uid and not pod.gone:
            current = attempt.model_copy(update={"pod_uid": pod.meta.uid})
            status = status.model_copy(
                update={"reporter_uid": pod.meta.uid, "attempts": [*status.attempts[:-1], current]}
            )
        problem = attempts.waiting_problem(pod) if pod else ""
        status = self._with("Trained", "Unknown", "Running", problem, on=status)
        patience_ends = self._patience_ends(pod)
        look_again = patience_ends if patience_ends and patience_ends > self.now else None
        return Step(self.version, status, after=self._end_early(job, patience_ends), look_again=look_again)

    def tidy(self) -> Step:
        job = self.job
        after: tuple[Write, ...] = ()
        if job and job.suspended and not job.finished and not job.meta.deleting:
            after = (DeleteJob(job),)
        elif job and job.finished and job.pods == 0 and not job.recorded and not job.meta.deleting:
            after = (MarkRecorded(job),)
        return Step(self.version, self.version.status, after=after)

    def _admitted(self, job: Job) -> Step:
        status = self._with("Admitted", "True", "Admitted")
        status = self._with("Trained", "Unknown", "Running", on=status)
        attempt = Attempt(number=1, job_name=job.meta.name, start_time=job.start_time or self.now)
        pod = _reporter(self.world.pods_of(job))
        if pod and not pod.gone:
            attempt = attempt.model_copy(update={"pod_uid": pod.meta.uid})
        return Step(
            self.version,
            status.model_copy(
                update={
                    "state": "Running",
                    "attempts": [attempt],
                    "reporter_uid": attempt.pod_uid,
                    "trainer_image": self.installation.trainer_image,
                }
            ),
        )

    def _missing_job(self) -> Step:
        if self._replaced():
            return self._end("Cancelled", "Superseded", _REPLACED)
        if self.version.spec.trigger == "Schedule":
            return self._end("Failed", "JobDeleted", "its Job was deleted while it waited")
        job = ordered_job(self.world.schedule, self.version, self.resolved, self.installation)
        return Step(self.version, self.version.status, after=(Create(job),))

    def _replaced(self) -> bool:
        """Whether Kubernetes took the Job away to make room for the next slot's."""
        slot = self.version.spec.scheduled_time
        if slot is None or self.resolved.concurrency_policy != "Replace":
            return False
        try:
            return timetable.next_slot(self.resolved.schedule, self.resolved.time_zone, slot) <= self.now
        except (timetable.InvalidTimeZoneError, timetable.InvalidTimetableError):
            return False

    def _outdated(self) -> bool:
        not_before, slot = self.world.schedule.status.not_before, self.version.spec.scheduled_time
        return bool(self.version.spec.trigger == "Schedule" and not_before and slot and slot <= not_before)

    def _end_early(self, job: Job | None, patience_ends: datetime | None) -> tuple[Write, ...]:
        if job is None or job.finished or job.failing or job.deadline_seconds == 1:
            return ()
        overdue = patience_ends is not None and self.now >= patience_ends
        return (EndJob(job),) if self.version.spec.cancellation or overdue else ()

    def _patience_ends(self, pod: Pod | None) -> datetime | None:
        """When a pod that does not start has waited long enough; one that replaces an evicted pod waits anew."""
        attempt = self.version.status.attempts[-1]
        if pod is None:
            began = None if attempt.pod_uid else attempt.start_time
        else:
            began = None if pod.started or pod.gone else pod.meta.created
        return began + timedelta(seconds=self.resolved.pending_timeout_seconds) + _PATIENCE if began else None

    def _ended(self, attempt: Attempt, outcome: attempts.Outcome) -> Step:
        done = attempt.model_copy(
            update={
                "finish_time": self.now.replace(microsecond=0),
                "reason": outcome.reason,
                "message": outcome.message,
            }
        )
        state: RunState = "Succeeded" if outcome.completed else "Failed"
        if outcome.reason in ("Cancelled", "Superseded"):
            state = "Cancelled"
        status = self.version.status.model_copy(update={"attempts": [*self.version.status.attempts[:-1], done]})
        if outcome.completed and status.result:
            digest = status.result.artifact.model_digest.removeprefix("sha256:")
            run_time = self.version.spec.scheduled_time or self.version.meta.created
            status = status.model_copy(update={"version": names.version_label(run_time, digest)})
        return self._end(state, outcome.reason, outcome.message, on=status)

    def _end(
        self,
        state: RunState,
        reason: str,
        message: str,
        *,
        on: ModelVersionStatus | None = None,
        after: tuple[Write, ...] = (),
    ) -> Step:
        trained: ConditionStatus = "True" if state == "Succeeded" else "False"
        status = self._with("Trained", trained, reason, message, on=on)
        status = status.model_copy(update={"state": state, "reporter_uid": None})
        return Step(self.version, status, after=after, ended=True)

    def _with(
        self,
        kind: str,
        value: ConditionStatus,
        reason: str,
        message: str = "",
        *,
        on: ModelVersionStatus | None = None,
    ) -> ModelVersionStatus:
        status = on or self.version.status
        changed = conditions.with_condition(
            status.conditions, kind, value, reason, message, generation=self.version.meta.generation, now=self.now
        )
        return status.model_copy(update={"conditions": changed})


def _reporter(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod whose word counts: the newest that is alive, else the newest."""
    alive = [pod for pod in pods if not pod.gone]
    return alive[-1] if alive else (pods[-1] if pods else None)
