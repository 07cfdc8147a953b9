"""Runs with several workers: what their Jobs have beside, how the pods find each other, and which of them tells.

Worker 0 leads: it alone reports. Each worker is one index of an Indexed Job, and has a name by a Service without an
address of its own. A worker that another one's end has ended says so by its exit code, and is made anew.
"""

from collections import defaultdict
from datetime import UTC, datetime

from eagle_contract.api import TrainerExit, names
from eagle_operator.domain.manifests import covers, is_owned, labels, owned_by
from eagle_operator.domain.world import Manifest, Pod, Schedule, World
from eagle_operator.domain.writes import Apply, Write

_NEVER = datetime.max.replace(tzinfo=UTC)


def wanted(schedule: Schedule) -> int:
    """How many pods learn together."""
    trainer = schedule.spec.trainer
    return trainer.workers or 1 if trainer else 1


def together(spec: Manifest, schedule: Schedule) -> Manifest:
    """The spec of a Job for as many workers as the schedule wants; as it was for one.

    The run ends well with worker 0, and a worker that lost another one begins again with it.
    """
    count = wanted(schedule)
    if count == 1:
        return spec
    disrupted, failed = spec["podFailurePolicy"]["rules"]
    lost = {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [int(TrainerExit.WORKER_LOST)]}}
    template = spec["template"]
    return {
        **spec,
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
        "podFailurePolicy": {"rules": [disrupted, lost, failed]},
        "template": {**template, "spec": _pod_spec(template["spec"], schedule, count)},
    }


def meeting_point(world: World) -> tuple[Write, ...]:
    """The Service by which workers find each other, where it is wanted and is not as it should be.

    It goes with its schedule: a schedule that wants one worker again leaves it, since it costs nothing.
    """
    if wanted(world.schedule) == 1:
        return ()
    found, desired = world.workers_service, service(world.schedule)
    if found and is_owned(found, world.schedule.meta) and covers(found.get("spec"), desired["spec"]):
        return ()
    return (Apply(desired),)


def service(schedule: Schedule) -> Manifest:
    """Names for the trainers of a schedule, also for those that are not ready: none ever says that it is."""
    name = schedule.meta.name
    selector = {names.NAME_LABEL: "eagle-trainer", names.SCHEDULE_LABEL: name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.workers_name(name),
            "namespace": schedule.meta.namespace,
            "labels": labels(name),
            "ownerReferences": owned_by("TrainingSchedule", schedule.meta),
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": name, "port": port} for name, port in _PORTS.items()],
        },
    }


def by_worker(pods: tuple[Pod, ...]) -> list[tuple[Pod, ...]]:
    """A Job's pods, oldest first, worker by worker. A Job for one worker has no other."""
    found: dict[int, list[Pod]] = defaultdict(list)
    for pod in pods:
        found[pod.index or 0].append(pod)
    return [tuple(found[worker]) for worker in sorted(found)]


def current(pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
    """Of each worker the pod that counts: the newest that is alive, else the newest."""
    return tuple(next((pod for pod in reversed(own) if not pod.gone), own[-1]) for own in by_worker(pods))


def reporter(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod whose word counts: worker 0's."""
    return next((pod for pod in current(pods) if not pod.index), None)


def any_lost(pods: tuple[Pod, ...], now: datetime) -> bool:
    """Whether a worker is lost with its node, and has no other pod: the rest waits for it in vain."""
    return any(all(pod.gone for pod in own) and any(pod.lost(now) for pod in own) for own in by_worker(pods))


def told_by(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod whose end is the attempt's: of several workers the first that failed by itself, else worker 0's."""
    if not pods or pods[-1].index is None:
        return pods[-1] if pods else None
    failed = [pod for pod in pods if pod.exit_code]
    return min(failed, key=_guilt, default=reporter(pods))


_PORTS = {"workers": names.WORKERS_PORT, "learning": names.LEARNING_PORT}


def _guilt(pod: Pod) -> tuple[int, datetime, int]:
    """Whoever failed without another's doing comes first; a Job that fails ends all its other pods."""
    drawn_in = {TrainerExit.TERMINATED: 1, TrainerExit.WORKER_LOST: 2}
    code = TrainerExit(pod.exit_code) if pod.exit_code in set(TrainerExit) else TrainerExit.ERROR
    return drawn_in.get(code, 0), pod.ended_at or _NEVER, pod.index or 0


def _pod_spec(pod: Manifest, schedule: Schedule, count: int) -> Manifest:
    name = names.workers_name(schedule.meta.name)
    told = [{"name": "EAGLE_WORKERS", "value": str(count)}, {"name": "EAGLE_WORKERS_SERVICE", "value": name}]
    ports = [{"name": name, "containerPort": port} for name, port in _PORTS.items()]
    (container,) = pod["containers"]
    return {**pod, "subdomain": name, "containers": [{**container, "env": [*container["env"], *told], "ports": ports}]}
