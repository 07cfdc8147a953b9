"""Worlds for tests: each builder makes the plainest object of its kind, and takes what a test cares about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from eagle_contract.api import (
    InstallationDefaults,
    ModelVersionSpec,
    ModelVersionStatus,
    TrainingResult,
    TrainingScheduleSpec,
    TrainingScheduleStatus,
    names,
    resolve,
)
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.schedule import ServedVersion, Service
from eagle_contract.api.version import Approval, Attempt, Cancellation
from eagle_operator.domain import conditions
from eagle_operator.domain.serving_deployment import managed, models_value
from eagle_operator.domain.world import Deployment, Installation, Job, Manifest, Meta, Pod, Schedule, Version, World
from eagle_operator.domain.writes import Plan, SetScheduleStatus, SetVersionStatus, Write

NAMESPACE = "org-acme"
NAME = "press-line"
SLOT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
"""A Sunday at two: the built-in timetable's slot."""
NOW = SLOT + timedelta(seconds=5)
INSTALLATION = Installation(trainer_image="trainer:1", serving_image="serving:1")
DEFAULTS = InstallationDefaults()
SCHEDULE_UID, CRON_JOB_UID = "uid-schedule", "uid-cronjob"
SERVED_AS = {"a": f"{NAME}-1", "b": f"{NAME}-2"}
"""The names of the versions whose models those letters stand for."""
Conclusion = tuple[str, str]
"""Status and reason of a condition."""


def digest(letter: str) -> str:
    """A digest that looks like one."""
    return "sha256:" + letter * 64


def later(**duration: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(**duration)


def spec_wire(**changes: Any) -> dict[str, Any]:
    """The smallest valid spec of a schedule as the wire has it; `changes` replace members."""
    return {
        "organizationId": "acme",
        "source": {
            "connection": {"secretName": "acme-scada"},
            "telemetry": {"table": "t", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": 60},
            "continuousColumns": ["temp"],
        },
        "label": {"column": "fault"},
        "model": {"name": "press-failure"},
        **changes,
    }


def spec(**changes: Any) -> TrainingScheduleSpec:
    """That spec, parsed."""
    return TrainingScheduleSpec.model_validate(spec_wire(**changes))


def meta(name: str, **changes: Any) -> Meta:
    """Who an object is."""
    known: dict[str, Any] = {
        "namespace": NAMESPACE,
        "name": name,
        "uid": f"uid-{name}",
        "resource_version": "1",
        "generation": 1,
        "created": SLOT,
    }
    return Meta(**{**known, **changes})


def schedule(
    status: TrainingScheduleStatus | None = None,
    *,
    generation: int = 1,
    uid: str = SCHEDULE_UID,
    created: datetime = SLOT,
    **changes: Any,
) -> Schedule:
    """A schedule whose clock was seen before, and that has no slot yet; `changes` are members of its spec."""
    known = status or TrainingScheduleStatus(clock="0 2 * * 0 Etc/UTC")
    identity = meta(NAME, uid=uid, generation=generation, created=created)
    return Schedule(meta=identity, spec=spec(**changes), status=known)


def slot_name(slot: datetime = SLOT) -> str:
    """The name of a slot's Job and version."""
    return names.slot_name(NAME, slot)


def result(*, pod_uid: str = "uid-pod", attempt: int = 1, letter: str = "a", **changes: Any) -> TrainingResult:
    """What a trainer reports of a model that passes every check; `changes` are members as on the wire."""
    wire = {
        "attempt": attempt,
        "podUID": pod_uid,
        "scheduleGeneration": 1,
        "trainingHash": digest("1"),
        "trainedThrough": "2026-11-22T00:00:00Z",
        "schemaDigest": digest("2"),
        "artifact": {
            "uri": f"s3://eagle-acme/acme/{letter}/",
            "digest": digest(letter),
            "modelDigest": digest(letter),
            "sizeBytes": 10,
            "keyId": "k1",
            "signature": "s",
        },
        "data": {
            "rows": 10,
            "positives": 1,
            "assets": 1,
            "from": "2026-05-22T00:00:00Z",
            "to": "2026-11-22T00:00:00Z",
        },
        "evaluation": {"evaluable": True, "beatsBaseline": True},
        "metrics": [{"name": "accuracy", "value": "0.98"}],
        "onnx": {"opset": 21, "maxAbsDiff": "0", "rowsCompared": 10},
    }
    return TrainingResult.model_validate({**wire, **changes})


def with_conditions(
    status: ModelVersionStatus, changes: Mapping[str, Conclusion], *, message: str = "", generation: int = 1
) -> ModelVersionStatus:
    """The status with those conditions set at SLOT."""
    now = status.conditions
    for kind, (value, reason) in changes.items():
        literal: ConditionStatus = "True" if value == "True" else "False" if value == "False" else "Unknown"
        now = conditions.with_condition(now, kind, literal, reason, message, generation=generation, now=SLOT)
    return status.model_copy(update={"conditions": now})


def version(
    name: str | None = None,
    status: ModelVersionStatus | None = None,
    *,
    trigger: Literal["Schedule", "Manual", "Import"] = "Schedule",
    slot: datetime | None = SLOT,
    cancelled: bool = False,
    decision: Literal["Approved", "Rejected"] | None = None,
    owner: str | None = SCHEDULE_UID,
    generation: int = 1,
    created: datetime = SLOT,
    by: str = "alice",
    **changes: Any,
) -> Version:
    """A version; without a status it was just ordered. `changes` are members of the spec as on the wire."""
    wire: dict[str, Any] = {"scheduleName": NAME, "trigger": trigger, **changes}
    if trigger == "Schedule" and slot:
        wire["scheduledTime"] = slot.isoformat()
    order = ModelVersionSpec.model_validate(wire)
    order = order.model_copy(
        update={
            "cancellation": Cancellation(by=by) if cancelled else None,
            "approval": Approval(decision=decision, by=by) if decision else None,
        }
    )
    chosen = name or (slot_name(slot) if slot else f"{NAME}-m-1")
    identity = meta(chosen, owner_uid=owner, owner_kind="TrainingSchedule", generation=generation, created=created)
    return Version(meta=identity, spec=order, status=status or ModelVersionStatus())


def queued() -> ModelVersionStatus:
    """Waits for its turn."""
    status = ModelVersionStatus(state="Queued")
    return with_conditions(
        status, {"Admitted": ("False", "WaitingForSlot"), "Trained": ("Unknown", "Queued")}, message="waits"
    )


def running(pod_uid: str | None = "uid-pod", *, started: datetime = SLOT, job: str | None = None) -> ModelVersionStatus:
    """An attempt is under way, and its pod may report if there is one."""
    attempt = Attempt(number=1, job_name=job or slot_name(), pod_uid=pod_uid, start_time=started)
    status = ModelVersionStatus(state="Running", attempts=[attempt], reporter_uid=pod_uid, trainer_image="trainer:1")
    return with_conditions(status, {"Admitted": ("True", "Admitted"), "Trained": ("Unknown", "Running")})


def trained(
    letter: str = "a",
    *,
    validated: Conclusion | None = ("True", "AllChecksPassed"),
    serving: Conclusion | None = None,
    serving_generation: int = 1,
    image: str | None = None,
    **changes: Any,
) -> ModelVersionStatus:
    """A run that succeeded; `changes` are members of its result."""
    ended = running().attempts[0].model_copy(update={"finish_time": SLOT, "reason": "Completed"})
    status = running().model_copy(
        update={
            "state": "Succeeded",
            "attempts": [ended],
            "reporter_uid": None,
            "version": label(letter),
            "result": result(letter=letter, **changes),
            "serving_image": image,
        }
    )
    known: dict[str, Conclusion] = {"Trained": ("True", "Completed")}
    status = with_conditions(status, {**known, "Validated": validated} if validated else known)
    return with_conditions(status, {"Serving": serving}, generation=serving_generation) if serving else status


def label(letter: str) -> str:
    """The label that people know a model by."""
    return f"v2026-11-22T02-00-00-000Z_{letter * 8}"


def served(name: str, letter: str, *, since: datetime = SLOT) -> ServedVersion:
    """A version as the schedule's status has it."""
    return ServedVersion(
        name=name,
        version=label(letter),
        digest=digest(letter),
        uri=f"s3://eagle-acme/acme/{letter}/",
        model_name="press-failure",
        accuracy="0.98",
        since=since,
    )


def in_service(*stretches: tuple[str, str]) -> TrainingScheduleStatus:
    """The status of a schedule that those (name, letter) served, the newest first."""
    first, *_ = stretches
    history = [Service(name=name, version=label(x), from_=SLOT, reason="Promoted") for name, x in stretches]
    return TrainingScheduleStatus(
        clock="0 2 * * 0 Etc/UTC",
        active_version=served(*first),
        previous_version=served(*stretches[1]) if stretches[1:] else None,
        serving_history=history,
    )


def job(name: str | None = None, *, slot: datetime | None = SLOT, **changes: Any) -> Job:
    """A slot's Job as Kubernetes makes it: suspended."""
    identity: dict[str, Any] = {"owner_uid": CRON_JOB_UID, "owner_kind": "CronJob", "created": slot or SLOT}
    known: dict[str, Any] = {"schedule": NAME, "suspended": True, "slot": slot, "deadline_seconds": 7200}
    chosen = name or (slot_name(slot) if slot else f"{NAME}-m-1")
    named = ("owner_uid", "owner_kind", "created", "deleting")
    who: dict[str, Any] = {key: changes.pop(key) for key in named if key in changes}
    return Job(meta=meta(chosen, **{**identity, **who}), **{**known, **changes})


def running_job(**changes: Any) -> Job:
    """That Job, admitted, with one pod."""
    return job(**{"suspended": False, "pods": 1, "start_time": SLOT, **changes})


def pod(uid: str = "uid-pod", *, of: Job | None = None, created: datetime = SLOT, **changes: Any) -> Pod:
    """A trainer's pod that runs."""
    identity = meta(uid.removeprefix("uid-"), uid=uid, created=created, deleting=changes.pop("deleting", False))
    known: dict[str, Any] = {"schedule": NAME, "phase": "Running", "started": True}
    return Pod(meta=identity, job_uid=(of or job()).meta.uid, **{**known, **changes})


def models(letter: str) -> str:
    """What pods that serve that model are told."""
    return models_value(
        model_name="press-failure", version=label(letter), uri=f"s3://eagle-acme/acme/{letter}/", digest=digest(letter)
    )


def deployment(letter: str = "a", *, image: str = "serving:1", generation: int = 1, **changes: Any) -> Deployment:
    """A Deployment all of whose pods serve that model."""
    plain = schedule()
    version = SERVED_AS.get(letter, f"{NAME}-{letter}")
    resolved = resolve(plain.spec, DEFAULTS)
    made = managed(plain, resolved, INSTALLATION, models=models(letter), image=image, version=version)
    known: dict[str, Any] = {
        "labels": {},
        "spec": {"replicas": 1, **made["spec"]},
        "observed_generation": generation,
        "replicas": 1,
        "updated": 1,
        "available": 1,
        "progressing_reason": "NewReplicaSetAvailable",
        "served_version": version,
    }
    who = meta(f"{NAME}-serving", generation=generation, owner_uid=SCHEDULE_UID)
    return Deployment(meta=who, **{**known, **changes})


def server(letter: str = "a", **changes: Any) -> Pod:
    """A pod that serves that model, or tries to."""
    known: dict[str, Any] = {"schedule": NAME, "phase": "Running", "models": models(letter), "job_uid": None}
    return Pod(meta=meta(f"server-{letter}"), **{**known, **changes})


def world(*versions: Version, of: Schedule | None = None, organization: str | None = "acme", **changes: Any) -> World:
    """The schedule with those versions, and no objects but those that `changes` give."""
    return World(schedule=of or schedule(), organization=organization, versions=versions, **changes)


def conclusion(status: ModelVersionStatus | TrainingScheduleStatus, kind: str) -> Conclusion | None:
    """Status and reason of a condition."""
    found = conditions.find(status.conditions, kind)
    return (found.status, found.reason) if found else None


def message(status: ModelVersionStatus | TrainingScheduleStatus, kind: str) -> str:
    """A condition's message."""
    found = conditions.find(status.conditions, kind)
    assert found is not None, f"no condition {kind}"
    return found.message


def kinds(plan: Plan) -> list[str]:
    """The writes of a plan by their kinds, in order."""
    return [type(write).__name__ for write in plan.writes]


def of_kind(writes: Plan | tuple[Write, ...], kind: type[Any]) -> list[Any]:
    """The writes of one kind."""
    return [write for write in (writes.writes if isinstance(writes, Plan) else writes) if isinstance(write, kind)]


def version_status(plan: Plan, name: str | None = None) -> ModelVersionStatus:
    """The one status that a plan gives to a version."""
    found = [w.status for w in of_kind(plan, SetVersionStatus) if name in (None, w.version.meta.name)]
    assert len(found) == 1, f"{len(found)} writes of that version's status in {kinds(plan)}"
    status: ModelVersionStatus = found[0]
    return status


def schedule_status(plan: Plan) -> TrainingScheduleStatus:
    """The one status that a plan gives to the schedule."""
    (found,) = of_kind(plan, SetScheduleStatus)
    status: TrainingScheduleStatus = found.status
    return status


def cron_job_of(manifest: Manifest) -> Manifest:
    """An applied CronJob as the API server has it afterwards."""
    return {**manifest, "metadata": {**manifest["metadata"], "uid": CRON_JOB_UID}}
