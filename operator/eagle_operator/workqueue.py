"""A queue of keys: each key once, never two workers on one key, failures with growing delay, keys due later.

Keys of low priority come after all others: thousands of them, after a start, keep nobody waiting.
"""

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Observer(Protocol):
    """Who counts what a queue does; times in seconds."""

    def added(self) -> None:
        """A key began to wait."""

    def retried(self) -> None:
        """A key is to be tried again after a failure."""

    def begun(self, waited: float) -> None:
        """A worker took a key."""

    def finished(self, worked: float) -> None:
        """A worker is done with a key, well or not."""


@dataclass(frozen=True, slots=True)
class _Waits:
    since: float
    low_priority: bool


class WorkQueue(Generic[K]):
    """As client-go's: what is added while it is worked on is worked on once more afterwards.

    Delays are measured by the monotonic clock: the wall clock may jump.
    """

    def __init__(
        self,
        *,
        first_delay: float = 0.5,
        longest_delay: float = 300.0,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._observer, self._clock = observer, clock
        self._ready: asyncio.PriorityQueue[tuple[bool, int, K]] = asyncio.PriorityQueue()
        """Whether of low priority, and how many were put there before. One may be out of date: `_waiting` counts."""
        self._waiting: dict[K, _Waits] = {}
        """The oldest first."""
        self._active: dict[K, float] = {}
        self._again: dict[K, bool] = {}
        """What is to be looked at once more, and whether with low priority."""
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._timetable: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_finished = float("-inf")
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K, *, low_priority: bool = False) -> None:
        """Look at the key soon."""
        known = self._waiting.get(key)
        if key in self._active:
            self._again[key] = low_priority and self._again.get(key, True)
        elif known is None:
            self._wait(key, _Waits(self._clock(), low_priority))
            if self._observer:
                self._observer.added()
        elif known.low_priority and not low_priority:
            self._wait(key, _Waits(known.since, low_priority))

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

    def forget(self, key: K) -> None:
        """What failed so far counts no more: the next pause is a short one again."""
        self._failures.pop(key, None)

    async def work(
        self,
        handle: Callable[[K], Awaitable[None]],
        failed: Callable[[K, Exception], bool],
        turn: asyncio.Event | None = None,
    ) -> None:
        """Work until cancelled, and begin no key while it is not our `turn`.

        `failed` is told of each exception and says whether the key is to be tried again.
        """
        while True:
            _, _, key = await self._ready.get()
            if turn:
                await turn.wait()
            if not self._begin(key):
                continue
            try:
                await handle(key)
                self.forget(key)
            except Exception as error:  # noqa: BLE001 - the queue outlives its work; `failed` logs and counts
                if failed(key, error):
                    self.add_after(key, self._delay(key))
                    if self._observer:
                        self._observer.retried()
            finally:
                self._finish(key)

    async def idle(self) -> None:
        """Returns when no key is worked on."""
        await self._idle.wait()

    def longest(self) -> tuple[K | None, float]:
        """The key that is worked on for longest, and for how many seconds."""
        active = self._active.copy()
        if not active:
            return None, 0.0
        key, since = min(active.items(), key=lambda item: item[1])
        return key, self._clock() - since

    def unfinished(self) -> float:
        """Seconds of work on keys that are worked on now, all together."""
        now = self._clock()
        return sum(now - since for since in self._active.copy().values())

    def stuck_for(self, turn_since: float) -> float:
        """For how many seconds keys wait and none was finished, since it is our turn; 0 when none waits."""
        oldest = next(iter(self._waiting.values()), None)
        if oldest is None:
            return 0.0
        return max(self._clock() - max(oldest.since, self._last_finished, turn_since), 0.0)

    def _wait(self, key: K, waits: _Waits) -> None:
        self._waiting[key] = waits
        self._sequence += 1
        self._ready.put_nowait((waits.low_priority, self._sequence, key))

    def _begin(self, key: K) -> bool:
        """Whether the key still waited: one that became urgent was put in line twice."""
        waits, now = self._waiting.pop(key, None), self._clock()
        if waits is None:
            return False
        self._active[key] = now
        self._idle.clear()
        if self._observer:
            self._observer.begun(now - waits.since)
        return True

    def _finish(self, key: K) -> None:
        now = self._clock()
        worked = now - self._active.pop(key, now)
        self._last_finished = now
        if not self._active:
            self._idle.set()
        if self._observer:
            self._observer.finished(worked)
        if key in self._again:
            self.add(key, low_priority=self._again.pop(key))

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
