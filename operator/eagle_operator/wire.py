"""What carries requests to the API server: aiohttp, which kopf uses too, under lightkube's client.

httpx's own transport takes two to three times the processor time for a request, and an operator does little else.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from ssl import SSLContext

import aiohttp
import httpx2
from yarl import URL

_SET_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that a request has already, or is to be without."""


class Wire(httpx2.AsyncBaseTransport):
    """A plain transport: HTTP/1.1, connections kept open, no proxy, no redirects. Ends with the event loop's use."""

    def __init__(self, trust: SSLContext) -> None:
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body still to be read. Raises httpx2.TransportError."""
        with _told_as_httpx(request):
            answer = await self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=await request.aread() or None,
                timeout=_time_out(request),
                allow_redirects=False,
                skip_auto_headers=_SET_BY_AIOHTTP,
            )
        return httpx2.Response(answer.status, headers=list(answer.raw_headers), stream=_Body(answer, request))

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()
            await asyncio.sleep(0)  # Sockets are closed in the loop's next round.

    def _open(self) -> aiohttp.ClientSession:
        """Made at the first request: a session belongs to the event loop in which it is made."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


class _Body(httpx2.AsyncByteStream):
    """An answer's body as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told_as_httpx(self._request):
            async for part in self._answer.content.iter_any():
                yield part

    async def aclose(self) -> None:
        """Gives the connection back if all was read, else cuts it."""
        self._answer.release()


def _time_out(request: httpx2.Request) -> aiohttp.ClientTimeout:
    seconds = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None, connect=seconds.get("pool"), sock_connect=seconds.get("connect"), sock_read=seconds.get("read")
    )


@contextlib.contextmanager
def _told_as_httpx(request: httpx2.Request) -> Iterator[None]:
    """Raises what httpx would raise in the place of aiohttp's errors."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error), request=request) from error
    except aiohttp.ServerTimeoutError as error:
        raise httpx2.ReadTimeout(str(error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error), request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx2.ReadError(str(error) or repr(error), request=request) from error
