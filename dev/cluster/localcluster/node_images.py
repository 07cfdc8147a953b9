"""The images inside the node: what is there, and putting more in."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from localcluster.paths import Paths
from localcluster.progress import StepError, run_logged, run_quietly
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

    def digests(self) -> dict[str, str]:
        """Return the manifest digest of every image by name, IDs (`sha256:...`) among the names."""
        listed = run_quietly(self._ctr("images", "list"), step="list the node's images")
        rows = [line.split() for line in listed.splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def in_use(self) -> set[str]:
        """Return the names of the images that containers of the node were made from."""
        listed = run_quietly(self._ctr("containers", "list"), step="list the containers")
        return {line.split()[1] for line in listed.splitlines()[1:] if len(line.split()) > 1}

    def remove(self, references: Sequence[str]) -> None:
        """Remove images from the node, with all content that nothing else needs."""
        if references:
            run_quietly(self._ctr("images", "remove", "--sync", *references), step="remove old images")

    def load(self, archive: Path) -> None:
        """Put the images of an archive (`docker save` or OCI layout) into the node."""
        run_logged(
            self._ctr("images", "import", "--snapshotter", "overlayfs", str(archive)),
            step=f"load {archive.name} into the node",
            log=self._paths.logs / "load-image.log",
        )

    def load_stream(self, write: Callable[[IO[bytes]], int], *, name: str) -> int:
        """Put an archive into the node as `write` produces it; return what `write` returned."""
        step = f"load {name} into the node"
        command = self._ctr("images", "import", "--snapshotter", "overlayfs", "-")
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
            assert process.stdin is not None
            try:
                with process.stdin as channel:
                    written = write(channel)
            except BrokenPipeError:
                # It ended early: what it said tells why, below.
                written = 0
            if process.wait() != 0:
                said.seek(0)
                raise StepError(step, said.read().decode(errors="replace").strip())
        return written

    def blobs(self) -> set[str]:
        """Return the digests of all content that the node has."""
        listed = run_quietly(self._ctr("content", "list", "-q"), step="list the node's content")
        return set(listed.split())

    def forget_containers(self) -> list[str]:
        """Forget the containers whose processes have ended; return the names of those left."""
        names = self._containers()
        if names:
            # It fails for a container of which the end has not been noticed yet.
            subprocess.run(self._ctr("containers", "delete", *names), capture_output=True, check=False)
        return self._containers()

    def _containers(self) -> list[str]:
        listed = run_quietly(self._ctr("containers", "list", "-q"), step="list the containers")
        return listed.split()

    def _ctr(self, *words: str) -> list[str]:
        program = shutil.which("ctr", path=SYSTEM_PATH) or "ctr"
        socket = str(self._paths.containerd_socket)
        return [program, "--address", socket, "--namespace", _NAMESPACE, *words]
