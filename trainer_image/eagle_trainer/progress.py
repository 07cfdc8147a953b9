"""How far a run is: one step after the other, each timed, told to whoever listens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

STEPS = {
    "extract": 8,
    "check": 2,
    "resample": 2,
    "label": 2,
    "split": 1,
    "fit": 45,
    "evaluate": 8,
    "refit": 20,
    "export": 4,
    "prove": 5,
    "publish": 3,
}
"""The steps in their order, and about how much of a run each takes, in percent."""


class Listener(Protocol):
    """Somebody who wants to know: a log, a terminal, the status of a ModelVersion. May raise to end the run."""

    def progress(self, step: str, percent: int) -> None:
        """The run is in this step, and so far in all."""

    def finished(self, step: str, seconds: float, facts: dict[str, object]) -> None:
        """A step is done."""


@dataclass(frozen=True)
class Timing:
    """How long a step took."""

    step: str
    seconds: float


class Stopwatch:
    """Times the steps of one run and tells the listeners."""

    def __init__(self, listeners: tuple[Listener, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._listeners, self._clock = listeners, clock
        self._before = 0
        self.timings: list[Timing] = []

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, object]]:
        """Time what happens inside; the facts put into the dictionary are logged with it."""
        started = self._clock()
        facts: dict[str, object] = {}
        self._tell(name, 0.0)
        yield facts
        seconds = self._clock() - started
        self._before += STEPS[name]
        self.timings.append(Timing(name, seconds))
        for listener in self._listeners:
            listener.finished(name, seconds, facts)

    def pulse(self, name: str) -> Callable[[float], None]:
        """For work inside a step: to be called with the share that is done."""
        return lambda share: self._tell(name, share)

    def _tell(self, name: str, share: float) -> None:
        percent = min(99, round(self._before + STEPS[name] * min(max(share, 0.0), 1.0)))
        for listener in self._listeners:
            listener.progress(name, percent)
