"""A queue of keys: each key once, never two workers on one key, failures with growing delay, keys due later."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """As client-go's: what is added while it is worked on is worked on once more afterwards."""

    def __init__(self, *, first_delay: float = 0.5, longest_delay: float = 300.0) -> None:
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._timetable: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Look at the key soon."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at the key then, or earlier: of several times the earliest counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0.0)
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._timetable, (due, self._sequence, key))
        self._arm(loop)

    async def work(self, handle: Callable[[K], Awaitable[None]], failed: Callable[[K, Exception], bool]) -> None:
        """Work until cancelled. `failed` is told of each exception and says whether the key is to be tried again."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._active.add(key)
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Exception as error:  # noqa: BLE001 - the queue outlives its work; `failed` logs and counts
                if failed(key, error):
                    self.add_after(key, self._delay(key))
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _delay(self, key: K) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(self._first_delay * 2.0 ** (failures - 1), self._longest_delay))

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_at(self._timetable[0][0], self._ring, loop) if self._timetable else None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._timetable and self._timetable[0][0] <= loop.time():
            due, _, key = heapq.heappop(self._timetable)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        self._arm(loop)
