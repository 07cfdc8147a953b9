"""What the reader sees while it works, and what a failure says.

A build takes minutes: every step is announced with the time since the start, and a
long one says from time to time that it is still at it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_STARTED = time.monotonic()
_HEARTBEAT_SECONDS = 20.0
_LOG_TAIL_LINES = 15


class StepError(Exception):
    """A step could not be done; the message is for the reader, in their terms."""

    def __init__(self, step: str, why: str, *, log: Path | None = None) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step
        self.why = why
        self.log = log

    def report(self) -> str:
        """Return which step failed, why, and where its log is."""
        lines = [f"FAILED: {self.step}", f"  why: {self.why}"]
        if self.log is not None:
            lines.append(f"  log: {self.log}")
            lines += [f"    | {line}" for line in last_lines(self.log, _LOG_TAIL_LINES)]
        return "\n".join(lines)


def say(message: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:6.1f}s] {message}", flush=True)


def last_lines(path: Path, count: int) -> list[str]:
    if not path.exists():
        return []
    return path.read_text(errors="replace").splitlines()[-count:]


def run_logged(
    command: Sequence[str | Path],
    *,
    step: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a command to its end with its output in `log`.

    Raises StepError, with the end of the log, when it cannot be started or exits non-zero.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [os.fspath(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=folder,
            )
        except OSError as error:
            raise StepError(step, f"{command[0]} could not be started: {error}") from error
        try:
            while True:
                try:
                    status = process.wait(timeout=_HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"  ... still at it: {step} ({time.monotonic() - began:.0f} s)")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise StepError(step, f"{Path(command[0]).name} ended with status {status}", log=log)


def run_quietly(command: Sequence[str | Path], *, step: str, stdin: str | None = None) -> str:
    """Run a short command and return what it printed; raises StepError with its own words."""
    words = [os.fspath(word) for word in command]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StepError(step, f"{words[0]} could not be started: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
        raise StepError(step, f"`{' '.join(words)}` said: {said}")
    return done.stdout
