"""An event loop in a thread of its own, for what has to go on while a test waits."""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
_ROUNDS_TO_CLOSE = 5
"""A connection that was ended is closed in the loop's next rounds."""


class LoopThread:
    """As a context: the loop runs until its end, which cancels what is still on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="loop", daemon=True)

    def __enter__(self) -> "LoopThread":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 30) -> T:
        """What the coroutine returns or raises, from any other thread; `timeout` in seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def begin(self, work: Coroutine[Any, Any, object]) -> None:
        """Let the coroutine go on by itself until the context ends."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def soon(self, act: Callable[[], object]) -> None:
        """Call the function on the loop."""
        self._loop.call_soon_threadsafe(act)

    @staticmethod
    async def _cancel_all() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(_ROUNDS_TO_CLOSE):
            await asyncio.sleep(0)
