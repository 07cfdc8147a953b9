"""Tables in files, for a laptop: a folder with a Parquet or CSV file per table, or one file of telemetry."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.sources.arrow_rows import rows_of
from eagle_trainer.sources.request import Request, Rows

_ENDINGS = (".parquet", ".csv")


class Files:
    """The table `public.telemetry` is `telemetry.parquet` or `telemetry.csv` in the folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, request: Request) -> Rows:
        """The rows, filtered as a database would."""
        table = self._table(request)
        missing = [name for name in request.columns if name not in table.column_names]
        if missing:
            known = ", ".join(table.column_names)
            raise InvalidConfiguration(f"{request.field} has no column {missing[0]!r}; it has {known}")
        table = table.select(list(request.columns))
        if request.time and request.since and request.until:
            table = _within(table, request.time, request.since, request.until)
        if request.only:
            name, values = request.only
            table = table.filter(pc.is_in(table.column(name).cast(pa.string()), pa.array(values)))
        return rows_of(table, request)

    def close(self) -> None:
        """Nothing is held."""

    def _table(self, request: Request) -> pa.Table:
        if request.query:
            raise InvalidConfiguration(f"{request.field}.query needs a database; with files name a table")
        path = self._file(request)
        if path.suffix == ".parquet":
            return pa.parquet.read_table(path)
        return pa.csv.read_csv(path)

    def _file(self, request: Request) -> Path:
        name = str(request.table).rsplit(".", 1)[-1]
        if self._path.is_file():
            if request.field != "source.telemetry":
                raise InvalidConfiguration(
                    f"{request.field} needs the table {name!r}, but the data are one file of telemetry;"
                    " give a folder with a file per table"
                )
            return self._path
        for ending in _ENDINGS:
            path = self._path / f"{name}{ending}"
            if path.exists():
                return path
        raise InvalidConfiguration(
            f"{request.field}: there is no {name}.parquet or {name}.csv in {self._path}, where the table is looked for"
        )


def _within(table: pa.Table, name: str, since: datetime, until: datetime) -> pa.Table:
    kind = table.column(name).type
    if not pa.types.is_timestamp(kind):
        return table
    bounds = [
        pa.scalar(m if kind.tz else m.astimezone(UTC).replace(tzinfo=None), pa.timestamp("us", tz=kind.tz))
        for m in (since, until)
    ]
    column = table.column(name)
    return table.filter(pc.and_(pc.greater_equal(column, bounds[0]), pc.less(column, bounds[1])))
