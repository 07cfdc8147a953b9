"""The trainer reads an organization's database as a guest should: it cannot write, waits for what passes, and says what
the database says. Against a real PostgreSQL.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from tests.support.cluster import wait_for
from tests.support.postgres import NotInstalledError, Postgres, postgres

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.errors import InvalidConfiguration, SourceUnavailable
from eagle_trainer.extract import extract, newest_request
from eagle_trainer.series import Extracted, moment
from eagle_trainer.sources.database import DELAYS_SECONDS, Database
from eagle_trainer.sources.request import Request, Rows

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2026, 10, 1, tzinfo=UTC)
SCHEMA = """
CREATE SCHEMA plant;
CREATE TABLE plant.telemetry (
  ts timestamptz, local timestamp, epoch bigint, millis numeric, seconds float8, day date, machine char(4),
  temp float8, "Press bar" numeric(9, 3), speed real, running boolean, fault int2, remark text, "select" text
);
CREATE TABLE plant.long (ts timestamptz, machine text, tag text, value numeric);
CREATE TABLE plant.failures (ts timestamptz, machine text, component text);
CREATE TABLE plant.machines (machine text, model text, age numeric, hall int, commissioned date);
CREATE TABLE plant.audit (what text);
CREATE SEQUENCE plant.numbers;
CREATE FUNCTION plant.noted() RETURNS int LANGUAGE sql VOLATILE
  AS $$ INSERT INTO plant.audit VALUES ('x') RETURNING 1 $$;
INSERT INTO plant.telemetry SELECT
  t, t AT TIME ZONE 'Europe/Berlin', extract(epoch FROM t)::bigint, extract(epoch FROM t) * 1000, extract(epoch FROM t),
  t::date, 'm' || m, i + m, i / 4.0, CASE WHEN i % 3 > 0 THEN i END, i % 2 = 0, i % 2, 'so', 'word'
  FROM generate_series(0, 9) AS i, generate_series(1, 2) AS m,
    LATERAL (SELECT timestamptz '2026-10-01 00:00Z' + i * interval '1 minute') AS at(t);
INSERT INTO plant.long SELECT ts, trim(machine), tag, value FROM plant.telemetry,
  LATERAL (VALUES ('temp', temp::numeric), ('press', "Press bar"), ('fault', fault)) AS measured(tag, value);
INSERT INTO plant.failures VALUES ('2026-10-01 00:05Z', 'm1', 'pump'), ('2026-10-01 00:07Z', 'm2', 'belt');
INSERT INTO plant.machines VALUES ('m1', 'alpha', 7, 1, '2020-01-01'), ('m2', 'beta', 8.5, 2, '2021-01-01');
CREATE ROLE reader LOGIN PASSWORD 'read: it/all%' IN ROLE pg_read_all_data;
GRANT USAGE ON SCHEMA plant TO reader;
CREATE ROLE stranger LOGIN PASSWORD 'x';
CREATE ROLE writer LOGIN PASSWORD 'w';
GRANT ALL ON SCHEMA plant TO writer;
GRANT ALL ON ALL TABLES IN SCHEMA plant TO writer;
GRANT ALL ON ALL SEQUENCES IN SCHEMA plant TO writer;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    try:
        with postgres() as found:
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    found.execute(statement)
            yield found
    except NotInstalledError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def source(server: Postgres) -> Iterator[Database]:
    found = Database(server.url("reader", "read: it/all%"), sleep=no_wait)
    yield found
    found.close()


def no_wait(seconds: float) -> None:
    """In place of the delays between attempts."""


def telemetry(**changes: Any) -> Request:
    given: dict[str, Any] = {
        "field": "source.telemetry",
        "table": "plant.telemetry",
        "time": "ts",
        "asset": "machine",
        "numbers": ("temp",),
        "since": START,
        "until": NOW,
    }
    if "query" in changes:
        given["table"] = None
    return Request(**given | changes)


def spec_of(**changes: Any) -> TrainingScheduleSpec:
    table = {"table": "plant.telemetry", "layout": "Wide", "timeColumn": "ts", "assetColumn": "machine"}
    source = {
        "connection": {"secretName": "scada"},
        "dataRangeDays": 90,
        "telemetry": {**table, "samplePeriodSeconds": 60, **changes.pop("telemetry", {})},
        "continuousColumns": ["temp", "Press bar"],
        "columnMapping": {"Press bar": "pressure"},
        **changes.pop("source", {}),
    }
    wire = {"organizationId": "acme", "source": source, "label": {"column": "fault"}, "model": {"name": "press"}}
    return TrainingScheduleSpec.model_validate({**wire, **changes})


def extracted(source: Database, /, **changes: Any) -> Extracted:
    spec = spec_of(**changes)
    return extract(source, spec, resolve(spec), now=NOW)


def times(rows: Rows) -> list[datetime]:
    assert rows.time is not None
    return sorted({moment(int(value)) for value in rows.time})


MINUTES = [START + timedelta(minutes=minute) for minute in range(10)]


# --- what is read


def test_a_wide_table_is_read_by_column_names_of_any_spelling(source: Database) -> None:
    found = extracted(source).telemetry
    assert found.assets == ("m1", "m2")
    assert found.sensors == ("temp", "pressure")
    assert found.values.shape == (20, 2)
    first = found.asset == 0
    np.testing.assert_array_equal(np.sort(found.values[first, 0]), np.arange(1.0, 11.0))
    np.testing.assert_array_equal(np.sort(found.values[first, 1]), np.arange(10) / 4)
    assert found.label is not None
    assert found.label.sum() == 10


def test_the_long_layout_gives_the_same_as_the_wide_one(source: Database) -> None:
    wide = extracted(source).telemetry
    long = extracted(
        source,
        telemetry={"table": "plant.long", "layout": "Long", "tagColumn": "tag", "valueColumn": "value"},
        source={"continuousColumns": ["temp", "press"], "columnMapping": {"press": "pressure"}},
    ).telemetry
    order = np.lexsort((wide.time, wide.asset))
    np.testing.assert_array_equal(long.asset, wide.asset[order])
    np.testing.assert_array_equal(long.time, wide.time[order])
    np.testing.assert_array_equal(long.values, wide.values[order])
    assert long.label is not None
    assert wide.label is not None
    np.testing.assert_array_equal(long.label, wide.label[order])


def test_failures_events_and_attributes_come_with_the_telemetry(source: Database) -> None:
    table = {"table": "plant.failures", "timeColumn": "ts", "assetColumn": "machine", "kindColumn": "component"}
    attributes = {"table": "plant.machines", "assetColumn": "machine", "columns": ["model", "age", "hall"]}
    found = extracted(
        source,
        source={"events": [{"name": "repair", **table}], "attributes": attributes},
        label={"failures": {**table, "kinds": ["pump"], "latencySeconds": 3600}, "horizonSeconds": 600},
    )
    assert found.failure_asset is not None
    assert found.failure_asset.tolist() == [0]
    assert found.failures_known_until == int((NOW - timedelta(hours=1)).timestamp()) * 1_000_000
    assert found.events[0].kinds == ("belt", "pump")
    assert found.attributes is not None
    assert found.attributes.categories == {"model": ("alpha", "beta")}
    np.testing.assert_array_equal(found.attributes.values, [[0, 7, 1], [1, 8.5, 2]])


def test_attributes_may_come_from_a_query(source: Database) -> None:
    query = "SELECT machine, extract(year FROM commissioned) AS since FROM plant.machines"
    found = extracted(source, source={"attributes": {"query": query, "assetColumn": "machine", "columns": ["since"]}})
    assert found.attributes is not None
    np.testing.assert_array_equal(found.attributes.values, [[2020], [2021]])


def test_kinds_that_never_occur_are_told_with_those_that_do(source: Database) -> None:
    table = {"table": "plant.failures", "timeColumn": "ts", "assetColumn": "machine", "kindColumn": "component"}
    with pytest.raises(InvalidConfiguration, match=r"label\.failures\.kinds .*'component': belt, pump"):
        extracted(source, label={"failures": {**table, "kinds": ["Pump"]}, "horizonSeconds": 600})


@pytest.mark.parametrize(
    ("column", "more"),
    [
        ("ts", {}),
        ("local", {"zone": "Europe/Berlin"}),
        ("epoch", {"unit": "Seconds"}),
        ("millis", {"unit": "Milliseconds"}),
        ("seconds", {"unit": "Seconds"}),
    ],
)
def test_time_stamps_of_every_kind_are_the_same_moments(source: Database, column: str, more: dict[str, Any]) -> None:
    assert times(source.read(telemetry(time=column, **more))) == MINUTES
    since, until = MINUTES[2], MINUTES[5]
    assert times(source.read(telemetry(time=column, since=since, until=until, **more))) == MINUTES[2:5]
    assert source.newest(telemetry(time=column, **more)) == MINUTES[-1]


def test_a_date_is_its_midnight(source: Database) -> None:
    assert times(source.read(telemetry(time="day"))) == [START]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time": "epoch"}, r"holds numbers; say in source\.telemetry\.timeUnit"),
        ({"time": "ts", "unit": "Seconds"}, r"not a number; take source\.telemetry\.timeUnit out"),
        ({"time": "remark"}, "is of type string, not a time stamp"),
        ({"time": "local", "zone": "Europe/Nowhere"}, r"source\.timeZone 'Europe/Nowhere' is not known"),
        ({"numbers": ("tempp",)}, 'the database says: column "tempp" does not exist'),
        ({"numbers": ("remark",)}, "invalid input syntax for type double precision"),
        ({"table": "plant.nothing"}, 'relation "plant.nothing" does not exist'),
        ({"query": "SELEC 1"}, "syntax error at or near"),
    ],
)
def test_what_the_schedule_has_wrong_is_said_in_one_sentence(
    source: Database, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=said) as refused:
        source.read(telemetry(**changes))
    assert "\n" not in str(refused.value)
    assert "LINE 1" not in str(refused.value)


def test_numbers_of_every_type_are_read_and_nothing_is_missing(source: Database) -> None:
    found = source.read(telemetry(numbers=("temp", "Press bar", "speed", "running", "fault"), asset=None))
    assert found.numbers.shape == (20, 5)
    assert np.isnan(found.numbers[:, 2]).sum() == 8
    assert set(found.numbers[:, 3]) == {0.0, 1.0}


def test_names_are_names_even_where_they_are_words_of_the_language(source: Database) -> None:
    assert source.read(telemetry(texts=("select",))).texts["select"].names == ("word",)
    evil = 'ts"; DROP TABLE plant.audit; --'
    with pytest.raises(InvalidConfiguration, match="does not exist"):
        source.read(telemetry(numbers=(evil,)))
    assert source.read(telemetry(only=("remark", ("so'; DROP TABLE plant.audit; --", "so")))).count == 20


def test_all_tables_are_of_the_same_moment(server: Postgres, source: Database) -> None:
    before = source.read(Request(field="x", table="plant.audit", others=("what",))).count
    server.execute("INSERT INTO plant.audit VALUES ('meanwhile')")
    assert source.read(Request(field="x", table="plant.audit", others=("what",))).count == before
    source.close()
    assert source.read(Request(field="x", table="plant.audit", others=("what",))).count == before + 1


def test_no_session_stays_when_everything_is_read(server: Postgres, source: Database) -> None:
    extracted(source)
    wait_for(lambda: sessions(server) == 0, "the session to end", timeout=10)


# --- a trainer never writes


@pytest.fixture
def writing(server: Postgres) -> Iterator[Database]:
    """A session of a role that could."""
    found = Database(server.url("writer", "w"), sleep=no_wait)
    yield found
    found.close()


WRITES = (
    "INSERT INTO plant.audit VALUES ('x') RETURNING 1 AS n",
    "WITH new AS (INSERT INTO plant.audit VALUES ('x') RETURNING 1 AS n) SELECT n FROM new",
    "SELECT plant.noted() AS n",
    "SELECT nextval('plant.numbers') AS n",
    "SELECT setval('plant.numbers', 7) AS n",
    "SELECT 1 AS n FROM plant.audit FOR UPDATE",
    "SELECT 1 AS n) AS x; COMMIT; INSERT INTO plant.audit VALUES ('x'); SELECT n FROM (SELECT 1 AS n",
    "SELECT set_config('transaction_read_only', 'off', false)::text = 'off' AS n",
    "SELECT set_config('default_transaction_read_only', 'off', false)::text = 'x' OR plant.noted() = 1 AS n",
    "SELECT 1 AS n; DROP TABLE plant.audit",
)


@pytest.mark.parametrize("query", WRITES)
def test_a_query_that_writes_is_refused_though_the_role_may_write(
    server: Postgres, writing: Database, query: str
) -> None:
    before = contents(server)
    with pytest.raises(InvalidConfiguration):
        writing.read(Request(field="source.telemetry", table=None, query=query, others=("n",)))
    writing.close()
    assert contents(server) == before


def test_the_role_of_that_proof_could_write(server: Postgres) -> None:
    with psycopg.connect(server.url("writer", "w")) as connection:
        connection.execute("INSERT INTO plant.audit VALUES ('by the writer')")
        connection.rollback()


def test_a_read_leaves_the_session_unable_to_write(writing: Database) -> None:
    writing.read(telemetry())
    with pytest.raises(InvalidConfiguration, match="the query writes, and a training only reads"):
        writing.read(Request(field="x", table=None, query="SELECT nextval('plant.numbers') AS n", others=("n",)))


# --- what passes, and what does not


def test_a_session_that_is_ended_in_the_middle_is_taken_up_again(server: Postgres) -> None:
    waits: list[float] = []
    source = Database(server.url("reader", "read: it/all%"), sleep=waits.append)
    once = "SELECT ts, machine, temp FROM plant.telemetry, generate_series(1, 100000) AS n"
    end = threading.Thread(target=lambda: wait_for(lambda: end_sessions(server) > 0, "a session", timeout=20))
    end.start()
    try:
        assert source.read(telemetry(query=once)).count == 2_000_000
    finally:
        end.join()
        source.close()
    assert waits == list(DELAYS_SECONDS[: len(waits)])
    assert waits


def test_a_server_that_comes_back_is_waited_for(server: Postgres) -> None:
    server.stop()
    waits: list[float] = []

    def meanwhile(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            server.start()

    try:
        source = Database(server.url("reader", "read: it/all%"), sleep=meanwhile)
        assert source.read(telemetry()).count == 20
        source.close()
    finally:
        if server.process is None:
            server.start()
    assert waits == list(DELAYS_SECONDS[:2])


def test_a_server_that_stays_away_ends_the_run_with_its_address(server: Postgres) -> None:
    waits: list[float] = []
    source = Database("postgresql://reader:secret@127.0.0.1:1/plant", sleep=waits.append)
    with pytest.raises(SourceUnavailable, match="Connection refused") as refused:
        source.read(telemetry())
    assert "secret" not in str(refused.value)
    assert waits == list(DELAYS_SECONDS)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (lambda s: s.url("reader", "wrong"), 'password authentication failed for user "reader"'),
        (lambda s: s.url(database="nowhere"), 'database "nowhere" does not exist'),
        (lambda s: s.url("stranger", "x"), "permission denied for schema plant"),
        (
            lambda s: s.url("reader", "wrong", sslmode="sometimes"),
            'invalid sslmode value: "sometimes"',
        ),
    ],
)
def test_a_refusal_is_told_in_the_servers_words_and_never_tried_again(
    server: Postgres, url: Callable[[Postgres], str], said: str
) -> None:
    waits: list[float] = []
    source = Database(url(server), sleep=waits.append)
    with pytest.raises(SourceUnavailable, match=said):
        source.read(telemetry())
    assert waits == []


def test_an_address_with_a_bad_escape_is_refused_without_its_password() -> None:
    with pytest.raises(InvalidConfiguration, match="write a % in a password as %25") as refused:
        Database("postgresql://reader:100%sure@db/plant")
    assert "sure" not in str(refused.value)


def test_a_read_that_takes_too_long_is_ended_and_not_begun_again(server: Postgres) -> None:
    waits: list[float] = []
    source = Database(server.url("reader", "read: it/all%"), sleep=waits.append, statement_seconds=1)
    slow = "SELECT ts, machine, temp FROM plant.telemetry, pg_sleep(30)"
    with pytest.raises(SourceUnavailable, match=r"took longer than 1 s.*canceling statement due to statement timeout"):
        source.read(telemetry(query=slow))
    assert waits == []


def test_a_server_that_never_answers_is_given_up_in_time(server: Postgres) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        url = f"postgresql://reader:unheard@127.0.0.1:{deaf.getsockname()[1]}/plant?connect_timeout=2"
        with pytest.raises(SourceUnavailable, match="timeout expired"):
            Database(url, sleep=no_wait).read(telemetry())


# --- TLS


@pytest.mark.parametrize(
    ("mode", "host", "encrypted"),
    [
        ("disable", "127.0.0.1", False),
        ("prefer", "127.0.0.1", True),
        ("require", "127.0.0.1", True),
        ("verify-ca", "127.0.0.1", True),
        ("verify-full", "localhost", True),
    ],
)
def test_tls_is_as_the_address_says(server: Postgres, mode: str, host: str, encrypted: bool) -> None:
    root = {"sslrootcert": str(server.authority)} if mode.startswith("verify") else {}
    source = Database(server.url(sslmode=mode, **root).replace("127.0.0.1", host), sleep=no_wait)
    query = "SELECT ssl::int AS n FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    found = source.read(Request(field="x", table=None, query=query, numbers=("n",)))
    source.close()
    assert found.numbers.tolist() == [[float(encrypted)]]


def test_an_authority_of_the_secret_is_what_the_server_is_verified_against(server: Postgres) -> None:
    authority = server.authority.read_text()
    named = Database(server.url().replace("127.0.0.1", "localhost"), authority=authority, sleep=no_wait)
    query = "SELECT ssl::int AS n FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert named.read(Request(field="x", table=None, query=query, numbers=("n",))).numbers.tolist() == [[1.0]]
    named.close()
    with pytest.raises(SourceUnavailable, match="does not match host name"):
        Database(server.url(), authority=authority, sleep=no_wait).read(telemetry())


def test_a_certificate_of_another_name_is_refused_and_not_tried_again(server: Postgres) -> None:
    waits: list[float] = []
    url = server.url(sslmode="verify-full", sslrootcert=str(server.authority))
    with pytest.raises(SourceUnavailable, match="does not match host name"):
        Database(url, sleep=waits.append).read(telemetry())
    assert waits == []


def test_a_certificate_of_an_unknown_authority_is_refused(server: Postgres) -> None:
    waits: list[float] = []
    with pytest.raises(SourceUnavailable, match="certificate verify failed"):
        Database(server.url(sslmode="verify-full", sslrootcert="system"), sleep=waits.append).read(telemetry())
    assert waits == []


def test_the_newest_row_is_found_without_reading_all(source: Database) -> None:
    spec = spec_of(telemetry={"timeColumn": "epoch", "timeUnit": "Seconds"})
    assert source.newest(newest_request(spec)) == MINUTES[-1]
    assert source.newest(telemetry(query="SELECT * FROM plant.telemetry WHERE false")) is None


def contents(server: Postgres) -> list[tuple[Any, ...]]:
    return [
        *server.execute("SELECT count(*) FROM plant.audit"),
        *server.execute("SELECT last_value, is_called FROM plant.numbers"),
    ]


def sessions(server: Postgres) -> int:
    found = server.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eagle-train'")
    return int(found[0][0])


def end_sessions(server: Postgres) -> int:
    """End the sessions that are reading, and say how many there were."""
    reading = "application_name = 'eagle-train' AND query LIKE 'COPY%' AND state = 'active'"
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {reading}"
    return int(server.execute(query)[0][0])
