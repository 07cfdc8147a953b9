"""Objects as the API server sends them, as small as the operator reads them."""

from collections.abc import Iterable
from typing import Any

from tests.unit.operator import builders as b

from eagle_operator.mirror import Key, Listing, Mirror

Raw = dict[str, Any]
TIME = "2026-11-22T02:00:00Z"


def of(
    name: str, version: int = 1, *, uid: str | None = None, owner: tuple[str, str] | None = None, **more: Any
) -> Raw:
    """An object; `owner` is the kind and UID of its controller, `more` are members of its metadata."""
    metadata: Raw = {
        "namespace": b.NAMESPACE,
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": TIME,
        **more,
    }
    if owner:
        metadata["ownerReferences"] = [{"kind": owner[0], "uid": owner[1], "controller": True, "name": "x"}]
    return {"metadata": metadata}


def list_into(mirror: Mirror, kind: str, objects: Iterable[Raw], version: str) -> set[Key]:
    """Have the mirror see a complete list; the schedules that are to be looked at again."""
    listing = Listing(kind)
    for made in objects:
        mirror.listed(listing, made)
    mirror.complete(listing, version)
    return listing.changed


def labels(schedule: str = b.NAME, **more: str) -> dict[str, str]:
    return {"training.eagle-notifier.io/schedule": schedule, **more}


def schedule(
    version: int = 1, *, name: str = b.NAME, status: Raw | None = None, spec: Raw | None = None, **more: Any
) -> Raw:
    return {**of(name, version, **more), "spec": b.spec_wire(**(spec or {})), "status": status or {}}


def model_version(
    name: str, version: int = 1, *, state: str | None = None, owner: str | None = b.SCHEDULE_UID, **spec: Any
) -> Raw:
    made = of(name, version, owner=("TrainingSchedule", owner) if owner else None)
    order = {"scheduleName": b.NAME, "trigger": "Manual", **spec}
    return {**made, "spec": order, "status": {"state": state} if state else {}}


def job(
    name: str,
    version: int = 1,
    *,
    suspend: bool = True,
    slot: str | None = None,
    owner: tuple[str, str] = ("CronJob", b.CRON_JOB_UID),
    status: Raw | None = None,
    tags: dict[str, str] | None = None,
    **more: Any,
) -> Raw:
    annotations = {"batch.kubernetes.io/cronjob-scheduled-timestamp": slot} if slot else {}
    made = of(name, version, owner=owner, labels=labels(**(tags or {})), annotations=annotations, **more)
    return {**made, "spec": {"suspend": suspend, "activeDeadlineSeconds": 7200}, "status": status or {}}


def pod(name: str, version: int = 1, *, job_uid: str, phase: str = "Running", **status: Any) -> Raw:
    made = of(name, version, owner=("Job", job_uid), labels=labels())
    return {**made, "spec": {"containers": []}, "status": {"phase": phase, **status}}


def namespace(organization: str | None = "acme", version: int = 1) -> Raw:
    tags = {"training.eagle-notifier.io/organization": organization} if organization else {}
    made = of(b.NAMESPACE, version, labels=tags)
    del made["metadata"]["namespace"]
    return made


def cron_job(version: int = 1, **more: Any) -> Raw:
    made = of(b.NAME, version, uid=b.CRON_JOB_UID, owner=("TrainingSchedule", b.SCHEDULE_UID), labels=labels(), **more)
    return {**made, "spec": {"schedule": "0 2 * * 0"}}


def deployment(
    version: int = 1, *, name: str = f"{b.NAME}-serving", tags: dict[str, str] | None = None, **status: Any
) -> Raw:
    made = of(name, version, labels=labels() if tags is None else tags)
    return {**made, "spec": {"replicas": 1, "template": {}}, "status": status}
