"""Which images there are, and what goes into each: that decides its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.content import content_key, tree_key
from localcluster.go_programs import VERSITYGW
from localcluster.paths import REPOSITORY, Paths
from localcluster.progress import StepError

_IMAGES = REPOSITORY / "dev" / "images"
_CONTRACT = REPOSITORY / "contract" / "eagle_contract"


@dataclass(frozen=True)
class Image:
    """One image: how it is built and everything that may change it.

    `files` and `folders` are the inputs besides the base; `context` is what the build sees.
    """

    name: str
    dockerfile: Path
    context: Path
    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    needs_packages: bool = False

    def key(self, base_key: str) -> str:
        """Return the key over the base and all inputs."""
        texts = [base_key, *self.texts, *(tree_key(folder) for folder in self.folders)]
        return content_key(texts=texts, files=[self.dockerfile, *self.files])

    def reference(self, base_key: str) -> str:
        """Return the local name; a registry puts its own in front instead of `localhost`."""
        return f"localhost/eagle-{self.name}:dev-{self.key(base_key)}"

    @property
    def variable(self) -> str:
        """Return the name under which images.env tells the reference."""
        return f"EAGLE_{self.name.upper()}_IMAGE"


def _program_image(name: str, package: Path) -> Image:
    return Image(
        name=name,
        dockerfile=REPOSITORY / f"Dockerfile.{name}",
        context=REPOSITORY,
        files=(
            REPOSITORY / ".dockerignore",
            REPOSITORY / "requirements" / f"{name}.txt",
            _IMAGES / "slim_packages.py",
        ),
        folders=(_CONTRACT, REPOSITORY / package),
    )


def catalog(paths: Paths) -> list[Image]:
    """Return all images that `build` makes, the quick ones first."""
    postgres = _IMAGES / "postgres"
    return [
        Image(
            name="store",
            dockerfile=_IMAGES / "store" / "Dockerfile",
            context=VERSITYGW.built(paths).parent,
            texts=(VERSITYGW.key(),),
        ),
        Image(
            name="postgres",
            dockerfile=postgres / "Dockerfile",
            context=postgres,
            files=(postgres / "docker-entrypoint.sh",),
            needs_packages=True,
        ),
        _program_image("operator", Path("operator/eagle_operator")),
        _program_image("serving", Path("serving_image/eagle_serving")),
        _program_image("trainer", Path("trainer_image/eagle_trainer")),
    ]


def chosen(images: Sequence[Image], names: Sequence[str]) -> list[Image]:
    """Return the images of those names, or all; raises StepError for an unknown name."""
    known = {image.name: image for image in images}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StepError("choose images", f"no image is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [image for image in images if not names or image.name in names]
