"""What the kubelet's probes are told: the truth, with its reasons, one a line.

kopf's own endpoint cannot say no: a check that raises is tried again after a minute, and the probe hangs meanwhile.
This one is served by the event loop that does the work, so a loop that is blocked does not answer at all.

A slow API server, or none, is no reason to be restarted: a fresh operator would stand before the same server with an
empty memory.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_LONGEST_LOOK_SECONDS = 600.0
_LONGEST_WITHOUT_A_LOOK_SECONDS = 300.0
_LONGEST_PASS_SECONDS = 300.0
_PERIODS_WITHOUT_LISTING = 3
_LONGEST_PAUSE_OF_LISTING_SECONDS = 180.0
"""Lists that fail are tried again after up to a minute."""
_PATIENCE_SECONDS = 5.0
_STATUS = {True: "200 OK", False: "500 Internal Server Error"}


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """How the parts of the process do; times in seconds."""

    dead_tasks: tuple[str, ...] = ()
    longest_look: float = 0.0
    looked_at: str = ""
    stuck_for: float = 0.0
    admission_pass: float = 0.0
    not_listed_for: float = 0.0
    resync_period: float = 300.0
    stale_watches: tuple[str, ...] = ()


def complaints(vitals: Vitals) -> list[str]:
    """Why the process should be restarted; empty: it should not."""
    found = [f"ended: {name}" for name in vitals.dead_tasks]
    if vitals.longest_look > _LONGEST_LOOK_SECONDS:
        found.append(f"a worker is stuck: it looks at {vitals.looked_at} for {vitals.longest_look:.0f} s")
    if vitals.stuck_for > _LONGEST_WITHOUT_A_LOOK_SECONDS:
        found.append(f"the queue is stuck: schedules wait, and none was looked at for {vitals.stuck_for:.0f} s")
    if vitals.admission_pass > _LONGEST_PASS_SECONDS:
        found.append(f"admission is stuck: it is in one pass for {vitals.admission_pass:.0f} s")
    if vitals.not_listed_for > max(_PERIODS_WITHOUT_LISTING * vitals.resync_period, _LONGEST_PAUSE_OF_LISTING_SECONDS):
        found.append(f"listing is stuck: nothing was listed, nor tried in vain, for {vitals.not_listed_for:.0f} s")
    found += [f"a watch is stale: changes of kind {kind} do not arrive" for kind in vitals.stale_watches]
    return found


Page = Callable[[], tuple[bool, list[str]]]
"""Whether all is well, and the lines that say more."""


class HealthServer:
    """A few pages over HTTP."""

    def __init__(self, address: str, pages: Mapping[str, Page]) -> None:
        parts = urlsplit(address)
        self._host, self._port, self._pages = parts.hostname or "0.0.0.0", parts.port or 8080, pages
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=8192)

    async def stop(self) -> None:
        """Answer no more."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(request.split(b"\r\n", 1)[0].decode("latin-1")))
                await writer.drain()
        writer.close()

    def _answer(self, request_line: str) -> bytes:
        method, _, rest = request_line.partition(" ")
        page = self._pages.get(rest.partition(" ")[0].partition("?")[0])
        if method not in ("GET", "HEAD"):
            status, lines = "405 Method Not Allowed", ["only GET"]
        elif page is None:
            status, lines = "404 Not Found", [f"there are {', '.join(self._pages)}"]
        else:
            well, lines = page()
            status = _STATUS[well]
        body = "".join(f"{line}\n" for line in lines).encode()
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        return head if method == "HEAD" else head + body
