"""images.env: the names of the images that were built last, for make, scripts and tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def parsed(content: str) -> dict[str, str]:
    """Return the assignments of a text by variable."""
    lines = (line.partition("=") for line in content.splitlines() if "=" in line)
    return {variable: value for variable, _, value in lines}


def merged(content: str, names: Mapping[str, str]) -> str:
    """Return the assignments of `content` with those of `names` put in or replaced, sorted."""
    known = {**parsed(content), **names}
    return "".join(f"{variable}={value}\n" for variable, value in sorted(known.items()))


def read(path: Path) -> dict[str, str]:
    """Return the names in the file by variable; none when it has not been written yet."""
    return parsed(path.read_text()) if path.exists() else {}


def update(path: Path, names: Mapping[str, str]) -> None:
    """Write the names into the file in one piece."""
    content = path.read_text() if path.exists() else ""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(merged(content, names))
    os.replace(fresh, path)
