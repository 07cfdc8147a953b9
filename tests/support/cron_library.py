"""The cron library of Kubernetes itself, behind a small Go program: what it says is the fact that slots are held to."""

import os
import shutil
import subprocess
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import IO

SOURCES = Path(__file__).resolve().parent / "go" / "robfigslots"
# Where Go's own instructions put it; sudo leaves it off PATH.
_GO_INSTALL_FOLDER = "/usr/local/go/bin"


class FieldsRefusedError(Exception):
    """The library takes no such fields, so neither would the API server in a CronJob."""


class CronLibrary:
    """Questions to the running program, each answered before the next."""

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        self._questions, self._answers = questions, answers

    def slots_between(
        self, fields: str, time_zone: str, after: datetime, until: datetime, *, limit: int = 10**9
    ) -> list[datetime]:
        """The slots in (after, until], in UTC, read as Kubernetes reads a CronJob's. Raises FieldsRefusedError.

        Fields of tabs and line ends cannot be asked about.
        """
        moments = (int(after.timestamp()), int(until.timestamp()))
        print(fields, time_zone, *moments, limit, sep="\t", file=self._questions, flush=True)
        answer = self._answers.readline()
        if not answer:
            raise EOFError(f"the cron library ended at {fields!r} in {time_zone}")
        if answer.startswith("!"):
            raise FieldsRefusedError(answer[1:].strip())
        return [datetime.fromtimestamp(int(slot), UTC) for slot in answer.split()]


@contextmanager
def cron_library(folder: Path) -> Iterator[CronLibrary]:
    """The library, built into the folder. Raises FileNotFoundError where Go is not installed."""
    program = folder / "robfigslots"
    subprocess.run(
        [_go(), "build", "-buildvcs=false", "-o", str(program), "."],
        cwd=SOURCES,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        check=True,
    )
    environment = {"ZONEINFO": str(_time_zones())}
    pipe = subprocess.PIPE
    with subprocess.Popen([program], stdin=pipe, stdout=pipe, env=environment, text=True, encoding="utf-8") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield CronLibrary(running.stdin, running.stdout)


def _go() -> str:
    go = shutil.which("go") or shutil.which("go", path=_GO_INSTALL_FOLDER)
    if go is None:
        raise FileNotFoundError("no `go` on PATH; Go 1.26 or newer is needed, as for the local cluster")
    return go


def _time_zones() -> Path:
    """The time zones that Python reads: two releases of the database may know different clock changes."""
    known = [Path(folder) for folder in zoneinfo.TZPATH if (Path(folder) / "Europe" / "Berlin").exists()]
    return known[0] if known else Path(str(resources.files("tzdata"))) / "zoneinfo"
