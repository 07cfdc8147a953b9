"""Benches use what the end-to-end tests use: the tools under dev/ are programs, and are put on the path here."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.postgres import NotInstalledError, Postgres, postgres

_DEV = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(_DEV / "demo"), str(_DEV / "cluster")]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """An empty PostgreSQL that is loaded fast."""
    try:
        with postgres("max_wal_size=4GB", "synchronous_commit=off") as found:
            yield found
    except NotInstalledError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says what was measured, in a line of its own, whatever pytest captures."""

    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n  {line}", end="")

    return say
