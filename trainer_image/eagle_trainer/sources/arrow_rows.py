"""From Arrow tables to rows: the types that databases and files have, brought to the few that training needs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import Floats, Integers
from eagle_trainer.sources.request import Request, Rows

_MICROS_UTC = pa.timestamp("us", tz="UTC")


def rows_of(table: pa.Table, request: Request) -> Rows:
    """The rows of a table that has the request's columns under their own names. Rows without a time are dropped.

    Raises InvalidConfiguration for a time column that holds no moments and for a number column that holds no numbers.
    """
    if request.time:
        table = table.filter(pc.is_valid(table.column(request.time)))
    return Rows(
        count=table.num_rows,
        time=_micros(table, request) if request.time else None,
        asset=_text(table.column(request.asset)) if request.asset else None,
        numbers={name: _double(table, name, request) for name in request.numbers},
        others={name: _whole(table.column(name)) for name in request.others},
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers (true and false are 1 and 0)."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


def _micros(table: pa.Table, request: Request) -> Integers:
    column = table.column(str(request.time))
    if pa.types.is_date(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(column.type):
        raise InvalidConfiguration(
            f"{request.field}.timeColumn {request.time!r} is of type {column.type}, not a time stamp;"
            " name a query that casts it, such as: select to_timestamp(ts) as ts, ..."
        )
    moments = (
        column.cast(pa.timestamp("us"), safe=False) if column.type.tz is None else column.cast(_MICROS_UTC, safe=False)
    )
    return np.asarray(_whole(moments).cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _double(table: pa.Table, name: str, request: Request) -> Floats:
    column = table.column(name)
    try:
        numbers: Any = _whole(column.cast(pa.float64(), safe=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as cause:
        raise InvalidConfiguration(
            f"column {name!r} of {request.field} is of type {column.type}, not a number; take it out of the schedule"
        ) from cause
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _text(column: pa.ChunkedArray) -> pa.Array:
    return _whole(column.cast(pa.string()))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)
