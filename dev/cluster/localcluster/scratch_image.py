"""Images that hold one static program and nothing else, written without any builder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.go_programs import COREDNS, PAUSE, GoProgram
from localcluster.paths import Paths

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ScratchImage:
    """An image of one program, named by the content of that program."""

    program: GoProgram

    @property
    def reference(self) -> str:
        return f"localhost/eagle-{self.program.name}:dev-{self.program.key()}"

    def archive(self, paths: Paths) -> Path:
        """Return the image as an archive that `ctr images import` takes, making it once."""
        target = paths.image_cache / f"{self.program.name}-{self.program.key()}.tar"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = target.with_suffix(f".{os.getpid()}")
            write_archive(fresh, reference=self.reference, program=self.program.built(paths))
            fresh.replace(target)
        return target


PAUSE_IMAGE = ScratchImage(PAUSE)
COREDNS_IMAGE = ScratchImage(COREDNS)


def write_archive(target: Path, *, reference: str, program: Path) -> None:
    """Write a `docker save` archive whose only layer holds the program, which is its entrypoint."""
    layer = _layer(program)
    layer_digest = hashlib.sha256(layer).hexdigest()
    machine = platform.machine()
    config = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{}],
    }
    config_bytes = json.dumps(config).encode()
    config_name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    layer_name = f"{layer_digest}/layer.tar"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [layer_name]}]
    with tarfile.open(target, "w") as archive:
        _add(archive, config_name, config_bytes)
        _add(archive, layer_name, layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _layer(program: Path) -> bytes:
    # Fixed times and owners: the same program gives the same layer.
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        _add(layer, program.name, program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
