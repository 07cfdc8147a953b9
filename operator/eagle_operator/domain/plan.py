"""For one schedule: from what was seen to what is to be done. Pure; the same world gives the same plan."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from statistics import fmean

from eagle_contract.api import (
    InstallationDefaults,
    ModelVersionStatus,
    Resolved,
    TrainingScheduleStatus,
    names,
    resolve,
)
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.schedule import Effective, HistoryLimits, Promotion, Retry, Statistics, Thresholds
from eagle_operator.domain import (
    clock,
    conditions,
    retention,
    runs,
    service_step,
    stuck,
    timetable,
    training_job,
    workers,
)
from eagle_operator.domain.manifests import amount, is_owned, labels, owned_by
from eagle_operator.domain.run import next_number
from eagle_operator.domain.world import Installation, Job, Manifest, Version, World
from eagle_operator.domain.writes import (
    Adopt,
    Create,
    DeleteJob,
    DeleteVersion,
    Plan,
    Report,
    SetScheduleStatus,
    SetVersionStatus,
    Write,
)

State = tuple[ConditionStatus, str, str]
Problem = tuple[str, str]
"""Why a schedule cannot be as it is: a reason of the Ready condition, and a sentence."""


def plan(world: World, installation: Installation, defaults: InstallationDefaults, now: datetime) -> Plan:
    """All that is due for the schedule, in the order in which it must be written."""
    resolved = resolve(world.schedule.spec, defaults)
    ticking = _problem(world, resolved, installation) or _tick(world, resolved, installation, now)
    if not isinstance(ticking, clock.ClockStep):
        return _held(world, ticking, resolved, installation, now)

    orphans = tuple(Adopt(version, world.schedule.meta) for version in world.versions if not version.meta.owner_uid)
    world = replace(world, versions=tuple(version for version in world.versions if version.meta.owner_uid))
    steps = [runs.advance(world, version, resolved, installation, now) for version in world.versions]
    run_writes = tuple(_run_writes(steps))
    after = replace(world, versions=tuple(replace(step.version, status=step.status) for step in steps))
    service = service_step.serve(after, resolved, installation, now)
    if _touches_versions(run_writes):
        service = replace(service, writes=tuple(write for write in service.writes if isinstance(write, Report)))

    status = service.status.model_copy(
        update={
            name: getattr(ticking.status, name)
            for name in ("clock", "not_before", "missed_slots", "next_schedule_time", "last_schedule_time")
        }
    )
    watch = stuck.judge(after, resolved, now)
    status = _summed_up(after, status, resolved, service.state, watch.stuck, now)
    clock_first = _before(world, ticking.status)
    writes = [
        *clock_first,
        *orphans,
        *workers.meeting_point(world),
        *ticking.writes,
        *(Create(_version_of(world, job)) for job in ticking.orders),
        *run_writes,
        *service.writes,
        *_alarm(world, watch.stuck),
    ]
    if not clock_first:
        writes += _status_write(world, status)
        if not _touches_versions(writes):
            writes += service_step.projections(after, service, now)
    if not writes:
        gone = retention.removals(world, resolved)
        writes += [*map(DeleteJob, gone.jobs), *map(DeleteVersion, gone.versions)]
    return Plan(tuple(writes), _next_look([*(step.look_again for step in steps), ticking.look_again, watch.look_again]))


def refused(
    world: World, installation: Installation, defaults: InstallationDefaults, problem: Problem, now: datetime
) -> Plan:
    """The plan for a schedule that the API server will not have as it is: say so, and begin nothing."""
    return _held(world, problem, resolve(world.schedule.spec, defaults), installation, now)


def slot_lost(world: World, slot: datetime, message: str, now: datetime) -> Plan:
    """The plan once a slot's Job cannot be made because somebody else's has its name: say so, and go on."""
    status = _with(clock.lost(world, slot), world, "Ready", ("False", "NameConflict", message), now)
    event = _event(world, "NameConflict", message, about=f"slot-{slot:%Y%m%d%H%M}", warning=True)
    return Plan((event, SetScheduleStatus(world.schedule, status)))


def _tick(world: World, resolved: Resolved, installation: Installation, now: datetime) -> clock.ClockStep | Problem:
    try:
        return clock.tick(world, resolved, installation, now)
    except timetable.InvalidTimeZoneError as error:
        return ("InvalidTimeZone", str(error))
    except timetable.InvalidTimetableError as error:
        return ("InvalidSchedule", str(error))


def _held(world: World, problem: Problem, resolved: Resolved, installation: Installation, now: datetime) -> Plan:
    """The plan for a schedule that cannot be as it is: nothing begins, and what is under way goes on to its end."""
    under_way = [version for version in world.versions if version.meta.owner_uid and _is_under_way(world, version)]
    steps = [runs.advance(world, version, resolved, installation, now) for version in under_way]
    told = _refuse(world, problem, now)
    # Without an organization, the operator may write nothing but what it says of its own resources.
    left = clock.left_behind(world, resolved, installation, now) if world.organization else ()
    return Plan((*_run_writes(steps), *told.writes, *left), _next_look(step.look_again for step in steps))


def _is_under_way(world: World, version: Version) -> bool:
    job = world.attempt_job(version.meta.name, next_number(version.status))
    let_go = job is not None and not job.suspended
    cancelled = version.spec.cancellation is not None
    waits = version.status.state in ("Queued", "WaitingToRetry")
    return version.status.state == "Running" or (waits and (let_go or cancelled))


def _problem(world: World, resolved: Resolved, installation: Installation) -> Problem | None:
    wanted = world.schedule.spec.organization_id
    if world.organization != wanted:
        found = f"is labelled {world.organization!r}" if world.organization else "has no organization label"
        return (
            "OrganizationMismatch",
            f"spec.organizationId is {wanted!r}, but the namespace {found}; a cluster administrator onboards"
            " organizations with the chart eagle-organization",
        )
    if world.cron_job and not _is_ours(world.cron_job, world):
        return ("NameConflict", "a CronJob of this name is there that is not the schedule's; remove or rename one")
    if resolved.serving_mode == "Existing" and world.deployment is None:
        name = world.schedule.spec.serving.deployment_name if world.schedule.spec.serving else ""
        return (
            "DeploymentNotFound",
            f"the Deployment {name!r} must exist and carry the label {names.SCHEDULE_LABEL}:"
            f" {world.schedule.meta.name}, by which its owner consents to be changed",
        )
    return _too_large(world, installation)


def _is_ours(cron_job: Manifest, world: World) -> bool:
    """Whether the schedule owns it, or did: a backup brings objects back without their owners."""
    owners = cron_job.get("metadata", {}).get("ownerReferences", [])
    labelled = cron_job.get("metadata", {}).get("labels", {}).get(names.MANAGED_BY_LABEL) == names.OPERATOR_MANAGER
    return is_owned(cron_job, world.schedule.meta) or (labelled and not owners)


def _too_large(world: World, installation: Installation) -> Problem | None:
    retry, most = world.schedule.spec.retry, installation.max_trainer.get("memory")
    if retry and retry.max_memory is not None and most is not None and amount(retry.max_memory) > amount(most):
        return _more_than_allowed("spec.retry.maxMemory", retry.max_memory, most)
    for part, amounts in training_job.resources(world.schedule, installation).items():
        for name, asked in amounts.items():
            most = installation.max_trainer.get(name)
            if most is not None and amount(asked) > amount(most):
                return _more_than_allowed(f"spec.trainer.resources.{part}.{name}", asked, most)
    return None


def _more_than_allowed(field: str, asked: str | int, most: str) -> Problem:
    return ("InvalidSchedule", f"{field} is {asked}, but this installation allows at most {most}")


def _refuse(world: World, problem: Problem, now: datetime) -> Plan:
    status = clock.with_last_slot(world, world.schedule.status)
    status = _with(status, world, "Ready", ("False", *problem), now)
    for kind in ("Training", "Serving"):
        if conditions.find(status.conditions, kind) is None:
            status = _with(status, world, kind, ("Unknown", "NotReconciled", ""), now)
    status = status.model_copy(update={"observed_generation": world.schedule.meta.generation})
    event = _event(world, *problem, about=f"{world.schedule.meta.generation}", warning=True)
    writes = _status_write(world, status)
    return Plan((event, *writes) if writes else ())


def forbidden(world: World, write: Write, message: str) -> Report:
    """The Event that says that the API server forbids a write, which is tried again. Once for each kind of write."""
    return _event(world, "Forbidden", f"{message}; it is tried again", about=type(write).__name__, warning=True)


def _event(world: World, reason: str, message: str, *, about: str, warning: bool) -> Report:
    return Report(
        kind="TrainingSchedule",
        name=world.schedule.meta.name,
        uid=world.schedule.meta.uid,
        namespace=world.schedule.meta.namespace,
        reason=reason,
        message=message,
        about=about,
        warning=warning,
    )


def _alarm(world: World, found: stuck.Stuck | None) -> tuple[Write, ...]:
    """An Event when a run is found to be stuck, once."""
    raised = conditions.find(world.schedule.status.conditions, "StuckJob")
    told = (raised.reason, raised.message) if raised and raised.status == "True" else None
    if found is None or told == (found.reason, found.message):
        return ()
    about = f"{found.reason}-{found.version}-{found.since:%Y%m%d%H%M%S}"
    return (_event(world, "StuckJob", f"{found.reason}: {found.message}", about=about, warning=True),)


def _run_writes(steps: Iterable[runs.Step]) -> Iterable[Write]:
    for step in steps:
        if step.status != step.version.status:
            if step.ended:
                yield _ended(step.version, step.status, step.ended)
            yield SetVersionStatus(step.version, step.status)
        yield from step.after


def _ended(version: Version, status: ModelVersionStatus, about: str) -> Report:
    """The Event of the end of an attempt or of the run."""
    trained = conditions.find(status.conditions, "Trained")
    validated = conditions.find(status.conditions, "Validated")
    passed = validated is None or validated.status == "True"
    judged = f"; {validated.reason}: {validated.message}" if validated and not passed else ""
    tried_again = status.state == "WaitingToRetry"
    reason = status.attempts[-1].reason if tried_again else trained.reason if trained else None
    return Report(
        kind="ModelVersion",
        name=version.meta.name,
        uid=version.meta.uid,
        namespace=version.meta.namespace,
        reason=reason or "Ended",
        message=((trained.message if trained else "") + judged)[: conditions.MESSAGE_LIMIT],
        about=about,
        warning=tried_again or status.state == "Failed" or not passed,
    )


def _version_of(world: World, job: Job) -> Manifest:
    """The order that a Job stands for: of its slot, or of the administrator who made it of the CronJob."""
    schedule = world.schedule
    spec: Manifest = {"scheduleName": schedule.meta.name, "trigger": "Manual", "requestedBy": "kubectl create job"}
    if job.slot:
        slot = job.slot.strftime("%Y-%m-%dT%H:%M:%SZ")
        spec |= {"trigger": "Schedule", "requestedBy": "schedule", "scheduledTime": slot}
    return {
        "apiVersion": f"{names.GROUP}/{names.API_VERSION}",
        "kind": "ModelVersion",
        "metadata": {
            "name": job.version or job.meta.name,
            "namespace": schedule.meta.namespace,
            "labels": labels(schedule.meta.name),
            "ownerReferences": owned_by("TrainingSchedule", schedule.meta),
        },
        "spec": spec,
    }


def _before(world: World, status: TrainingScheduleStatus) -> list[Write]:
    """What must be known before the CronJob changes or a slot's Job is deleted."""
    old = world.schedule.status
    if (status.not_before, status.missed_slots) == (old.not_before, old.missed_slots):
        return []
    kept = {"clock": status.clock, "not_before": status.not_before, "missed_slots": status.missed_slots}
    return [SetScheduleStatus(world.schedule, old.model_copy(update=kept))]


def _summed_up(
    world: World,
    status: TrainingScheduleStatus,
    resolved: Resolved,
    service: State,
    found: stuck.Stuck | None,
    now: datetime,
) -> TrainingScheduleStatus:
    ready: State = _secret_missing(world) or _slot_lost(world, status) or ("True", "Reconciled", _remark(resolved))
    for kind, state in (("Ready", ready), ("Training", _training(world, resolved)), ("Serving", service)):
        status = _with(status, world, kind, state, now)
    if found:
        status = _with(status, world, "StuckJob", ("True", found.reason, found.message), now)
    elif conditions.find(status.conditions, "StuckJob"):
        status = _with(status, world, "StuckJob", ("False", "NotStuck", ""), now)
    ends = [a.finish_time for v in world.versions if v.status.state == "Succeeded" for a in v.status.attempts[-1:]]
    finished = [end for end in ends if end]
    if status.last_successful_time:
        finished.append(status.last_successful_time)
    return status.model_copy(
        update={
            "observed_generation": world.schedule.meta.generation,
            "effective": _effective(resolved),
            "last_successful_time": max(finished, default=None),
            "statistics": _statistics(world),
        }
    )


def _remark(resolved: Resolved) -> str:
    fields = ", ".join(f"spec.{name}" for name in resolved.not_acted_on)
    return f"accepted but not acted on in this release: {fields}" if fields else ""


def _secret_missing(world: World) -> State | None:
    """Seen at the pod: the operator may not read Secrets."""
    newest = max(world.versions, key=lambda version: version.meta.created, default=None)
    trained = conditions.find(newest.status.conditions, "Trained") if newest else None
    if trained and trained.status != "True" and 'secret "' in trained.message and "not found" in trained.message:
        return ("False", "SecretNotFound", trained.message)
    return None


def _slot_lost(world: World, status: TrainingScheduleStatus) -> State | None:
    slot = clock.lost_slot(status)
    if slot is None:
        return None
    name = names.slot_name(world.schedule.meta.name, slot)
    return ("False", "NameConflict", f"the slot of {slot:%Y-%m-%d %H:%M} UTC could not run: {_TAKEN.format(name)}")


_TAKEN = "a Job named {!r} is there that is not the schedule's; remove it before the next slot"


def _training(world: World, resolved: Resolved) -> State:
    """What a person wants to know first: what runs, else what waits for its turn, else what will be tried again."""
    for state in ("Running", "Queued", "WaitingToRetry"):
        version = next((v for v in world.versions if v.status.state == state), None)
        if version:
            return ("True", state, f"{version.meta.name}{_how_it_is(version)}")
    if resolved.suspend:
        return ("False", "Suspended", "spec.suspend is true: no slot runs")
    newest = max(world.versions, key=lambda version: (version.meta.created, version.meta.name), default=None)
    gave_up = conditions.find(newest.status.conditions, "Retrying") if newest else None
    if newest and gave_up and gave_up.status == "False":
        return ("False", gave_up.reason, f"{newest.meta.name}: {gave_up.message}")
    return ("False", "Idle", "")


def _how_it_is(version: Version) -> str:
    admitted = conditions.find(version.status.conditions, "Admitted")
    trained = conditions.find(version.status.conditions, "Trained")
    if version.status.state == "Running":
        return f" runs, attempt {version.status.attempts[-1].number}" if len(version.status.attempts) > 1 else " runs"
    if version.status.state == "Queued":
        return f": {admitted.message if admitted else 'waits for its turn'}"
    return f": {trained.message if trained else 'waits for its next attempt'}"


def _statistics(world: World) -> Statistics:
    ended = [version for version in world.versions if version.status.state in ("Succeeded", "Failed")]
    good = [version for version in ended if version.status.state == "Succeeded"]
    accuracies = [
        float(metric.value)
        for version in good
        if version.status.result
        for metric in version.status.result.metrics
        if metric.name == "accuracy"
    ]
    seconds = [
        (attempt.finish_time - attempt.start_time).total_seconds()
        for version in good
        for attempt in version.status.attempts[-1:]
        if attempt.finish_time and attempt.start_time
    ]
    return Statistics(
        runs=len(ended),
        success_rate=f"{len(good) / len(ended):.4f}" if ended else None,
        mean_accuracy=f"{fmean(accuracies):.4f}" if accuracies else None,
        mean_training_seconds=f"{fmean(seconds):.1f}" if seconds else None,
    )


def _effective(resolved: Resolved) -> Effective:
    return Effective(
        schedule=resolved.schedule,
        time_zone=resolved.time_zone,
        suspend=resolved.suspend,
        starting_deadline_seconds=resolved.starting_deadline_seconds,
        timeout_seconds=resolved.timeout_seconds,
        pending_timeout_seconds=resolved.pending_timeout_seconds,
        concurrency_policy=resolved.concurrency_policy,
        retry=Retry(
            delays_seconds=list(resolved.retry_delays_seconds),
            retry_on=sorted(resolved.retry_on),
            max_memory=resolved.max_memory,
        ),
        stuck_after_seconds=resolved.stuck_after_seconds,
        history_limits=HistoryLimits(successful=resolved.keep_successful, failed=resolved.keep_failed),
        data_range_days=resolved.data_range_days,
        thresholds=Thresholds(failure_probability=resolved.failure_probability, confidence=resolved.confidence),
        promotion=Promotion(
            policy=resolved.promotion_policy,
            minimums=list(resolved.minimums),
            maximums=list(resolved.maximums),
            must_beat_baseline=resolved.must_beat_baseline,
            max_regression=resolved.max_regression,
        ),
        serving_mode=resolved.serving_mode,
        progress_deadline_seconds=resolved.progress_deadline_seconds,
    )


def _with(
    status: TrainingScheduleStatus, world: World, kind: str, state: State, now: datetime
) -> TrainingScheduleStatus:
    value, reason, message = state
    changed = conditions.with_condition(
        status.conditions, kind, value, reason, message, generation=world.schedule.meta.generation, now=now
    )
    return status.model_copy(update={"conditions": changed})


def _status_write(world: World, status: TrainingScheduleStatus) -> list[Write]:
    return [SetScheduleStatus(world.schedule, status)] if status != world.schedule.status else []


def _touches_versions(writes: Iterable[Write]) -> bool:
    return any(isinstance(write, SetVersionStatus) for write in writes)


def _next_look(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)
