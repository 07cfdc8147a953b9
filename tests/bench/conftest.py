"""Benches use what the end-to-end tests use: the tools under dev/ are programs, and are put on the path here."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_DEV = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(_DEV / "demo"), str(_DEV / "cluster")]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says what was measured, in a line of its own, whatever pytest captures."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="")

    return say
