"""`prune`: every change of a dependency leaves some hundred megabytes behind; this removes them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping

from localcluster.node_images import NodeImages
from localcluster.paths import Paths
from localcluster.progress import say
from localcluster.supervisor import Supervisor

from localimages import names_file
from localimages.base_image import base_reference
from localimages.buildah import Buildah
from localimages.catalog import catalog
from localimages.unit_tests import tests_reference

_OURS = "localhost/eagle-"
_ID = "sha256:"


def outdated(names: Iterable[str], *, images: Collection[str], kept: Collection[str]) -> list[str]:
    """Return the names of images of ours (`images` without the prefix) that are not kept."""
    ours = {f"{_OURS}{image}" for image in images}
    return sorted(name for name in names if name.rpartition(":")[0] in ours and name not in kept)


def nameless(digests: Mapping[str, str], *, removed: Collection[str]) -> list[str]:
    """Return the IDs that only stand for removed images: each image in the node has a name and one."""
    named = {name for name in digests if not name.startswith(_ID)}
    remaining = {digests[name] for name in named.difference(removed)}
    return sorted(name for name in digests if name.startswith(_ID) and digests[name] not in remaining)


def prune(paths: Paths) -> None:
    """Remove images that images.env no longer names, from the builder and from the local node."""
    images = {"base", "tests", *(image.name for image in catalog(paths))}
    kept = {base_reference(), tests_reference(), *names_file.read(paths.images_env).values()}
    buildah = Buildah(paths)
    try:
        built = outdated(buildah.names(), images=images, kept=kept)
        for name in built:
            buildah.remove(name)
        buildah.remove_unnamed()
    finally:
        buildah.unmount()
    layout = paths.image_layout
    if layout.exists():
        shutil.rmtree(layout)
    loaded = []
    if Supervisor(paths).running("containerd"):
        node = NodeImages(paths)
        digests = node.digests()
        loaded = outdated(digests, images=images, kept=kept | node.in_use())
        node.remove([*loaded, *nameless(digests, removed=loaded)])
    say(f"removed {len(built)} built images, {len(loaded)} from the node")
