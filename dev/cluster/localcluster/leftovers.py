"""What pods leave behind when they are not ended by a kubelet: processes, control groups, links."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from localcluster.paths import Paths
from localcluster.process_records import command_line
from localcluster.progress import StepError
from localcluster.settings import POD_NETWORK_NAME

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_POD_GROUP = "kubepods"
_CNI_RESULTS = Path("/var/lib/cni/results")
_CONTAINER_LOG_LINKS = Path("/var/log/containers")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_FLEX_VOLUMES = Path("/usr/libexec/kubernetes/kubelet-plugins/volume/exec")
# Made by the kubelet, CNI and the shims wherever they run; removed when nothing is in them.
_FIXED_FOLDERS = (
    _DEVICE_PLUGINS,
    _DEVICE_PLUGINS.parent,
    _CNI_RESULTS,
    _CNI_RESULTS.parent,
    _CONTAINER_LOG_LINKS,
    *(_FLEX_VOLUMES, *list(_FLEX_VOLUMES.parents)[:3]),
    Path("/run/containerd/s"),
    Path("/run/containerd"),
)
_PATIENCE_SECONDS = 10.0


def is_shim_of(words: list[str], socket: Path) -> bool:
    """Tell whether a command line is that of a shim which belongs to the containerd at `socket`."""
    if not words or not Path(words[0]).name.startswith("containerd-shim"):
        return False
    return any(pair == ("-address", str(socket)) for pair in pairwise(words))


def is_in_container(cgroup: str, containers: set[str]) -> bool:
    """Tell whether a /proc/PID/cgroup text places the process in one of the containers."""
    return any(not containers.isdisjoint(line.split("/")) for line in cgroup.splitlines())


def end_container_processes(paths: Paths) -> int:
    """End all processes of containers and their shims, at once; return how many.

    Found by control group and command line: this works whether or not containerd still runs.
    """
    containers = _known_containers(paths)
    ended: set[int] = set()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while found := {*_in_containers(containers), *_shims(paths.containerd_socket)}:
        if time.monotonic() > deadline:
            raise StepError("end the containers", f"processes {sorted(found)} do not end")
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ended.add(pid)
        time.sleep(0.1)
    return len(ended)


def remove_pod_control_groups() -> None:
    """Remove the empty control groups that the kubelet made for its pods."""
    roots = [_CONTROL_GROUPS / _POD_GROUP, *_CONTROL_GROUPS.glob(f"*/{_POD_GROUP}")]
    for root in roots:
        if not root.exists():
            continue
        for folder, _, _ in os.walk(root, topdown=False):
            os.rmdir(folder)


def remove_traces_outside(paths: Paths) -> None:
    """Remove what CNI and the kubelet wrote to fixed places, as far as it is this cluster's."""
    for result in _CNI_RESULTS.glob(f"{POD_NETWORK_NAME}-*"):
        sandbox = result.name.removeprefix(f"{POD_NETWORK_NAME}-").partition("-")[0]
        (_CNI_RESULTS / f"cni-loopback-{sandbox}-lo").unlink(missing_ok=True)
        result.unlink()
    for link in _CONTAINER_LOG_LINKS.glob("*.log"):
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(paths.pod_logs):
            link.unlink()
    (_DEVICE_PLUGINS / "kubelet.sock").unlink(missing_ok=True)
    for folder in _FIXED_FOLDERS:
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def _known_containers(paths: Paths) -> set[str]:
    bundles = paths.containerd_state / "io.containerd.runtime.v2.task" / "k8s.io"
    return {bundle.name for bundle in bundles.glob("*")}


def _in_containers(containers: set[str]) -> Iterator[int]:
    for pid in _processes():
        try:
            cgroup = Path(f"/proc/{pid}/cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if is_in_container(cgroup, containers):
            yield pid


def _shims(socket: Path) -> Iterator[int]:
    for pid in _processes():
        try:
            words = command_line(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if is_shim_of(words, socket):
            yield pid


def _processes() -> Iterable[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
