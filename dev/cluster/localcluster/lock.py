"""One at a time: two commands that change the same thing wait for each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.progress import say


@contextmanager
def alone(lock_file: Path, what: str) -> Iterator[None]:
    """Hold the lock for the duration; the kernel gives it back however this process ends."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another {what} to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
