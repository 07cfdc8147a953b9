"""A cluster small enough to hold in the hand: takes a plan's writes, and plays the controllers, trainers and users.

It is a model of what Kubernetes does with the objects, not of its API: each write changes the world, and a write that
rests on an outdated object conflicts, as it does on an API server.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.operator import builders as b

from eagle_contract.api import ModelVersionSpec, ModelVersionStatus, TrainingScheduleSpec, TrainingScheduleStatus, names
from eagle_contract.api.schedule import Pin, Serving
from eagle_contract.api.version import Approval, Cancellation
from eagle_operator.domain.admission import Candidate, Limits, Running, decide
from eagle_operator.domain.plan import plan
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import Deployment, Job, Manifest, Meta, Pod, Schedule, Version, Waiting, World
from eagle_operator.domain.writes import (
    Adopt,
    Apply,
    Create,
    DeleteJob,
    EndJob,
    MarkRecorded,
    Plan,
    Report,
    SetScheduleStatus,
    SetVersionStatus,
    Write,
)

LOOKS = 12
"""So many looks the operator itself allows before it complains that a schedule does not settle."""


class ConflictError(Exception):
    """The object is not any more as it was seen."""


class CrashError(Exception):
    """The operator ends between two writes."""


@dataclass
class ClusterModel:
    """Objects by name, and the facts that a test wants to hold against the operator."""

    schedule: Schedule = field(default_factory=lambda: b.schedule(TrainingScheduleStatus()))
    cron_job: Manifest | None = None
    versions: dict[str, Version] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    deployment: Deployment | None = None
    service: Manifest | None = None
    now: datetime = b.NOW
    waiting: dict[str, Waiting] = field(default_factory=dict)
    bad_models: set[str] = field(default_factory=set)
    """Digests of models that a server refuses."""
    jobs_made: list[str] = field(default_factory=list)
    in_service: list[str] = field(default_factory=list)
    """Names of versions in the order in which they came into service."""
    events: set[tuple[str, str, str]] = field(default_factory=set)
    writes: int = 0
    crash_after: int | None = None
    """How many writes the operator does before it ends, once."""
    counter: int = 1
    rested_at: tuple[object, ...] = ()

    # --- the operator

    def world(self) -> World:
        """What the operator sees."""
        return World(
            schedule=self.schedule,
            organization="acme",
            cron_job=self.cron_job,
            versions=tuple(self.versions.values()),
            jobs=tuple(self.jobs.values()),
            pods=tuple(self.pods.values()),
            deployment=self.deployment,
            service=self.service,
            waiting=self.waiting,
        )

    def look(self) -> Plan:
        """One look of the operator, all of whose writes are done. Raises CrashError when its time has come."""
        due = plan(self.world(), b.INSTALLATION, b.DEFAULTS, self.now)
        for write in due.writes:
            self.write(write)
        return due

    def settle(self) -> None:
        """Looks until there is nothing to write; AssertionError if that does not come soon."""
        looks = 0
        if self._signature() == self.rested_at:
            return
        while True:
            try:
                due = self.look()
            except CrashError:
                self.wait(seconds=30)
                continue
            if not due.writes:
                assert due.look_again is None or due.look_again > self.now, "looks again at once, for nothing"
                self.rested_at = self._signature()
                return
            looks += 1
            assert looks <= LOOKS, f"does not settle: {[_told(write) for write in due.writes]}"

    def _signature(self) -> tuple[object, ...]:
        """Changes whenever a look might find something else: every change of an object counts."""
        return (self.counter, self.now, dict(self.waiting), list(self.jobs), list(self.pods.values()))

    def write(self, write: Write) -> None:
        """Do one write. Raises ConflictError, or CrashError after the write that is the last."""
        match write:
            case Apply(manifest):
                self._apply(copy.deepcopy(manifest))
            case Create(manifest):
                self._create(manifest)
            case SetScheduleStatus(schedule, status):
                self._still(schedule.meta, self.schedule.meta)
                self._set_schedule(status=TrainingScheduleStatus.model_validate(status.wire()))
            case SetVersionStatus(version, status):
                current = self.versions[version.meta.name]
                self._still(version.meta, current.meta)
                self._set_version_status(current, status)
            case Adopt(version, owner):
                current = self.versions[version.meta.name]
                self._still(version.meta, current.meta)
                self.versions[version.meta.name] = replace(current, meta=self._touched(current.meta, owner.uid))
            case DeleteJob(job):
                self.delete_job(job.meta.name)
            case EndJob(job):
                self._change_job(job.meta.name, deadline_seconds=1)
            case MarkRecorded(job):
                self._change_job(job.meta.name, recorded=True)
            case Report():
                self.events.add((write.uid, write.reason, write.about))
        self.writes += 1
        if self.crash_after is not None and self.writes > self.crash_after:
            self.crash_after = None
            raise CrashError

    def _still(self, seen: Meta, current: Meta) -> None:
        if seen.resource_version != current.resource_version:
            raise ConflictError(seen.name)

    def _touched(self, meta: Meta, owner: str | None = None, *, new_spec: bool = False) -> Meta:
        self.counter += 1
        return replace(
            meta,
            resource_version=str(self.counter),
            owner_uid=owner or meta.owner_uid,
            generation=meta.generation + int(new_spec),
        )

    def _apply(self, manifest: Manifest) -> None:
        if manifest["kind"] == "CronJob":
            self.counter += 1
            self.cron_job = b.cron_job_of(manifest)
        elif manifest["kind"] == "Service":
            self.counter += 1
            self.service = manifest
        else:
            old = self.deployment
            spec = {"replicas": 1, **manifest["spec"]}
            known = old or Deployment(meta=b.meta(manifest["metadata"]["name"], generation=0), labels={}, spec={})
            if known.spec != spec:
                self.deployment = replace(known, spec=spec, meta=self._touched(known.meta, new_spec=True))

    def _create(self, manifest: Manifest) -> None:
        name, owner = manifest["metadata"]["name"], manifest["metadata"]["ownerReferences"][0]
        identity = b.meta(name, owner_uid=owner["uid"], owner_kind=owner["kind"], created=self.now)
        if manifest["kind"] == "ModelVersion" and name not in self.versions:
            spec = ModelVersionSpec.model_validate(manifest["spec"])
            self.versions[name] = Version(meta=self._touched(identity), spec=spec, status=ModelVersionStatus())
        elif manifest["kind"] == "Job" and name not in self.jobs:
            label = manifest["metadata"]["labels"][names.VERSION_LABEL]
            self._add_job(Job(meta=identity, schedule=b.NAME, suspended=True, version=label, deadline_seconds=7200))

    def _add_job(self, job: Job) -> None:
        self.jobs_made.append(job.meta.name)
        uid = f"{job.meta.uid}-{self.jobs_made.count(job.meta.name)}"
        self.jobs[job.meta.name] = replace(job, meta=self._touched(replace(job.meta, uid=uid)))

    def _change_job(self, name: str, **changes: Any) -> None:
        job = self.jobs.get(name)
        if job:
            self.jobs[name] = replace(job, meta=self._touched(job.meta), **changes)

    def _set_schedule(
        self, *, status: TrainingScheduleStatus | None = None, spec: TrainingScheduleSpec | None = None
    ) -> None:
        old = self.schedule
        if status and status.active_version and status.active_version != old.status.active_version:
            self.in_service.append(status.active_version.name)
        meta = self._touched(old.meta, new_spec=spec is not None)
        self.schedule = Schedule(meta=meta, spec=spec or old.spec, status=status or old.status)

    def _set_version_status(self, version: Version, status: ModelVersionStatus) -> None:
        kept = {"result": version.status.result, "progress": version.status.progress}
        stored = ModelVersionStatus.model_validate(status.model_copy(update=kept).wire())
        self.versions[version.meta.name] = replace(version, status=stored, meta=self._touched(version.meta))

    # --- Kubernetes

    def fire(self, slot: datetime) -> None:
        """The CronJob controller at a slot: a suspended Job; one that is unfinished forbids it, or is replaced."""
        name = b.slot_name(slot)
        if self.cron_job is None or self.cron_job["spec"]["suspend"] or name in self.jobs_made:
            return
        unfinished = [job for job in self.jobs.values() if job.meta.owner_kind == "CronJob" and not job.finished]
        if unfinished and self.cron_job["spec"]["concurrencyPolicy"] == "Forbid":
            return
        for job in unfinished:
            self.delete_job(job.meta.name)
        self._add_job(b.job(name, slot=slot, created=self.now))

    def admit(self) -> None:
        """The operator's admission: the same candidates as the mirror's, one place."""
        candidates = [
            Candidate(
                key=job.meta.key,
                organization=b.NAMESPACE,
                schedule=b.NAME,
                waiting_since=job.meta.created,
                held=Waiting("ScheduleSuspended", "") if self._held(job) else None,
            )
            for job in self.jobs.values()
            if job.suspended and self._may_wait(job)
        ]
        places = [Running(b.NAMESPACE, b.NAME) for job in self.jobs.values() if job.holds_place]
        decision = decide(candidates, places, Limits(total=1, per_organization=1))
        self.waiting = {key[1]: waiting for key, waiting in decision.waiting.items()}
        for _, name in decision.admit:
            self._change_job(name, suspended=False, start_time=self.now)

    def _may_wait(self, job: Job) -> bool:
        version = self.versions.get(job.meta.name)
        not_before = self.schedule.status.not_before
        outdated = bool(job.slot and not_before and job.slot <= not_before)
        return bool(version and version.status.state == "Queued" and not version.spec.cancellation and not outdated)

    def _held(self, job: Job) -> bool:
        return bool(self.schedule.spec.suspend) and self.versions[job.meta.name].spec.trigger == "Schedule"

    def start_pods(self) -> None:
        """The Job controller: a pod for each Job that is let go, unless its deadline has passed."""
        for job in list(self.jobs.values()):
            alive = [pod for pod in self.pods.values() if pod.job_uid == job.meta.uid and not pod.gone]
            if not job.suspended and not job.finished and not job.failing and not alive and job.deadline_seconds != 1:
                self.counter += 1
                uid = f"uid-pod-{self.counter}"
                self.pods[uid] = b.pod(uid, of=job, created=self.now)
                self._change_job(job.meta.name, pods=1)

    def report(self) -> None:
        """The trainers: the pod that is recorded as reporter writes its result."""
        for version in list(self.versions.values()):
            pod, job = self.pods.get(version.status.reporter_uid or ""), self.jobs.get(version.meta.name)
            if pod and not pod.gone and job and job.deadline_seconds != 1:
                sha = hashlib.sha256(version.meta.name.encode()).hexdigest()
                artifact = {
                    "uri": f"s3://eagle-acme/{sha}/",
                    "digest": f"sha256:{sha}",
                    "modelDigest": f"sha256:{sha}",
                    "sizeBytes": 1,
                    "keyId": "k1",
                    "signature": "s",
                }
                done = b.result(pod_uid=pod.meta.uid, artifact=artifact)
                status = version.status.model_copy(update={"result": done})
                self.versions[version.meta.name] = replace(version, status=status, meta=self._touched(version.meta))

    def end_pods(self, code: int | None = None) -> None:
        """Pods end: with that code, else with 0 where the result is reported."""
        for pod in list(self.pods.values()):
            job = next((job for job in self.jobs.values() if job.meta.uid == pod.job_uid), None)
            if pod.gone or job is None or job.finished:
                continue
            version = self.versions.get(job.meta.name)
            reported = bool(version and version.status.result and version.status.result.pod_uid == pod.meta.uid)
            if code is None and not reported:
                continue
            ended = 0 if code is None else code
            phase = "Succeeded" if ended == 0 else "Failed"
            self.pods[pod.meta.uid] = replace(pod, phase=phase, exit_code=ended, exit_message=f"code {ended}")
            self._change_job(job.meta.name, pods=0, complete=ended == 0, failed=ended != 0)

    def pass_deadlines(self) -> None:
        """Jobs whose deadline was set to a second end: first FailureTarget, then Failed without pods."""
        for job in list(self.jobs.values()):
            if job.deadline_seconds != 1 or job.suspended or job.finished:
                continue
            if job.failing:
                self._drop_pods(job)
                self._change_job(job.meta.name, failed=True, pods=0)
            else:
                self._change_job(job.meta.name, failing=True, failure_reason="DeadlineExceeded")

    def evict(self) -> None:
        """A node is drained: pods fail and are replaced inside their Jobs."""
        for pod in list(self.pods.values()):
            if not pod.gone:
                self.pods[pod.meta.uid] = replace(pod, phase="Failed", disrupted=True)

    def delete_job(self, name: str) -> None:
        """The Job is gone, and its pods soon after."""
        job = self.jobs.pop(name, None)
        if job:
            self._drop_pods(job)

    def _drop_pods(self, job: Job) -> None:
        self.pods = {uid: pod for uid, pod in self.pods.items() if pod.job_uid != job.meta.uid}

    def roll_out(self) -> None:
        """The Deployment controller: all pods are new and ready, unless the server refuses the model."""
        deployment = self.deployment
        if deployment is None:
            return
        told = served_models(deployment) or "[]"
        bad = any(model["digest"] in self.bad_models for model in json.loads(told))
        refusal: dict[str, Any] = {"last_exit_code": 21, "last_exit_message": "the digest is wrong", "phase": "Running"}
        self.pods = {uid: pod for uid, pod in self.pods.items() if not pod.models}
        server = b.server(models=told, **(refusal if bad else {}))
        self.pods[server.meta.uid] = server
        rolled_out = replace(
            deployment,
            observed_generation=deployment.meta.generation,
            replicas=1,
            updated=1,
            available=0 if bad else 1,
        )
        if rolled_out != deployment:
            self.deployment = replace(rolled_out, meta=self._touched(deployment.meta))

    # --- people

    def change_spec(self, **changes: Any) -> None:
        """Someone edits the schedule; None takes a member away."""
        wire = {**self.schedule.spec.wire(), **changes}
        spec = TrainingScheduleSpec.model_validate({k: v for k, v in wire.items() if v is not None})
        self._set_schedule(spec=spec)

    def pin(self, name: str | None) -> None:
        """Someone pins a version, or takes the pin away."""
        pin = Pin(version=name) if name else None
        self._set_schedule(spec=self.schedule.spec.model_copy(update={"serving": Serving(pin=pin)}))

    def order(self, name: str, *, owned: bool = False) -> None:
        """Someone orders a run."""
        owner = b.SCHEDULE_UID if owned else None
        ordered = b.version(name, trigger="Manual", slot=None, owner=owner, created=self.now)
        self.versions.setdefault(name, replace(ordered, meta=self._touched(ordered.meta)))

    def cancel(self, name: str) -> None:
        """Someone cancels a run."""
        self._change_order(name, cancellation=Cancellation(by="alice"))

    def decide(self, name: str, approval: Approval) -> None:
        """Someone approves or rejects a version."""
        self._change_order(name, approval=approval)

    def _change_order(self, name: str, **changes: Any) -> None:
        version = self.versions[name]
        spec = version.spec.model_copy(update=changes)
        if spec != version.spec:
            meta = self._touched(version.meta, new_spec=True)
            self.versions[name] = replace(version, spec=spec, meta=meta)

    # --- time

    def let_all_happen(self, *also: Callable[[], None]) -> None:
        """Everybody does what is due, in turns, until nothing changes."""
        for _ in range(30):
            before = self.picture()
            self.settle()
            for act in (self.admit, self.start_pods, self.report, self.end_pods, self.pass_deadlines, self.roll_out):
                act()
                self.settle()
            for act in also:
                act()
            if self.picture() == before:
                return
        raise AssertionError("the cluster does not come to rest")

    def wait(self, **duration: float) -> None:
        """Time passes."""
        self.now += timedelta(**duration)

    def picture(self) -> dict[str, Any]:
        """All that matters of the state, without the moments and numbers that depend on how it came about."""
        status = self.schedule.status
        return {
            "versions": {
                name: {
                    "state": version.status.state,
                    "label": version.status.version,
                    "reporter": version.status.reporter_uid is not None,
                    "attempts": [attempt.reason for attempt in version.status.attempts],
                    "conditions": {c.type: (c.status, c.reason, c.message) for c in version.status.conditions},
                }
                for name, version in self.versions.items()
            },
            "jobs": {name: (job.suspended, job.finished, job.recorded, job.pods) for name, job in self.jobs.items()},
            "jobs made": self.jobs_made,
            "active": status.active_version.name if status.active_version else None,
            "previous": status.previous_version.name if status.previous_version else None,
            "history": [(s.name, s.reason, s.to is None) for s in status.serving_history or []],
            "came into service": self.in_service,
            "conditions": {c.type: (c.status, c.reason, c.message) for c in status.conditions},
            "serves": served_models(self.deployment) if self.deployment else None,
            "missed": status.missed_slots.count if status.missed_slots else 0,
            "events": sorted((who, what) for who, what, _ in self.events),
        }


def _told(write: Write) -> str:
    match write:
        case SetVersionStatus(version, status):
            return f"{version.meta.name}: {status.wire()} instead of {version.status.wire()}"
        case SetScheduleStatus(schedule, status):
            return f"schedule: {status.wire()} instead of {schedule.status.wire()}"
    return str(write)[:300]
