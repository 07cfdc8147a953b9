"""Runs that are tried again, for tests: between their attempts, in their second one, and when they gave up."""

from datetime import datetime, timedelta
from typing import Any

from tests.unit.operator import builders as b
from tests.unit.operator.test_runs import step

from eagle_contract.api import ModelVersionStatus, TrainingResult, names, training_hash
from eagle_contract.api.version import Attempt
from eagle_operator.domain.runs import Step
from eagle_operator.domain.world import Job
from eagle_operator.domain.writes import Write

RETRY_JOB = f"{b.slot_name()}-retry-1"
DUE = b.later(minutes=5)
HASH = training_hash(b.spec())
OTHER: dict[str, Any] = {"features": {"rollingWindows": [7]}}
"""A spec that trains something else."""
DAY = timedelta(days=1)


def tried(*ends: tuple[str, str | None], number: int = 1, **changes: Any) -> ModelVersionStatus:
    """The status after attempts that ended so: reason, and the letter of the model that one came to."""
    attempts = [
        Attempt(
            number=n,
            job_name=names.attempt_job_name(b.slot_name(), n),
            pod_uid=f"uid-pod-{n}",
            start_time=b.SLOT,
            finish_time=b.NOW,
            reason=reason,
            model_digest=b.digest(letter) if letter else None,
        )
        for n, (reason, letter) in enumerate(ends, start=number)
    ]
    known = {"attempts": attempts, "training_hash": HASH, "trainer_image": "trainer:1", **changes}
    return b.running().model_copy(update=known)


def waits(*ends: tuple[str, str | None], due: datetime = DUE, **changes: Any) -> ModelVersionStatus:
    """It waits for its next attempt."""
    known = {
        "state": "WaitingToRetry",
        "reporter_uid": None,
        "next_attempt_time": due,
        "retries_used": len(ends or "x"),
    }
    status = tried(*(ends or [("Error", None)]), **{**known, **changes})
    return b.with_conditions(
        status, {"Trained": ("Unknown", "WaitingToRetry"), "Retrying": ("True", "WaitingToRetry")}, message="failed"
    )


def queued_again(**changes: Any) -> ModelVersionStatus:
    """It waits for the turn of its second attempt."""
    status = waits(state="Queued", next_attempt_time=None, **changes)
    return b.with_conditions(status, {"Trained": ("Unknown", "Queued")})


def second(result: TrainingResult | None = None, **changes: Any) -> ModelVersionStatus:
    """Its second attempt is under way."""
    status = waits(state="Running", next_attempt_time=None, reporter_uid="uid-pod", result=result, **changes)
    attempt = Attempt(number=2, job_name=RETRY_JOB, pod_uid="uid-pod", start_time=b.SLOT)
    status = status.model_copy(update={"attempts": [*status.attempts, attempt]})
    return b.with_conditions(status, {"Trained": ("Unknown", "Running")})


def gave_up(reason: str = "Exhausted", **changes: Any) -> ModelVersionStatus:
    """It failed, and is not tried again."""
    status = tried(("Error", None), **{"state": "Failed", "retries_used": 3, "reporter_uid": None, **changes})
    return b.with_conditions(status, {"Trained": ("False", "Error"), "Retrying": ("False", reason)}, message="over")


def retry_job(**changes: Any) -> Job:
    """The Job of the second attempt, as the operator makes it."""
    known = {"slot": None, "version": b.slot_name(), "attempt": 2, "owner_kind": "ModelVersion"}
    return b.job(RETRY_JOB, **{**known, **changes})


def running_retry(**changes: Any) -> Job:
    return retry_job(**{"suspended": False, "pods": 1, "start_time": b.SLOT, **changes})


def failing(
    status: ModelVersionStatus | None = None,
    *,
    job: Job | None = None,
    code: int = 11,
    now: datetime = b.NOW,
    **facts: Any,
) -> Step:
    """The step in which an attempt is found to have failed; its log was read."""
    known = job or b.running_job(failed=True, pods=0)
    pod = b.pod(of=known, phase="Failed", exit_code=code, exit_message="it is so")
    version = b.version(status=status or b.running().model_copy(update={"training_hash": HASH}))
    return step(version, known, **{"pods": (pod,), "log_tails": {"uid-pod": "the log"}, "now": now, **facts})


def low() -> TrainingResult:
    """A model that does not pass the gate."""
    return b.result(metrics=[{"name": "accuracy", "value": "0.5"}])


def kinds(*writes: Write) -> list[str]:
    return [type(write).__name__ for write in writes]


def validated(status: ModelVersionStatus, **facts: Any) -> Step:
    """The step in which an attempt ended with the model that the status has."""
    job = running_retry(complete=True, pods=0) if len(status.attempts) > 1 else b.running_job(complete=True, pods=0)
    return step(b.version(status=status, **facts.pop("order", {})), job, **facts)
