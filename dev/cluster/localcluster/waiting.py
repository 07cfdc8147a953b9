"""Waiting for a condition, with an end and a reason when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from localcluster.progress import StepError, say

_PAUSE_SECONDS = 0.1
_HEARTBEAT_SECONDS = 15.0


def wait_until(
    holds: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    check: Callable[[], None],
    log: Path,
) -> None:
    """Wait until `holds`; `check` is called meanwhile and raises when waiting has become pointless.

    Raises StepError naming `log` after `seconds`.
    """
    began = time.monotonic()
    next_word = _HEARTBEAT_SECONDS
    while not holds():
        check()
        waited = time.monotonic() - began
        if waited > seconds:
            raise StepError(f"wait for {what}", f"not there after {seconds:.0f} s", log=log)
        if waited > next_word:
            say(f"  ... still waiting for {what} ({waited:.0f} s)")
            next_word += _HEARTBEAT_SECONDS
        time.sleep(_PAUSE_SECONDS)
