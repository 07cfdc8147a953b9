"""Reading an OCI image layout, and writing the part of it that somebody lacks.

A change of code then moves kilobytes into the node instead of the whole image again.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

_REFERENCE_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_LAYOUT = {"imageLayoutVersion": "1.0.0"}


def manifest_of(layout: Path, reference: str) -> dict[str, Any]:
    """Return the index entry of the image that the layout holds under that name."""
    entries: list[dict[str, Any]] = json.loads((layout / "index.json").read_text())["manifests"]
    for entry in entries:
        if entry.get("annotations", {}).get(_REFERENCE_NAME) == reference:
            return entry
    raise LookupError(f"no {reference} in {layout}")


def blobs_of(layout: Path, manifest_digest: str) -> list[str]:
    """Return the digests an image consists of, the manifest first."""
    manifest = json.loads(_blob(layout, manifest_digest).read_text())
    parts = [manifest["config"], *manifest["layers"]]
    return [manifest_digest, *(part["digest"] for part in parts)]


def write_missing_part(layout: Path, reference: str, present: Collection[str], output: IO[bytes]) -> int:
    """Write an OCI archive without the blobs that the receiver has; return the bytes of blobs."""
    entry = manifest_of(layout, reference)
    index = {
        "schemaVersion": 2,
        "manifests": [{**entry, "annotations": {_CONTAINERD_NAME: reference}}],
    }
    written = 0
    with tarfile.open(fileobj=output, mode="w|") as archive:
        _add(archive, "oci-layout", json.dumps(_LAYOUT).encode())
        for digest in blobs_of(layout, entry["digest"]):
            if digest not in present:
                path = _blob(layout, digest)
                archive.add(path, arcname=path.relative_to(layout).as_posix(), recursive=False)
                written += path.stat().st_size
        _add(archive, "index.json", json.dumps(index).encode())
    return written


def _blob(layout: Path, digest: str) -> Path:
    algorithm, _, value = digest.partition(":")
    return layout / "blobs" / algorithm / value


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
