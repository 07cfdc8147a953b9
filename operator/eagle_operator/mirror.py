"""The cluster as last seen.

Events may come late, twice or out of order, and the end of an object may go unseen while a watch is cut. So an older
state never replaces a newer one, and a complete list of a kind ends what is not in it any more.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from eagle_contract.api import ModelVersion, TrainingSchedule, names
from eagle_operator import trim
from eagle_operator.domain.admission import Candidate, Running
from eagle_operator.domain.manifests import APPLIED_ANNOTATION
from eagle_operator.domain.run import FINISHED
from eagle_operator.domain.world import Deployment, Job, Meta, Pod, Schedule, Version, Waiting, World

Raw = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name; of a schedule where nothing else is said."""

_ANNOTATIONS_KEPT = (APPLIED_ANNOTATION, names.SERVED_VERSION_ANNOTATION)

_REFUSALS = ("InvalidSchedule", "InvalidTimeZone", "OrganizationMismatch", "DeploymentNotFound")
"""Reasons of the Ready condition with which nothing new of a schedule begins."""

KINDS = ("Namespace", "TrainingSchedule", "ModelVersion", "CronJob", "Job", "Pod", "Deployment", "Service")


@dataclass(frozen=True, slots=True)
class Packed:
    """An object kept as JSON text, a fraction of the size of its parsed form, and the few facts that lists need."""

    meta: Meta
    schedule: str
    text: bytes
    state: str | None = None
    trigger: str = ""
    attempts: int = 0
    """The number of a version's newest attempt."""
    queued_since: datetime | None = None
    cancelled: bool = False
    restored: bool = False
    suspended: bool = False
    not_before: datetime | None = None
    refused: str = ""
    """Why a schedule cannot be as it is, in a sentence; '' if it can."""
    kueue: str = ""
    """The queue of Kueue's that a schedule's runs go to."""

    @property
    def raw(self) -> dict[str, Any]:
        """The object's spec, status and metadata as they were sent."""
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed


Stored = Packed | Job | Pod


@dataclass
class Queue:
    """What admission looks at."""

    candidates: list[Candidate] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    running_jobs: set[Key] = field(default_factory=set)
    """Jobs that run."""
    elsewhere: set[Key] = field(default_factory=set)
    """Schedules of which a run waits in a queue of Kueue's."""
    last_served: dict[str, datetime] = field(default_factory=dict)
    """When the newest run of an organization was admitted."""


@dataclass
class Listing:
    """A complete list of a kind on its way in, object by object: held as a whole it would be most of the memory."""

    kind: str
    versions: dict[Key, int] = field(default_factory=dict)
    """The resource versions of the objects that it has shown."""
    changed: set[Key] = field(default_factory=set)
    """The schedules that are to be looked at again."""


class Mirror:
    """All objects that decisions look at, by kind and by the schedule that they belong to."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, Stored]] = {kind: {} for kind in KINDS}
        self._children: dict[str, dict[Key, set[Key]]] = {kind: defaultdict(set) for kind in KINDS}
        self._ended: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        """UIDs of objects that ended since the last list, and as of which resource version."""
        self._open_jobs: set[Key] = set()
        """Jobs that wait, run or still have pods: what admission looks at, a few of the many that are kept."""
        self._last_served: dict[str, datetime] = {}
        """When the newest run of an organization was admitted."""
        self._log_tails: dict[Key, dict[str, str]] = {}
        """The ends of logs that were read for a run that ended, by schedule and pod."""

    def remember(self, kind: str, raw: Raw) -> Key | None:
        """Take in an object's state unless a newer one is known; the schedule that is to be looked at again."""
        return self._take_in(kind, raw)

    def _take_in(self, kind: str, raw: Raw) -> Key | None:
        known, version = self._objects[kind].get(_key(raw)), int(raw["metadata"]["resourceVersion"])
        if known and version <= int(known.meta.resource_version):
            return None
        if version <= self._ended[kind].get(raw["metadata"]["uid"], -1):
            return None
        new = _stored(kind, raw)
        if known:
            self._unlink(kind, known)
        self._objects[kind][new.meta.key] = new
        if isinstance(new, Job):
            self._take_in_job(new)
        schedule = _schedule_of(new)
        self._children[kind][schedule].add(new.meta.key)
        return schedule

    def _take_in_job(self, job: Job) -> None:
        if not (job.finished and job.pods == 0):
            self._open_jobs.add(job.meta.key)
        organization = job.meta.namespace
        if job.start_time:
            self._last_served[organization] = max(job.start_time, self._last_served.get(organization, job.start_time))

    def refresh(self, kind: str, raw: Raw) -> Key | None:
        """As `remember`, but only for an object that is still known: an answer may come after the object's end."""
        known = self._objects[kind].get(_key(raw))
        return self.remember(kind, raw) if known and known.meta.uid == raw["metadata"]["uid"] else None

    def forget(self, kind: str, raw: Raw) -> Key | None:
        """The object is gone; the schedule that is to be looked at again."""
        key = _key(raw)
        known = self._objects[kind].get(key)
        if known is None or known.meta.uid != raw["metadata"]["uid"]:
            return None
        self._unlink(kind, known)
        del self._objects[kind][key]
        self._ended[kind][known.meta.uid] = int(raw["metadata"].get("resourceVersion", known.meta.resource_version))
        return _schedule_of(known)

    def listed(self, listing: Listing, raw: Raw) -> None:
        """Take in an object of a list."""
        listing.versions[_key(raw)] = int(raw["metadata"]["resourceVersion"])
        schedule = self._take_in(listing.kind, raw)
        if schedule:
            listing.changed.add(schedule)

    def complete(self, listing: Listing, list_version: str) -> None:
        """The list has shown everything: what it lacks is gone, unless it was made after it."""
        objects = self._objects[listing.kind]
        for key, known in list(objects.items()):
            if key not in listing.versions and int(known.meta.resource_version) <= int(list_version):
                self._unlink(listing.kind, known)
                del objects[key]
                listing.changed.add(_schedule_of(known))
        self._ended[listing.kind].clear()

    def schedules(self, namespace: str | None = None) -> list[Key]:
        """The keys of all schedules, or of one namespace's."""
        return [key for key in self._objects["TrainingSchedule"] if namespace in (None, key[0])]

    def under_way(self) -> set[Key]:
        """The schedules with a version that has not ended."""
        versions = self._objects["ModelVersion"].values()
        return {_schedule_of(v) for v in versions if isinstance(v, Packed) and v.state not in FINISHED}

    def count(self, kind: str) -> int:
        """How many objects of a kind are known."""
        return len(self._objects[kind])

    def knows(self, kind: str, key: Key) -> bool:
        """Whether an object of that name was seen."""
        return key in self._objects[kind]

    def keep_log_tail(self, pod: Pod, text: str) -> None:
        """The end of a pod's log, until the schedule's next look has used it."""
        self._log_tails.setdefault((pod.meta.namespace, pod.schedule), {})[pod.meta.uid] = text

    def drop_log_tails(self, schedule: Key) -> None:
        """They are in a status now, or of no use."""
        self._log_tails.pop(schedule, None)

    def world(self, key: Key, waiting: Mapping[Key, Waiting]) -> World | None:
        """One schedule and all that is its own; None if there is no such schedule, or it is being deleted.

        Nor is there one in a namespace that is being deleted, where every write would be refused, or that was not seen
        yet: what its label says is not known then.

        Children are told by their owner's UID: a schedule deleted and made again is another schedule. A version that
        a person made, or that a backup brought back, has no owner yet and counts as the schedule's.
        """
        packed = self._objects["TrainingSchedule"].get(key)
        if not isinstance(packed, Packed) or packed.meta.deleting or not self._open(key[0]):
            return None
        parsed = TrainingSchedule.model_validate_json(packed.text)
        uid = packed.meta.uid
        versions = tuple(self._versions(key, uid))
        cron_job = self._raw("CronJob", key)
        owners = {uid, *(version.meta.uid for version in versions)}
        if cron_job:
            owners.add(cron_job["metadata"]["uid"])
        jobs = tuple(job for job in self._of("Job", key) if isinstance(job, Job) and job.meta.owner_uid in owners)
        return World(
            schedule=Schedule(meta=packed.meta, spec=parsed.spec, status=parsed.status),
            organization=self._organization(key[0]),
            cron_job=cron_job,
            versions=versions,
            jobs=jobs,
            pods=tuple(pod for pod in self._of("Pod", key) if isinstance(pod, Pod)),
            deployment=self._deployment(key, parsed),
            service=self._raw("Service", (key[0], names.serving_name(key[1]))),
            workers_service=self._raw("Service", (key[0], names.workers_name(key[1]))),
            waiting={job.meta.name: waiting[job.meta.key] for job in jobs if job.meta.key in waiting},
            log_tails=self._log_tails.get(key, {}),
        )

    def queue(self, now: datetime, *, enabled: bool) -> Queue:
        """Who waits for admission and who keeps a place. A run keeps it until none of its pods can run any more."""
        queue = Queue(last_served={who: min(moment, now) for who, moment in self._last_served.items()})
        at_work: dict[str, list[Pod]] = defaultdict(list)
        lost: set[str] = set()
        for pod in self._objects["Pod"].values():
            if isinstance(pod, Pod) and pod.job_uid is not None and not pod.ended:
                if pod.lost(now):
                    lost.add(pod.job_uid)
                else:
                    at_work[pod.job_uid].append(pod)
        for key in list(self._open_jobs):
            job = self.job(key)
            if job is None:
                self._open_jobs.discard(key)
                continue
            pods = at_work.pop(job.meta.uid, [])
            if pods or (job.holds_place and job.meta.uid not in lost):
                queue.running.append(Running(job.meta.namespace, job.schedule))
                queue.running_jobs.add(job.meta.key)
            elif job.waits and job.queued_elsewhere:
                queue.elsewhere.add((job.meta.namespace, job.schedule))
            elif job.waits:
                candidate = self._candidate(job, enabled)
                if candidate:
                    queue.candidates.append(candidate)
        for orphans in at_work.values():
            queue.running.append(Running(orphans[0].meta.namespace, orphans[0].schedule))
        return queue

    def job(self, key: Key) -> Job | None:
        """The Job of that key."""
        job = self._objects["Job"].get(key)
        return job if isinstance(job, Job) else None

    def _candidate(self, job: Job, enabled: bool) -> Candidate | None:
        version = self._objects["ModelVersion"].get((job.meta.namespace, job.version or job.meta.name))
        schedule = self._objects["TrainingSchedule"].get((job.meta.namespace, job.schedule))
        if not isinstance(version, Packed) or not isinstance(schedule, Packed) or schedule.meta.deleting:
            return None
        if not self._open(job.meta.namespace) or not self._is_own(job, version, schedule):
            return None
        if version.state != "Queued" or version.cancelled:
            return None
        if job.attempt != version.attempts + 1 and version.attempts:
            return None
        if job.slot and schedule.not_before and job.slot <= schedule.not_before:
            return None
        held = None
        if not enabled:
            held = Waiting("AdmissionDisabled", "the installation admits no runs (TRAINING_SCHEDULE_ENABLED is false)")
        elif schedule.refused:
            held = Waiting("ScheduleRefused", schedule.refused)
        elif schedule.suspended and version.trigger == "Schedule":
            held = Waiting("ScheduleSuspended", "spec.suspend of the schedule is true")
        return Candidate(
            key=job.meta.key,
            organization=job.meta.namespace,
            schedule=job.schedule,
            waiting_since=version.queued_since or job.meta.created,
            held=held,
            kueue=schedule.kueue,
        )

    def _is_own(self, job: Job, version: Packed, schedule: Packed) -> bool:
        """Whether the names that led to the three tell the truth: no stranger's Job, no former schedule's run."""
        clock = self._objects["CronJob"].get(schedule.meta.key)
        owners = {schedule.meta.uid, version.meta.uid, clock.meta.uid if clock else ""}
        return version.meta.owner_uid == schedule.meta.uid and job.meta.owner_uid in owners

    def _versions(self, key: Key, uid: str) -> Iterator[Version]:
        for packed in self._of("ModelVersion", key):
            if isinstance(packed, Packed) and packed.meta.owner_uid in (uid, None) and not packed.meta.deleting:
                parsed = ModelVersion.model_validate_json(packed.text)
                yield Version(meta=packed.meta, spec=parsed.spec, status=parsed.status, restored=packed.restored)

    def _deployment(self, key: Key, schedule: TrainingSchedule) -> Deployment | None:
        serving = schedule.spec.serving
        name = serving.deployment_name if serving and serving.deployment_name else names.serving_name(key[1])
        raw = self._raw("Deployment", (key[0], name))
        if raw is None or raw["metadata"].get("labels", {}).get(names.SCHEDULE_LABEL) != key[1]:
            return None
        return trim.deployment(raw)

    def _open(self, namespace: str) -> bool:
        known = self._objects["Namespace"].get(("", namespace))
        return known is not None and not known.meta.deleting

    def _organization(self, namespace: str) -> str | None:
        raw = self._raw("Namespace", ("", namespace))
        label = raw["metadata"].get("labels", {}).get(names.ORGANIZATION_LABEL) if raw else None
        return str(label) if label else None

    def _raw(self, kind: str, key: Key) -> dict[str, Any] | None:
        packed = self._objects[kind].get(key)
        return packed.raw if isinstance(packed, Packed) else None

    def _of(self, kind: str, schedule: Key) -> Iterator[Stored]:
        for key in sorted(self._children[kind].get(schedule, ())):
            yield self._objects[kind][key]

    def _unlink(self, kind: str, known: Stored) -> None:
        if kind == "Job":
            self._open_jobs.discard(known.meta.key)
        schedule = _schedule_of(known)
        self._children[kind][schedule].discard(known.meta.key)
        if not self._children[kind][schedule]:
            del self._children[kind][schedule]


def _schedule_of(stored: Stored) -> Key:
    return stored.meta.namespace, stored.schedule


def _key(raw: Raw) -> Key:
    return raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


def _stored(kind: str, raw: Raw) -> Stored:
    if kind == "Job":
        return trim.job(raw)
    if kind == "Pod":
        return trim.pod(raw)
    identity = trim.meta(raw)
    spec, status = raw.get("spec", {}), raw.get("status", {})
    metadata = {key: value for key, value in raw["metadata"].items() if key not in ("managedFields", "annotations")}
    annotations = raw["metadata"].get("annotations", {})
    metadata["annotations"] = {name: annotations[name] for name in _ANNOTATIONS_KEPT if name in annotations}
    kept = {"metadata": metadata, "spec": spec, "status": status}
    labelled = metadata.get("labels", {}).get(names.SCHEDULE_LABEL, "")
    schedule = {"TrainingSchedule": identity.name, "ModelVersion": spec.get("scheduleName", "")}.get(kind, labelled)
    not_before = status.get("notBefore") if kind == "TrainingSchedule" else None
    queued_since = status.get("queuedTime")
    attempts = status.get("attempts") or []
    return Packed(
        meta=identity,
        schedule=schedule,
        text=json.dumps(kept, separators=(",", ":")).encode(),
        state=status.get("state") if kind == "ModelVersion" else None,
        trigger=spec.get("trigger", ""),
        attempts=attempts[-1]["number"] if attempts else 0,
        queued_since=trim.moment(queued_since) if queued_since else None,
        cancelled="cancellation" in spec,
        restored=names.RESTORED_LABEL in metadata.get("labels", {}),
        suspended=bool(spec.get("suspend")),
        not_before=trim.moment(not_before) if not_before else None,
        refused=_refusal(status) if kind == "TrainingSchedule" else "",
        kueue=(spec.get("trainer") or {}).get("queueName", "") if kind == "TrainingSchedule" else "",
    )


def _refusal(status: Mapping[str, Any]) -> str:
    ready = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), None)
    return f"{ready['reason']}: {ready.get('message', '')}" if ready and ready["reason"] in _REFUSALS else ""
