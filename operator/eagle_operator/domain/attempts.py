"""How an attempt ended, read from its Job and its pods while they exist."""

import re
from dataclasses import dataclass
from datetime import datetime

from eagle_contract.api import ModelVersionStatus, reason_of_exit
from eagle_contract.api.version import Attempt
from eagle_operator.domain import conditions, workers
from eagle_operator.domain.world import Job, Pod

MESSAGE_LIMIT = 400
_EXIT_CODE_IN_MESSAGE = re.compile(r"failed with exit code (\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A reason of the Trained condition, and a sentence for people."""

    reason: str
    message: str

    @property
    def completed(self) -> bool:
        """Whether the attempt did what it should."""
        return self.reason == "Completed"


def outcome(
    attempt: Attempt,
    job: Job | None,
    pods: tuple[Pod, ...],
    status: ModelVersionStatus,
    *,
    wish: Outcome | None,
    now: datetime,
) -> Outcome | None:
    """How the attempt ended; None while it has not. `wish` is how it was asked to end, if it was.

    An attempt that ended well without a result of its own is NoResult, never judged by an older one's.
    """
    if job is None:
        return _reported(attempt, status) or wish or _VANISHED
    if job.complete:
        return _reported(attempt, status) or Outcome(
            "NoResult", "the trainer ended without an error but reported no result; see its log"
        )
    ended = (wish or _failure(job, pods, known=known_problem(status))) if job.failing or job.failed else None
    if ended:
        return ended
    if workers.any_lost(pods, now):
        return _reported(attempt, status) or wish or _NODE_LOST
    return None


def waiting_problem(pod: Pod) -> str:
    """Why the pod does not start, in one sentence; '' if nothing is known to be wrong."""
    if pod.started:
        return ""
    if pod.unschedulable:
        return f"Unschedulable: {pod.unschedulable}"
    if pod.waiting_reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
        return f"ImageUnavailable: {pod.waiting_message or pod.waiting_reason}"
    if pod.waiting_reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return f"{pod.waiting_reason}: {pod.waiting_message}"
    return ""


def known_problem(status: ModelVersionStatus) -> str:
    """What was last seen to keep the pod from starting: at the deadline the pod itself may be gone already."""
    trained = conditions.find(status.conditions, "Trained")
    return trained.message if trained and trained.status == "Unknown" else ""


def _reported(attempt: Attempt, status: ModelVersionStatus) -> Outcome | None:
    result = status.result
    if result and result.attempt == attempt.number and result.pod_uid == attempt.pod_uid:
        return Outcome("Completed", "the model is trained, proved and published")
    return None


_VANISHED = Outcome("JobDeleted", "the Job was deleted before it ended; order a new run if that was not meant")
_NODE_LOST = Outcome("NodeLost", "its pod was told to go and did not: its node is not heard from")


def _failure(job: Job, pods: tuple[Pod, ...], *, known: str) -> Outcome | None:
    teller = workers.told_by(pods)
    if job.failure_reason == "DeadlineExceeded":
        idle = (pod for pod in workers.current(pods) if not pod.started)
        return _too_late(job, next(idle, teller), known)
    if teller and teller.exit_code:
        return _exit(teller)
    if not job.failed:
        return None
    code = _EXIT_CODE_IN_MESSAGE.search(job.failure_message)
    reason = reason_of_exit(int(code.group(1))) if code else "Error"
    return Outcome(reason, job.failure_message[:MESSAGE_LIMIT] or "the Job failed without a message")


def _too_late(job: Job, pod: Pod | None, known: str) -> Outcome:
    """Without its pod, only a deadline that the operator itself had set to a second means that it never started."""
    problem = (waiting_problem(pod) if pod else "") or known
    started = pod.started if pod else not problem and job.deadline_seconds != 1
    if not started:
        return Outcome("PendingTimeout", (problem or "the trainer's pod did not start in time")[:MESSAGE_LIMIT])
    return Outcome("DeadlineExceeded", "the attempt took longer than spec.timeoutSeconds allows")


def _exit(pod: Pod) -> Outcome:
    if pod.exit_reason == "OOMKilled":
        return Outcome("OutOfMemory", "the trainer needed more memory than spec.trainer.resources.limits.memory")
    message = pod.exit_message.strip() or f"the trainer ended with exit code {pod.exit_code} and no message"
    return Outcome(reason_of_exit(pod.exit_code or 0), message[-MESSAGE_LIMIT:])
