"""A run whose attempt has ended: its model is judged, another attempt follows, or the run is over."""

from eagle_contract.api import ModelVersionStatus, names
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.version import Attempt, RunState
from eagle_operator.domain import attempts, conditions, promotion, retries, training_job, workers
from eagle_operator.domain.attempts import Outcome
from eagle_operator.domain.gate import Verdict
from eagle_operator.domain.retries import Failure
from eagle_operator.domain.run import Run, Step
from eagle_operator.domain.world import Job, Pod
from eagle_operator.domain.writes import DeleteJob, ReadLog, Write

LOG_LIMIT = 2048


def attempt_ended(run: Run, outcome: Outcome, job: Job | None, pods: tuple[Pod, ...]) -> Step:
    """What follows; before a failure is written down, the end of its pod's log is read."""
    unread = None if outcome.completed else _unread_log(run, job, pods)
    if unread:
        return Step(run.version, run.status, after=(ReadLog(unread, run.version),))
    if outcome.completed:
        return _trained(run, outcome)
    status = _closed(run, run.status.attempts[-1], outcome, pods)
    lost = (DeleteJob(job),) if job and not job.meta.deleting and outcome.reason in retries.NOT_COUNTED else ()
    if outcome.reason in retries.FINAL:
        state: RunState = "Cancelled" if outcome.reason in ("Cancelled", "Superseded") else "Failed"
        return run.ends(state, outcome.reason, outcome.message, on=status, after=lost)
    return _failed(run, Failure(outcome.reason, outcome.message), status, lost)


def rest(run: Run) -> Step:
    """It is over; unless it failed and is the newest, and what it is to train has changed since."""
    return run.tries_changed_spec() if _starts_again(run) else run.stays()


def _trained(run: Run, outcome: Outcome) -> Step:
    """A model came of it: it is judged in the write that says so."""
    result = run.status.result
    verdict = promotion.verdict(run.world, run.version, run.resolved)
    if result is None or verdict is None:
        raise ValueError(f"{run.version.meta.name} is said to be trained, and has no result")
    too_late = run.version.spec.cancellation is not None
    if too_late:
        outcome = Outcome(outcome.reason, f"{outcome.message}; the cancellation came when it was done")
    digest = result.artifact.model_digest
    done = run.status.attempts[-1].model_copy(update={"model_digest": digest})
    label = names.version_label(run.version.run_time, digest.removeprefix("sha256:"))
    failure = _failure_by(run, verdict)
    if failure is None:
        status = _judged(run, _closed(run, done, outcome, ()).model_copy(update={"version": label}), verdict)
        if too_late:
            why = "the run was cancelled; an approval puts its model into service all the same"
            status = run.with_condition("Serving", "False", "NotPromoted", why, on=status)
        return run.ends("Succeeded", outcome.reason, outcome.message, on=status)
    status = _closed(run, done, Outcome(failure.reason, failure.message), ())
    return _failed(run, failure, status, (), label=label, verdict=verdict)


def _failure_by(run: Run, verdict: Verdict) -> Failure | None:
    """The gate's objection as a failed attempt, if spec.retry counts it so; changed inputs wait for a person."""
    counts = "ValidationFailed" in run.resolved.retry_on and bool(run.resolved.retry_delays_seconds)
    if verdict.passed or verdict.reason == "SchemaChanged" or run.version.spec.cancellation or not counts:
        return None
    return Failure("ValidationFailed", f"{verdict.reason}: {verdict.message}"[: attempts.MESSAGE_LIMIT])


def _failed(
    run: Run,
    failure: Failure,
    status: ModelVersionStatus,
    after: tuple[Write, ...],
    *,
    label: str | None = None,
    verdict: Verdict | None = None,
) -> Step:
    """What follows a failed attempt, the last one of `status`; with a verdict there is a model none the less."""
    memory = run.status.memory_limit or training_job.memory_limit(run.world.schedule, run.installation)
    follows = retries.follow_up(failure, status, run.resolved, memory, run.now)
    if isinstance(follows, retries.Again):
        return _again(run, failure, follows, status, after)
    status = run.with_condition("Retrying", "False", follows.reason, follows.message, on=status)
    if verdict is None:
        message = f"{retries.cut(failure.message)}. {follows.message}"
        return run.ends("Failed", failure.reason, message, on=status, after=after)
    status = _judged(run, status.model_copy(update={"version": label}), verdict)
    message = f"the model is trained, and did not pass the gate; {follows.message}"
    return run.ends("Failed", "Completed", message, on=status, after=after)


def _again(
    run: Run, failure: Failure, follows: retries.Again, status: ModelVersionStatus, after: tuple[Write, ...]
) -> Step:
    status = run.with_condition("Trained", "Unknown", "WaitingToRetry", f"{failure}; {follows.message}", on=status)
    status = run.with_condition("Retrying", "True", "WaitingToRetry", follows.message, on=status)
    waits = {
        "state": "WaitingToRetry",
        "reporter_uid": None,
        "next_attempt_time": follows.at,
        "retries_used": follows.retries_used,
        "memory_limit": follows.memory_limit,
    }
    ended = f"attempt-{status.attempts[-1].number}"
    return Step(run.version, status.model_copy(update=waits), after=after, look_again=follows.at, ended=ended)


def _judged(run: Run, status: ModelVersionStatus, verdict: Verdict) -> ModelVersionStatus:
    value: ConditionStatus = "True" if verdict.passed else "False"
    return run.with_condition("Validated", value, verdict.reason, verdict.message, on=status)


def _closed(run: Run, attempt: Attempt, outcome: Outcome, pods: tuple[Pod, ...]) -> ModelVersionStatus:
    """The status with the attempt at its end."""
    end = {
        "finish_time": run.now.replace(microsecond=0),
        "reason": outcome.reason,
        "message": outcome.message[: attempts.MESSAGE_LIMIT],
        "log_tail": next((tail for pod in reversed(pods) if (tail := _log_tail(run, pod))), None),
    }
    done = attempt.model_copy(update=end)
    return run.status.model_copy(update={"attempts": [*run.status.attempts[:-1], done]})


def _unread_log(run: Run, job: Job | None, pods: tuple[Pod, ...]) -> Pod | None:
    """The pod whose log is to be read while there is one; that of a lost node cannot be had."""
    pod = workers.told_by(pods)
    ran = pod and (pod.started or (job is not None and job.complete))
    readable = pod and ran and not pod.lost(run.now) and pod.meta.uid not in run.world.log_tails
    return pod if readable else None


def _log_tail(run: Run, pod: Pod) -> str | None:
    text = run.world.log_tails.get(pod.meta.uid)
    return text.encode()[-LOG_LIMIT:].decode(errors="ignore") if text else None


def _starts_again(run: Run) -> bool:
    """Whether the newest run failed, and what it is to train has changed since."""
    if run.status.state != "Failed" or run.status.training_hash in (None, run.fingerprint):
        return False
    if conditions.find(run.status.conditions, "Retrying") is None or run.version.spec.cancellation:
        return False
    newest = max(run.world.versions, key=lambda v: (v.meta.created, v.meta.name))
    return newest is run.version and not _is_spoken_for(run)


def _is_spoken_for(run: Run) -> bool:
    """Whether its model serves, has served or is to serve: then it stays what it is."""
    status, serving = run.world.schedule.status, run.world.schedule.spec.serving
    served = [version.name for version in (status.active_version, status.previous_version) if version]
    pinned = [serving.pin.version] if serving and serving.pin else []
    rolled_out = run.status.serving_image is not None
    return rolled_out or run.version.meta.name in (*served, *pinned) or promotion.approved(run.version)
