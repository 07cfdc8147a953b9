"""What carries requests: real HTTP to a server of the test's own on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from eagle_operator.wire import Wire

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=Wire(ssl.create_default_context())) as client:
        yield client


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """The address of a server that does so with each connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def heard(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """A request's head in lower case, and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length")), 0)
    return head, await reader.readexactly(length)


async def test_a_request_arrives_as_it_was_made_and_its_answer_as_it_was_given(client: httpx2.AsyncClient) -> None:
    requests: list[tuple[str, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            requests.append(await heard(reader))
            writer.write(
                b'HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'
            )
            await writer.drain()

    async with served(serve) as address:
        for _ in range(2):
            headers = {"Content-Type": "application/apply-patch+yaml", "Authorization": "Bearer t"}
            answer = await client.patch(f"{address}/apis/a%2Fb?force=true", content=b'{"b": 2}', headers=headers)
            assert (answer.status_code, answer.json()) == (409, {"a": 1})
            assert answer.headers["content-type"] == "application/json"
    head, body = requests[1]
    assert head.startswith("patch /apis/a%2fb?force=true http/1.1\r\n")
    assert "\r\ncontent-type: application/apply-patch+yaml\r\n" in head
    assert "\r\nauthorization: bearer t\r\n" in head
    assert body == b'{"b": 2}'


async def test_an_answer_is_told_while_it_comes(client: httpx2.AsyncClient) -> None:
    more = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
        await more.wait()
        writer.write(b"4\r\ntwo\n\r\n0\r\n\r\n")
        await writer.drain()

    async with served(serve) as address, client.stream("GET", address) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "one"
        more.set()
        assert await anext(lines) == "two"


async def test_nobody_there_is_an_error_of_connecting(client: httpx2.AsyncClient) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with served(serve) as address:
        pass
    with pytest.raises(httpx2.ConnectError):
        await client.get(address)


async def test_a_connection_that_breaks_before_the_answer_is_an_error_of_reading(client: httpx2.AsyncClient) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)

    async with served(serve) as address:
        with pytest.raises(httpx2.ReadError):
            await client.post(address, content=b"{}")


async def test_a_connection_that_breaks_within_the_answer_is_an_error_of_reading(client: httpx2.AsyncClient) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()

    async with served(serve) as address:
        with pytest.raises(httpx2.ReadError):
            await client.get(address)


async def test_an_answer_that_does_not_come_in_time_is_a_time_out(client: httpx2.AsyncClient) -> None:
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()

    async with served(serve) as address:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(address, timeout=0.05)
        done.set()
