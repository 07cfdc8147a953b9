"""Content keys: a thing is built again exactly when something that goes into it changed."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path

_KEY_LENGTH = 12
_NOT_CONTENT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def content_key(*, texts: Iterable[str] = (), files: Iterable[Path] = ()) -> str:
    """Return 12 hex digits over the texts and the files (name, executable bit and bytes)."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(_framed(b"text", text.encode()))
    for path in files:
        executable = b"x" if path.stat().st_mode & stat.S_IXUSR else b"-"
        digest.update(_framed(b"file" + executable, path.name.encode()))
        digest.update(_framed(b"bytes", path.read_bytes()))
    return digest.hexdigest()[:_KEY_LENGTH]


def tree_key(root: Path) -> str:
    """Return 12 hex digits over every file below `root`, leaving out compiled and tool caches."""
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not _NOT_CONTENT.intersection(path.relative_to(root).parts)
    )
    return content_key(texts=[*names], files=[root / name for name in names])


def _framed(kind: bytes, value: bytes) -> bytes:
    # Lengths keep ("ab", "c") apart from ("a", "bc").
    return kind + b":" + str(len(value)).encode() + b":" + value
