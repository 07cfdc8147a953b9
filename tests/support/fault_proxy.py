"""Stands between a client and the API server, and does to them what networks and busy servers do.

It takes HTTP/1.1 without encryption on loopback and speaks TLS to the server. Every request is recorded. A rule says
for each what is to go wrong: it is answered by an error, or never; it is carried out but the answer is lost; or the
test is called just before it would be carried out, or just after. Streams of watches can be cut, frozen with their
connections open, and disordered.
"""

import asyncio
import json
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import h11
from tests.support.loop_thread import LoopThread
from tests.support.private_api_server import ApiServer, kubeconfig_text

_CHUNK = 65536
_DROPPED = {b"host", b"accept-encoding", b"connection"}


@dataclass(frozen=True)
class Request:
    """What the client asks for."""

    number: int
    method: str
    target: str
    """Path and query."""
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path alone."""
        return urlsplit(self.target).path

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def is_watch(self) -> bool:
        """Whether its answer is a stream of changes."""
        return parse_qs(urlsplit(self.target).query).get("watch", ["0"])[0] in ("1", "true")


@dataclass(frozen=True)
class Refuse:
    """Answer with that error, and do not carry it out."""

    code: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Ignore:
    """Take the request, carry nothing out and never answer."""


@dataclass(frozen=True)
class LoseAnswer:
    """Carry it out, and end the connection without an answer."""


@dataclass(frozen=True)
class CallBefore:
    """Call the function instead of carrying it out, and end the connection."""

    call: Callable[[Request], None]


@dataclass(frozen=True)
class CallAfter:
    """Carry it out, then call the function and end the connection without an answer."""

    call: Callable[[Request], None]


Fault = Refuse | Ignore | LoseAnswer | CallBefore | CallAfter
Rule = Callable[[Request], Fault | None]


@dataclass(frozen=True)
class Disorder:
    """How events of watches come: each late by up to `seconds`, some of them twice. So later ones overtake earlier."""

    seconds: float
    twice: float
    """The share of events that come a second time."""
    random: random.Random

    def delays(self) -> Iterator[float]:
        """When an event comes, once or twice, in seconds from now."""
        yield self.random.uniform(0, self.seconds)
        if self.random.random() < self.twice:
            yield self.random.uniform(0, self.seconds)


@dataclass
class Recorded:
    """A request and what became of it."""

    request: Request
    at: float
    """Seconds of time.monotonic."""
    status: int | None = None
    """The server's answer, also where the client did not get it; None if it was never asked."""


def all_is_well(request: Request) -> Fault | None:
    """The rule by which nothing goes wrong."""
    return None


class FaultProxy:
    """The proxy while it serves. `rule` and `disorder` may be changed at any time; they are used on its own thread."""

    def __init__(self, host: str, port: int, trust: ssl.SSLContext | None, port_here: int = 0) -> None:
        self._host, self._port, self._trust = host, port, trust
        self.rule: Rule = all_is_well
        self.disorder: Disorder | None = None
        self.recorded: list[Recorded] = []
        self._connections: set[_Connection] = set()
        self._ours = port_here

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self._ours}"

    def writes(self, part_of_path: str = "") -> list[Recorded]:
        """The recorded requests that may change something, whose path has that part."""
        return [seen for seen in list(self.recorded) if seen.request.is_write and part_of_path in seen.request.path]

    async def serve(self) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._ours)
        self._ours = server.sockets[0].getsockname()[1]
        self._server = server

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self._server.close()
        await self.cut()
        while self._connections:
            await asyncio.sleep(0)

    async def cut(self) -> None:
        """End every connection there is."""
        for connection in list(self._connections):
            connection.abort()

    def watches(self) -> int:
        """How many watches there are now."""
        return len(self._watches())

    async def freeze(self) -> int:
        """No watch there is now will ever say anything again, while its connection stays open; how many they are."""
        streams = self._watches()
        for connection in streams:
            connection.frozen = True
        return len(streams)

    def _watches(self) -> "list[_Connection]":
        return [connection for connection in list(self._connections) if connection.streams]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        except (OSError, h11.ProtocolError, asyncio.IncompleteReadError):
            pass  # One of the two sides has gone, which is what connections do.
        finally:
            connection.abort()
            self._connections.discard(connection)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the API server."""
        return await asyncio.open_connection(self._host, self._port, ssl=self._trust)


class _Connection:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._client = h11.Connection(h11.SERVER)
        self._server = h11.Connection(h11.CLIENT)
        self._up: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.frozen = self.streams = False

    def abort(self) -> None:
        """End both sides without a word."""
        for writer in (self._writer, self._up[1] if self._up else None):
            if writer:
                writer.transport.abort()

    async def run(self) -> None:
        """Serve requests one after the other until one side ends."""
        while True:
            request = await self._next_request()
            if request is None:
                return
            seen = Recorded(request, time.monotonic())
            self._proxy.recorded.append(seen)
            fault = self._proxy.rule(request)
            if not await self._carry_out(seen, fault):
                return
            self._client.start_next_cycle()
            self._server.start_next_cycle()

    async def _carry_out(self, seen: Recorded, fault: Fault | None) -> bool:
        """Whether the connection can go on."""
        request = seen.request
        match fault:
            case Refuse(code, retry_after):
                await self._refuse(code, retry_after)
                return False
            case Ignore():
                await self._reader.read()
                return False
            case CallBefore(call):
                call(request)
                return False
        head = await self._ask(request)
        seen.status = head.status_code
        if request.is_watch and head.status_code == 200:
            await self._stream(head)
            return False
        body = b"".join([part async for part in self._answer_body()])
        if isinstance(fault, CallAfter):
            fault.call(request)
        if isinstance(fault, CallAfter | LoseAnswer):
            return False
        await self._answer(head.status_code, list(head.headers), body)
        return self._client.our_state is h11.DONE and self._server.our_state is h11.DONE

    async def _next_request(self) -> Request | None:
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._client.next_event()
            if event is h11.NEED_DATA:
                self._client.receive_data(await self._reader.read(_CHUNK))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head:
                headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
                number = len(self._proxy.recorded)
                return Request(number, head.method.decode(), head.target.decode(), headers, body)
            else:
                return None

    async def _ask(self, request: Request) -> h11.Response:
        if self._up is None:
            self._up = await self._proxy.open()
        kept = [(name, value) for name, value in request.headers if name.lower() not in _DROPPED]
        kept += [(b"host", b"localhost"), (b"accept-encoding", b"identity")]
        up = self._up[1]
        up.write(self._server.send(h11.Request(method=request.method, target=request.target, headers=kept)) or b"")
        if request.body:
            up.write(self._server.send(h11.Data(data=request.body)) or b"")
        up.write(self._server.send(h11.EndOfMessage()) or b"")
        await up.drain()
        event = await self._server_event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._server_event()
        if not isinstance(event, h11.Response):
            raise ConnectionResetError(f"the server said {event!r} to {request}")
        return event

    async def _server_event(self) -> object:
        while True:
            event = self._server.next_event()
            if event is not h11.NEED_DATA:
                return event
            assert self._up is not None
            self._server.receive_data(await self._up[0].read(_CHUNK))

    async def _answer_body(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._server_event(), h11.Data):
            yield bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise ConnectionResetError("the server ended in the middle of an answer")

    async def _refuse(self, code: int, retry_after: int | None) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "by the test"}
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        await self._answer(code, headers, json.dumps(status).encode())

    async def _answer(self, code: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        kept = [(name, value) for name, value in headers if name not in (b"transfer-encoding", b"content-length")]
        head = h11.Response(status_code=code, headers=[*kept, (b"content-length", str(len(body)).encode())])
        self._writer.write(self._client.send(head) or b"")
        self._writer.write((self._client.send(h11.Data(data=body)) or b"") if body else b"")
        self._writer.write(self._client.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()

    async def _stream(self, head: h11.Response) -> None:
        """Pass on a watch, event by event, until one side ends."""
        self.streams = True
        kept = [(bytes(n), bytes(v)) for n, v in head.headers if n not in (b"transfer-encoding", b"content-length")]
        response = h11.Response(status_code=200, headers=[*kept, (b"transfer-encoding", b"chunked")])
        self._writer.write(self._client.send(response) or b"")
        gone = asyncio.create_task(self._until_the_client_goes())
        try:
            await self._pass_on_all()
        finally:
            if self.frozen:
                await gone
            gone.cancel()
        self._writer.write(self._client.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()

    async def _pass_on_all(self) -> None:
        rest = b""
        async for part in self._answer_body():
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._pass_on(line + b"\n")
            await self._writer.drain()

    def _pass_on(self, line: bytes) -> None:
        if self._proxy.disorder is None:
            self._write_event(line)
            return
        for delay in self._proxy.disorder.delays():
            asyncio.get_running_loop().call_later(delay, self._write_event, line)

    def _write_event(self, line: bytes) -> None:
        if not self.frozen and not self._writer.is_closing() and self._client.our_state is h11.SEND_BODY:
            self._writer.write(self._client.send(h11.Data(data=line)) or b"")

    async def _until_the_client_goes(self) -> None:
        await self._reader.read()
        self.abort()


@contextmanager
def fault_proxy(loop: LoopThread, host: str, port: int, trust: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """A proxy before that server, serving on the loop until the context ends; without `trust` it speaks plain HTTP."""
    proxy = FaultProxy(host, port, trust)
    loop.call(proxy.serve())
    try:
        yield proxy
    finally:
        loop.call(proxy.close())


@contextmanager
def before_api_server(loop: LoopThread, server: ApiServer, folder: Path) -> Iterator[tuple[FaultProxy, Path]]:
    """A proxy before an API server, and the kubeconfig of an administrator that goes through it."""
    target = urlsplit(server.url)
    assert target.hostname
    assert target.port
    trust = ssl.create_default_context(cafile=str(server.certificate))
    with fault_proxy(loop, target.hostname, target.port, trust) as proxy:
        config = folder / "through-the-proxy.kubeconfig"
        config.write_text(kubeconfig_text({"server": proxy.url}, server.token))
        yield proxy, config
