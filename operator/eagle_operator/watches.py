"""kopf's part: it watches, survives cuts, and runs the process. Its handlers only remember, and say where to look.

kopf drops an exception of an event handler, so nothing that can fail happens here; it has no finalizers and no
annotations of its own in this use, so objects can be deleted while the operator is down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kopf

from eagle_contract.api.names import API_VERSION, GROUP, SCHEDULE_LABEL
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Resync
from eagle_operator.workqueue import WorkQueue


@dataclass(frozen=True)
class Watched:
    """A kind as kopf names it, and the label by which the API server filters it."""

    group: str
    version: str
    plural: str
    label: str | None = None


WATCHED = {
    "Namespace": Watched("", "v1", "namespaces"),
    "TrainingSchedule": Watched(GROUP, API_VERSION, "trainingschedules"),
    "ModelVersion": Watched(GROUP, API_VERSION, "modelversions"),
    "CronJob": Watched("batch", "v1", "cronjobs", SCHEDULE_LABEL),
    "Job": Watched("batch", "v1", "jobs", SCHEDULE_LABEL),
    "Pod": Watched("", "v1", "pods", SCHEDULE_LABEL),
    "Deployment": Watched("apps", "v1", "deployments", SCHEDULE_LABEL),
    "Service": Watched("", "v1", "services", SCHEDULE_LABEL),
}
SELECTORS = {kind: watched.label for kind, watched in WATCHED.items() if watched.label}


def configure(settings: kopf.OperatorSettings) -> None:
    """kopf as an informer that heals itself, and as nothing else."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (1, 2, 5, 10, *[30] * 10_000)
    for watched in WATCHED.values():
        if watched.label:
            resource = (watched.group, watched.version, watched.plural)
            settings.watching.label_selectors[resource] = watched.label


@dataclass(frozen=True)
class Watcher:
    """Takes in events and says which schedules are to be looked at again."""

    mirror: Mirror
    queue: WorkQueue[Key]
    admission: Admission
    resync: Resync

    def seen(self, kind: str, event: Mapping[str, Any]) -> None:
        """One event of a kind."""
        if event["type"] is None:
            self.resync.want(kind)
        raw = event["object"]
        schedule = self.mirror.forget(kind, raw) if event["type"] == "DELETED" else self.mirror.remember(kind, raw)
        if schedule is None:
            return
        if kind == "Namespace":
            for key in self.mirror.schedules(raw["metadata"]["name"]):
                self.queue.add(key)
        elif schedule[1]:
            self.queue.add(schedule)
        if kind in ("Job", "Pod", "ModelVersion", "TrainingSchedule"):
            self.admission.wake()


def register(registry: kopf.OperatorRegistry, watcher: Callable[[], Watcher]) -> None:
    """Hand every kind's events to the watcher, which exists from start-up on."""
    for kind, watched in WATCHED.items():
        _register(registry, kind, watched, watcher)


def _register(registry: kopf.OperatorRegistry, kind: str, watched: Watched, watcher: Callable[[], Watcher]) -> None:
    @kopf.on.event(watched.group, watched.version, watched.plural, registry=registry, id=f"see-{kind.lower()}")
    async def see(event: kopf.RawEvent, **_: Any) -> None:
        watcher().seen(kind, event)
