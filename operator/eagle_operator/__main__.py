"""Start and stop: settings, the API client, kopf's watches, the workers."""

import asyncio
import contextlib
import logging
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import kopf
import prometheus_client
from lightkube import AsyncClient

from eagle_contract.api.names import OPERATOR_MANAGER
from eagle_operator import metrics, watches
from eagle_operator.cluster import Cluster
from eagle_operator.logs import log_json_lines
from eagle_operator.mirror import KINDS, Key, Mirror
from eagle_operator.reconcile import Admission, Reconciler, Resync
from eagle_operator.settings import Settings, SettingsError, from_environment
from eagle_operator.watches import Watcher
from eagle_operator.workqueue import WorkQueue

log = logging.getLogger("eagle_operator")

_RESYNCS_MISSED_WHEN_STALE = 3


@dataclass
class Process:
    """What lives from start to stop."""

    settings: Settings
    watcher: Watcher | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Connect, list everything, and begin to work."""
        mirror: Mirror = Mirror()
        queue: WorkQueue[Key] = WorkQueue()
        client = AsyncClient(field_manager=OPERATOR_MANAGER)
        cluster = Cluster(client, mirror, reporter=os.environ.get("HOSTNAME", OPERATOR_MANAGER))
        admission = Admission(mirror, cluster, queue, self.settings)
        reconciler = Reconciler(mirror, cluster, queue, self.settings, admission)
        resync = Resync(mirror, cluster, queue, watches.SELECTORS)
        self.watcher = Watcher(mirror, queue, admission, resync)
        metrics.QUEUE_DEPTH.set_function(lambda: len(queue))
        for kind in KINDS:
            metrics.OBJECTS.labels(kind).set_function(partial(mirror.count, kind))
        prometheus_client.start_http_server(self.settings.metrics_port)
        self._begin("resync", resync.run(self.settings.resync_seconds))
        self._begin("admission", admission.run(resync.complete))
        for number in range(self.settings.workers):
            self._begin(f"worker-{number}", self._work(queue, reconciler, resync))

    async def stop(self) -> None:
        """End the workers; what one of them is writing is finished by the API server or tried again at the start."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def health(self) -> str:
        """Raises if a task died or nothing was listed for long; else says when the last whole picture was seen."""
        dead = [task.get_name() for task in self.tasks if task.done()]
        if dead:
            raise RuntimeError(f"dead: {', '.join(dead)}")
        last = self.watcher.resync.last_complete if self.watcher else None
        if last is None:
            return "starting"
        age = (datetime.now(UTC) - last).total_seconds()
        if age > _RESYNCS_MISSED_WHEN_STALE * self.settings.resync_seconds:
            raise RuntimeError(f"nothing listed for {age:.0f} s")
        return last.isoformat()

    async def _work(self, queue: WorkQueue[Key], reconciler: Reconciler, resync: Resync) -> None:
        await resync.complete.wait()
        await queue.work(reconciler.reconcile, reconciler.failed)

    def _begin(self, name: str, work: Any) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))


def registry_of(process: Process) -> kopf.OperatorRegistry:
    """kopf's handlers for this process."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        watches.configure(settings)
        await process.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await process.stop()

    @kopf.on.probe(registry=registry, id="lists")
    def lists(**_: Any) -> str:
        return process.health()

    def watcher() -> Watcher:
        if process.watcher is None:
            raise RuntimeError("an event came before the start was done")
        return process.watcher

    watches.register(registry, watcher)
    return registry


def main() -> None:
    """Run until told to stop."""
    log_json_lines()
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"eagle-operator: {error}")
    process = Process(settings)
    reporter: Any = os.environ.get("HOSTNAME", OPERATOR_MANAGER)
    with contextlib.suppress(KeyboardInterrupt):
        kopf.run(
            registry=registry_of(process),
            clusterwide=True,
            liveness_endpoint=settings.health_address,
            standalone=True,
            identity=reporter,
        )


if __name__ == "__main__":
    main()
