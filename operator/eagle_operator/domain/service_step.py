"""From the choice of a version to pods that serve it: which writes are due, and what the status says of it."""

from dataclasses import dataclass, replace
from datetime import datetime

from eagle_contract.api import ModelVersionStatus, Resolved, TrainingScheduleStatus
from eagle_contract.api.conditions import ConditionStatus
from eagle_contract.api.schedule import ServedVersion, Service
from eagle_operator.domain import conditions, serving_deployment
from eagle_operator.domain.manifests import covers, is_owned
from eagle_operator.domain.promotion import Choice, choose
from eagle_operator.domain.rollout import Rollout, Stage, rollout
from eagle_operator.domain.world import Deployment, Installation, Manifest, Version, World
from eagle_operator.domain.writes import Apply, Report, SetVersionStatus, Write

HISTORY_LIMIT = 10


@dataclass(frozen=True)
class ServiceStep:
    """What service needs now. `writes` come before the schedule's status."""

    writes: tuple[Write, ...]
    status: TrainingScheduleStatus
    choice: Choice | None
    """The version that is to serve."""
    state: tuple[ConditionStatus, str, str]
    """Status, reason and message of the schedule's Serving condition."""
    failed: frozenset[str] = frozenset()
    """Names of versions that this step marks RolloutFailed."""


def serve(world: World, resolved: Resolved, installation: Installation, now: datetime) -> ServiceStep:
    """The step towards the chosen version being the one that serves."""
    status = world.schedule.status
    choice = choose(world, resolved)
    if resolved.serving_mode == "None":
        return ServiceStep((), status, choice, ("False", "NoModelYet", "spec.serving.mode is None: models are kept"))
    if choice is None:
        return ServiceStep((), status, None, ("False", "NoModelYet", "no version has passed the gate yet"))
    models = _models(choice)
    stand = rollout(world.deployment, world.pods, models)
    active = status.active_version
    if stand.stage is Stage.MODEL_FAILED and not (active and active.name == choice.name):
        return _give_up(world, choice, stand, resolved, installation, now)
    if stand.stage is Stage.COMPLETE:
        status = _in_service(status, choice, now)
    writes = (*_image_recorded(world, choice, installation), *_objects(world, choice, resolved, installation))
    return ServiceStep(
        writes=writes + _news(world, status, choice),
        status=status,
        choice=choice,
        state=_state(world, status, choice, stand),
    )


def _give_up(
    world: World, choice: Choice, stand: Rollout, resolved: Resolved, installation: Installation, now: datetime
) -> ServiceStep:
    """First the version is marked, then the template goes back: the other order would roll it out again."""
    version = world.version(choice.name)
    if version is None:
        return ServiceStep((), world.schedule.status, None, ("False", "DeploymentUnavailable", stand.message))
    message = stand.message or "its pods did not become ready"
    marked = _serving_condition(version, version.status, "False", "RolloutFailed", message, now)
    after = replace(
        world,
        versions=tuple(replace(v, status=marked) if v is version else v for v in world.versions),
    )
    back = choose(after, resolved)
    event = Report(
        kind="TrainingSchedule",
        name=world.schedule.meta.name,
        uid=world.schedule.meta.uid,
        namespace=world.schedule.meta.namespace,
        reason="RolloutFailed",
        message=f"{choice.label} did not go into service: {message}. "
        + (f"{back.label} goes on serving." if back else "No other version can serve."),
        about=f"{choice.name}-{version.meta.generation}",
        warning=True,
    )
    writes: tuple[Write, ...] = (event, SetVersionStatus(version, marked))
    if back:
        writes += _objects(world, back, resolved, installation)
    state: tuple[ConditionStatus, str, str] = (
        ("True", "RolledBack", f"{back.label} serves; {choice.label} failed: {message}")
        if back
        else ("False", "DeploymentUnavailable", f"{choice.label} failed: {message}")
    )
    return ServiceStep(writes, world.schedule.status, back, state, failed=frozenset({choice.name}))


def _models(choice: Choice) -> str:
    return serving_deployment.models_value(
        model_name=choice.model_name, version=choice.label, uri=choice.uri, digest=choice.digest
    )


def _image(world: World, choice: Choice, installation: Installation) -> str:
    """The image that the version was promoted with; one whose record was lost keeps the image that it runs with."""
    version = world.version(choice.name)
    recorded = version.status.serving_image if version else None
    running = serving_deployment.image_of(world.deployment) if world.deployment else None
    serves = world.deployment is not None and serving_deployment.served_models(world.deployment) == _models(choice)
    return recorded or (running if serves and running else installation.serving_image)


def _image_recorded(world: World, choice: Choice, installation: Installation) -> tuple[Write, ...]:
    """The image is recorded when a version is first promoted: a new operator changes no running template."""
    version = world.version(choice.name)
    if version is None or version.status.serving_image:
        return ()
    recorded = version.status.model_copy(update={"serving_image": _image(world, choice, installation)})
    return (SetVersionStatus(version, recorded),)


def _objects(world: World, choice: Choice, resolved: Resolved, installation: Installation) -> tuple[Write, ...]:
    models = _models(choice)
    schedule, deployed = world.schedule, world.deployment
    if resolved.serving_mode == "Existing":
        name = schedule.spec.serving.deployment_name if schedule.spec.serving else None
        told = deployed is not None and deployed.served_version == choice.name
        if name is None or deployed is None or (told and serving_deployment.served_models(deployed) == models):
            return ()
        return (Apply(serving_deployment.existing(schedule, name, models=models, version=choice.name)),)
    writes: list[Write] = []
    address = serving_deployment.service(schedule)
    if world.service is None or not is_owned(world.service, schedule.meta) or not _covers(world.service, address):
        writes.append(Apply(address))
    image = _image(world, choice, installation)
    desired = serving_deployment.managed(
        schedule, resolved, installation, models=models, image=image, version=choice.name
    )
    if deployed is None:
        return (*writes, Apply(desired))
    if _same_model(deployed, models=models, image=image):
        desired["spec"]["template"] = deployed.spec["template"]
    kept = deployed.meta.owner_uid == schedule.meta.uid and deployed.served_version == choice.name
    if not kept or not covers(deployed.spec, desired["spec"]):
        writes.append(Apply(desired))
    return tuple(writes)


def _covers(found: Manifest, desired: Manifest) -> bool:
    return covers(found.get("spec"), desired["spec"])


def _same_model(deployment: Deployment, *, models: str, image: str) -> bool:
    return serving_deployment.served_models(deployment) == models and serving_deployment.image_of(deployment) == image


def _in_service(status: TrainingScheduleStatus, choice: Choice, now: datetime) -> TrainingScheduleStatus:
    active = status.active_version
    if active and active.name == choice.name and active.digest == choice.digest:
        return status
    moment = now.replace(microsecond=0)
    history = list(status.serving_history or [])
    if history and history[0].to is None:
        history[0] = history[0].model_copy(update={"to": moment})
    entry = Service(name=choice.name, version=choice.label, from_=moment, reason=choice.reason, by=choice.by)
    return status.model_copy(
        update={
            "active_version": ServedVersion(
                name=choice.name,
                version=choice.label,
                digest=choice.digest,
                uri=choice.uri,
                model_name=choice.model_name,
                accuracy=choice.accuracy,
                since=moment,
            ),
            "previous_version": active or status.previous_version,
            "serving_history": [entry, *history][:HISTORY_LIMIT],
        }
    )


def _state(
    world: World, status: TrainingScheduleStatus, choice: Choice, stand: Rollout
) -> tuple[ConditionStatus, str, str]:
    active = status.active_version
    nobody_answers = world.deployment is None or world.deployment.available == 0
    if active and active.name == choice.name:
        if stand.stage is Stage.COMPLETE:
            back = any(service.reason == "RolledBackTo" for service in (status.serving_history or [])[:1])
            return ("True", "RolledBack" if back else "Serving", f"{choice.label} serves")
        if stand.stage in (Stage.MODEL_FAILED, Stage.HELD_UP):
            return ("False", "DeploymentUnavailable", f"{choice.label}: {stand.message}")
        if nobody_answers:
            return ("False", "DeploymentUnavailable", f"{choice.label}: none of its pods is ready")
        return ("True", "RollingOut", f"pods of {choice.label} are being replaced")
    held_up = f"; held up: {stand.message}" if stand.stage is Stage.HELD_UP else ""
    if active and not nobody_answers:
        return ("True", "RollingOut", f"{choice.label} is being rolled out, {active.version} serves{held_up}")
    return ("False", "RollingOut", f"{choice.label} is being rolled out{held_up}")


def _news(world: World, status: TrainingScheduleStatus, choice: Choice) -> tuple[Write, ...]:
    if status is world.schedule.status or status.active_version == world.schedule.status.active_version:
        return ()
    before = world.schedule.status.active_version
    since = before.since.strftime("%Y%m%d%H%M%S") if before else "the-first"
    return (
        Report(
            kind="TrainingSchedule",
            name=world.schedule.meta.name,
            uid=world.schedule.meta.uid,
            namespace=world.schedule.meta.namespace,
            reason=choice.reason,
            message=f"{choice.label} serves now",
            about=f"{choice.name}-after-{since}",
        ),
    )


def projections(world: World, step: ServiceStep, now: datetime) -> tuple[Write, ...]:
    """The Serving conditions of the versions, as the schedule's status has it."""
    active, serving = step.status.active_version, world.schedule.spec.serving
    pinned = serving.pin.version if serving and serving.pin else None
    writes = []
    for version in world.versions:
        wanted = _projected(version, active.name if active else None, pinned, step)
        if wanted is None:
            continue
        status = _serving_condition(version, version.status, *wanted, now)
        if status != version.status:
            writes.append(SetVersionStatus(version, status))
    return tuple(writes)


def _projected(
    version: Version, active: str | None, pinned: str | None, step: ServiceStep
) -> tuple[ConditionStatus, str, str] | None:
    current = conditions.find(version.status.conditions, "Serving")
    if version.meta.name == active:
        reason = step.status.serving_history[0].reason if step.status.serving_history else "Promoted"
        return ("True", reason, "")
    if version.meta.name in step.failed or (step.choice and version.meta.name == step.choice.name):
        return None
    turned_down = version.spec.approval is not None and version.spec.approval.decision == "Rejected"
    # A pin outdoes a rejection. That its rollout failed is all that keeps a pinned version from being tried for ever.
    failed_pin = version.meta.name == pinned and current is not None and current.reason == "RolloutFailed"
    if turned_down and version.status.version and not failed_pin:
        return ("False", "Rejected", (version.spec.approval.reason if version.spec.approval else None) or "")
    if current and current.status == "True":
        return ("False", "Superseded", f"{active} serves")
    if current is None and conditions.find(version.status.conditions, "Validated"):
        return ("False", "NotPromoted", _why_not(version, step))
    return None


def _why_not(version: Version, step: ServiceStep) -> str:
    validated = conditions.find(version.status.conditions, "Validated")
    if validated and validated.status == "False":
        return f"{validated.reason}: {validated.message}"
    if step.choice and step.choice.reason == "Pinned":
        return f"{step.choice.name} is pinned; approve this version or change the pin"
    return "waits for an approval: spec.approval.decision Approved"


def _serving_condition(
    version: Version, status: ModelVersionStatus, value: ConditionStatus, reason: str, message: str, now: datetime
) -> ModelVersionStatus:
    old = conditions.find(status.conditions, "Serving")
    generation, told = version.meta.generation, message[: conditions.MESSAGE_LIMIT]
    if old and (old.status, old.reason, old.message, old.observed_generation) == (value, reason, told, generation):
        return status
    changed = conditions.with_condition(
        status.conditions, "Serving", value, reason, told, generation=generation, now=now
    )
    return status.model_copy(update={"conditions": changed})
