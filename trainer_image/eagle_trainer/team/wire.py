"""What workers tell each other over a connection that lasts as long as they both do.

A message is a few words in JSON and, with some, a row of bytes. That a worker is gone is known by its connection: one
that ends, or that is silent for longer than the keepalive allows. LightGBM's own connections wait for ever.
"""

import contextlib
import json
import queue
import socket
import struct
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

Message = dict[str, Any]

_HEAD = struct.Struct("!IQ")
_MOST_WORDS = 1 << 20
_SILENT_SECONDS, _PROBE_SECONDS, _PROBES = 30, 10, 6
"""A machine that vanished is found out after a minute and a half."""


class ConnectionLost(Exception):
    """The other side is gone."""


class Connection:
    """A connection to another worker. Messages may be sent by several threads, and are received by one.

    `most_bytes` is how many bytes a message that comes may have with it.
    """

    def __init__(self, channel: socket.socket, *, most_bytes: int = 0) -> None:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENT_SECONDS)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_SECONDS)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
        # The same where something was sent and is not confirmed; whoever is there reads at once.
        milliseconds = 1000 * (_SILENT_SECONDS + _PROBE_SECONDS * _PROBES)
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._channel, self._sending, self._most_bytes = channel, Lock(), most_bytes

    @property
    def address(self) -> str:
        """This side's own address."""
        return str(self._channel.getsockname()[0])

    def send(self, message: Message, content: bytes = b"") -> None:
        """Raises ConnectionLost."""
        words = json.dumps(message).encode()
        try:
            with self._sending:
                self._channel.sendall(_HEAD.pack(len(words), len(content)) + words)
                self._channel.sendall(content)
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    def receive(self, *, seconds: float | None = None) -> tuple[Message, bytes]:
        """The next message, waited for at most so long. Raises ConnectionLost."""
        try:
            self._channel.settimeout(seconds)
            words, content = _HEAD.unpack(self._exactly(_HEAD.size))
            if words > _MOST_WORDS or content > self._most_bytes:
                raise ConnectionLost("what came is no message")
            message = json.loads(self._exactly(words))
            body = self._exactly(content)
            self._channel.settimeout(None)
        except (OSError, ValueError) as error:
            raise ConnectionLost(str(error)) from error
        if not isinstance(message, dict):
            raise ConnectionLost("what came is no message")
        return message, body

    def close(self) -> None:
        """End it; the other side learns of it, and whoever waits for a message here."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()

    def _exactly(self, count: int) -> bytes:
        if not count:
            return b""
        found = bytearray(count)
        view, have = memoryview(found), 0
        while have < count:
            more = self._channel.recv_into(view[have:], min(count - have, 1 << 20))
            if not more:
                raise ConnectionLost("it was closed")
            have += more
        return bytes(found)


class Inbox:
    """Reads a connection in a thread of its own, so that its end is known at once, whatever is done meanwhile."""

    def __init__(self, connection: Connection, *, ended: Callable[[], None] = lambda: None) -> None:
        self._lost = Event()
        self._messages: queue.Queue[tuple[Message, bytes] | None] = queue.Queue()
        self._connection, self._ended = connection, ended
        Thread(target=self._read, name="inbox", daemon=True).start()

    def lost(self, *, within_seconds: float = 0.0) -> bool:
        """Whether the connection is gone, or goes within so many seconds."""
        return self._lost.wait(within_seconds)

    def next(self) -> tuple[Message, bytes]:
        """The next message, waited for as long as it takes. Raises ConnectionLost."""
        found = self._messages.get()
        if found is None:
            self._messages.put(None)
            raise ConnectionLost("it was closed")
        return found

    def waiting(self) -> list[tuple[Message, bytes]]:
        """The messages that have come, without waiting."""
        found = []
        while not self._messages.empty():
            item = self._messages.get()
            if item is None:
                self._messages.put(None)
                break
            found.append(item)
        return found

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(self._connection.receive())
        except ConnectionLost:
            self._lost.set()
            self._messages.put(None)
            self._ended()
