"""Programs beside the cluster's own: a command of its own brings each into `bin/`."""

from __future__ import annotations

from localcluster.debian_programs import ALL_DEBIAN_PROGRAMS, ensure_unpacked
from localcluster.go_programs import ensure_built, program_named
from localcluster.paths import Paths


def ensure_tool(name: str, paths: Paths) -> None:
    """Bring the program of that name into `bin/`; raises StepError when there is none or it cannot be had."""
    for program in ALL_DEBIAN_PROGRAMS:
        if program.name == name:
            ensure_unpacked(program, paths)
            return
    ensure_built([program_named(name)], paths)
