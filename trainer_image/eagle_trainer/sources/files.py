"""Tables in files, for a laptop: a folder with a Parquet or CSV file per table, or one file of telemetry."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import micros
from eagle_trainer.sources.arrow_rows import RowsBuilder
from eagle_trainer.sources.moments import micros_of
from eagle_trainer.sources.request import Request, Rows

_ENDINGS = (".parquet", ".csv")
_BATCH_ROWS = 65_536


class Files:
    """The table `public.telemetry` is `telemetry.parquet` or `telemetry.csv` in the folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, request: Request) -> Rows:
        """The rows, filtered as a database would."""
        builder = RowsBuilder(request)
        for batch in self._batches(request):
            if request.only:
                name, values = request.only
                batch = batch.filter(pc.is_in(batch.column(name).cast(pa.string()), pa.array(values, pa.string())))
            if request.time and request.since and request.until:
                batch = _within(batch, request, request.time, request.since, request.until)
            builder.add(batch)
        return builder.rows()

    def close(self) -> None:
        """Nothing is held."""

    def _batches(self, request: Request) -> Iterator[pa.RecordBatch]:
        if request.query:
            raise InvalidConfiguration(f"{request.field}.query needs a database; with files name a table")
        path = self._file(request)
        try:
            yield from _batches_in(path, request)
        except (OSError, pa.ArrowInvalid) as error:
            kind = "Parquet" if path.suffix == ".parquet" else "CSV"
            told = str(error).partition("\n")[0][:200]
            raise InvalidConfiguration(f"{request.field}: {path} cannot be read as {kind}: {told}") from error

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


def _batches_in(path: Path, request: Request) -> Iterator[pa.RecordBatch]:
    columns = list(request.columns)
    if path.suffix == ".parquet":
        with pa.parquet.ParquetFile(path) as file:
            _refuse_missing(request, file.schema_arrow.names)
            yield from file.iter_batches(_BATCH_ROWS, columns=columns)
    else:
        table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(strings_can_be_null=True))
        _refuse_missing(request, table.column_names)
        yield from table.select(columns).to_batches(_BATCH_ROWS)


def _refuse_missing(request: Request, known: list[str]) -> None:
    for name in request.columns:
        if name not in known:
            raise InvalidConfiguration(f"{request.field} has no column {name!r}; it has {', '.join(known)}")


def _within(batch: pa.RecordBatch, request: Request, time: str, since: datetime, until: datetime) -> pa.RecordBatch:
    """The rows of the range, and those without a time, which are counted elsewhere."""
    column = batch.column(time)
    known = pc.is_valid(column)
    moments = pa.array(micros_of(column.filter(known), request))
    inside = pc.and_(pc.greater_equal(moments, micros(since)), pc.less(moments, micros(until)))
    return batch.filter(pc.replace_with_mask(pa.array([True] * len(batch), pa.bool_()), known, inside))
