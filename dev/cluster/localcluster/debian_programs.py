"""Programs that are taken out of Debian's packages, without installing these: a package may bring a service along.

They are for tests alone, and would take minutes to build from source.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import Paths
from localcluster.progress import run_logged, say
from localcluster.settings import SYSTEM_PATH


@dataclass(frozen=True)
class DebianProgram:
    """One program of a package."""

    name: str
    package: str
    path: str
    """Where the package has it."""


PROMTOOL = DebianProgram(name="promtool", package="prometheus", path="usr/bin/promtool")
ALL_DEBIAN_PROGRAMS = (PROMTOOL,)


def ensure_unpacked(program: DebianProgram, paths: Paths) -> None:
    """Put the program into `bin/`, unless it is there. Raises StepError."""
    target = paths.bin / program.name
    if target.exists():
        return
    step = f"get {program.name} from the Debian package {program.package}"
    log = paths.logs / f"get-{program.name}.log"
    say(step)
    paths.bin.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PATH": SYSTEM_PATH}
    # The package manager downloads as a user of its own, who must get into the folder.
    with tempfile.TemporaryDirectory() as aside:
        Path(aside).chmod(0o755)
        run_logged(["apt-get", "update"], step=step, log=log, environment=environment)
        download = ["apt-get", "download", program.package]
        run_logged(download, step=step, log=log, environment=environment, folder=Path(aside))
        (archive,) = Path(aside).glob("*.deb")
        unpack = ["dpkg-deb", "--extract", str(archive), f"{aside}/unpacked"]
        run_logged(unpack, step=step, log=log, environment=environment)
        fresh = target.with_name(f".{program.name}.{os.getpid()}")
        fresh.write_bytes((Path(aside) / "unpacked" / program.path).read_bytes())
        fresh.chmod(0o755)
        os.replace(fresh, target)
