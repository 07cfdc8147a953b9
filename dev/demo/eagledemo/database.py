"""An organization's SCADA database: a PostgreSQL in its namespace, filled with the example data."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from string import Template

from localcluster.progress import StepError

from eagledemo.dataset import Table, copy_rows, shift_to
from eagledemo.kube import Cluster, Object
from eagledemo.organizations import Organization

NAME = "scada"
DATABASE = "scada"
READER = "eagle_reader"
_MANIFEST = Path(__file__).resolve().parent.parent / "manifests" / "postgres.yaml"
_STEP = "set up the database of {}"


def install_database(cluster: Cluster, organization: Organization, image: str) -> None:
    """Run a PostgreSQL in the organization's namespace and wait until it answers. Its data live as long as its pod."""
    step = _STEP.format(organization.id)
    if cluster.get("secret", NAME, organization.namespace, step=step) is None:
        passwords = {"POSTGRES_PASSWORD": secrets.token_urlsafe(24), "READER_PASSWORD": secrets.token_urlsafe(24)}
        cluster.apply(_secret(NAME, organization, passwords), step=step)
    manifest = Template(_MANIFEST.read_text()).substitute(image=image)
    cluster.kubectl("apply", "--namespace", organization.namespace, "--filename", "-", step=step, stdin=manifest)
    cluster.kubectl(
        *("rollout", "status", f"deployment/{NAME}", "--namespace", organization.namespace, "--timeout", "180s"),
        step=step,
    )


def load_tables(cluster: Cluster, organization: Organization, tables: list[Table], now: datetime) -> timedelta:
    """Put the tables into the database, ending within the hour before `now` (UTC); return by how much they moved.

    Everything in one transaction: whoever reads meanwhile sees the old tables or the new ones.
    """
    step = f"load the data of {organization.id}"
    shift = shift_to(tables, now)
    password = _password(cluster, organization, "READER_PASSWORD", step)
    _psql(cluster, organization, _script(tables, shift, password), step)
    return shift


def connect_schedules(cluster: Cluster, organization: Organization) -> None:
    """Make the Secret that the organization's schedule names: the database's address, for a user that may only read."""
    step = f"make the Secret {organization.database_secret}"
    password = _password(cluster, organization, "READER_PASSWORD", step)
    host = f"{NAME}.{organization.namespace}.svc"
    uri = f"postgresql://{READER}:{password}@{host}:5432/{DATABASE}"
    cluster.apply(_secret(organization.database_secret, organization, {"uri": uri}), step=step)


def query(cluster: Cluster, organization: Organization, statement: str) -> str:
    """Return what psql prints for a statement: rows without header, columns divided by `|`."""
    return _psql(cluster, organization, [f"{statement};\n"], f"ask the database of {organization.id}")


def _script(tables: list[Table], shift: timedelta, reader_password: str) -> Iterator[str]:
    yield "BEGIN;\n"
    yield f"SELECT 'CREATE ROLE {READER} LOGIN' WHERE to_regrole('{READER}') IS NULL \\gexec\n"
    yield f"ALTER ROLE {READER} PASSWORD '{reader_password}';\n"
    for table in tables:
        yield f"DROP TABLE IF EXISTS public.{table.name};\n"
        yield f"CREATE TABLE public.{table.name} ({table.definition()});\n"
        yield f"COPY public.{table.name} ({', '.join(table.columns)}) FROM STDIN WITH (FORMAT csv);\n"
        yield from copy_rows(table, shift)
        yield "\\.\n"
        yield f"GRANT SELECT ON public.{table.name} TO {READER};\n"
    yield "COMMIT;\nANALYZE;\n"


def _psql(cluster: Cluster, organization: Organization, script: Iterator[str] | list[str], step: str) -> str:
    words = ("exec", "--namespace", organization.namespace, "--stdin", f"deployment/{NAME}", "--", "psql")
    options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
    process = cluster.process(
        *(*words, *options, f"--username={DATABASE}", f"--dbname={DATABASE}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = process.communicate("".join(script), timeout=300)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise StepError(step, f"psql in deployment/{NAME} of {organization.namespace} said: {errors.strip()}")
    return output


def _password(cluster: Cluster, organization: Organization, key: str, step: str) -> str:
    found = cluster.get("secret", NAME, organization.namespace, step=step)
    if found is None:
        raise StepError(step, f"the Secret {NAME} in {organization.namespace} is gone; run the demo again")
    return base64.b64decode(found["data"][key]).decode()


def _secret(name: str, organization: Organization, values: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": organization.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
