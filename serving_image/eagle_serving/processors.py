"""How many processors this container may use, which is less than the node has."""

import math
import os
from pathlib import Path


def processor_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole processors that the CPU limit allows, at least 1; those the process may run on where there is no limit."""
    available = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return available if quota is None else max(1, min(available, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    unified = root / "cpu.max"
    if unified.is_file():
        quota, period = unified.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    legacy = root / "cpu" / "cpu.cfs_quota_us"
    if legacy.is_file():
        allowed = int(legacy.read_text())
        return None if allowed < 0 else allowed / int((root / "cpu" / "cpu.cfs_period_us").read_text())
    return None
