"""A helper's part: it finds worker 0, keeps the rows that it is given, and grows what it is told to."""

import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import lightgbm as lgb
import numpy as np

from eagle_trainer.errors import TrainingEnded, WorkerLost
from eagle_trainer.logs import say
from eagle_trainer.team.network import BROKEN_SECONDS, Network, is_of_network
from eagle_trainer.team.wire import Connection, ConnectionLost, Inbox, Message

_T = TypeVar("_T")
_CONNECT_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
_MOST_BYTES = 1 << 40
_GONE = "worker 0 is gone; see its pod for the reason"


def help_out(
    worker: int,
    *,
    run: str,
    leader: tuple[str, int],
    learning_port: int,
    threads: int,
    patience_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Help worker 0, found at `leader` (name and port), until it says that it is done.

    Raises TrainingEnded if it cannot be reached, and WorkerLost when it is gone before the end.
    """
    connection = _reached(leader, patience_seconds, sleep, clock)
    try:
        connection.send({"run": run, "worker": worker, "machine": f"{connection.address}:{learning_port}"})
        _Helper(connection, learning_port, threads).serve()
    except ConnectionLost as error:
        raise WorkerLost(_GONE) from error
    finally:
        connection.close()


def _reached(
    leader: tuple[str, int], patience: float, sleep: Callable[[float], None], clock: Callable[[], float]
) -> Connection:
    """A connection to worker 0; its name is resolved anew each time, since its pod may be another one by then."""
    deadline = clock() + patience
    while True:
        try:
            # LightGBM knows IPv4 alone.
            found = socket.getaddrinfo(*leader, family=socket.AF_INET, type=socket.SOCK_STREAM)
            channel = socket.create_connection((str(found[0][4][0]), leader[1]), timeout=_CONNECT_SECONDS)
        except OSError as error:
            if clock() > deadline:
                raise TrainingEnded(
                    f"worker 0 could not be reached at {leader[0]}, port {leader[1]}, within {patience / 60:.0f}"
                    f" minutes ({error}); the network policies of the namespace must allow it"
                ) from error
            sleep(_PAUSE_SECONDS)
        else:
            return Connection(channel, most_bytes=_MOST_BYTES)


class _Helper:
    def __init__(self, connection: Connection, learning_port: int, threads: int) -> None:
        self._connection, self._port, self._threads = connection, learning_port, threads
        self._inbox = Inbox(connection)
        self._network = Network()
        self._data: dict[int, lgb.Dataset] = {}
        self._boosters: dict[int, lgb.Booster] = {}

    def serve(self) -> None:
        """Do one thing after the other. Raises ConnectionLost and WorkerLost."""
        while True:
            message, content = self._inbox.next()
            if message["do"] == "end":
                self._network.end()
                return
            try:
                self._do(message, content)
            except (lgb.basic.LightGBMError, OSError) as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Worker 0 is to say why: it may know better. Then wait for its end."""
        if is_of_network(error):
            # Of the connections of a worker that is gone, LightGBM's may break first.
            if self._inbox.lost(within_seconds=BROKEN_SECONDS):
                raise WorkerLost(_GONE) from error
            raise WorkerLost(f"the connection between the workers broke: {error}") from error
        say("error", f"cannot go on: {error}")
        self._connection.send({"problem": str(error)})
        while True:
            self._inbox.next()

    def _do(self, message: Message, content: bytes) -> None:
        match message["do"]:
            case "begin":
                machines = [str(machine) for machine in message["machines"]]
                self._in_step(lambda: self._network.connect(machines, self._port))
                say("info", "all workers are there", workers=len(machines))
            case "data":
                self._data[message["data"]] = self._read(message, content)
            case "booster":
                settings = {**message["settings"], "num_threads": self._threads}
                part = self._data[message["data"]].subset(np.frombuffer(content, "<i4").tolist()).construct()
                self._boosters[message["booster"]] = self._in_step(lambda: lgb.Booster(settings, part))
            case "grow":
                self._in_step(self._boosters[message["booster"]].update)
            case "drop":
                for number in message["numbers"]:
                    self._data.pop(number, None)
                    self._boosters.pop(number, None)

    def _read(self, message: Message, content: bytes) -> lgb.Dataset:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.bin"
            file.write_bytes(content)
            return lgb.Dataset(file, params={**message["settings"], "num_threads": self._threads}).construct()

    def _in_step(self, work: Callable[[], _T]) -> _T:
        return self._network.call(work, self._look)

    def _look(self) -> None:
        if self._inbox.lost():
            raise WorkerLost(_GONE)
