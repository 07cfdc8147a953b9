"""What of a schedule's history goes now.

A version is what is known of a run, and the way to its model; its Jobs and their pods are no more than logs. So Jobs go
early, and a version goes when none is left: a slot's Job belongs to the clock and would outlive it. The bundle is not
the operator's to remove, who has no key to the store: the organization's sweep does it once the version is gone.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from eagle_contract.api import Resolved
from eagle_operator.domain import conditions
from eagle_operator.domain.promotion import approved, choose, rejected, servable
from eagle_operator.domain.serving_deployment import served_models
from eagle_operator.domain.world import Job, Version, World

REMOVALS_A_LOOK = 20
"""A long history goes in portions, so that no look at a schedule keeps the others waiting."""
RUNS_WITH_LOGS = 3

_GOOD = ("Succeeded",)
_BAD = ("Failed", "Cancelled")


class Removals(NamedTuple):
    """What is to be removed now, the oldest first: at most REMOVALS_A_LOOK objects."""

    versions: tuple[Version, ...] = ()
    jobs: tuple[Job, ...] = ()


def removals(world: World, resolved: Resolved) -> Removals:
    """What `spec.historyLimits` leaves no room for and nothing needs any more.

    It is safe to remove as the world was seen, and only then: a version that was approved meanwhile must not go.
    """
    owner = world.schedule.meta.uid
    own = (version for version in world.versions if version.meta.owner_uid == owner)
    finished = sorted((version for version in own if version.status.state in _GOOD + _BAD), key=_age, reverse=True)
    needed = set(_needed(world, resolved))
    beyond = [version for version in _beyond_limits(finished, resolved) if version.meta.name not in needed]
    jobs = _jobs(world, {version.meta.name for version in (*finished[RUNS_WITH_LOGS:], *beyond)})
    versions = [version for version in beyond if _has_left_nothing(world, version)]
    first = tuple(sorted(jobs, key=lambda job: (job.meta.created, job.meta.name))[:REMOVALS_A_LOOK])
    return Removals(tuple(sorted(versions, key=_age)[: REMOVALS_A_LOOK - len(first)]), first)


def _age(version: Version) -> tuple[datetime, str]:
    return version.meta.created, version.meta.name


def _beyond_limits(finished: list[Version], resolved: Resolved) -> Iterator[Version]:
    """`finished` begins with the newest."""
    for states, limit in ((_GOOD, resolved.keep_successful), (_BAD, resolved.keep_failed)):
        yield from [version for version in finished if version.status.state in states][limit:]


def _jobs(world: World, over: set[str]) -> list[Job]:
    """Jobs that are recorded, of the runs `over` or of none that is known, and that have no pod at work."""
    known = {version.meta.name for version in world.versions}

    def goes(job: Job) -> bool:
        run = job.version or job.meta.name
        done = job.finished and job.recorded and not job.meta.deleting and not _has_pods(world, job)
        return done and (run in over or run not in known)

    return [job for job in world.jobs if goes(job)]


def _has_pods(world: World, job: Job) -> bool:
    return job.pods > 0 or not all(pod.ended for pod in world.pods_of(job))


def _has_left_nothing(world: World, version: Version) -> bool:
    """Whether there is neither a Job of it nor, of a Job that somebody deleted, a pod that still runs."""
    uids = {attempt.pod_uid for attempt in version.status.attempts}
    at_work = any(pod.meta.uid in uids and not pod.ended for pod in world.pods)
    return not world.jobs_of(version.meta.name) and not at_work


def _needed(world: World, resolved: Resolved) -> Iterator[str]:
    """Names of versions that serve, may serve next, or may run again."""
    status, serving = world.schedule.status, world.schedule.spec.serving
    yield from (served.name for served in (status.active_version, status.previous_version) if served)
    if serving and serving.pin:
        yield serving.pin.version
    newest = max(world.versions, key=_age, default=None)
    if newest:
        # If it failed, a changed spec starts it again; without it, an older one would count as the newest.
        yield newest.meta.name
    yield from _served_now(world)
    yield from _next_to_serve(world, resolved)
    yield from _way_back(world)
    yield from _awaits_a_person(world)


def _served_now(world: World) -> Iterator[str]:
    """What the pods that are there, or that a rollout is making, are told to serve."""
    if world.deployment and world.deployment.served_version:
        yield world.deployment.served_version
    told = [pod.models for pod in world.pods]
    told += [(served_models(world.deployment) or "") if world.deployment else ""]
    for version in world.versions:
        result = version.status.result
        if result and any(result.artifact.digest in models for models in told):
            yield version.meta.name


def _next_to_serve(world: World, resolved: Resolved) -> Iterator[str]:
    """The version that is chosen now, and the one that would be if the rollout of that one failed."""
    choice = choose(world, resolved)
    if choice is None:
        return
    yield choice.name
    if resolved.serving_mode == "None":
        return
    others = tuple(version for version in world.versions if version.meta.name != choice.name)
    runner_up = choose(replace(world, versions=others), resolved)
    if runner_up:
        yield runner_up.name


def _way_back(world: World) -> Iterator[str]:
    """The version that serves again if the active one is rejected."""
    active = world.schedule.status.active_version
    for service in world.schedule.status.serving_history or []:
        version = world.version(service.name)
        if version and servable(version) and not rejected(version) and not (active and active.name == service.name):
            yield service.name
            return


def _awaits_a_person(world: World) -> Iterator[str]:
    """The newest version after the active one that an approval would put into service."""
    active = world.schedule.status.active_version
    current = world.version(active.name) if active else None
    waiting = [
        version
        for version in world.versions
        if servable(version)
        and _passed(version)
        and not (approved(version) or rejected(version))
        and (current is None or _age(version) > _age(current))
    ]
    if waiting:
        yield max(waiting, key=_age).meta.name


def _passed(version: Version) -> bool:
    """Whether the gate objects to nothing that an approval could not overrule."""
    validated = conditions.find(version.status.conditions, "Validated")
    return validated is not None and (validated.status == "True" or validated.reason == "SchemaChanged")
