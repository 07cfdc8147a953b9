"""Which processes are ours.

A process number is reused, after a while or after a reboot. So a record holds what makes
a process unmistakable (start time and boot), and nothing is ever ended that does not match.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessRecord:
    """A process as it was started by us."""

    pid: int
    start_ticks: int
    boot_id: str
    program: str
    fingerprint: str

    def save(self, path: Path) -> None:
        """Write the record in one piece."""
        fresh = path.with_name(f".{path.name}.fresh")
        fresh.write_text(json.dumps(asdict(self)) + "\n")
        os.replace(fresh, path)


@dataclass(frozen=True)
class ProcessFacts:
    """What the kernel says about a process number now."""

    start_ticks: int
    dead: bool
    program: str


def load_record(path: Path) -> ProcessRecord | None:
    """Return the record, or None where there is none or a crash left half of one."""
    try:
        return ProcessRecord(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def facts_of(pid: int) -> ProcessFacts | None:
    """Return what is known about a process number, or None when nobody holds it."""
    folder = Path("/proc") / str(pid)
    try:
        stat = (folder / "stat").read_text()
        words = command_line(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_facts(stat, words)


def command_line(pid: int) -> list[str]:
    """Return the words a process was started with; empty for kernel threads and the dead."""
    raw = (Path("/proc") / str(pid) / "cmdline").read_bytes()
    return [word.decode(errors="replace") for word in raw.split(b"\0")[:-1]]


def parse_facts(stat: str, words: Sequence[str]) -> ProcessFacts:
    """Read a line of /proc/PID/stat: the name in parentheses may itself hold spaces and ')'."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return ProcessFacts(start_ticks=int(fields[19]), dead=fields[0] in "ZX", program=words[0] if words else "")


def matches(record: ProcessRecord, facts: ProcessFacts | None, current_boot: str) -> bool:
    """Tell whether the process that now holds the number is the one that was recorded."""
    return (
        facts is not None
        and not facts.dead
        and record.boot_id == current_boot
        and record.start_ticks == facts.start_ticks
        # For a moment after its start a process has no command line yet.
        and facts.program in ("", record.program)
    )


def is_running(record: ProcessRecord | None) -> bool:
    return record is not None and matches(record, facts_of(record.pid), boot_id())


def end_process(record: ProcessRecord, *, patience_seconds: float) -> None:
    """End a recorded process: politely, then by force. A stranger with its number is left alone.

    The handle is opened before the identity is checked, so the number cannot change hands
    in between.
    """
    try:
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        if not is_running(record):
            return
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not _ended(handle, patience_seconds):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            _ended(handle, patience_seconds)
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    readable, _, _ = select.select([handle], [], [], seconds)
    return bool(readable)
