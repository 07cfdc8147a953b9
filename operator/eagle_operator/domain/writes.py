"""What a decision asks for. Each is safe to do twice; they are done in the order given, and a failure ends the row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eagle_contract.api import ModelVersionStatus, TrainingScheduleStatus, names
from eagle_operator.domain.world import Job, Manifest, Meta, Pod, Schedule, Version


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
    """Make the schedule own a version that a person ordered, or that a backup brought back without its owner.

    What was owned once and is not any more came back from a backup, and is marked so: it must not run again.
    """

    version: Version
    owner: Meta

    @property
    def restored(self) -> bool:
        """Whether it was owned once."""
        return self.version.meta.ours


@dataclass(frozen=True)
class DeleteVersion:
    """Remove a version of the history, if it is still as it was seen; what it owns goes with it."""

    version: Version


@dataclass(frozen=True)
class ForgetResult:
    """Take the result of a failed attempt out of a version's status before the next attempt, if it is still as seen."""

    version: Version


@dataclass(frozen=True)
class TagJob:
    """Say on a waiting Job that somebody made of the CronJob whose run it is."""

    job: Job
    version: str


@dataclass(frozen=True)
class HandToKueue:
    """Put a waiting Job into a queue of Kueue's, which from then on decides when it runs."""

    job: Job
    queue: str


@dataclass(frozen=True)
class ReadLog:
    """Read the end of a pod's log while the pod is there. It writes nothing; the next look has it.

    The version is read anew with it: that a pod ended may be known before what it reported, which comes by another
    watch.
    """

    pod: Pod
    version: Version


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


Write = (
    Adopt
    | Apply
    | Create
    | DeleteJob
    | DeleteVersion
    | EndJob
    | ForgetResult
    | HandToKueue
    | MarkRecorded
    | ReadLog
    | Report
    | SetScheduleStatus
    | SetVersionStatus
    | TagJob
)


def slot_of(write: Write) -> datetime | None:
    """The slot whose Job a write makes; None for any other write."""
    if not isinstance(write, Create) or write.manifest["kind"] != "Job":
        return None
    slot = write.manifest["metadata"].get("annotations", {}).get(names.SLOT_ANNOTATION)
    return datetime.fromisoformat(slot) if slot else None


@dataclass(frozen=True)
class Plan:
    """The writes that are due, and when to look again if nothing changes before."""

    writes: tuple[Write, ...] = ()
    look_again: datetime | None = None
