"""Which version serves."""

import json
from dataclasses import dataclass

from eagle_contract.api import Resolved, names
from eagle_contract.api.schedule import ServedVersion
from eagle_operator.domain import conditions
from eagle_operator.domain.gate import Evidence, Verdict, judge
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import Version, World


@dataclass(frozen=True, slots=True)
class Choice:
    """The version that is to serve, and why."""

    name: str
    label: str
    uri: str
    digest: str
    model_name: str
    accuracy: str | None
    reason: str
    """Promoted, Pinned, RolledBackTo or Recovered."""
    by: str | None = None


def choose(world: World, resolved: Resolved) -> Choice | None:
    """A servable pin; else a newer version that is promotable; else the current one, until it is Rejected."""
    active = world.schedule.status.active_version
    pin = world.schedule.spec.serving.pin if world.schedule.spec.serving else None
    if pin:
        pinned = world.version(pin.version)
        if pinned and servable(pinned):
            return _chosen(pinned, resolved, "Pinned")
        return _kept(active) if active else _recovered(world)
    candidate = _newest_candidate(world, resolved)
    if candidate:
        return _chosen(candidate, resolved, "Promoted")
    if active is None:
        return _recovered(world)
    current = world.version(active.name)
    if current and rejected(current):
        return _last_good(world, resolved, current) or _kept(active)
    return _kept(active)


def _recovered(world: World) -> Choice | None:
    """What the Deployment serves although no status says so: a backup brings back the one without the other.

    The template has all that is needed to go on serving; what is known of the model otherwise is in its bundle.
    """
    told = served_models(world.deployment) if world.deployment else None
    name = world.deployment.served_version if world.deployment else ""
    if not told or not name or any(conditions.is_true(v.status.conditions, "Trained") for v in world.versions):
        return None
    model = json.loads(told)[0]
    return Choice(
        name=name,
        label=model["version"],
        uri=model["uri"],
        digest=model["digest"],
        model_name=model["name"],
        accuracy=None,
        reason="Recovered",
    )


def servable(version: Version) -> bool:
    """Whether there is a published model that no rollout of this very order has failed."""
    return (
        conditions.is_true(version.status.conditions, "Trained")
        and version.status.result is not None
        and not rollout_failed(version)
    )


def rejected(version: Version) -> bool:
    """Whether a person turned it down."""
    return version.spec.approval is not None and version.spec.approval.decision == "Rejected"


def approved(version: Version) -> bool:
    """Whether a person approved it."""
    return version.spec.approval is not None and version.spec.approval.decision == "Approved"


def rollout_failed(version: Version) -> bool:
    """Whether its rollout failed and nobody has approved it anew since: an approval moves the generation."""
    failed = conditions.find(version.status.conditions, "Serving")
    if failed is None or failed.reason != "RolloutFailed":
        return False
    tried_again = approved(version) and (failed.observed_generation or 0) < version.meta.generation
    return not tried_again


def verdict(world: World, version: Version, resolved: Resolved) -> Verdict | None:
    """The gate's word on a version that was trained; None if it has no result."""
    if version.status.result is None:
        return None
    active = world.schedule.status.active_version
    served = world.version(active.name) if active else None
    served_schema = served.status.result.schema_digest if served and served.status.result else None
    return judge(Evidence(version.status.result, resolved, served_schema))


def promotable(version: Version, resolved: Resolved) -> bool:
    """Whether it passed the gate and nobody need be asked, or somebody said yes.

    A changed input schema is the one objection that an approval overrules: it is a question of the clients' time.
    """
    if not servable(version) or rejected(version):
        return False
    if conditions.reason(version.status.conditions, "Validated") == "SchemaChanged":
        return approved(version)
    return conditions.is_true(version.status.conditions, "Validated") and (
        resolved.promotion_policy == "Automatic" or approved(version)
    )


def _newest_candidate(world: World, resolved: Resolved) -> Version | None:
    active = world.schedule.status.active_version
    serving_now = world.version(active.name) if active else None
    candidates = [
        version
        for version in world.versions
        if version is not serving_now and promotable(version, resolved) and _stands_for_service(version, serving_now)
    ]
    return max(candidates, key=lambda version: (version.meta.created, version.meta.name), default=None)


def _stands_for_service(version: Version, serving_now: Version | None) -> bool:
    """New versions do, once; one that was passed over, turned down or that failed does when a person approves it.

    While nothing serves, so does the one that is said to serve: the schedule's status was lost.
    """
    reason = conditions.reason(version.status.conditions, "Serving")
    if reason in ("NotPromoted", "Rejected", "RolloutFailed"):
        return approved(version)
    if reason and serving_now is None:
        return conditions.is_true(version.status.conditions, "Serving")
    return reason == "" and (serving_now is None or version.meta.created >= serving_now.meta.created)


def _last_good(world: World, resolved: Resolved, current: Version) -> Choice | None:
    for service in world.schedule.status.serving_history or []:
        version = world.version(service.name)
        if version and version is not current and servable(version) and not rejected(version):
            by = current.spec.approval.by if current.spec.approval else None
            return _chosen(version, resolved, "RolledBackTo", by)
    return None


def _chosen(version: Version, resolved: Resolved, reason: str, by: str | None = None) -> Choice:
    result = version.status.result
    if result is None:
        raise ValueError(f"{version.meta.name} has no result and cannot serve")
    accuracy = next((metric.value for metric in result.metrics if metric.name == "accuracy"), None)
    return Choice(
        name=version.meta.name,
        label=version.status.version
        or names.version_label(version.meta.created, result.artifact.model_digest.removeprefix("sha256:")),
        uri=result.artifact.uri,
        digest=result.artifact.digest,
        model_name=version.spec.model_name or resolved.model_name,
        accuracy=accuracy,
        reason=reason,
        by=by,
    )


def _kept(active: ServedVersion) -> Choice:
    return Choice(
        name=active.name,
        label=active.version,
        uri=active.uri,
        digest=active.digest,
        model_name=active.model_name,
        accuracy=active.accuracy,
        reason="Promoted",
    )
