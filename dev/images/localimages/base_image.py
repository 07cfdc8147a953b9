"""The base image: Debian with Python, made from Debian packages because no registry is needed so."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.content import content_key
from localcluster.paths import REPOSITORY, Paths
from localcluster.progress import run_logged, say

_SUITE = "trixie"
_PACKAGES = ("python3", "python3-pip", "ca-certificates", "tzdata", "libgomp1")
_NOT_INSTALLED = ("doc", "man", "info", "locale")
DOCKERFILE = REPOSITORY / "dev" / "images" / "base" / "Dockerfile"


def base_key() -> str:
    """Return the key over what the base is made of."""
    return content_key(texts=[_SUITE, *_PACKAGES, *_NOT_INSTALLED], files=[DOCKERFILE])


def base_reference() -> str:
    return f"localhost/eagle-base:{_SUITE}-{base_key()}"


def package_sources(targets: Iterable[str], suite: str) -> list[str]:
    """Return apt's lines for `suite` from the mirrors that this machine uses for its own Debian.

    `targets` are lines LABEL|SITE of `apt-get indextargets`. Empty on a machine that has no
    Debian mirror: mmdebstrap then knows one.
    """
    sites = dict(line.split("|", 1) for line in targets if "|" in line)
    lines = []
    if "Debian" in sites:
        lines += [f"deb {sites['Debian']} {name} main" for name in (suite, f"{suite}-updates")]
        if "Debian-Security" in sites:
            lines.append(f"deb {sites['Debian-Security']} {suite}-security main")
    return lines


def machine_package_sources() -> list[str]:
    """Return the lines for the base's Debian release; nothing of them stays in an image."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL)|$(SITE)"],
        capture_output=True,
        text=True,
        check=False,
    )
    return package_sources(listed.stdout.splitlines(), _SUITE)


def make_root_archive(folder: Path, paths: Paths) -> None:
    """Write the root file system of the base as `base.tar` into `folder`."""
    say("  making a Debian with Python from packages (about 30 s)")
    sources = folder / "sources.list"
    lines = machine_package_sources()
    sources.write_text("".join(f"{line}\n" for line in lines))
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _NOT_INSTALLED]
    command = [
        "mmdebstrap",
        "--variant=apt",
        f"--include={','.join(_PACKAGES)}",
        *excluded,
        # The machine's mirrors are its own affair.
        '--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
        _SUITE,
        str(folder / "base.tar"),
        *([str(sources)] if lines else []),
    ]
    run_logged(command, step="make the base file system", log=paths.logs / "image-base-root.log")


@contextmanager
def base_context(paths: Paths) -> Iterator[Path]:
    """Yield a folder with the root archive, for as long as the build of the base needs it."""
    paths.image_cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.image_cache, prefix=".base-") as folder:
        make_root_archive(Path(folder), paths)
        yield Path(folder)
