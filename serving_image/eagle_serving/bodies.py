"""Request bodies, read within limits: of each, and of all that are held at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from eagle_serving.errors import RequestRefused

_MIB = 2**20
_DISCARD_FACTOR = 8
"""A body over the limit is read on, without being kept, up to this many times the limit: a client that is still
sending would otherwise see a broken connection instead of the answer."""


class BodyReader:
    """Reads bodies of at most `limit` bytes, holding at most `budget` bytes in all."""

    def __init__(self, *, limit: int, budget: int) -> None:
        self._limit = limit
        self._budget = budget
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, counted as held until the context ends.

        Raises RequestRefused: 411 to 415 for a body that is not acceptable, 503 when too much is held already.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestRefused(415, "the body must not be compressed; send it without Content-Encoding")
        if "inference-header-content-length" in request.headers:
            raise RequestRefused(415, "the binary tensor extension is not supported; send the data as JSON")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limit and "expect" in request.headers:
            raise self._too_large()
        size = 0
        chunks: list[bytes] = []
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > self._limit:
                    self._release(chunks)
                    if size > _DISCARD_FACTOR * self._limit:
                        break
                    continue
                if self._held + len(chunk) > self._budget:
                    raise RequestRefused(503, "the server holds as many requests as it can; try again in a second")
                self._held += len(chunk)
                chunks.append(chunk)
            if size > self._limit:
                raise self._too_large()
            yield b"".join(chunks)
        finally:
            self._release(chunks)

    def _release(self, chunks: list[bytes]) -> None:
        self._held -= sum(map(len, chunks))
        chunks.clear()

    def _too_large(self) -> RequestRefused:
        return RequestRefused(
            413, f"the body must be at most {self._limit // _MIB} MiB; send fewer windows in one request"
        )
