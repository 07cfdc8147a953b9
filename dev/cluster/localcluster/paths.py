"""Where everything lives: one folder outside the repository, overridable with EAGLE_HOME."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_SOURCES = Path(__file__).resolve().parent.parent
REPOSITORY = CLUSTER_SOURCES.parent.parent


@dataclass(frozen=True)
class Paths:
    """The folders and files of one installation.

    `cluster` is thrown away by `down`; everything else is a cache that outlives the cluster.
    """

    home: Path

    # --- caches
    @property
    def bin(self) -> Path:
        """Stable names of the built programs, meant to be put first on PATH."""
        return self.home / "bin"

    @property
    def program_store(self) -> Path:
        """Built programs, one folder per content key."""
        return self.home / "programs"

    @property
    def node_images(self) -> Path:
        """containerd's own data: the images that were loaded into the node."""
        return self.home / "node-images"

    @property
    def image_store(self) -> Path:
        """The image builder's own store."""
        return self.home / "image-store"

    @property
    def image_cache(self) -> Path:
        """Images in transport form."""
        return self.home / "images"

    @property
    def image_layout(self) -> Path:
        """All built images as one OCI layout, in which a layer that they share lies once."""
        return self.image_cache / "layout"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def images_env(self) -> Path:
        """The names of the images that were built last, as shell assignments."""
        return self.home / "images.env"

    # --- the cluster
    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.cluster / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        return self.cluster / "pki"

    @property
    def run(self) -> Path:
        """Process records and sockets."""
        return self.cluster / "run"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def containerd_state(self) -> Path:
        return self.cluster / "containerd"

    @property
    def config(self) -> Path:
        return self.cluster / "config"

    @property
    def etcd(self) -> Path:
        return self.cluster / "etcd"

    @property
    def kubelet(self) -> Path:
        return self.cluster / "kubelet"

    @property
    def pod_logs(self) -> Path:
        return self.cluster / "pod-logs"

    # --- what must survive a removed cluster folder until `down` has undone it
    @property
    def host_before(self) -> Path:
        """The machine's settings as they were before the first change."""
        return self.home / "host-before.json"

    @property
    def images_lock(self) -> Path:
        return self.home / "images.lock"

    @property
    def lock(self) -> Path:
        return self.home / "cluster.lock"


def home_folder(environment: Mapping[str, str]) -> Path:
    """Return EAGLE_HOME, or `eagle` in the user's cache folder."""
    explicit = environment.get("EAGLE_HOME")
    if explicit:
        return Path(explicit).expanduser().resolve()
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "eagle"


def default_paths() -> Paths:
    return Paths(home_folder(os.environ))
