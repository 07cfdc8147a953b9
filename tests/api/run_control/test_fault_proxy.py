"""The proxy itself: a tool that breaks connections must break exactly what it says."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from tests.support.fault_proxy import (
    CallAfter,
    CallBefore,
    Disorder,
    FaultProxy,
    Ignore,
    LoseAnswer,
    Refuse,
    Request,
    fault_proxy,
)
from tests.support.loop_thread import LoopThread
from tests.support.ports import free_port

EVENTS = 20


class Echo:
    """A server that counts what it carries out, and answers watches with a row of numbered events."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    async def close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while head := await self._head(reader):
            line = head.split("\r\n")[0]
            length = next((int(x.split(":")[1]) for x in head.lower().split("\r\n") if "content-length" in x), 0)
            body = (await reader.readexactly(length)).decode()
            self.done.append(f"{line.rsplit(' ', 1)[0]} {body}".strip())
            if "watch=1" in line:
                await self._events(writer)
            else:
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return ""

    async def _events(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(EVENTS):
            line = json.dumps({"number": number}) + "\n"
            writer.write(f"{len(line):x}\r\n{line}\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.01)
        await asyncio.sleep(3600)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture
def echo(loop: LoopThread) -> Iterator[Echo]:
    server = Echo()
    loop.call(server.serve())
    yield server
    loop.call(server.close())


@pytest.fixture
def proxy(loop: LoopThread, echo: Echo) -> Iterator[FaultProxy]:
    with fault_proxy(loop, "127.0.0.1", echo.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=2) as client:
        yield client


@asynccontextmanager
async def events_of(proxy: FaultProxy) -> AsyncIterator[AsyncIterator[int]]:
    """The numbers of the events as a watch gets them, until none came for a second."""
    async with (
        httpx.AsyncClient(base_url=proxy.url, timeout=1) as client,
        client.stream("GET", "/things?watch=1") as answer,
    ):

        async def numbers() -> AsyncIterator[int]:
            try:
                async for line in answer.aiter_lines():
                    yield json.loads(line)["number"]
            except httpx.ReadTimeout:
                return

        yield numbers()


def test_requests_and_answers_pass_on_one_connection_and_are_recorded(
    proxy: FaultProxy, echo: Echo, client: httpx.Client
) -> None:
    assert client.post("/things?x=1", content="body").text == "body"
    assert client.get("/things").text == ""
    assert echo.done == ["POST /things?x=1 body", "GET /things"]
    assert [(seen.request.method, seen.request.path, seen.status) for seen in proxy.recorded] == [
        ("POST", "/things", 200),
        ("GET", "/things", 200),
    ]
    assert [seen.request.number for seen in proxy.writes("/things")] == [0]


def test_a_refused_request_is_not_carried_out(proxy: FaultProxy, echo: Echo, client: httpx.Client) -> None:
    proxy.rule = lambda request: Refuse(429, retry_after=3) if request.is_write else None
    answer = client.post("/things", content="body")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "3", 429)
    assert client.get("/things").status_code == 200
    assert echo.done == ["GET /things"]


def test_an_ignored_request_is_never_answered_nor_carried_out(
    proxy: FaultProxy, echo: Echo, client: httpx.Client
) -> None:
    proxy.rule = lambda request: Ignore()
    with pytest.raises(httpx.ReadTimeout):
        client.post("/things", content="body")
    assert echo.done == []


def test_a_lost_answer_belongs_to_a_request_that_was_carried_out(
    proxy: FaultProxy, echo: Echo, client: httpx.Client
) -> None:
    proxy.rule = lambda request: LoseAnswer()
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/things", content="body")
    assert echo.done == ["POST /things body"]
    assert proxy.recorded[0].status == 200


def test_the_test_is_called_before_or_after_the_server_has_acted(
    proxy: FaultProxy, echo: Echo, client: httpx.Client
) -> None:
    calls: list[tuple[str, list[str]]] = []

    def called(request: Request) -> None:
        calls.append((request.path, list(echo.done)))

    proxy.rule = lambda request: CallBefore(called) if request.path == "/before" else CallAfter(called)
    for path in ("/before", "/after"):
        with pytest.raises(httpx.TransportError):
            client.post(path, content="body")
    assert calls == [("/before", []), ("/after", ["POST /after body"])]
    assert echo.done == ["POST /after body"]


async def test_a_watch_gets_every_event_as_it_comes(proxy: FaultProxy) -> None:
    async with events_of(proxy) as numbers:
        assert [number async for number in numbers] == list(range(EVENTS))


async def test_disorder_loses_nothing_and_brings_some_late_and_twice(proxy: FaultProxy) -> None:
    proxy.disorder = Disorder(seconds=0.3, twice=0.5, random=random.Random(7))
    async with events_of(proxy) as numbers:
        came = [number async for number in numbers]
    assert set(came) == set(range(EVENTS))
    assert len(came) > EVENTS
    assert came != sorted(came)


async def test_a_frozen_watch_stays_open_and_says_nothing_while_new_ones_work(
    proxy: FaultProxy, loop: LoopThread
) -> None:
    async with events_of(proxy) as frozen:
        assert await anext(frozen) == 0
        assert loop.call(proxy.freeze()) == 1
        assert len([number async for number in frozen]) < EVENTS - 1
        async with events_of(proxy) as fresh:
            assert [number async for number in fresh] == list(range(EVENTS))


async def test_a_cut_ends_watches_at_once(proxy: FaultProxy, loop: LoopThread) -> None:
    async with events_of(proxy) as numbers:
        assert await anext(numbers) == 0
        loop.call(proxy.cut())
        with pytest.raises(httpx.TransportError):
            _ = [number async for number in numbers]


def test_a_server_that_is_gone_is_a_connection_that_ends(loop: LoopThread) -> None:
    with fault_proxy(loop, "127.0.0.1", free_port()) as proxy, pytest.raises(httpx.TransportError):
        httpx.get(f"{proxy.url}/things")
