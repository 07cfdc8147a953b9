"""The images inside the node: what is there, and putting more in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from localcluster.paths import Paths
from localcluster.progress import run_logged, run_quietly
from localcluster.settings import SYSTEM_PATH

# The namespace that the kubelet looks into.
_NAMESPACE = "k8s.io"


class NodeImages:
    """Speaks to the containerd of the local cluster."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def answers(self) -> bool:
        """Tell whether containerd serves requests."""
        done = subprocess.run(self._ctr("version"), capture_output=True, check=False)
        return done.returncode == 0

    def references(self) -> set[str]:
        """Return the names of the images that the node has."""
        listed = run_quietly(self._ctr("images", "list", "-q"), step="list the node's images")
        return set(listed.split())

    def load(self, archive: Path) -> None:
        """Put the images of an archive (`docker save` or OCI layout) into the node."""
        run_logged(
            self._ctr("images", "import", "--snapshotter", "overlayfs", str(archive)),
            step=f"load {archive.name} into the node",
            log=self._paths.logs / "load-image.log",
        )

    def blobs(self) -> set[str]:
        """Return the digests of all content that the node has."""
        listed = run_quietly(self._ctr("content", "list", "-q"), step="list the node's content")
        return set(listed.split())

    def remove_containers(self) -> int:
        """Forget all containers (their processes must have ended); return how many there were."""
        listed = run_quietly(self._ctr("containers", "list", "-q"), step="list the containers")
        names = listed.split()
        if names:
            run_quietly(self._ctr("containers", "delete", *names), step="remove the containers")
        return len(names)

    def end_containers(self) -> int:
        """End all containers at once and collect what they leave; return how many ran."""
        listed = run_quietly(self._ctr("tasks", "list", "-q"), step="list the running containers")
        names = listed.split()
        if names:
            run_quietly(self._ctr("tasks", "delete", "--force", *names), step="end the containers")
        return len(names)

    def _ctr(self, *words: str) -> list[str]:
        program = shutil.which("ctr", path=SYSTEM_PATH) or "ctr"
        socket = str(self._paths.containerd_socket)
        return [program, "--address", socket, "--namespace", _NAMESPACE, *words]
