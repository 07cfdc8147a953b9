"""Makes installed packages smaller: what only their developers need goes, the rest is compiled.

Runs inside the image build, on the site-packages folder that it is given.
"""

from __future__ import annotations

import compileall
import importlib
import py_compile
import shutil
import sys
from pathlib import Path

# Tests and their data, headers, programs around a library, and the asyncio twin of the
# Kubernetes client.
_FOLDERS = (
    "**/tests",
    "kubernetes/aio",
    "onnx/backend/test",
    "numpy/_core/include",
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "onnxruntime/datasets",
)
# Sources to compile against; pyarrow's network protocol and its S3 client, each a library of
# its own (obstore is what speaks to object stores); onnxruntime a second time, for C programs.
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
    "pyarrow/libarrow_s3*",
    "pyarrow/_s3fs*",
    "onnxruntime/capi/libonnxruntime.so.*",
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


def import_everything(packages: Path) -> None:
    """Import every package that is left: too much removed is to fail here, not in a pod."""
    for package in sorted(packages.glob("*/__init__.py")):
        importlib.import_module(package.parent.name)


if __name__ == "__main__":
    site_packages = Path(sys.argv[1])
    slim(site_packages)
    import_everything(site_packages)
