"""The connection: nothing is written while it is not our turn, nothing takes for ever, everything is counted."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from prometheus_client import REGISTRY

from eagle_operator.connection import Connection, NoAnswerError, NotOurTurnError

Answer = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
URL = "https://cluster.invalid/api/v1/namespaces"
JSON = {"Content-Type": "application/json"}


class Server(httpx2.AsyncBaseTransport):
    """What the connection speaks to: it answers as a test says, and knows what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[str]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.method)
        return await self.answer(request)


async def ok(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={}, request=request)


async def never(request: httpx2.Request) -> httpx2.Response:
    await asyncio.Event().wait()
    raise AssertionError


class Ours:
    """A connection, and what it is allowed and tells."""

    def __init__(self, answer: Answer, *, seconds: float = 5.0) -> None:
        self.turn = True
        self.heard: list[bool] = []
        self.server = Server(answer)
        self.connection = Connection(
            self.server,
            may_write=lambda: self.turn,
            heard=self.heard.append,
            write_seconds=seconds,
            read_seconds=seconds,
        )

    async def ask(self, method: str) -> httpx2.Response:
        return await self.connection.handle_async_request(httpx2.Request(method, URL))


def counted(method: str, code: str) -> float:
    return REGISTRY.get_sample_value("eagle_rest_client_requests_total", {"verb": method, "code": code}) or 0.0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_write_leaves_while_it_is_not_our_turn(method: str) -> None:
    ours = Ours(ok)
    ours.turn = False
    with pytest.raises(NotOurTurnError):
        await ours.ask(method)
    assert ours.server.asked == []
    await ours.ask("GET")
    ours.turn = True
    await ours.ask(method)
    assert ours.server.asked == ["GET", method]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_what_is_never_answered_is_given_up_and_told(method: str) -> None:
    ours = Ours(never, seconds=0.02)
    before = counted(method, "<error>")
    with pytest.raises(NoAnswerError, match=r"no answer within 0\.02 s"):
        await ours.ask(method)
    assert ours.heard == [False]
    assert counted(method, "<error>") == before + 1
    await asyncio.wait_for(ours.connection.settled(), 1)


async def test_it_is_settled_once_the_write_that_is_under_way_is_answered() -> None:
    gate = asyncio.Event()

    async def late(request: httpx2.Request) -> httpx2.Response:
        await gate.wait()
        return httpx2.Response(200, json={}, request=request)

    ours = Ours(late)
    await ours.connection.settled()
    write = asyncio.create_task(ours.ask("PATCH"))
    read = asyncio.create_task(ours.ask("GET"))
    settled = asyncio.create_task(ours.connection.settled())
    await asyncio.sleep(0.02)
    assert not settled.done()
    ours.turn = False
    gate.set()
    await asyncio.wait_for(settled, 1)
    assert (await write).status_code == 200
    await read


@pytest.mark.parametrize(("code", "answered"), [(200, True), (404, True), (409, True), (429, False), (503, False)])
async def test_it_is_told_whether_the_api_server_answers(code: int, answered: bool) -> None:
    async def say(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(code, json={}, request=request)

    ours = Ours(say)
    before = counted("GET", str(code))
    assert (await ours.ask("GET")).status_code == code
    assert ours.heard == [answered]
    assert counted("GET", str(code)) == before + 1


async def test_an_error_that_is_not_the_api_servers_own_is_as_no_answer() -> None:
    async def busy(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, text="Too many requests, please try again later.\n", request=request)

    with pytest.raises(NoAnswerError, match="429: Too many requests, please try again later"):
        await Ours(busy).ask("PATCH")
