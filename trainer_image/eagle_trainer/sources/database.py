"""PostgreSQL through ADBC: Arrow from the wire, in one transaction that cannot write.

The transaction is read-only itself, not by a default of the session that a declared query could change; once it has
read, PostgreSQL lets nobody make it read-write. It sees one snapshot, so all tables are of the same moment.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa
from adbc_driver_manager import Error as DatabaseError
from adbc_driver_postgresql import dbapi

from eagle_trainer.errors import InvalidConfiguration, SourceUnavailable
from eagle_trainer.sources.arrow_rows import is_number, rows_of
from eagle_trainer.sources.request import Request, Rows

T = TypeVar("T")

_TRANSIENT = ("08", "40", "53", "57")
"""SQLSTATE classes that may pass: connection, rollback, resources, operator intervention."""
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied")
_DELAYS_SECONDS = (1.0, 3.0, 9.0)
_STATEMENT_TIMEOUT_SECONDS = 1800
_CONNECT_TIMEOUT_SECONDS = 15


class Database:
    """The organization's database: a read-only transaction with a statement time-out."""

    def __init__(self, uri: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not uri.startswith(("postgresql://", "postgres://")):
            raise InvalidConfiguration(
                "the key uri of the Secret in source.connection.secretName must begin with postgresql://"
            )
        self._uri, self._sleep = uri, sleep
        self._connection: Any = None

    def read(self, request: Request) -> Rows:
        """The rows; transient trouble is tried again a few times."""
        return self._retrying(request, lambda: self._read(request))

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, request: Request) -> Rows:
        shape = self._fetch(f"SELECT {_names(request.columns)} FROM {_source(request)} LIMIT 0").schema
        return rows_of(self._fetch(_statement(request, shape)), request)

    def _fetch(self, statement: str) -> pa.Table:
        with self._session().cursor() as cursor:
            cursor.execute(statement)
            table: pa.Table = cursor.fetch_arrow_table()
            return table

    def _session(self) -> Any:
        if self._connection is None:
            mark = "&" if "?" in self._uri else "?"
            options = "" if "connect_timeout=" in self._uri else f"{mark}connect_timeout={_CONNECT_TIMEOUT_SECONDS}"
            connection = dbapi.connect(self._uri + options, autocommit=False)
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT_SECONDS}s'")
                cursor.execute("SET LOCAL TIME ZONE 'UTC'")
            self._connection = connection
        return self._connection

    def _retrying(self, request: Request, read: Callable[[], T]) -> T:
        for delay in (*_DELAYS_SECONDS, None):
            try:
                return read()
            except DatabaseError as error:
                self.close()
                if delay is None or not _may_pass(error):
                    raise _ended(request, error) from error
                self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")


def _may_pass(error: DatabaseError) -> bool:
    """The driver gives no SQLSTATE for what went wrong while connecting: there the words must do."""
    if error.sqlstate:
        return error.sqlstate[:2] in _TRANSIENT
    return not any(words in str(error) for words in _REFUSALS)


def _ended(request: Request, error: DatabaseError) -> Exception:
    said = _sentence(error)
    state = error.sqlstate or ""
    if state[:2] == "42" and state != "42501":
        return InvalidConfiguration(f"{request.field}: the database says: {said}")
    if state == "25006":
        return InvalidConfiguration(f"{request.field}: the query writes, and a training only reads: {said}")
    return SourceUnavailable(f"{request.field}: the database says: {said}")


def _sentence(error: DatabaseError) -> str:
    """The server's own words, without the driver's frame around them, on one line."""
    text = " ".join(str(error).split())
    for start in ("ERROR: ", "FATAL: ", "connection to server "):
        if start in text:
            text = text[text.index(start) :].removeprefix("ERROR: ").removeprefix("FATAL: ")
            break
    for end in (" Query was:", " LINE 1:", " SQLSTATE:", " Vendor code:"):
        text = text.split(end)[0]
    return text[:600]


def _statement(request: Request, shape: pa.Schema) -> str:
    columns = []
    for name in request.columns:
        kind = shape.field(name).type
        quoted = _quoted(name)
        if name == request.asset:
            columns.append(f"{quoted}::text AS {quoted}")
        elif name in request.numbers and kind != pa.float64():
            columns.append(f"{quoted}::{'int::' if pa.types.is_boolean(kind) else ''}float8 AS {quoted}")
        elif name in request.others and not is_number(kind):
            columns.append(f"{quoted}::text AS {quoted}")
        else:
            columns.append(quoted)
    conditions = []
    if request.time and request.since and request.until:
        zoned = getattr(shape.field(request.time).type, "tz", None) is not None
        bounds = (_moment(request.since, zoned), _moment(request.until, zoned))
        conditions.append(f"{_quoted(request.time)} >= {bounds[0]} AND {_quoted(request.time)} < {bounds[1]}")
    if request.only:
        name, values = request.only
        conditions.append(f"{_quoted(name)}::text IN ({', '.join(_literal(value) for value in values)})")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(columns)} FROM {_source(request)}{where}"


def _source(request: Request) -> str:
    if request.query:
        return f"({request.query.rstrip().rstrip(';')}\n) AS source"
    return ".".join(_quoted(part) for part in str(request.table).split("."))


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(_quoted(name) for name in columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _moment(moment: datetime, zoned: bool) -> str:
    """A time stamp without a zone is taken for UTC."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"TIMESTAMPTZ '{text}+00'" if zoned else f"TIMESTAMP '{text}'"
