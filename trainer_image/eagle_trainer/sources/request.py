"""What a source is asked for, and the form in which it answers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from eagle_trainer.series import Floats, Integers


@dataclass(frozen=True, kw_only=True)
class Request:
    """Columns of one table or query.

    `field` is the place in the schedule that names the table, for messages. Rows have since <= time < until where
    there is a time column. `numbers` are read as double; `others` as they are; `only` keeps rows whose text column
    has one of the values.
    """

    field: str
    table: str | None
    query: str | None = None
    time: str | None = None
    asset: str | None = None
    numbers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    only: tuple[str, tuple[str, ...]] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        named = (*(name for name in (self.time, self.asset) if name), *self.numbers, *self.others)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The answer: all arrays have one entry a row. `time` in microseconds since 1970; `asset` as text.

    `numbers` has NaN where the database has NULL; `others` are Arrow arrays of the source's own types.
    """

    count: int
    time: Integers | None = None
    asset: pa.Array | None = None
    numbers: dict[str, Floats] = field(default_factory=dict)
    others: dict[str, pa.Array] = field(default_factory=dict)


class Source(Protocol):
    """Something that has tables."""

    def read(self, request: Request) -> Rows:
        """The rows. Raises InvalidConfiguration (no such table or column) or SourceUnavailable."""

    def close(self) -> None:
        """Give back what it holds."""
