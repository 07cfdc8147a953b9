"""The SELECT of a request: names quoted, values as literals, and no SQL of the schedule's but its query."""

import math
import re
from datetime import UTC, datetime
from fractions import Fraction

import pyarrow as pa

from eagle_trainer.sources.arrow_rows import is_number
from eagle_trainer.sources.moments import count_at, refuse_unlike, zone_of
from eagle_trainer.sources.request import PER_SECOND, Request

_TYPE_NAME = b"ADBC:postgresql:typname"
_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')


def shape_statement(request: Request) -> str:
    """A statement without rows, whose answer has the types of the columns."""
    return f"SELECT {', '.join(_quoted(name) for name in request.columns)} FROM {_source(request)} LIMIT 0"


def rows_statement(request: Request, shape: pa.Schema) -> str:
    """The statement for the rows. Raises InvalidConfiguration for a time column that is not what the schedule says."""
    columns = [_column(name, shape.field(name), request) for name in request.columns]
    conditions = []
    if request.time:
        kind = _kind(shape.field(request.time))
        refuse_unlike(kind, request)
        if request.since and request.until:
            bounds = [_bound(moment, kind, request) for moment in (request.since, request.until)]
            conditions.append(f"{_quoted(request.time)} >= {bounds[0]} AND {_quoted(request.time)} < {bounds[1]}")
    if request.only:
        name, values = request.only
        conditions.append(f"{_quoted(name)}::text IN ({', '.join(_literal(value) for value in values)})")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(columns)} FROM {_source(request)}{where}"


def newest_statement(request: Request) -> str:
    """A statement for the newest time in the table."""
    name = _quoted(str(request.time))
    cast = "" if request.unit is None else "::float8"
    return f"SELECT max({name}){cast} AS {name} FROM {_source(request)}"


def _column(name: str, field: pa.Field, request: Request) -> str:
    """The driver gives decimals as text, and what it does not know as bytes: so the database makes it text or double.

    A column that is already what is needed is left as it is.
    """
    quoted, kind = _quoted(name), _kind(field)
    if name == request.time:
        return f"{quoted}::float8 AS {quoted}" if pa.types.is_decimal(kind) else quoted
    if name in request.numbers or name == request.label or (name in request.others and is_number(kind)):
        if kind == pa.float64():
            return quoted
        return f"{quoted}::{'int::' if pa.types.is_boolean(kind) else ''}float8 AS {quoted}"
    return f"{quoted}::text AS {quoted}"


def _kind(field: pa.Field) -> pa.DataType:
    name = (field.metadata or {}).get(_TYPE_NAME, b"")
    return pa.decimal128(38, 10) if name == b"numeric" else field.type


def _bound(moment: datetime, kind: pa.DataType, request: Request) -> str:
    """The moment in the column's own terms, so that an index of the column is of use.

    Zoneless time stamps are compared by the local time of their zone; in the hour that comes twice the range may begin
    or end an hour early or late.
    """
    if request.unit is not None:
        count = count_at(moment, PER_SECOND[request.unit])
        return str(math.ceil(count)) if pa.types.is_integer(kind) else _decimal(count)
    if getattr(kind, "tz", None) is not None:
        return f"TIMESTAMPTZ '{_text(moment.astimezone(UTC))}+00'"
    return f"TIMESTAMP '{_text(moment.astimezone(zone_of(request)))}'"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _decimal(count: Fraction) -> str:
    return f"{count.numerator / count.denominator:.6f}"


def _source(request: Request) -> str:
    if request.query:
        return f"({request.query.rstrip().rstrip(';')}\n) AS source"
    return ".".join(part if part.startswith('"') else _quoted(part) for part in _PART.findall(str(request.table)))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
