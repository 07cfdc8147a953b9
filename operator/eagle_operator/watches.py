"""kopf's part: it watches, survives cuts, and runs the process. Its handlers only remember, and say where to look.

kopf drops an exception of an event handler, so nothing that can fail happens here; it has no finalizers and no
annotations of its own in this use, so objects can be deleted while the operator is down.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import kopf

from eagle_contract.api.names import API_VERSION, GROUP, SCHEDULE_LABEL
from eagle_operator.cluster import LIST_CHUNK
from eagle_operator.freshness import Freshness
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Resync
from eagle_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)


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


_LOGIN_AGAIN_AFTER_SECONDS = 5.0
_OBJECT_KEPT_SECONDS = 0.1
"""So long kopf keeps a task, and with it the whole object, for each that it has told of: at the start for all."""
_CREDENTIALS_LAST = timedelta(days=3650)


def settings() -> kopf.OperatorSettings:
    """kopf as an informer that heals itself, and as nothing else.

    The API server says about once a minute how far a watch is, also when nothing happens. So one that is silent for
    70 s is dead, however open its connection seems, and is begun anew where it ended: within the 75 s for which the
    API server remembers. Whatever a request fails with, it is tried again for ever.
    """
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.persistence.diffbase_storage = _NoDifferences()
    chosen.persistence.progress_storage = _NoProgress()
    chosen.peering.standalone = True
    chosen.process.ultimate_exiting_timeout = None
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 310
    chosen.watching.connect_timeout = 5
    chosen.watching.inactivity_timeout = 70
    chosen.watching.chunk_size = LIST_CHUNK
    chosen.queueing.idle_timeout = _OBJECT_KEPT_SECONDS
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = _Endless((1, 2, 5, 10))
    for watched in WATCHED.values():
        if watched.label:
            resource = (watched.group, watched.version, watched.plural)
            chosen.watching.label_selectors[resource] = watched.label
    return chosen


class _NoDifferences(kopf.DiffBaseStorage):
    """kopf would copy each object several times to see what a handler of changes could be told; there is none."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Nor is there progress of handlers to be kept in objects."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class _Endless:
    """Pauses in seconds, the last of them again and again."""

    def __init__(self, pauses: tuple[float, ...]) -> None:
        self._pauses = pauses

    def __iter__(self) -> Iterator[float]:
        return chain(self._pauses, repeat(self._pauses[-1]))


@dataclass(frozen=True)
class Watcher:
    """Takes in events and says which schedules are to be looked at again."""

    mirror: Mirror
    queue: WorkQueue[Key]
    admission: Admission
    resync: Resync
    freshness: Freshness

    def seen(self, kind: str, event: Mapping[str, Any]) -> None:
        """One event of a kind; one without a type is of a list, when a watch begins, and tells what was so before."""
        of_a_list = event["type"] is None
        if of_a_list:
            self.resync.want(kind)
        raw = event["object"]
        self.freshness.delivered(kind, int(raw["metadata"]["resourceVersion"]))
        schedule = self.mirror.forget(kind, raw) if event["type"] == "DELETED" else self.mirror.remember(kind, raw)
        if schedule is None:
            return
        if kind == "Namespace":
            for key in self.mirror.schedules(raw["metadata"]["name"]):
                self.queue.add(key, low_priority=of_a_list)
        elif schedule[1]:
            self.queue.add(schedule, low_priority=of_a_list)
        if kind in ("Job", "Pod", "ModelVersion", "TrainingSchedule"):
            self.admission.wake()


def registry_for(watcher: Watcher) -> kopf.OperatorRegistry:
    """kopf's handlers: every kind's events go to the watcher."""
    registry = kopf.OperatorRegistry()
    logins = 0

    @kopf.on.login(registry=registry)
    async def login(**known: Any) -> kopf.ConnectionInfo | None:
        """Also after credentials were refused.

        kopf ends when it gets the same ones once more. But an API server that has just started may refuse good ones;
        so these are told apart by how long they last, and tried again after a while.
        """
        nonlocal logins
        logins += 1
        if logins > 1:
            log.warning("the API server refused our credentials, or a connection broke; logging in again")
            await asyncio.sleep(_LOGIN_AGAIN_AFTER_SECONDS)
        found = kopf.login_with_service_account(**known) or kopf.login_with_kubeconfig(**known)
        return dataclasses.replace(found, expiration=datetime.now(UTC) + _CREDENTIALS_LAST) if found else None

    for kind, watched in WATCHED.items():
        _register(registry, kind, watched, watcher)
    return registry


def _register(registry: kopf.OperatorRegistry, kind: str, watched: Watched, watcher: Watcher) -> None:
    @kopf.on.event(watched.group, watched.version, watched.plural, registry=registry, id=f"see-{kind.lower()}")
    async def see(event: kopf.RawEvent, **_: Any) -> None:
        watcher.seen(kind, event)
