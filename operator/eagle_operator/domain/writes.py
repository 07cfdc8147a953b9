"""What a decision asks for. Each is safe to do twice; they are done in the order given, and a failure ends the row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus
from eagle_operator.domain.world import Job, Manifest, Meta, Schedule, Version


@dataclass(frozen=True)
class Apply:
    """Make the object be as given (server-side apply)."""

    manifest: Manifest


@dataclass(frozen=True)
class Create:
    """Make the object unless one of its name is there."""

    manifest: Manifest


@dataclass(frozen=True)
class SetScheduleStatus:
    """Write the schedule's status, if the schedule is still as it was seen."""

    schedule: Schedule
    status: TrainingScheduleStatus


@dataclass(frozen=True)
class SetVersionStatus:
    """Write the operator's part of a version's status, if the version is still as it was seen."""

    version: Version
    status: ModelVersionStatus


@dataclass(frozen=True)
class Adopt:
    """Make the schedule own a version that a person ordered, or that a backup brought back without its owner."""

    version: Version
    owner: Meta


@dataclass(frozen=True)
class DeleteJob:
    """Remove a Job. Its name says whose it is: a slot's or an attempt's Job is never made a second time."""

    job: Job


@dataclass(frozen=True)
class EndJob:
    """Let Kubernetes end a running Job cleanly, by a deadline that has passed."""

    job: Job


@dataclass(frozen=True)
class MarkRecorded:
    """Label a finished Job: what it says is in the status of its version."""

    job: Job


@dataclass(frozen=True)
class Report:
    """A Kubernetes Event on the schedule or one of its versions; `about` makes its name, so it is made once."""

    kind: Literal["TrainingSchedule", "ModelVersion"]
    name: str
    uid: str
    namespace: str
    reason: str
    message: str
    about: str
    warning: bool = False


Write = Adopt | Apply | Create | SetScheduleStatus | SetVersionStatus | DeleteJob | EndJob | MarkRecorded | Report


@dataclass(frozen=True)
class Plan:
    """The writes that are due, and when to look again if nothing changes before."""

    writes: tuple[Write, ...] = ()
    look_again: datetime | None = None
