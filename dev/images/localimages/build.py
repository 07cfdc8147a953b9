"""`build`: every image that is not there yet under the name of its content."""

from __future__ import annotations

import os
from collections.abc import Sequence

from localcluster.go_programs import VERSITYGW, ensure_built
from localcluster.host_packages import install, missing_packages
from localcluster.paths import Paths
from localcluster.progress import StepError, say
from localcluster.scratch_image import COREDNS_IMAGE

from localimages import names_file
from localimages.base_image import (
    DOCKERFILE,
    base_context,
    base_key,
    base_reference,
    machine_package_sources,
)
from localimages.buildah import Buildah
from localimages.catalog import Image, catalog, chosen
from localimages.delivery import Delivery, chosen_delivery


def build(names: Sequence[str], paths: Paths) -> None:
    """Build the images of those names (all when there are none), deliver them, write images.env."""
    if os.geteuid() != 0:
        raise StepError("build the images", "it needs root (it mounts): sudo -E make ...")
    images = chosen(catalog(paths), names)
    buildah = Buildah(paths)
    delivery = chosen_delivery(os.environ, paths, buildah)
    packages = missing_packages()
    if packages:
        install(packages, paths)
    ensure_built([VERSITYGW], paths)
    try:
        delivered = _build_and_deliver(images, buildah, delivery, paths)
    finally:
        buildah.unmount()
    if delivery is None:
        say("no local cluster runs: built, but not loaded (`make cluster-up`, then once more)")
    names_file.update(paths.images_env, delivered)
    say(f"names of the images: {paths.images_env}")


def _build_and_deliver(
    images: Sequence[Image], buildah: Buildah, delivery: Delivery | None, paths: Paths
) -> dict[str, str]:
    """Return the names under which pods find the images, by variable."""
    ensure_base(buildah, paths)
    delivered = {"EAGLE_COREDNS_IMAGE": COREDNS_IMAGE.reference}
    for image in images:
        reference = _ensure_image(image, buildah)
        delivered[image.variable] = delivery.deliver(reference) if delivery else reference
    return delivered


def ensure_base(buildah: Buildah, paths: Paths) -> None:
    """Build the base image where it is not there."""
    reference = base_reference()
    if buildah.has(reference):
        return
    say(f"building {reference}")
    with base_context(paths) as folder:
        buildah.build(reference, dockerfile=DOCKERFILE, context=folder)


def _ensure_image(image: Image, buildah: Buildah) -> str:
    """Return the name of the image, which has been built from what that name stands for."""
    reference = image.reference(base_key())
    if buildah.has(reference):
        say(f"{reference} is there")
        return reference
    say(f"building {reference}")
    buildah.build(
        reference,
        dockerfile=image.dockerfile,
        context=image.context,
        base=base_reference(),
        apt_sources=machine_package_sources() if image.needs_packages else (),
    )
    if image.reference(base_key()) == reference:
        return reference
    say("  its sources have changed meanwhile: once more")
    buildah.remove(reference)
    return _ensure_image(image, buildah)
