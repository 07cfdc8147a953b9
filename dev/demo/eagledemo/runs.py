"""What an organization's people do with schedules and model versions: apply, order, wait, reject."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from localcluster.progress import StepError

from eagle_contract.api import names
from eagledemo.kube import Cluster, Object
from eagledemo.watching import condition, wait_for

SCHEDULES = f"{names.SCHEDULES}.{names.GROUP}"
VERSIONS = f"{names.VERSIONS}.{names.GROUP}"
_ENDED = ("Succeeded", "Failed", "Cancelled")


def read_schedule(file: Path) -> Object:
    """Return the TrainingSchedule of a manifest."""
    return dict(yaml.safe_load(file.read_text()))


def with_slot_after(schedule: Object, now: datetime, delay: timedelta) -> tuple[Object, datetime]:
    """Return the schedule with a daily slot at the first full minute after `now + delay` (UTC), and that slot."""
    slot = (now + delay).replace(second=0, microsecond=0) + timedelta(minutes=1)
    timetable = {"schedule": f"{slot.minute} {slot.hour} * * *", "timeZone": "Etc/UTC"}
    return {**schedule, "spec": {**schedule["spec"], **timetable}}, slot


def apply_schedule(cluster: Cluster, schedule: Object, *, seconds: float = 60) -> Object:
    """Apply a TrainingSchedule and return it once the operator has accepted it; raises StepError with its reason."""
    name, namespace = schedule["metadata"]["name"], schedule["metadata"]["namespace"]
    step = f"apply the schedule {name}"
    cluster.apply(schedule, step=step)

    def accepted(resource: Object) -> bool:
        ready = condition(resource, "Ready")
        if ready.get("observedGeneration") != resource["metadata"]["generation"]:
            return False
        if ready["status"] == "False":
            raise StepError(step, f"{ready['reason']}: {ready['message']}")
        return bool(ready["status"] == "True")

    what = f"the schedule {name} to be Ready"
    return wait_for(cluster, SCHEDULES, name, namespace, accepted, what=what, seconds=seconds)


def order_run(cluster: Cluster, namespace: str, schedule: str, **spec: object) -> str:
    """Order a run now; return the name of its ModelVersion. `spec` are overrides for this run."""
    order = {
        "apiVersion": f"{names.GROUP}/{names.API_VERSION}",
        "kind": "ModelVersion",
        "metadata": {"generateName": names.manual_prefix(schedule), "namespace": namespace},
        "spec": {"scheduleName": schedule, "trigger": "Manual", **spec},
    }
    return str(cluster.create(order, step=f"order a run of {schedule}")["metadata"]["name"])


def wait_for_slot(
    cluster: Cluster, namespace: str, name: str, *, seconds: float, seen: Callable[[Object], None] = lambda _: None
) -> None:
    """Wait until a slot's ModelVersion is there: Kubernetes makes its Job on time, the operator the version."""
    what = f"the slot's run {name}"
    wait_for(cluster, VERSIONS, name, namespace, lambda _: True, what=what, seconds=seconds, seen=seen)


def wait_for_training(
    cluster: Cluster, namespace: str, version: str, *, seconds: float, seen: Callable[[Object], None] = lambda _: None
) -> Object:
    """Return the ModelVersion once its run has succeeded and its gate has spoken.

    Raises StepError when the run fails or is cancelled, with the reason.
    """

    def judged(resource: Object) -> bool:
        state = resource.get("status", {}).get("state")
        if state in _ENDED and state != "Succeeded":
            trained = condition(resource, "Trained")
            raise StepError(f"train {version}", f"{state}: {trained['reason']}: {trained['message']}")
        return state == "Succeeded" and bool(condition(resource, "Validated")["reason"])

    what = f"the end of {version}"
    return wait_for(cluster, VERSIONS, version, namespace, judged, what=what, seconds=seconds, seen=seen)


def require_passed(version: Object) -> None:
    """Raise StepError with the gate's objection when a version did not pass it."""
    validated = condition(version, "Validated")
    if validated["status"] != "True":
        raise StepError(f"validate {version['metadata']['name']}", f"{validated['reason']}: {validated['message']}")


def wait_for_service(
    cluster: Cluster,
    namespace: str,
    schedule: str,
    version: str,
    *,
    seconds: float,
    seen: Callable[[Object], None] = lambda _: None,
) -> Object:
    """Return the TrainingSchedule once the version is in service and its rollout is over."""

    def served(resource: Object) -> bool:
        serving = condition(resource, "Serving")
        active = resource.get("status", {}).get("activeVersion", {}).get("name")
        return active == version and serving["status"] == "True" and serving["reason"] in ("Serving", "RolledBack")

    what = f"{version} to be in service"
    return wait_for(cluster, SCHEDULES, schedule, namespace, served, what=what, seconds=seconds, seen=seen)


def wait_for_old_pods(cluster: Cluster, namespace: str, schedule: str, *, seconds: float) -> None:
    """Wait until no serving pod of a schedule is on its way out any more."""
    step = "wait for the end of replaced pods"
    selector = f"{names.NAME_LABEL}=eagle-serving,{names.SCHEDULE_LABEL}={schedule}"
    pods = cluster.list("pods", namespace, selector=selector, step=step)
    leaving = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]
    if leaving:
        words = ("wait", "pod", *leaving, "--namespace", namespace, "--for", "delete", "--timeout", f"{seconds:.0f}s")
        cluster.kubectl(*words, step=step, seconds=seconds + 30)


def reject(cluster: Cluster, namespace: str, version: str, reason: str) -> None:
    """Turn a version down: if it is in service, the last good one goes back."""
    change = {"spec": {"approval": {"decision": "Rejected", "reason": reason}}}
    cluster.merge(VERSIONS, version, namespace, change, step=f"reject {version}")


def metric(version: Object, name: str) -> str:
    """Return a metric of a version's holdout; '' when it has none of that name."""
    found = [m["value"] for m in version["status"].get("result", {}).get("metrics", []) if m["name"] == name]
    return str(found[0]) if found else ""
