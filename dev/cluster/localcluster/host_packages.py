"""The Debian packages that the cluster and the image builds need.

Nothing is started: a container engine of the distribution would be a second one, with
its own socket, that nobody asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import Paths
from localcluster.progress import StepError, run_logged, say
from localcluster.settings import SYSTEM_PATH

_STEP = "install Debian packages"
_POLICY = Path("/usr/sbin/policy-rc.d")
CNI_PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))


@dataclass(frozen=True)
class HostPackage:
    """A package, what proves that it is there, and what it is for."""

    name: str
    program: str
    purpose: str


NEEDED = (
    HostPackage("containerd", "containerd", "runs the containers"),
    HostPackage("runc", "runc", "runs the containers"),
    HostPackage("containernetworking-plugins", "bridge", "connects pods to the bridge"),
    HostPackage("iptables", "iptables", "routes Services to pods"),
    HostPackage("iproute2", "ip", "makes the bridge"),
    HostPackage("openssl", "openssl", "makes the certificates"),
    HostPackage("buildah", "buildah", "builds the images"),
    HostPackage("skopeo", "skopeo", "brings the images to a cluster"),
    HostPackage("mmdebstrap", "mmdebstrap", "makes the base image"),
)


def _is_there(package: HostPackage) -> bool:
    if package.name == "containernetworking-plugins":
        return any((folder / package.program).exists() for folder in CNI_PLUGIN_FOLDERS)
    return shutil.which(package.program, path=SYSTEM_PATH) is not None


def missing_packages() -> list[HostPackage]:
    """Return the packages of which the program is nowhere on this machine."""
    return [package for package in NEEDED if not _is_there(package)]


def cni_plugin_folder() -> Path:
    """Return the folder that holds the CNI plugins."""
    for folder in CNI_PLUGIN_FOLDERS:
        if (folder / "bridge").exists():
            return folder
    raise StepError("find the CNI plugins", "no `bridge` plugin in any known folder")


def install(packages: list[HostPackage], paths: Paths) -> None:
    """Install the packages without starting any of their services."""
    names = [package.name for package in packages]
    if shutil.which("apt-get", path=SYSTEM_PATH) is None:
        raise StepError(_STEP, f"this is not Debian or Ubuntu; please install: {', '.join(names)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": SYSTEM_PATH}
    log = paths.logs / "apt.log"
    say(f"installing Debian packages: {', '.join(names)}")
    if not all(_has_candidate(name) for name in names):
        update = ["apt-get", "update"]
        run_logged(update, step="apt-get update", log=log, environment=environment)
    with _no_service_starts():
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
        run_logged(command, step=_STEP, log=log, environment=environment)
    if "containerd" in names:
        _keep_containerd_from_starting_at_boot()


def _has_candidate(name: str) -> bool:
    shown = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False).stdout
    return "Candidate:" in shown and "Candidate: (none)" not in shown


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Forbid service starts for the duration, in Debian's own way; an existing policy stays."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _keep_containerd_from_starting_at_boot() -> None:
    # The package enables its service. Only done where the package was not there before, so
    # that a containerd which the user runs is never touched.
    if shutil.which("systemctl", path=SYSTEM_PATH) is not None:
        subprocess.run(["systemctl", "disable", "containerd.service"], capture_output=True, check=False)
