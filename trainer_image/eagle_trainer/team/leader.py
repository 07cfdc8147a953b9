"""Worker 0's team: it waits for the helpers, gives each its rows, and has every booster grown on all workers in step.

Row number r of a dataset is learned from by worker r modulo the number of workers, so that each has its part of every
asset and of every stretch of time. Only worker 0 scores the rows that are checked: with that it alone decides, and no
two workers can come to different ends.
"""

import contextlib
import socket
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import TypeVar

import lightgbm as lgb
import numpy as np

from eagle_trainer.errors import InsufficientData, TrainingEnded, WorkerLost
from eagle_trainer.logs import say
from eagle_trainer.parameters import Value
from eagle_trainer.series import Integers
from eagle_trainer.team.network import BROKEN_SECONDS, Network, is_of_network
from eagle_trainer.team.wire import Connection, ConnectionLost, Inbox, Message

_T = TypeVar("_T")
_INTRODUCTION_SECONDS = 10.0
_CONNECTING_SECONDS = 120.0
_MOST_WAITING = 32


@dataclass(frozen=True)
class _Helper:
    connection: Connection
    inbox: Inbox
    machine: str
    """Where LightGBM finds it: address:port."""


class Leader:
    """A team of `size` workers, for one training. Leave it without an error, and the helpers end well.

    `run` is what all workers of this attempt call it. Helpers are waited for until `patience_seconds` after the
    beginning, and not before there is something to grow; one that is not there then has a fifth of it to come back.
    A process can lead once.
    """

    def __init__(
        self, size: int, *, run: str, port: int, learning_port: int, patience_seconds: float, host: str = ""
    ) -> None:
        self.size = size
        self._run, self._learning_port = run, learning_port
        self._patience = patience_seconds
        self._deadline = time.monotonic() + patience_seconds
        self._helpers: dict[int, _Helper] = {}
        self._late: list[Connection] = []
        self._changed = Condition()
        self._network: Network | None = None
        self._count = 0
        self._shared: weakref.WeakKeyDictionary[lgb.Dataset, int] = weakref.WeakKeyDictionary()
        self._boosters: weakref.WeakKeyDictionary[lgb.Booster, int] = weakref.WeakKeyDictionary()
        self._dropped: deque[int] = deque()
        self._listener = socket.create_server((host, port), backlog=_MOST_WAITING)
        Thread(target=self._welcome, name="workers", daemon=True).start()

    @property
    def port(self) -> int:
        """Where helpers find it."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> "Leader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            connections = [*(helper.connection for helper in self._helpers.values()), *self._late]
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # Else its thread would go on listening.
        self._listener.close()
        for connection in connections:
            if error is None:
                with contextlib.suppress(ConnectionLost):  # Whoever is gone now is not needed any more.
                    connection.send({"do": "end"})
            connection.close()
        if self._network and error is None:
            self._network.end()

    def booster(self, settings: Mapping[str, Value], data: lgb.Dataset, rows: Integers | None) -> lgb.Booster:
        """Raises LightGBMError for settings that LightGBM refuses, and WorkerLost, TrainingEnded, InsufficientData."""
        self._begin()
        chosen = np.arange(data.num_data()) if rows is None else rows
        parts = [chosen[chosen % self.size == worker] for worker in range(self.size)]
        if not all(len(part) for part in parts):
            raise InsufficientData(
                f"there are too few rows for {self.size} workers; set spec.trainer.workers to 1 or raise"
                " source.dataRangeDays"
            )
        together = {**settings, "tree_learner": "data", "num_machines": self.size}
        known, number = self._share(data), self._numbered()
        order = {"do": "booster", "booster": number, "data": known, "settings": together}
        self._tell(lambda worker: (order, (parts[worker] // self.size).astype("<i4").tobytes()))
        own = data.subset(parts[0].tolist()).construct()
        booster = self._in_step(lambda: lgb.Booster(together, own))
        self._boosters[booster] = number
        weakref.finalize(booster, self._dropped.append, number)
        return booster

    def grow(self, booster: lgb.Booster) -> None:
        """Add a tree on all workers. Raises WorkerLost and TrainingEnded."""
        order = {"do": "grow", "booster": self._boosters[booster]}
        self._tell(lambda worker: (order, b""))
        self._in_step(booster.update)

    def _share(self, data: lgb.Dataset) -> int:
        """The number by which the helpers know a dataset; each is sent its rows the first time."""
        known = self._shared.get(data)
        if known is not None:
            return known
        number = self._numbered()
        # What is categorical, and all else that made the bins, is in the bytes.
        settings = {name: value for name, value in (data.params or {}).items() if name != "categorical_column"}

        def part(worker: int) -> tuple[Message, bytes]:
            rows = data.subset(list(range(worker, data.num_data(), self.size)))
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "rows.bin"
                rows.save_binary(file)
                return {"do": "data", "data": number, "settings": settings}, file.read_bytes()

        self._tell(part)
        self._shared[data] = number
        weakref.finalize(data, self._dropped.append, number)
        return number

    def _numbered(self) -> int:
        self._count += 1
        return self._count

    def _tell(self, message: Callable[[int], tuple[Message, bytes]]) -> None:
        """Send each helper its own message, and before it what it may let go of."""
        gone = [self._dropped.popleft() for _ in range(len(self._dropped))]
        for worker, helper in sorted(self._helpers.items()):
            try:
                if gone:
                    helper.connection.send({"do": "drop", "numbers": gone})
                helper.connection.send(*message(worker))
            except ConnectionLost as error:
                self._look()
                raise _lost(worker) from error

    def _in_step(self, work: Callable[[], _T], look: Callable[[], None] | None = None) -> _T:
        assert self._network is not None  # It is begun with the first booster.
        try:
            return self._network.call(work, look or self._look)
        except lgb.basic.LightGBMError as error:
            if not is_of_network(error):
                raise
            with self._changed:
                self._changed.wait_for(lambda: any(h.inbox.lost() for h in self._helpers.values()), BROKEN_SECONDS)
            self._look()
            raise WorkerLost(f"the connection between the workers broke: {error}") from error

    def _look(self) -> None:
        """Raises TrainingEnded for what a helper could not do, and WorkerLost if one is gone."""
        for worker, helper in sorted(self._helpers.items()):
            for message, _ in helper.inbox.waiting():
                raise TrainingEnded(f"worker {worker} of {self.size}: {message.get('problem')}")
            if helper.inbox.lost():
                raise _lost(worker)

    def _begin(self) -> None:
        if self._network:
            return
        with self._changed:
            patience = max(self._patience / 5, self._deadline - time.monotonic())
            self._changed.wait_for(lambda: not self._missing(), timeout=patience)
            missing = self._missing()
            if missing:
                raise TrainingEnded(
                    f"worker {missing[0]} of {self.size} was not there within {self._patience / 60:.0f} minutes; the"
                    " cluster needs room for all of spec.trainer.workers at once, and they must reach each other on"
                    f" ports {self.port} and {self._learning_port}"
                )
            self._network = Network()
        own = f"{self._helpers[1].connection.address}:{self._learning_port}"
        machines = [own, *(self._helpers[worker].machine for worker in range(1, self.size))]
        self._tell(lambda worker: ({"do": "begin", "machines": machines}, b""))
        network = self._network
        deadline = time.monotonic() + _CONNECTING_SECONDS

        def look() -> None:
            self._look()
            if time.monotonic() > deadline:
                raise TrainingEnded(
                    f"the workers do not reach each other on port {self._learning_port}; let the network policies of"
                    " the namespace allow it, or set spec.trainer.workers to 1"
                )

        self._in_step(lambda: network.connect(machines, self._learning_port), look)
        say("info", "all workers are there", workers=self.size)

    def _missing(self) -> list[int]:
        there = {worker for worker, helper in self._helpers.items() if not helper.inbox.lost()}
        return [worker for worker in range(1, self.size) if worker not in there]

    def _welcome(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(channel)
            try:
                hello, _ = connection.receive(seconds=_INTRODUCTION_SECONDS)
            except ConnectionLost:
                connection.close()
                continue
            self._take_in(connection, hello)

    def _take_in(self, connection: Connection, hello: Message) -> None:
        """One that comes back before the beginning takes its old place; one that comes later waits for the end."""
        worker = hello.get("worker")
        if hello.get("run") != self._run or not isinstance(worker, int) or not 1 <= worker < self.size:
            connection.close()
            return
        with self._changed:
            if self._network:
                self._late.append(connection)
                return
            before = self._helpers.get(worker)
            if before:
                before.connection.close()
            inbox = Inbox(connection, ended=self._wake)
            self._helpers[worker] = _Helper(connection, inbox, str(hello.get("machine")))
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _lost(worker: int) -> WorkerLost:
    return WorkerLost(f"worker {worker} is gone; see its pod for the reason")
