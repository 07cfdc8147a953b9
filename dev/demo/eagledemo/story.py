"""What the reader sees: which step it is, what comes next, how long it has taken, and what happens meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_WIDTH = 100
_QUIET_SECONDS = 20.0


@dataclass
class Story:
    """Tells steps by their number. `began` is in seconds since the epoch, so that two processes can share it."""

    steps: Sequence[str]
    began: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)

    def step(self, number: int) -> None:
        """Announce a step, counted from 1, and what comes after it."""
        title = f"━━ {number}/{len(self.steps)} {self.steps[number - 1]} "
        following = f"next: {self.steps[number]}" if number < len(self.steps) else "the last one"
        self._print(f"\n{title:━<{_WIDTH - 10}} {self.elapsed()}\n   ({following})")

    def say(self, text: str) -> None:
        """Print a line, or several."""
        self._print("\n".join(f"   {line}" for line in text.splitlines()))

    def now(self, who: str, text: str) -> None:
        """Say what somebody is at; the same again only after a while, as a sign of life."""
        before, when = self._told.get(who, ("", 0.0))
        if text == before and time.monotonic() - when < _QUIET_SECONDS:
            return
        self._told[who] = (text, time.monotonic())
        self._print(f"   {self.elapsed()}  {who:<6} {text}")

    def elapsed(self) -> str:
        """Return the time since the beginning, as minutes and seconds."""
        seconds = int(time.time() - self.began)
        return f"{seconds // 60:2d}:{seconds % 60:02d}"

    def _print(self, text: str) -> None:
        with self._lock:
            print(text, flush=True)
