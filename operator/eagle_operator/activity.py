"""What a loop is at: the difference between a loop that is busy, one that waits for its turn, and one that is stuck."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType


class Activity(AbstractContextManager["Activity"]):
    """Turns of something; turns may overlap. Tells the duration of each to `observe`."""

    def __init__(
        self, observe: Callable[[float], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observe, self._clock = observe, clock
        self._began: list[float] = []
        self._last = clock()

    def __enter__(self) -> "Activity":
        self._last = self._clock()
        self._began.append(self._last)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._last = self._clock()
        self._observe(self._last - self._began.pop(0))

    @property
    def busy_for(self) -> float:
        """Seconds since the turn began that lasts longest; 0 between turns."""
        return self._clock() - self._began[0] if self._began else 0.0

    @property
    def quiet_for(self) -> float:
        """Seconds since a turn last began or ended."""
        return self._clock() - self._last
