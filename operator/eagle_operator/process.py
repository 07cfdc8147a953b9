"""What lives from start to stop: the parts, the tasks that drive them, and whose turn it is."""

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine, Mapping
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIServer

import prometheus_client

from eagle_operator import data_metrics, metrics, run_metrics, watches
from eagle_operator.cluster import Cluster
from eagle_operator.connection import Connection, below, client_over, cluster_config
from eagle_operator.freshness import AnsweringClock, Freshness, OwingMirror
from eagle_operator.health import HealthServer, Vitals, complaints
from eagle_operator.lease import Lease
from eagle_operator.mirror import KINDS, Key
from eagle_operator.reconcile import Admission, Reconciler, Resync
from eagle_operator.settings import Settings
from eagle_operator.wall_clock import WallClock
from eagle_operator.watches import Watcher
from eagle_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

_FINISH_SECONDS = 20.0
"""For what is being written when the order to stop comes; the chart's grace period is 30 s."""
_LOOK_AT_WATCHES_SECONDS = 5.0


class Process:
    """One operator. It is made within the event loop, started once and stopped once."""

    def __init__(self, settings: Settings, identity: str) -> None:
        self._settings = settings
        self._stopping = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._metrics_server: WSGIServer | None = None
        self._turn = asyncio.Event()
        """Set while this operator holds the Lease and has a whole picture since it does: then it works."""
        self._turn_since = 0.0

        config, times, answering = cluster_config(), settings.lease_times, AnsweringClock()
        self._connection = Connection(
            below(config), may_write=self.may_write, heard=answering.heard, write_seconds=times.longest_write
        )
        # Of its own, so that no renewal waits in a line of other requests; and short, so that several fit in.
        lease_connection = Connection(
            below(config),
            may_write=lambda: True,
            heard=answering.heard,
            write_seconds=times.renew_every,
            read_seconds=times.renew_every,
        )
        self._clients = client_over(self._connection, config), client_over(lease_connection, config)
        self._lease = Lease(self._clients[1], settings.namespace, identity, times=times)
        self._freshness = Freshness(answering)
        self._mirror = OwingMirror(self._freshness)
        self._queue: WorkQueue[Key] = WorkQueue(observer=metrics.QueueMetrics())
        cluster = Cluster(self._clients[0], self._mirror, reporter=identity)
        self._admission = Admission(self._mirror, cluster, self._queue, settings)
        self._reconciler = Reconciler(self._mirror, cluster, self._queue, settings, self._admission)
        self._resync = Resync(self._mirror, cluster, self._queue, watches.SELECTORS)
        self._wall_clock = WallClock(self._clock_jumped)
        self._health = HealthServer(settings.health_address, {"/healthz": self.liveness, "/readyz": self.readiness})
        self.watcher = Watcher(self._mirror, self._queue, self._admission, self._resync, self._freshness)

    def may_write(self) -> bool:
        """Whether a write may be begun now."""
        return not self._stopping and self._lease.held()

    async def knows_all(self) -> None:
        """Returns once everything was listed."""
        await self._resync.complete.wait()

    async def start(self) -> None:
        """Begin to list, to stand for the Lease, and, while it is held, to work. Raises OSError if a port is taken."""
        await self._health.start()
        self._metrics_server = self._publish_metrics()
        self._begin("lease", self._lease.run())
        self._begin("turns", self._take_turns())
        self._begin("wall-clock", self._wall_clock.run())
        self._begin("freshness", self._look_at_watches())
        self._begin("admission", self._admission.run(self._turn))
        for number in range(self._settings.workers):
            self._begin(
                f"worker-{number}", self._queue.work(self._reconciler.reconcile, self._reconciler.failed, self._turn)
            )

    async def stop(self) -> None:
        """Begin nothing new, finish what is being written, and let the next operator begin. Trainers run on."""
        if self._stopping:
            return
        self._stopping = True
        await self._end("turns")
        self._turn.clear()
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._queue.idle()
                await self._connection.settled()
        except TimeoutError:
            log.warning("what was being written is not done after %.0f s; leaving it", _FINISH_SECONDS)
        await self._end(*self._tasks)
        await self._lease.release()
        for client in self._clients:
            await client.close()
        await self._health.stop()
        if self._metrics_server:
            await asyncio.to_thread(self._metrics_server.shutdown)
            self._metrics_server.server_close()
        log.info("stopped")

    def liveness(self) -> tuple[bool, list[str]]:
        """For the kubelet: whether it is of use to go on."""
        key, longest = self._queue.longest()
        found = complaints(
            Vitals(
                dead_tasks=tuple(name for name, task in self._tasks.items() if task.done() and not self._stopping),
                longest_look=longest,
                looked_at="/".join(key) if key else "",
                stuck_for=self._queue.stuck_for(self._turn_since) if self._turn.is_set() else 0.0,
                admission_pass=self._admission.passes.busy_for,
                not_listed_for=self._resync.lists.quiet_for if self._lease.looked.is_set() else 0.0,
                resync_period=self._settings.resync_seconds,
                stale_watches=tuple(self._freshness.stale()),
            )
        )
        return not found, found or [self._says()]

    def readiness(self) -> tuple[bool, list[str]]:
        """For the kubelet: whether it knows the cluster, so that the operator that it replaces may go."""
        return self._resync.last_complete is not None and not self._stopping, [self._says()]

    async def _take_turns(self) -> None:
        """List all kinds anew whenever the Lease was gained, since another was at work, and work from then on."""
        await self._lease.looked.wait()
        while True:
            if not self._lease.held():
                if "resync" not in self._tasks:
                    self._begin("resync", self._resync.run(self._settings.resync_seconds))
                await self._lease.gained()
            await self._list_anew()
            if await self._complete_while_held():
                self._turn_since = time.monotonic()
                self._turn.set()
                self._admission.wake()
                await self._lease.lost()
                self._turn.clear()
                run_metrics.stand_back()
                data_metrics.stand_back()

    async def _list_anew(self) -> None:
        await self._end("resync")
        self._resync.complete.clear()
        for kind in KINDS:
            self._resync.want(kind)
        self._begin("resync", self._resync.run(self._settings.resync_seconds))

    async def _complete_while_held(self) -> bool:
        await first_of(self._resync.complete.wait(), self._lease.lost())
        return self._lease.held() and self._resync.complete.is_set()

    async def _look_at_watches(self) -> None:
        while True:
            for kind in self._freshness.to_list():
                log.warning("the watch of kind %s owes changes for long; listing to make sure", kind)
                self._resync.want(kind)
            await asyncio.sleep(_LOOK_AT_WATCHES_SECONDS)

    def _clock_jumped(self, seconds: float) -> None:
        metrics.CLOCK_JUMPS.inc()
        for key in self._mirror.schedules():
            self._queue.add(key, low_priority=True)
        self._admission.wake()

    def _says(self) -> str:
        if self._stopping:
            return "stopping"
        if self._turn.is_set():
            return "leading"
        if self._resync.last_complete is None:
            return "starting"
        if self._lease.held():
            return "leading, once everything is listed anew"
        return f"standby: {self._lease.holder or 'nobody'} holds the Lease"

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def _end(self, *names: str) -> None:
        await ended([self._tasks.pop(name) for name in names if name in self._tasks])

    def _publish_metrics(self) -> WSGIServer:
        queue = self._queue
        of_the_queue: Mapping[prometheus_client.Gauge, Any] = {
            metrics.QUEUE_DEPTH: lambda: float(len(queue)) if self._turn.is_set() else 0.0,
            metrics.QUEUE_UNFINISHED: queue.unfinished,
            metrics.QUEUE_LONGEST: lambda: queue.longest()[1],
            metrics.LEADER: lambda: float(self._lease.held()),
        }
        for gauge, read in of_the_queue.items():
            gauge.set_function(read)
        for kind in KINDS:
            metrics.OBJECTS.labels(kind).set_function(partial(self._mirror.count, kind))
            metrics.WATCH_AGE.labels(kind).set_function(partial(self._freshness.age, kind))
        library: Any = prometheus_client  # its types are incomplete
        library.disable_created_metrics()
        server, _ = prometheus_client.start_http_server(self._settings.metrics_port)
        return server


async def ended(tasks: Collection[asyncio.Task[None]], cancel_every_seconds: float = 1.0) -> None:
    """Returns when the tasks are over. A cancellation can get lost in what a task awaits: it is repeated."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=cancel_every_seconds)


async def first_of(*ways: Coroutine[Any, Any, object]) -> None:
    """Returns when one of them has come to its end; the others are cancelled."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
