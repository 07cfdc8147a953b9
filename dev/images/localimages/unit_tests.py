"""The unit tests inside of the images' base: developers have another Python than the images."""

from __future__ import annotations

import sys

from localcluster.content import content_key
from localcluster.lock import alone
from localcluster.paths import REPOSITORY, Paths, default_paths
from localcluster.progress import StepError, say

from localimages.base_image import base_key, base_reference
from localimages.build import ensure_base
from localimages.buildah import Buildah

_REQUIREMENTS = REPOSITORY / "requirements" / "dev.txt"
_DOCKERFILE = REPOSITORY / "dev" / "images" / "tests" / "Dockerfile"
_SOURCES = "/src"
_PATH = ":".join(f"{_SOURCES}/{folder}" for folder in ("contract", "operator", "trainer_image", "serving_image"))
# The tools under dev/ run with the developer's Python, and need programs that images do not have.
_COMMAND = (
    *("/opt/venv/bin/python3", "-m", "pytest", "tests/unit", "--ignore=tests/unit/dev"),
    *("--quiet", "-p", "no:cacheprovider", "-n", "auto", "--dist", "loadfile"),
)
_ENVIRONMENT = {
    "PYTHONPATH": _PATH,
    "PYTHONDONTWRITEBYTECODE": "1",
    "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
    "HOME": "/tmp",
}


def main() -> int:
    """Build the environment where it is not there yet, and run the tests; return pytest's exit status."""
    paths = default_paths()
    try:
        with alone(paths.images_lock, "image build"):
            return _run(paths)
    except StepError as failure:
        print(failure.report(), file=sys.stderr)
        return 1


def tests_reference() -> str:
    """Return the name of the environment that the present requirements lead to."""
    return f"localhost/eagle-tests:dev-{content_key(texts=[base_key()], files=[_DOCKERFILE, _REQUIREMENTS])}"


def _run(paths: Paths) -> int:
    buildah, reference = Buildah(paths), tests_reference()
    try:
        ensure_base(buildah, paths)
        if not buildah.has(reference):
            say(f"building {reference}")
            buildah.build(reference, dockerfile=_DOCKERFILE, context=_REQUIREMENTS.parent, base=base_reference())
        return buildah.run(reference, _COMMAND, sources=REPOSITORY, folder=_SOURCES, environment=_ENVIRONMENT)
    finally:
        buildah.unmount()
