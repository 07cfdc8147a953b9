"""Sees the wall clock jump: slots are told by it, and what waits was put to sleep by the monotonic one."""

import asyncio
import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

_APART_SECONDS = 2.0
_EVERY_SECONDS = 1.0


class WallClock:
    """Compares the two clocks. A machine that slept shows as a jump forward, since the monotonic clock slept, too."""

    def __init__(
        self,
        jumped: Callable[[float], None],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jumped, self._wall, self._monotonic = jumped, wall, monotonic
        self._offset = wall() - monotonic()

    def compare(self) -> None:
        """Tell of a jump since the last comparison; what drifts slowly is no jump."""
        offset = self._wall() - self._monotonic()
        seconds, self._offset = offset - self._offset, offset
        if abs(seconds) > _APART_SECONDS:
            log.warning("the clock jumped by %.1f s; looking at every schedule", seconds)
            self._jumped(seconds)

    async def run(self) -> None:
        """Compare every second."""
        while True:
            self.compare()
            await asyncio.sleep(_EVERY_SECONDS)
