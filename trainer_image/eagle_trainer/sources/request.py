"""What a source is asked for, and the form in which it answers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eagle_trainer.series import Floats, Integers

Codes = npt.NDArray[np.int32]

TimeUnit = Literal["Seconds", "Milliseconds", "Microseconds", "Nanoseconds"]
PER_SECOND: dict[TimeUnit, int] = {
    "Seconds": 1,
    "Milliseconds": 1_000,
    "Microseconds": 1_000_000,
    "Nanoseconds": 1_000_000_000,
}
UTC_NAME = "Etc/UTC"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Columns of one table or query.

    `field` is the place in the schedule that names the table, for messages. Rows have since <= time < until where
    there is a time column. It holds time stamps, those without a zone of `zone`; or, where `unit` is given, numbers
    that count so many since 1970. `numbers` and `label` are read as double, `texts` as text, `others` as numbers where
    the source has numbers and as text where it has not; `only` keeps rows whose text column has one of the values.
    """

    field: str
    table: str | None
    query: str | None = None
    time: str | None = None
    unit: TimeUnit | None = None
    zone: str = UTC_NAME
    asset: str | None = None
    numbers: tuple[str, ...] = ()
    label: str | None = None
    texts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    only: tuple[str, tuple[str, ...]] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        single = tuple(name for name in (self.time, self.asset, self.label) if name)
        return tuple(dict.fromkeys((*single, *self.numbers, *self.texts, *self.others)))


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A column of text: `codes` [N] point into `names`, which are sorted; -1 where there is none."""

    names: tuple[str, ...]
    codes: Codes


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The answer: all arrays have one entry a row. `time` in microseconds since 1970.

    `numbers` [N, len(request.numbers)] and `label` [N] have NaN where the source has nothing; `texts` are coded;
    `others` are Arrow arrays of numbers or of text. `timeless` is how many rows were left out as they had no time.
    """

    count: int
    time: Integers | None = None
    asset: Coded | None = None
    numbers: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    label: Floats | None = None
    texts: dict[str, Coded] = field(default_factory=dict)
    others: dict[str, pa.Array] = field(default_factory=dict)
    timeless: int = 0


class Source(Protocol):
    """Something that has tables."""

    def read(self, request: Request) -> Rows:
        """The rows. Raises InvalidConfiguration (no such table or column) or SourceUnavailable."""

    def close(self) -> None:
        """Give back what it holds; the next read takes it anew."""
