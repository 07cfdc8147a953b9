"""Makes installed packages smaller: what only their developers need goes, the rest is compiled.

Runs inside the image build, on the site-packages folder that it is given.
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

# Tests and their data; headers and sources to compile against; programs around a library.
_FOLDERS = (
    "**/tests",
    "onnx/backend/test",
    "numpy/_core/include",
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "onnxruntime/datasets",
)
# Flight (a network protocol) and Substrait (a plan format) have libraries of their own in
# pyarrow, which nothing else in it loads.
_FILES = (
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.a",
    "**/*.h",
    "**/*.hpp",
    "onnx/**/*.proto",
    "pyarrow/libarrow_flight*",
    "pyarrow/libarrow_python_flight*",
    "pyarrow/_flight*",
    "pyarrow/libarrow_substrait*",
    "pyarrow/_substrait*",
)


def superfluous_folders(packages: Path) -> set[Path]:
    """Return the folders to remove; a package of that very name at the top is left alone."""
    found = {path for pattern in _FOLDERS for path in packages.glob(pattern)}
    return {path for path in found if path.is_dir() and path.parent != packages}


def superfluous_files(packages: Path) -> set[Path]:
    """Return the files to remove."""
    found = {path for pattern in _FILES for path in packages.glob(pattern)}
    return {path for path in found if path.is_file()}


def slim(packages: Path) -> None:
    """Remove what is superfluous and compile the rest."""
    for folder in superfluous_folders(packages):
        if folder.exists():  # else it went with a folder above
            shutil.rmtree(folder)
    for file in superfluous_files(packages):
        file.unlink()
    # Never checked against the source again: the file system is read-only where this runs.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(packages, quiet=2, workers=0, invalidation_mode=mode)


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
