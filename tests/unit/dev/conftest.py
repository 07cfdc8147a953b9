"""The tools under dev/ are programs, not part of the distribution: they are put on the path here."""

import sys
from pathlib import Path

import pytest

_DEV = Path(__file__).resolve().parents[3] / "dev"
sys.path[:0] = [str(_DEV / "cluster"), str(_DEV / "images")]

from localcluster.paths import Paths  # noqa: E402


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "home")
