"""What the container may use: CPUs and memory, from cgroup v2 or v1, and how much memory was used at most."""

import os
import re
import resource
import sys
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60


def cpu_limit(root: Path = _ROOT) -> int:
    """How many threads to use: the container's CPU quota rounded up, at most the CPUs this process may run on."""
    available = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return available if quota is None else max(1, min(available, int(-(-quota // 1))))


def memory_limit(root: Path = _ROOT) -> int | None:
    """The container's memory limit in bytes; None where there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(root / name)
        if text is not None:
            return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None
    return None


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """The most memory this process ever held, in bytes.

    `ru_maxrss` may be what the process held from which this one was forked, so it is taken where there is nothing else;
    on a Mac it is in bytes.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _read(status) or "", re.MULTILINE)
    if found:
        return int(found.group(1)) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _quota(root: Path) -> float | None:
    text = _read(root / "cpu.max")
    if text is not None:
        quota, period = text.split()
        return None if quota == "max" else int(quota) / int(period)
    version_1 = _read(root / "cpu/cpu.cfs_quota_us"), _read(root / "cpu/cpu.cfs_period_us")
    if version_1[0] is None or version_1[1] is None or int(version_1[0]) <= 0:
        return None
    return int(version_1[0]) / int(version_1[1])


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
