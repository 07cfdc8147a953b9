"""A run whose attempt is under way: it was let go, its pod may report, and it is ended when it must be."""

from datetime import datetime, timedelta

from eagle_contract.api.version import Attempt
from eagle_operator.domain import attempts, conditions, workers
from eagle_operator.domain.attempts import Outcome
from eagle_operator.domain.ending import attempt_ended
from eagle_operator.domain.run import REPLACED, Run, Step
from eagle_operator.domain.world import Job, Pod
from eagle_operator.domain.writes import DeleteJob, EndJob, Write

ATTEMPTS_KEPT = 4
"""So many attempts are told of in a status; the number of the newest one tells how many there were."""
_PATIENCE = timedelta(seconds=1)
_CANCELLED = Outcome("Cancelled", "cancelled while it ran")


def admitted(run: Run, job: Job) -> Step:
    """Its Job was let go: an attempt begins."""
    kept = conditions.without(run.status.conditions, "Validated", "Serving")
    status = run.status.model_copy(update={"conditions": kept})
    status = run.with_condition("Admitted", "True", "Admitted", on=status)
    status = run.with_condition("Trained", "Unknown", "Running", on=status)
    attempt = Attempt(number=run.next_number, job_name=job.meta.name, start_time=job.start_time or run.now)
    pod = workers.reporter(run.world.pods_of(job))
    if pod and not pod.gone:
        attempt = attempt.model_copy(update={"pod_uid": pod.meta.uid})
    began = {
        "state": "Running",
        "attempts": [*(_shortened(a) for a in run.status.attempts), attempt][-ATTEMPTS_KEPT:],
        "reporter_uid": attempt.pod_uid,
        "trainer_image": run.installation.trainer_image,
        "training_hash": run.fingerprint,
    }
    return Step(run.version, status.model_copy(update=began))


def follow(run: Run) -> Step:
    """It runs, or its attempt has ended."""
    attempt = run.status.attempts[-1]
    job = run.world.attempt_job(run.version.meta.name, attempt.number)
    pods = run.world.pods_of(job) if job else ()
    wish = _CANCELLED if run.version.spec.cancellation else REPLACED if run.makes_room else None
    ended = attempts.outcome(attempt, job, pods, run.status, wish=wish, now=run.now)
    if ended:
        return attempt_ended(run, ended, job, pods)
    pod = workers.reporter(pods)
    status = run.status
    if pod and pod.meta.uid != status.reporter_uid and not pod.gone:
        current = attempt.model_copy(update={"pod_uid": pod.meta.uid})
        status = status.model_copy(update={"reporter_uid": pod.meta.uid, "attempts": [*status.attempts[:-1], current]})
    status = run.with_condition("Trained", "Unknown", "Running", _problem(run, job, pods), on=status)
    patience_ends = _patience_ends(run, workers.current(pods))
    moments = [patience_ends, *(pod.given_up_at for pod in pods)]
    until = min((moment for moment in moments if moment and moment > run.now), default=None)
    return run.stays(status, *_end_early(run, job, wish, patience_ends), until=until)


def _problem(run: Run, job: Job | None, pods: tuple[Pod, ...]) -> str:
    """What keeps a pod from starting; what was seen outlives the pod, which may go before its Job tells of its end."""
    current = workers.current(pods)
    problem = next(filter(None, map(attempts.waiting_problem, current)), "")
    leaving = all(pod.gone for pod in current) or (job is not None and job.told_to_end)
    return problem or (attempts.known_problem(run.status) if leaving else "")


def _end_early(run: Run, job: Job | None, wish: Outcome | None, patience_ends: datetime | None) -> tuple[Write, ...]:
    if job is None or job.finished or job.failing or job.meta.deleting:
        return ()
    if job.suspended:
        # Somebody took its turn away. No deadline runs meanwhile, so it can only be removed.
        return (DeleteJob(job),) if wish else ()
    if job.told_to_end:
        return ()
    overdue = patience_ends is not None and run.now >= patience_ends
    return (EndJob(job),) if wish or overdue else ()


def _patience_ends(run: Run, pods: tuple[Pod, ...]) -> datetime | None:
    """When a pod that does not start has waited long enough; one that replaces an evicted pod waits anew."""
    attempt = run.status.attempts[-1]
    waiting = [pod.meta.created for pod in pods if not (pod.started or pod.gone)]
    unseen = None if pods or attempt.pod_uid else attempt.start_time
    began = min(waiting, default=unseen)
    return began + timedelta(seconds=run.resolved.pending_timeout_seconds) + _PATIENCE if began else None


def _shortened(attempt: Attempt) -> Attempt:
    """An attempt of before: its reason stays, and no more of its words, so that the object stays small."""
    return attempt.model_copy(update={"message": None, "log_tail": None})
