"""What is mounted below a folder: pods leave volumes and namespaces there when they are killed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from localcluster.progress import StepError
from localcluster.settings import SYSTEM_PATH

_MOUNTS = Path("/proc/self/mountinfo")


def mounts_below(folder: Path, mountinfo: str) -> list[str]:
    """Return the mount points below `folder`, the deepest first, from a mountinfo text."""
    points = [_unescaped(line.split()[4]) for line in mountinfo.splitlines()]
    below = [point for point in points if Path(point).is_relative_to(folder)]
    deepest_last = sorted(below, key=lambda point: point.count("/"))
    # Turned round as a whole: of two mounts on one point the later lies on top.
    return deepest_last[::-1]


def unmount_below(folder: Path) -> int:
    """Unmount everything below `folder`; return how much there was."""
    points = mounts_below(folder, _MOUNTS.read_text())
    for point in points:
        # Detached lazily: a file that a dying process still holds must not stop the clean-up.
        done = subprocess.run(
            ["umount", "--lazy", point],
            capture_output=True,
            text=True,
            env={"PATH": SYSTEM_PATH},
            check=False,
        )
        if done.returncode != 0:
            raise StepError(f"unmount {point}", done.stderr.strip())
    return len(points)


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
