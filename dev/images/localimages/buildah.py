"""Building with buildah, in a store of our own so that nobody's other images are touched."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster.mounts import unmount_below
from localcluster.paths import Paths
from localcluster.progress import run_logged, run_quietly

# What a build needs to reach package registries. Mounted while it runs, never copied in.
_MACHINE_FILES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pip.conf"))
_APT_SOURCES = Path("/etc/apt/sources.list")


class Buildah:
    """Runs buildah on the project's image store."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._store = paths.image_store

    def has(self, reference: str) -> bool:
        """Tell whether an image of that name has been built."""
        command = self._command("inspect", "--type", "image", reference)
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def build(
        self,
        reference: str,
        *,
        dockerfile: Path,
        context: Path,
        base: str | None = None,
        apt_sources: Sequence[str] = (),
    ) -> None:
        """Build an image under that name; raises StepError with the log of the build."""
        name = reference.removeprefix("localhost/").partition(":")[0]
        mounts = [f"--volume={path}:{path}:ro" for path in _MACHINE_FILES if path.exists()]
        with tempfile.NamedTemporaryFile("w", suffix=".list") as sources:
            if apt_sources:
                sources.write("".join(f"{line}\n" for line in apt_sources))
                sources.flush()
                Path(sources.name).chmod(0o644)
                mounts.append(f"--volume={sources.name}:{_APT_SOURCES}:ro")
            command = self._command(
                "build",
                "--isolation=chroot",
                "--network=host",
                "--layers",
                "--force-rm",
                "--pull-never",
                *mounts,
                *([f"--build-arg=BASE_IMAGE={base}"] if base else []),
                f"--file={dockerfile}",
                f"--tag={reference}",
                str(context),
            )
            log = self._paths.logs / f"image-{name}.log"
            run_logged(command, step=f"build the image {name}", log=log)

    def run(
        self, reference: str, command: Sequence[str], *, sources: Path, folder: str, environment: Mapping[str, str]
    ) -> int:
        """Run a command in a container of the image, which is removed afterwards; return its exit status.

        It sees `sources` as `folder`, read-only, and begins there; its output is this process's.
        """
        step = f"run {command[0]} in {reference}"
        container = run_quietly(self._command("from", "--pull-never", reference), step=step).strip()
        try:
            options = [f"--volume={sources}:{folder}:ro", f"--workingdir={folder}", "--isolation=chroot"]
            variables = [f"--env={name}={value}" for name, value in environment.items()]
            words = self._command("run", *options, *variables, container, "--", *command)
            return subprocess.run(words, check=False).returncode
        finally:
            run_quietly(self._command("rm", container), step=step)

    def remove(self, reference: str) -> None:
        """Remove the image of that name; layers that others share stay."""
        run_quietly(self._command("rmi", reference), step=f"remove {reference}")

    def copy(self, reference: str, destination: str) -> None:
        """Copy an image to a destination in skopeo's notation (oci:, docker-archive:, docker://).

        Layers stay as they are, so that those which are there already can be told and left out.
        """
        store = f"overlay@{self._store / 'root'}+{self._store / 'run'}"
        run_logged(
            [
                *("skopeo", "copy", "--dest-oci-accept-uncompressed-layers"),
                *(f"containers-storage:[{store}]{reference}", destination),
            ],
            step=f"copy {reference} to {destination}",
            log=self._paths.logs / "image-copy.log",
        )

    def names(self) -> list[str]:
        """Return the names of all images in the store."""
        listed = run_quietly(self._command("images", "--json"), step="list the built images")
        return [name for image in json.loads(listed) or [] for name in image.get("names") or []]

    def remove_unnamed(self) -> None:
        """Remove what is only left over from builds of images that have no name any more."""
        run_quietly(self._command("rmi", "--prune"), step="remove leftovers of builds")

    def unmount(self) -> None:
        """Unmount what builds have left; the caller sees to it that none is running."""
        unmount_below(self._store)

    def _command(self, verb: str, *words: str) -> list[str]:
        store = [f"--root={self._store / 'root'}", f"--runroot={self._store / 'run'}"]
        return ["buildah", *store, "--storage-driver=overlay", verb, *words]
