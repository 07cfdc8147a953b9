"""What a decision looks at: one schedule and its children as last seen, trimmed to what decisions need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from eagle_contract.api import (
    ModelVersionSpec,
    ModelVersionStatus,
    TrainingScheduleSpec,
    TrainingScheduleStatus,
    names,
)

Manifest = dict[str, Any]
"""A Kubernetes object in its JSON form."""

END_NOW_SECONDS = 1
"""The deadline, counted from its start, with which Kubernetes ends a Job that runs at once: the shortest there is."""

_NODE_GIVEN_UP_AFTER = timedelta(seconds=120)
"""A pod that is still there so long after its grace period is on a node that nobody hears from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """Who an object is."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created: datetime
    owner_uid: str | None = None
    owner_kind: str | None = None
    deleting: bool = False
    ours: bool = False
    """Whether the operator made it or took it over once: it bears the operator's label."""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A TrainingSchedule."""

    meta: Meta
    spec: TrainingScheduleSpec
    status: TrainingScheduleStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A ModelVersion."""

    meta: Meta
    spec: ModelVersionSpec
    status: ModelVersionStatus
    restored: bool = False
    """Whether it came back from a backup, without what had become of it."""

    @property
    def run_time(self) -> datetime:
        """The slot that the run belongs to, else when it was ordered."""
        return self.spec.scheduled_time or self.meta.created


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A Job of one attempt."""

    meta: Meta
    schedule: str
    suspended: bool
    version: str | None = None
    """The version's name where the Job is labelled with it (Jobs that the operator made)."""
    attempt: int = 1
    slot: datetime | None = None
    start_time: datetime | None = None
    pods: int = 0
    """Pods that run, start or terminate: while there are any, the run keeps its place."""
    complete: bool = False
    failed: bool = False
    failing: bool = False
    """FailureTarget: decided, while the pod still ends."""
    failure_reason: str = ""
    failure_message: str = ""
    deadline_seconds: int | None = None
    recorded: bool = False
    queued_elsewhere: bool = False
    """Kueue decides when it runs."""

    @property
    def finished(self) -> bool:
        """Whether Kubernetes is done with it."""
        return self.complete or self.failed

    @property
    def told_to_end(self) -> bool:
        """Whether its deadline was moved to its beginning, which is how a Job that runs is ended cleanly."""
        return self.deadline_seconds == END_NOW_SECONDS

    @property
    def waits(self) -> bool:
        """Whether it is there to be let go, and was not yet."""
        return self.suspended and not self.finished and not self.meta.deleting

    @property
    def holds_place(self) -> bool:
        """Whether it counts as running for admission, unless all its pods are lost."""
        return self.pods > 0 or not (self.suspended or self.finished)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A trainer's or a server's pod."""

    meta: Meta
    job_uid: str | None
    schedule: str
    phase: str
    started: bool = False
    """Whether its container ever ran."""
    exit_code: int | None = None
    exit_reason: str = ""
    exit_message: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    unschedulable: str = ""
    last_exit_code: int | None = None
    last_exit_message: str = ""
    disrupted: bool = False
    models: str = ""
    """A server's: the value of EAGLE_MODELS."""
    index: int | None = None
    """Which worker it is, of a Job for several."""
    ended_at: datetime | None = None
    """When its container ended, to the second."""
    deletion_time: datetime | None = None
    """When it should have been gone at the latest: the end of its grace period."""

    @property
    def gone(self) -> bool:
        """Whether it can do nothing any more."""
        return self.meta.deleting or self.ended

    @property
    def ended(self) -> bool:
        """Whether its containers ran to their end."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def given_up_at(self) -> datetime | None:
        """From when on it counts as lost to its node, if it does not go."""
        return self.deletion_time + _NODE_GIVEN_UP_AFTER if self.deletion_time and not self.ended else None

    def lost(self, now: datetime) -> bool:
        """Whether it is to be taken for lost: told to go, and still there long after."""
        return self.given_up_at is not None and now >= self.given_up_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A serving Deployment: its spec as the API server has it, and how its rollout stands."""

    meta: Meta
    labels: dict[str, str]
    spec: Manifest
    observed_generation: int = 0
    replicas: int = 0
    updated: int = 0
    available: int = 0
    progressing_reason: str = ""
    progressing_message: str = ""
    served_version: str = ""
    """The name of the version that its template was written for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One schedule and all that belongs to it."""

    schedule: Schedule
    organization: str | None
    """The namespace's label; None if it has none."""
    cron_job: Manifest | None = None
    """The CronJob of the schedule's name, whoever made it."""
    versions: tuple[Version, ...] = ()
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    deployment: Deployment | None = None
    service: Manifest | None = None
    workers_service: Manifest | None = None
    """The Service by which workers of one training find each other."""
    waiting: dict[str, "Waiting"] = field(default_factory=dict)
    """Why Jobs of this schedule (by name) are not admitted yet."""
    log_tails: Mapping[str, str] = field(default_factory=dict)
    """The ends of the logs that were read, by the UIDs of their pods."""

    def version(self, name: str) -> Version | None:
        """The version of that name."""
        return next((version for version in self.versions if version.meta.name == name), None)

    def job(self, name: str) -> Job | None:
        """The Job of that name."""
        return next((job for job in self.jobs if job.meta.name == name), None)

    def attempt_job(self, version: str, attempt: int) -> Job | None:
        """The Job of an attempt: by its labels, which a Job has that the operator made or took over, or by its name."""
        labelled = (job for job in self.jobs if job.version == version and job.attempt == attempt)
        return next(labelled, None) or self.job(names.attempt_job_name(version, attempt))

    def jobs_of(self, version: str) -> tuple[Job, ...]:
        """The Jobs of all attempts of a version that are there."""
        return tuple(job for job in self.jobs if (job.version or job.meta.name) == version)

    def pods_of(self, job: Job) -> tuple[Pod, ...]:
        """The Job's pods, oldest first."""
        pods = (pod for pod in self.pods if pod.job_uid == job.meta.uid)
        return tuple(sorted(pods, key=lambda pod: (pod.meta.created, pod.meta.name)))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a run waits: a reason of the Admitted condition, and a sentence."""

    reason: str
    message: str
    for_kueue: bool = False
    """Whether it is the schedule's turn, and Kueue is to decide on the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the installation decides for all schedules."""

    trainer_image: str
    serving_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    trainer_resources: Manifest = field(default_factory=dict)
    serving_resources: Manifest = field(default_factory=dict)
    admission_enabled: bool = True
    max_waiting_manual_runs: int = 5
    """How many runs that people ordered may wait at once, per schedule."""
    max_trainer: Manifest = field(default_factory=dict)
    """The most that a schedule may ask for its trainer, by resource name."""
