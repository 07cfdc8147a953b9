"""What is read from a source, and what is refused before anything is read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from adbc_driver_manager import OperationalError

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.errors import InvalidConfiguration, SourceUnavailable
from eagle_trainer.extract import NO_KIND, extract
from eagle_trainer.series import Extracted
from eagle_trainer.sources import database
from eagle_trainer.sources.files import Files
from eagle_trainer.sources.request import Request

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TELEMETRY = "ts,machine,temp,press,fault\n" + "".join(
    f"2026-10-01 00:{minute:02d}:00,{machine},{minute}.5,{minute + 1},{minute % 2}\n"
    for machine in ("m1", "m2")
    for minute in range(5)
)


def read(folder: Path, **changes: object) -> Extracted:
    source = {
        "connection": {"secretName": "scada"},
        "telemetry": {
            "table": "public.telemetry",
            "layout": "Wide",
            "timeColumn": "ts",
            "assetColumn": "machine",
            "samplePeriodSeconds": 60,
        },
        "continuousColumns": ["temp", "press"],
    }
    wire = {
        "organizationId": "acme",
        "source": {**source, **changes.pop("source", {})},  # type: ignore[dict-item]
        "label": {"column": "fault"},
        "model": {"name": "press"},
        **changes,
    }
    spec = TrainingScheduleSpec.model_validate(wire)
    return extract(Files(folder), spec, resolve(spec), now=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "telemetry.csv").write_text(TELEMETRY)
    return tmp_path


def test_telemetry_is_read_with_the_sensors_own_names(folder: Path) -> None:
    data = read(folder, source={"columnMapping": {"temp": "temperature"}}).telemetry
    assert data.sensors == ("temperature", "press")
    assert data.assets == ("m1", "m2")
    assert data.values[0].tolist() == [0.5, 1.0]
    assert data.label is not None
    assert data.label[:5].tolist() == [0, 1, 0, 1, 0]


def test_two_columns_may_not_become_one_sensor(folder: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"source\.columnMapping"):
        read(folder, source={"columnMapping": {"temp": "press"}})


def test_the_label_may_not_be_a_sensor(folder: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"label\.column 'temp'.*its own answer"):
        read(folder, label={"column": "temp"})


def test_a_column_that_is_not_there_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"source\.telemetry has no column 'flow'; it has ts, machine"):
        read(folder, source={"continuousColumns": ["flow"]})


def test_events_without_a_kind_are_of_a_kind_of_their_own(folder: Path) -> None:
    (folder / "errors.csv").write_text("ts,machine,code\n2026-10-01 00:01:00,m1,E1\n2026-10-01 00:02:00,m1,\n")
    events = {"name": "error", "table": "errors", "timeColumn": "ts", "assetColumn": "machine", "kindColumn": "code"}
    (table,) = read(folder, source={"events": [events]}).events
    assert set(table.kinds) <= {"E1", NO_KIND, ""}
    assert table.kind.min() >= 0


def test_a_table_with_a_header_alone_has_no_rows(folder: Path) -> None:
    (folder / "failures.csv").write_text("ts,machine\n")
    failures = {"table": "failures", "timeColumn": "ts", "assetColumn": "machine"}
    data = read(folder, label={"failures": failures, "horizonSeconds": 3600})
    assert data.failure_time is not None
    assert len(data.failure_time) == 0


class Refusing:
    """A connection whose server answers every statement with an error."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        self.error = OperationalError(message, status_code=0, vendor_code=None, sqlstate=sqlstate)
        self.asked = 0

    def connect(self, *_: object, **__: object) -> object:
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("message", "sqlstate", "kind", "asked"),
    [
        ('ERROR: column "x" does not exist LINE 1: select x SQLSTATE: 42703', "42703", InvalidConfiguration, 1),
        ('FATAL: password authentication failed for user "scada"', None, SourceUnavailable, 1),
        ("ERROR: permission denied for table telemetry", "42501", SourceUnavailable, 1),
        ("FATAL: the database system is starting up", "57P03", SourceUnavailable, 4),
        ("connection to server failed: timeout expired", None, SourceUnavailable, 4),
    ],
)
def test_only_passing_trouble_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, message: str, sqlstate: str | None, kind: type[Exception], asked: int
) -> None:
    server = Refusing(message, sqlstate)
    monkeypatch.setattr("adbc_driver_postgresql.dbapi.connect", server.connect)
    source = database.Database("postgresql://db/scada", sleep=lambda _: None)
    with pytest.raises(kind, match="the database says") as refused:
        source.read(Request(field="source.telemetry", table="telemetry", time="ts"))
    assert server.asked == asked
    assert "LINE 1" not in str(refused.value)
    assert "SQLSTATE" not in str(refused.value)
