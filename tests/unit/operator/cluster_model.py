"""A cluster small enough to hold in the hand: takes a plan's writes, and plays the controllers, trainers and users.

It is a model of what Kubernetes does with the objects, not of its API: each write changes the world, and a write that
rests on an outdated object conflicts, as it does on an API server.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from tests.unit.operator import builders as b

from eagle_contract.api import (
    Condition,
    ModelVersionSpec,
    ModelVersionStatus,
    TrainingScheduleSpec,
    TrainingScheduleStatus,
    names,
)
from eagle_contract.api.schedule import Pin, Serving
from eagle_contract.api.version import Approval, Cancellation
from eagle_operator.cluster import NameTakenError
from eagle_operator.domain import timetable
from eagle_operator.domain.admission import Candidate, Limits, Running, decide
from eagle_operator.domain.plan import plan, refused, slot_lost
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import (
    Deployment,
    Installation,
    Job,
    Manifest,
    Meta,
    Pod,
    Schedule,
    Version,
    Waiting,
    World,
)
from eagle_operator.domain.writes import (
    Adopt,
    Apply,
    Create,
    DeleteJob,
    DeleteVersion,
    EndJob,
    ForgetResult,
    HandToKueue,
    MarkRecorded,
    Plan,
    ReadLog,
    Report,
    SetScheduleStatus,
    SetVersionStatus,
    TagJob,
    Write,
    slot_of,
)

GRACE = timedelta(seconds=30)
"""So long a pod may take to end once it was told to."""
LOOKS = 12
"""So many looks the operator itself allows before it complains that a schedule does not settle."""


CREATED = b.SLOT - timedelta(hours=1)
_MOMENT = re.compile(r"\d\d:\d\d:\d\d UTC")


class ConflictError(Exception):
    """The object is not any more as it was seen."""


class CrashError(Exception):
    """The operator ends between two writes."""


@dataclass
class ClusterModel:
    """Objects by name, and the facts that a test wants to hold against the operator."""

    schedule: Schedule = field(default_factory=lambda: b.schedule(TrainingScheduleStatus(), created=CREATED))
    cron_job: Manifest | None = None
    versions: dict[str, Version] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    deployment: Deployment | None = None
    services: dict[str, Manifest] = field(default_factory=dict)
    now: datetime = CREATED + timedelta(seconds=5)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    bad_models: set[str] = field(default_factory=set)
    """Digests of models that a server refuses."""
    strangers: set[str] = field(default_factory=set)
    """Names of Jobs that are somebody else's."""
    lost: set[str] = field(default_factory=set)
    """Pods on nodes that nobody hears from."""
    fired: set[datetime] = field(default_factory=set)
    """Slots for which Kubernetes has made a Job, or could not."""
    accuracy: str = "0.98"
    """Of the models that the trainers come to now."""
    data: int = 0
    """What the trainers learn from: the same data make the same model."""
    log_tails: dict[str, str] = field(default_factory=dict)
    """What the operator has read and not written down yet; it is lost when the operator ends."""
    logs_read: list[str] = field(default_factory=list)
    versions_made: list[str] = field(default_factory=list)
    jobs_made: list[str] = field(default_factory=list)
    memory: dict[str, str] = field(default_factory=dict)
    """The memory limits of the trainers, by their Jobs."""
    let_go: list[str] = field(default_factory=list)
    """What was admitted: slots' Jobs by their names, others by their versions' UIDs and attempts."""
    slots_begun: set[datetime] = field(default_factory=set)
    """Slots that got a version."""
    slots_before: int = 0
    """How many slots the timetables had that the schedule has no more."""
    since: datetime = CREATED
    """Since when its timetable is as it is."""
    next_look: datetime | None = None
    installation: Installation = b.INSTALLATION
    in_service: list[str] = field(default_factory=list)
    """Names of versions in the order in which they came into service."""
    events: set[tuple[str, str, str]] = field(default_factory=set)
    writes: int = 0
    crash_after: int | None = None
    """How many writes the operator does before it ends, once."""
    meanwhile: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What happens right after a write, by its number: the operator does not know of it when it makes the next one."""
    looking: bool = False
    restart: timedelta = timedelta(seconds=30)
    """How long it takes until it is there again."""
    restored: int = 0
    """How often it came back from a backup."""
    counter: int = 1
    rested_at: tuple[object, ...] = ()

    # --- the operator

    def world(self) -> World:
        """What the operator sees."""
        cron_job_uid = self.cron_job["metadata"]["uid"] if self.cron_job else ""
        owners = {self.schedule.meta.uid, cron_job_uid, *(version.meta.uid for version in self.versions.values())}
        return World(
            schedule=self.schedule,
            organization="acme",
            cron_job=self.cron_job,
            versions=tuple(self.versions.values()),
            jobs=tuple(job for job in self.jobs.values() if job.meta.owner_uid in owners),
            pods=tuple(self.pods.values()),
            deployment=self.deployment,
            service=self.services.get(names.serving_name(b.NAME)),
            workers_service=self.services.get(names.workers_name(b.NAME)),
            waiting=self.waiting,
            log_tails=dict(self.log_tails),
        )

    def look(self) -> Plan:
        """One look of the operator, all of whose writes are done. Raises CrashError when its time has come."""
        due = plan(self.world(), self.installation, b.DEFAULTS, self.now)
        for write in due.writes:
            try:
                self.write(write)
            except NameTakenError as error:
                self._say_refused(write, str(error))
                break
        if not b.of_kind(due, ReadLog):
            self.log_tails = {}
        return due

    def _say_refused(self, write: Write, message: str) -> None:
        slot = slot_of(write)
        told = (
            slot_lost(self.world(), slot, message, self.now)
            if slot
            else refused(self.world(), self.installation, b.DEFAULTS, ("NameConflict", message), self.now)
        )
        for saying in told.writes:
            self.write(saying)

    def settle(self) -> None:
        """Looks until there is nothing to write; AssertionError if that does not come soon."""
        looks = 0
        if self._signature() == self.rested_at:
            return
        while True:
            try:
                self.looking = True
                due = self.look()
            except CrashError:
                self.log_tails = {}
                self.now += self.restart
                continue
            except ConflictError:
                continue
            finally:
                self.looking = False
            if not due.writes:
                assert due.look_again is None or due.look_again > self.now, "looks again at once, for nothing"
                self.next_look = due.look_again
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
                current = self._current(version)
                self._set_version_status(current, status)
            case Adopt(version, owner):
                current = self._current(version)
                restored = current.restored or write.restored
                meta = replace(self._touched(current.meta, owner.uid), ours=True)
                self.versions[version.meta.name] = replace(current, meta=meta, restored=restored)
            case DeleteVersion(version):
                self.delete_version(self._current(version).meta.name)
            case DeleteJob(job):
                self.delete_job(job.meta.name)
            case ForgetResult(version):
                current = self._current(version)
                status = current.status.model_copy(update={"result": None})
                self.versions[version.meta.name] = replace(current, status=status, meta=self._touched(current.meta))
            case TagJob(job, name):
                self._patch_job(job, version=name, attempt=1)
            case HandToKueue(job, _):
                self._patch_job(job, queued_elsewhere=True)
            case EndJob(job):
                self._patch_job(job, deadline_seconds=1)
            case MarkRecorded(job):
                self._patch_job(job, recorded=True)
            case ReadLog(pod):
                there = pod.meta.uid in self.pods
                self.logs_read.append(pod.meta.uid)
                self.log_tails[pod.meta.uid] = f"the end of {pod.meta.name}" if there else "(could not be read)"
            case Report():
                self.events.add((write.uid, write.reason, write.about))
            case _:
                assert_never(write)
        self.writes += 1
        self.meanwhile.pop(self.writes, _nothing)()
        if self.crash_after is not None and self.writes > self.crash_after:
            self.crash_after = None
            raise CrashError

    def _current(self, seen: Version) -> Version:
        """The version as it is. Raises ConflictError if it is not any more as it was seen."""
        current = self.versions.get(seen.meta.name)
        if current is None:
            raise ConflictError(seen.meta.name)
        self._still(seen.meta, current.meta)
        return current

    def _patch_job(self, seen: Job, **changes: Any) -> None:
        """A patch without a resource version: the Job need only be there."""
        if seen.meta.name not in self.jobs:
            raise ConflictError(seen.meta.name)
        self._change_job(seen.meta.name, **changes)

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
            self.services[manifest["metadata"]["name"]] = manifest
        else:
            old = self.deployment
            spec = {"replicas": 1, **manifest["spec"]}
            owner = manifest["metadata"]["ownerReferences"][0]["uid"]
            served = manifest["metadata"]["annotations"][names.SERVED_VERSION_ANNOTATION]
            known = old or Deployment(meta=b.meta(manifest["metadata"]["name"], generation=0), labels={}, spec={})
            if known.spec != spec:
                known = replace(known, spec=spec, meta=self._touched(known.meta, new_spec=True))
            self.deployment = replace(known, served_version=served, meta=self._touched(known.meta, owner))

    def _create(self, manifest: Manifest) -> None:
        name, owner = manifest["metadata"]["name"], manifest["metadata"]["ownerReferences"][0]
        if manifest["kind"] == "Job" and name in self.strangers:
            raise NameTakenError(f"a Job named {name!r} is there that is not the schedule's")
        identity = b.meta(name, owner_uid=owner["uid"], owner_kind=owner["kind"], created=self.now, ours=True)
        if manifest["kind"] == "ModelVersion" and name not in self.versions:
            spec = ModelVersionSpec.model_validate(manifest["spec"])
            self._add_version(Version(meta=identity, spec=spec, status=ModelVersionStatus()))
            if spec.scheduled_time:
                self.slots_begun.add(spec.scheduled_time)
        elif manifest["kind"] == "Job" and name not in self.jobs:
            labels = manifest["metadata"]["labels"]
            job = Job(
                meta=identity,
                schedule=b.NAME,
                suspended=True,
                version=labels.get(names.VERSION_LABEL),
                attempt=int(labels.get(names.ATTEMPT_LABEL, 1)),
                slot=slot_of(Create(manifest)),
                deadline_seconds=7200,
            )
            self._add_job(job, manifest)

    def _add_job(self, job: Job, made_as: Manifest) -> None:
        (container,) = made_as["spec"]["template"]["spec"]["containers"]
        self.memory[job.meta.name] = container["resources"].get("limits", {}).get("memory", "")
        self.jobs_made.append(job.meta.name)
        uid = f"{job.meta.uid}-{self.jobs_made.count(job.meta.name)}"
        self.jobs[job.meta.name] = replace(job, meta=self._touched(replace(job.meta, uid=uid)))

    def _add_version(self, version: Version) -> None:
        self.versions_made.append(version.meta.name)
        uid = f"{version.meta.uid}-{self.versions_made.count(version.meta.name)}"
        self.versions[version.meta.name] = replace(version, meta=self._touched(replace(version.meta, uid=uid)))

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
        if status and status.clock != old.status.clock and old.status.clock:
            moved = status.not_before
            assert moved is not None, "a timetable changed, and notBefore did not move"
            self.slots_before += len(_slots(old.status.clock, self.since, moved))
            self.since = moved
        meta = self._touched(old.meta, new_spec=spec is not None)
        self.schedule = Schedule(meta=meta, spec=spec or old.spec, status=status or old.status)

    def _set_version_status(self, version: Version, status: ModelVersionStatus) -> None:
        kept = {"result": version.status.result, "progress": version.status.progress}
        stored = ModelVersionStatus.model_validate(status.model_copy(update=kept).wire())
        self.versions[version.meta.name] = replace(version, status=stored, meta=self._touched(version.meta))

    def slots(self) -> tuple[int, int]:
        """How many slots there were, and how many of them were begun or counted as missed."""
        status = self.schedule.status
        missed = status.missed_slots
        settled = [self.since, status.not_before, status.last_schedule_time, missed.last_time if missed else None]
        until = max(moment for moment in (*settled, *self.slots_begun) if moment)
        there = self.slots_before + (len(_slots(status.clock, self.since, until)) if status.clock else 0)
        return there, len(self.slots_begun) + (missed.count if missed else 0)

    # --- Kubernetes

    def fire(self, slot: datetime) -> None:
        """The CronJob controller at a slot: a suspended Job, whatever else there is of the schedule; once a slot."""
        if self.cron_job is None or self.cron_job["spec"]["suspend"] or slot in self.fired:
            return
        if not CREATED < slot <= self.now:
            return
        assert self.cron_job["spec"]["concurrencyPolicy"] == "Allow"
        if self.now - slot > timedelta(seconds=self.cron_job["spec"]["startingDeadlineSeconds"]):
            return
        self.fired.add(slot)
        name = b.slot_name(slot)
        if name not in self.jobs and name not in self.strangers:
            self._add_job(b.job(name, slot=slot, created=self.now), self.cron_job["spec"]["jobTemplate"])

    def admit(self) -> None:
        """The operator's admission: the same candidates as the mirror's, one place."""
        trainer = self.schedule.spec.trainer
        candidates = [
            Candidate(
                key=job.meta.key,
                organization=b.NAMESPACE,
                schedule=b.NAME,
                waiting_since=self._version_of(job).status.queued_time or job.meta.created,
                held=Waiting("ScheduleSuspended", "") if self._held(job) else None,
                kueue=(trainer.queue_name if trainer else None) or "",
            )
            for job in self.jobs.values()
            if job.waits and not job.queued_elsewhere and self._may_wait(job)
        ]
        at_work = {pod.job_uid for pod in self.pods.values() if not pod.models and not pod.ended}
        at_work -= {pod.job_uid for pod in self.pods.values() if pod.lost(self.now)}
        lost = {pod.job_uid for pod in self.pods.values() if pod.lost(self.now)}
        places = at_work | {job.meta.uid for job in self.jobs.values() if job.holds_place and job.meta.uid not in lost}
        elsewhere = [(b.NAMESPACE, b.NAME) for job in self.jobs.values() if job.waits and job.queued_elsewhere]
        limits = Limits(total=1, per_organization=1)
        decision = decide(candidates, [Running(b.NAMESPACE, b.NAME)] * len(places), limits, elsewhere=elsewhere)
        self.waiting = {key[1]: waiting for key, waiting in decision.waiting.items()}
        for _, name in decision.admit:
            self._let_go(self.jobs[name])

    def kueue(self) -> None:
        """Kueue admits what is in its queue."""
        for job in list(self.jobs.values()):
            if job.queued_elsewhere and job.waits:
                self._let_go(job)

    def _let_go(self, job: Job) -> None:
        version = self.versions.get(job.version or job.meta.name)
        ordered = job.slot is None and version is not None
        self.let_go.append(f"{version.meta.uid} {job.attempt}" if version and ordered else job.meta.name)
        self._change_job(job.meta.name, suspended=False, start_time=self.now)

    def _version_of(self, job: Job) -> Version:
        return self.versions[job.version or job.meta.name]

    def _may_wait(self, job: Job) -> bool:
        version = self.versions.get(job.version or job.meta.name)
        not_before = self.schedule.status.not_before
        outdated = bool(job.slot and not_before and job.slot <= not_before)
        if version is None or version.status.state != "Queued" or version.spec.cancellation or outdated:
            return False
        attempts = version.status.attempts
        return not attempts or job.attempt == attempts[-1].number + 1

    def _held(self, job: Job) -> bool:
        return bool(self.schedule.spec.suspend) and self._version_of(job).spec.trigger == "Schedule"

    def start_pods(self) -> None:
        """The Job controller: a pod for each Job that is let go, unless its deadline has passed."""
        for job in list(self.jobs.values()):
            there = [pod for pod in self.pods.values() if pod.job_uid == job.meta.uid and not pod.ended]
            if not job.suspended and not job.finished and not job.failing and not there and job.deadline_seconds != 1:
                self.counter += 1
                uid = f"uid-pod-{self.counter}"
                self.pods[uid] = b.pod(uid, of=job, created=self.now)
                self._change_job(job.meta.name, pods=1)

    def report(self) -> None:
        """The trainers: the pod that is recorded as reporter writes its result."""
        for version in list(self.versions.values()):
            pod = self.pods.get(version.status.reporter_uid or "")
            job = next((job for job in self.jobs.values() if pod and job.meta.uid == pod.job_uid), None)
            if pod and not pod.gone and pod.meta.uid not in self.lost and job and job.deadline_seconds != 1:
                sha = hashlib.sha256(f"{version.meta.name} {self.data}".encode()).hexdigest()
                artifact = {
                    "uri": f"s3://eagle-acme/{sha}/",
                    "digest": f"sha256:{sha}",
                    "modelDigest": f"sha256:{sha}",
                    "sizeBytes": 1,
                    "keyId": "k1",
                    "signature": "s",
                }
                metrics = [{"name": "accuracy", "value": self.accuracy}]
                number = version.status.attempts[-1].number
                done = b.result(pod_uid=pod.meta.uid, attempt=number, artifact=artifact, metrics=metrics)
                status = version.status.model_copy(update={"result": done})
                self.versions[version.meta.name] = replace(version, status=status, meta=self._touched(version.meta))

    def end_pods(self, code: int | None = None, *, killed: bool = False) -> None:
        """Pods end: with that code, else with 0 where the result is reported; `killed` is for want of memory."""
        for pod in list(self.pods.values()):
            job = next((job for job in self.jobs.values() if job.meta.uid == pod.job_uid), None)
            if pod.gone or pod.meta.uid in self.lost or job is None or job.finished:
                continue
            version = self.versions.get(job.version or job.meta.name)
            reported = bool(version and version.status.result and version.status.result.pod_uid == pod.meta.uid)
            if code is None and not reported:
                continue
            ended = 0 if code is None else code
            phase = "Succeeded" if ended == 0 else "Failed"
            why = "OOMKilled" if killed else ""
            facts = {"phase": phase, "exit_code": ended, "exit_message": f"code {ended}", "exit_reason": why}
            self.pods[pod.meta.uid] = replace(pod, **facts)  # type: ignore[arg-type]
            self._change_job(job.meta.name, pods=0, complete=ended == 0, failed=ended != 0)

    def pass_deadlines(self) -> None:
        """Jobs whose deadline has passed end: first FailureTarget, then Failed once no pod is left."""
        for job in list(self.jobs.values()):
            began, allowed = job.start_time, timedelta(seconds=job.deadline_seconds or 0)
            passed = began is not None and self.now >= began + allowed
            if job.suspended or job.finished or not (passed or job.deadline_seconds == 1):
                continue
            pods = [pod for pod in self.pods.values() if pod.job_uid == job.meta.uid]
            if not job.failing:
                self._change_job(job.meta.name, failing=True, failure_reason="DeadlineExceeded")
                self._tell_to_go(pods)
            elif not any(pod.meta.uid in self.pods and not pod.ended for pod in pods):
                self._change_job(job.meta.name, failed=True, pods=0)

    def evict(self) -> None:
        """A node is drained: pods fail and are replaced inside their Jobs."""
        for pod in list(self.pods.values()):
            if not pod.gone and pod.meta.uid not in self.lost:
                self.pods[pod.meta.uid] = replace(pod, phase="Failed", disrupted=True)

    def lose_node(self) -> None:
        """The node of the trainers is gone; after a while their pods are told to go, and do not."""
        for pod in [pod for pod in self.pods.values() if not pod.models and not pod.gone]:
            self.lost.add(pod.meta.uid)
            self._tell_to_go([pod])

    def find_node(self) -> None:
        """The node is back, and its pods go as they were told."""
        self.lost.clear()

    def reap(self) -> None:
        """The kubelets and the garbage collector: what was told to go is gone, and what has lost its owner."""
        versions = {version.meta.uid for version in self.versions.values()}
        for job in list(self.jobs.values()):
            if job.meta.owner_kind == "ModelVersion" and job.meta.owner_uid not in versions:
                self.delete_job(job.meta.name)
        for uid, pod in list(self.pods.items()):
            if pod.meta.deleting and uid not in self.lost:
                del self.pods[uid]
                self.counter += 1

    def delete_job(self, name: str) -> None:
        """The Job is gone, and its pods are told to go."""
        job = self.jobs.pop(name, None)
        if job:
            self.counter += 1
            self._tell_to_go([pod for pod in self.pods.values() if pod.job_uid == job.meta.uid])

    def delete_version(self, name: str) -> None:
        """The version is gone, and the garbage collector removes what it owns."""
        version = self.versions.pop(name, None)
        if version:
            self.counter += 1
            for job in [job for job in self.jobs.values() if job.meta.owner_uid == version.meta.uid]:
                self.delete_job(job.meta.name)

    def _tell_to_go(self, pods: list[Pod]) -> None:
        for pod in pods:
            if pod.ended:
                del self.pods[pod.meta.uid]
            elif not pod.meta.deleting:
                told = replace(pod, meta=replace(pod.meta, deleting=True), deletion_time=self.now + GRACE)
                self.pods[pod.meta.uid] = told

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
        if name not in self.versions:
            self._add_version(b.version(name, trigger="Manual", slot=None, owner=owner, created=self.now))

    def order_from_cron_job(self, name: str) -> None:
        """An administrator makes a Job of the CronJob: kubectl create job NAME --from=cronjob/…"""
        if self.cron_job and name not in self.jobs:
            job = b.job(name, slot=None, created=self.now)
            uid = hashlib.sha256(f"{name} {self.counter}".encode()).hexdigest()[:32]
            self._add_job(replace(job, meta=replace(job.meta, uid=uid)), self.cron_job["spec"]["jobTemplate"])

    def take_name(self, slot: datetime) -> None:
        """Somebody makes a Job of their own by the name that a slot's Job would have."""
        if b.slot_name(slot) not in self.jobs:
            self.strangers.add(b.slot_name(slot))

    def restore(self) -> None:
        """The namespace is lost and comes back from a backup: without owners, without statuses, with new UIDs."""
        self.restored += 1
        mark = f"-restored-{self.restored}"
        meta = replace(self.schedule.meta, uid=b.SCHEDULE_UID + mark, created=self.now)
        self.schedule = Schedule(meta=self._touched(meta), spec=self.schedule.spec, status=TrainingScheduleStatus())
        self.since, self.slots_before, self.slots_begun = self.now, 0, set()
        if self.cron_job:
            kept = {k: v for k, v in self.cron_job["metadata"].items() if k != "ownerReferences"}
            self.cron_job = {**self.cron_job, "metadata": kept}
        for name, service in self.services.items():
            kept = {k: v for k, v in service["metadata"].items() if k != "ownerReferences"}
            self.services[name] = {**service, "metadata": kept}
        if self.deployment:
            self.deployment = replace(self.deployment, meta=replace(self.deployment.meta, owner_uid=None))
        self.jobs = {}
        self.pods = {uid: pod for uid, pod in self.pods.items() if pod.models}
        for name, version in self.versions.items():
            meta = replace(version.meta, uid=version.meta.uid + mark, owner_uid=None, created=self.now)
            self.versions[name] = replace(
                version, meta=self._touched(meta), status=ModelVersionStatus(), restored=False
            )

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
        acts = (
            self.admit,
            self.kueue,
            self.start_pods,
            self.report,
            self.end_pods,
            self.pass_deadlines,
            self.reap,
            self.roll_out,
        )
        for _ in range(30):
            before = self.picture()
            self.settle()
            for act in acts:
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

    def wait_for_next_look(self) -> None:
        """Time passes until the operator wants to look again by itself."""
        self.settle()
        if self.next_look:
            self.now = self.next_look
            self.settle()

    def state(self) -> tuple[object, ...]:
        """All that decides what happens from here on."""
        return (
            self.now,
            _as_such(self.schedule),
            self.cron_job,
            {name: _as_such(version) for name, version in self.versions.items()},
            {name: _as_such(job) for name, job in self.jobs.items()},
            {uid: _as_such(pod) for uid, pod in self.pods.items()},
            _as_such(self.deployment),
            dict(self.services),
            self.waiting,
            self.log_tails,
            self.crash_after,
        )

    def picture(self) -> dict[str, Any]:
        """All that matters of the state, without the moments and numbers that depend on how it came about."""
        status = self.schedule.status
        missed = status.missed_slots
        return {
            "versions": {
                name: {
                    "state": version.status.state,
                    "label": version.status.version,
                    "reporter": version.status.reporter_uid is not None,
                    "next attempt": version.status.next_attempt_time is not None,
                    "retries used": version.status.retries_used,
                    "memory": version.status.memory_limit,
                    "attempts": [
                        (a.number, a.job_name, a.reason, a.log_tail is not None) for a in version.status.attempts
                    ],
                    "conditions": _told_conditions(version.status.conditions),
                }
                for name, version in self.versions.items()
            },
            "jobs": {name: (job.suspended, job.finished, job.recorded, job.pods) for name, job in self.jobs.items()},
            "jobs made": self.jobs_made,
            "memory": self.memory,
            "pods": sorted((pod.phase, pod.meta.deleting) for pod in self.pods.values()),
            "active": status.active_version.name if status.active_version else None,
            "previous": status.previous_version.name if status.previous_version else None,
            "history": [(s.name, s.reason, s.to is None) for s in status.serving_history or []],
            "came into service": self.in_service,
            "conditions": _told_conditions(status.conditions),
            "serves": served_models(self.deployment) if self.deployment else None,
            "missed": (missed.count, missed.last_time, missed.last_reason) if missed else None,
            "last slot": status.last_schedule_time,
            "events": sorted((who, what) for who, what, _ in self.events),
        }


def _nothing() -> None:
    """It happens most of the time."""


def _as_such(found: Any) -> Any:
    """Without resource versions, which count the writes."""
    return replace(found, meta=replace(found.meta, resource_version="")) if found else None


def _slots(clock: str, after: datetime, until: datetime) -> list[datetime]:
    fields, _, zone = clock.rpartition(" ")
    return timetable.slots_between(fields, zone, after, until, limit=100_000)


def _told_conditions(conditions: list[Condition]) -> dict[str, tuple[str, str, str]]:
    """Conditions but for moments in their messages, which depend on when the operator came to it."""
    return {c.type: (c.status, c.reason, _MOMENT.sub("…", c.message)) for c in conditions}


def _told(write: Write) -> str:
    match write:
        case SetVersionStatus(version, status):
            return f"{version.meta.name}: {status.wire()} instead of {version.status.wire()}"
        case SetScheduleStatus(schedule, status):
            return f"schedule: {status.wire()} instead of {schedule.status.wire()}"
    return str(write)[:300]
