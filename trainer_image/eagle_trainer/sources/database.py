"""PostgreSQL through ADBC: Arrow from the wire, in one transaction that cannot write.

The transaction is read-only itself, not by a default of the session that a declared query could change; once it has
read, PostgreSQL lets nobody make it read-write. It sees one snapshot, so all tables are of the same moment, unless the
connection broke in between.
"""

import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar
from urllib.parse import urlencode

import pyarrow as pa
from adbc_driver_manager import Error as DatabaseError
from adbc_driver_postgresql import dbapi

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import moment
from eagle_trainer.sources.arrow_rows import RowsBuilder
from eagle_trainer.sources.moments import micros_of
from eagle_trainer.sources.refusals import ended, may_pass
from eagle_trainer.sources.request import Request, Rows
from eagle_trainer.sources.statements import newest_statement, rows_statement, shape_statement

T = TypeVar("T")

DELAYS_SECONDS = (1.0, 3.0, 9.0)
STATEMENT_TIMEOUT_SECONDS = 1800
_OPTIONS: Mapping[str, str | int] = {
    "connect_timeout": 15,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "eagle-train",
}
"""libpq's own options, where the address does not have them: a server that is gone is found out within a minute."""
_SECRET = "the key uri of the Secret in source.connection.secretName"
_AUTHORITY = "the key ca.crt of the Secret in source.connection.secretName"


class Database:
    """The organization's database: a read-only transaction with time-outs.

    TLS is as the address says (`sslmode`, `sslrootcert`, …). `authority` is a certificate as PEM text that the server's
    own must be signed by: then the mode is verify-full unless the address names another. `statement_seconds` bounds
    each statement. Raises InvalidConfiguration for an address that is none, or an authority that is none.
    """

    def __init__(
        self,
        uri: str,
        *,
        authority: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        statement_seconds: int = STATEMENT_TIMEOUT_SECONDS,
    ) -> None:
        if not uri.startswith(("postgresql://", "postgres://")):
            raise InvalidConfiguration(f"{_SECRET} must begin with postgresql://")
        if re.search("%(?![0-9A-Fa-f]{2})", uri):
            raise InvalidConfiguration(f"{_SECRET} has a % that begins no escape; write a % in a password as %25")
        if authority is not None and not _is_certificate(authority):
            raise InvalidConfiguration(f"{_AUTHORITY} must be a certificate in PEM, or several; remove it to have none")
        self._uri, self._sleep, self._statement_seconds = uri, sleep, statement_seconds
        self._authority = authority
        self._connection: Any = None

    def read(self, request: Request) -> Rows:
        """The rows; transient trouble is tried again a few times. Raises InvalidConfiguration, SourceUnavailable."""
        return self._retrying(request, lambda: self._read(request))

    def newest(self, request: Request) -> datetime | None:
        """The newest time in the table of the request; None where it is empty. Raises like `read`."""
        return self._retrying(request, lambda: self._newest(request))

    def close(self) -> None:
        """End the session: one that stays open keeps the database from clearing away what others delete."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _read(self, request: Request) -> Rows:
        with self._session().cursor() as cursor:
            cursor.execute(shape_statement(request))
            shape = cursor.fetch_arrow_table().schema
        with self._session().cursor() as cursor:
            cursor.execute(rows_statement(request, shape))
            batches = _batches(cursor)
        builder = RowsBuilder(request)
        while batches:
            builder.add(batches.popleft())
        return builder.rows()

    def _newest(self, request: Request) -> datetime | None:
        with self._session().cursor() as cursor:
            cursor.execute(newest_statement(request))
            column: pa.Array = cursor.fetch_arrow_table().column(0).combine_chunks()
        column = column.drop_null()
        return moment(int(micros_of(column, request)[0])) if len(column) else None

    def _session(self) -> Any:
        if self._connection is None:
            connection = self._connected()
            self._connection = connection
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute(f"SET LOCAL statement_timeout = '{self._statement_seconds}s'")
                cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        return self._connection

    def _connected(self) -> Any:
        """libpq takes certificates from files only, and reads them while it connects."""
        if self._authority is None:
            return dbapi.connect(_with_options(self._uri, _OPTIONS), autocommit=False)
        with NamedTemporaryFile("w", suffix=".crt") as file:
            file.write(self._authority)
            file.flush()
            options: Mapping[str, str | int] = {**_OPTIONS, "sslmode": "verify-full", "sslrootcert": file.name}
            return dbapi.connect(_with_options(self._uri, options), autocommit=False)

    def _retrying(self, request: Request, read: Callable[[], T]) -> T:
        for delay in (*DELAYS_SECONDS, None):
            try:
                return read()
            except DatabaseError as error:
                self._drop()
                if delay is None or not may_pass(error):
                    raise ended(request, error, self._uri, self._statement_seconds) from error
                self._sleep(delay)
        raise AssertionError("the last attempt returns or raises")

    def _drop(self) -> None:
        """End a session that has failed; that its end fails as well says nothing new."""
        try:
            self.close()
        except DatabaseError:
            self._connection = None


def _is_certificate(pem: str) -> bool:
    """Whether a TLS library can read it; what stands between certificates may be in any language."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.encode("ascii", "replace").decode())
    except (ssl.SSLError, ValueError):
        return False
    return True


def _batches(cursor: Any) -> deque[pa.RecordBatch]:
    """The answer in parts, for each to be given back as soon as it is used.

    It is fetched as a whole first: the driver's stream of batches forgets the SQLSTATE of an error on the way.
    """
    return deque(cursor.fetch_arrow_table().to_batches())


def _with_options(uri: str, options: Mapping[str, str | int]) -> str:
    """The address with the options that it has not."""
    given = set(re.findall(r"[?&]([a-z_]+)=", uri))
    added = urlencode({name: value for name, value in options.items() if name not in given})
    return f"{uri}{'&' if '?' in uri else '?'}{added}" if added else uri
