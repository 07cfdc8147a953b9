"""The example data as tables of a database, moved in time so that they end within the last hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from localcluster.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
TIME = "ts"
_SQL_TYPES = {"ts": "timestamptz", "machine_id": "integer", "age": "integer", "pump_leakage": "smallint"}
_HOUR = timedelta(hours=1)
_BLOCK_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Table:
    """A table by its name, with its columns as the files have them; `ts` is UTC without saying so."""

    name: str
    content: pa.Table

    @property
    def columns(self) -> list[str]:
        return list(self.content.column_names)

    def definition(self) -> str:
        """Return the columns as SQL declares them."""
        return ", ".join(f"{name} {_SQL_TYPES.get(name, _sql_type(self.content[name].type))}" for name in self.columns)

    def last_moment(self) -> datetime | None:
        """Return the newest time stamp; None for a table without time."""
        return pc.max(self.content[TIME]).as_py() if TIME in self.columns else None


def read_tables(folder: Path) -> list[Table]:
    """Return the tables of a folder of examples."""
    files = sorted([*folder.glob("*.parquet"), *folder.glob("*.csv")])
    return [Table(file.stem, _read(file)) for file in files]


def shift_to(tables: list[Table], now: datetime) -> timedelta:
    """Return the whole number of hours by which the tables move so that they end within the hour before `now`.

    `now` is in UTC, without saying so, as the tables' time is.
    """
    newest = max(moment for table in tables if (moment := table.last_moment()) is not None)
    return (now - newest) // _HOUR * _HOUR


def copy_rows(table: Table, shift: timedelta) -> Iterator[str]:
    """Yield the rows as COPY takes them in its format csv, in blocks, moved by `shift`."""
    content = table.content
    if TIME in table.columns:
        position = table.columns.index(TIME)
        moved = pc.add(content[TIME].cast(pa.timestamp("us")), pa.scalar(shift, pa.duration("us")))
        content = content.set_column(position, TIME, pc.strftime(moved, format="%Y-%m-%d %H:%M:%SZ"))
    options = pa_csv.WriteOptions(include_header=False)
    for block in content.to_batches(max_chunksize=_BLOCK_ROWS):
        buffer = pa.BufferOutputStream()
        pa_csv.write_csv(block, buffer, options)
        yield buffer.getvalue().to_pybytes().decode()


def _read(file: Path) -> pa.Table:
    if file.suffix == ".parquet":
        return pq.read_table(file)
    return pa_csv.read_csv(file)


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "double precision"
    return "bigint" if pa.types.is_integer(kind) else "text"
