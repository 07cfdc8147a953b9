"""A PostgreSQL of a test's own: the server's real programs on loopback, with roles, passwords and TLS, in a new folder.

Where a test runs as root, the server runs as the user that its package made: it refuses to be root.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.cluster import wait_for
from tests.support.ports import free_port

_PLACES = Path("/usr/lib/postgresql")
_SERVER_USER = "postgres"
_SUPERUSER = "admin"
_PASSWORD = "of the test alone"
_SETTINGS = ("fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "ssl=on")


class NotInstalledError(Exception):
    """There is no PostgreSQL server on this machine."""


@dataclass
class Postgres:
    """A server that runs until the end of the context that gave it. `authority` is the certificate that signed its."""

    folder: Path
    port: int
    authority: Path
    settings: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    def url(
        self, user: str = _SUPERUSER, password: str = _PASSWORD, database: str = "postgres", **options: str | int
    ) -> str:
        """The address as it would stand in a Secret; options are libpq's, such as sslmode."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        asked = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}{asked}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run it as the superuser, outside of any transaction; its rows if it has any."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def copy_in(self, statement: str, rows: str) -> None:
        """Load rows of text with COPY … FROM STDIN."""
        with psycopg.connect(self.url()) as connection, connection.cursor().copy(statement.encode()) as copy:
            copy.write(rows)

    def load(self, table: str, rows: pa.Table) -> None:
        """Make a table of these rows."""
        with dbapi.connect(self.url()) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="create")
            connection.commit()

    def copied_seconds(self, table: str) -> float:
        """What it takes PostgreSQL's own client to fetch all rows and to do nothing with them."""
        command = [str(_programs() / "psql"), self.url(), "-qc", f"\\copy (SELECT * FROM {table}) TO /dev/null"]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - started

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(_programs() / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        for setting in (*_SETTINGS, *self.settings):
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=_user())
        wait_for(self._answers, f"PostgreSQL; see {self.folder / 'log'}", timeout=60)

    def stop(self) -> None:
        """End the server at once; sessions are broken off as when its machine goes away in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """A fresh server, with `name=value` settings. Raises NotInstalledError where there is none to start."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="eagle-postgres-"))
    try:
        (folder / "password").write_text(_PASSWORD)
        authority = _certificates(folder)
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, _SERVER_USER)
        subprocess.run(
            [
                *(str(programs / "initdb"), "-D", str(folder / "data"), "-U", _SUPERUSER, "--no-sync"),
                *("--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C.UTF-8"),
            ],
            check=True,
            capture_output=True,
            user=_user(),
        )
        files = (f"ssl_cert_file={folder / 'server.crt'}", f"ssl_key_file={folder / 'server.key'}")
        server = Postgres(folder=folder, port=free_port(), authority=authority, settings=(*files, *settings))
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    for folder in sorted(_PLACES.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True):
        if (folder / "postgres").exists():
            return folder
    found = shutil.which("postgres")
    if found is None:
        raise NotInstalledError("no PostgreSQL server is installed here: its programs come with Debian's postgresql")
    return Path(found).parent


def _user() -> str | None:
    return _SERVER_USER if os.geteuid() == 0 else None


def _certificates(folder: Path) -> Path:
    """An authority, and a certificate of it for `localhost` and no other name; 127.0.0.1 is not among them."""
    now = datetime.now(UTC)

    def signed(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey) -> Any:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.2"))]),
                critical=False,
            )
            .sign(by, hashes.SHA256())
        )

    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = folder / "authority.crt"
    authority.write_bytes(signed("authority", above, "authority", above).public_bytes(serialization.Encoding.PEM))
    certificate = signed("localhost", own, "authority", above)
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "server.key").chmod(0o600)
    return authority
