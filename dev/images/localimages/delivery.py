"""Bringing built images to where pods find them: the local node, or a cluster of the user's."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localcluster.node_images import NodeImages
from localcluster.paths import Paths
from localcluster.progress import StepError, run_logged, say
from localcluster.supervisor import Supervisor

from localimages.buildah import Buildah
from localimages.oci_layout import write_missing_part

LOADER = "EAGLE_IMAGE_LOADER"
REGISTRY = "EAGLE_REGISTRY"
_LOCAL = "localhost/"


class Delivery(Protocol):
    """A way for an image to reach its cluster."""

    def deliver(self, reference: str) -> str:
        """Bring the image there; return the name under which pods find it."""
        ...


@dataclass(frozen=True)
class ToLocalNode:
    """Into the containerd of the local cluster: only the layers that it lacks."""

    paths: Paths
    buildah: Buildah

    def deliver(self, reference: str) -> str:
        node = NodeImages(self.paths)
        if reference in node.references():
            return reference
        layout = self.paths.image_layout
        self.buildah.copy(reference, f"oci:{layout}:{reference}")
        present = node.blobs()
        written = node.load_stream(
            lambda output: write_missing_part(layout, reference, present, output), name=reference
        )
        say(f"  loaded into the node: {written / 1e6:.1f} MB were new to it")
        return reference


@dataclass(frozen=True)
class ThroughLoader:
    """Through a command of the user's, which is given the path of an archive."""

    paths: Paths
    buildah: Buildah
    command: str

    def deliver(self, reference: str) -> str:
        with tempfile.TemporaryDirectory(dir=self.paths.home, prefix=".archive-") as folder:
            archive = Path(folder) / "image.tar"
            self.buildah.copy(reference, f"docker-archive:{archive}:{reference}")
            run_logged(
                [*shlex.split(self.command), archive],
                step=f"load {reference} with {LOADER}",
                log=self.paths.logs / "image-loader.log",
            )
        return reference


@dataclass(frozen=True)
class ToRegistry:
    """To a registry of the user's; `buildah login` beforehand where it asks for a password."""

    buildah: Buildah
    registry: str

    def deliver(self, reference: str) -> str:
        name = f"{self.registry.rstrip('/')}/{reference.removeprefix(_LOCAL)}"
        self.buildah.copy(reference, f"docker://{name}")
        return name


def chosen_delivery(environment: Mapping[str, str], paths: Paths, buildah: Buildah) -> Delivery | None:
    """Return how images are delivered, or None when no cluster runs that would take them.

    Raises StepError when KUBECONFIG names a cluster of the user's and nothing says how
    images get there.
    """
    registry, loader = environment.get(REGISTRY), environment.get(LOADER)
    if registry:
        return ToRegistry(buildah, registry)
    if loader:
        return ThroughLoader(paths, buildah, loader)
    kubeconfig = environment.get("KUBECONFIG")
    if kubeconfig and Path(os.path.realpath(kubeconfig)) != paths.admin_kubeconfig.resolve():
        raise StepError(
            "deliver the images",
            f"KUBECONFIG names another cluster than the local one; set {REGISTRY} (a registry to "
            f"push to) or {LOADER} (a command that takes an archive, as `kind load image-archive`)",
        )
    if Supervisor(paths).running("containerd"):
        return ToLocalNode(paths, buildah)
    return None
