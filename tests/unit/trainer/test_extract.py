"""What is read from a source, and what is refused before anything is read."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from adbc_driver_manager import OperationalError

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.errors import InsufficientData, InvalidConfiguration, SourceUnavailable
from eagle_trainer.extract import NO_KIND, extract
from eagle_trainer.series import DAY, Extracted, micros, moment
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
    assert table.kinds == ("E1", NO_KIND)
    assert table.kind.tolist() == [0, 1]


def test_a_table_with_a_header_alone_has_no_rows(folder: Path) -> None:
    (folder / "failures.csv").write_text("ts,machine\n")
    failures = {"table": "failures", "timeColumn": "ts", "assetColumn": "machine"}
    data = read(folder, label={"failures": failures, "horizonSeconds": 3600})
    assert data.failure_time is not None
    assert len(data.failure_time) == 0


def failures(folder: Path, rows: str, **more: object) -> Extracted:
    (folder / "failures.csv").write_text("ts,machine,part\n" + rows)
    table = {"table": "failures", "timeColumn": "ts", "assetColumn": "machine", **more}
    return read(folder, label={"failures": table, "horizonSeconds": 3600})


ROWS = "2026-10-02,m2,pump\n2026-10-01,m1,belt\n2026-10-02,m2,belt\n2026-10-03,m9,pump\n"


def test_failures_are_of_known_assets_and_unique_by_moment(folder: Path) -> None:
    data = failures(folder, ROWS)
    assert data.failure_asset is not None
    assert data.failure_asset.tolist() == [0, 1]
    (strangers,) = data.strangers
    assert (strangers.count, strangers.rows, strangers.names) == (1, 4, ("m9",))
    assert strangers.place == "label.failures.assetColumn 'machine'"


def test_only_failures_of_the_kinds_that_count_are_failures(folder: Path) -> None:
    data = failures(folder, ROWS, kindColumn="part", kinds=["belt"])
    assert data.failure_time is not None
    assert [moment(int(time)).day for time in data.failure_time] == [1, 2]


def test_kinds_that_never_occur_are_told_with_those_that_do(folder: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"label\.failures\.kinds .*'part': belt, pump"):
        failures(folder, ROWS, kindColumn="part", kinds=["Belt"])


def test_failures_that_are_entered_late_are_known_only_until_then(folder: Path) -> None:
    assert failures(folder, ROWS).failures_known_until == micros(NOW)
    assert failures(folder, ROWS, latencySeconds=86_400).failures_known_until == micros(NOW) - DAY


def test_both_tables_or_none_must_say_which_asset_a_row_belongs_to(folder: Path) -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"label\.failures\.assetColumn must be given, since source\.telemetry"
    ):
        failures(folder, ROWS, assetColumn=None)
    table = {"table": "failures", "timeColumn": "ts", "assetColumn": "machine"}
    telemetry = {"table": "telemetry", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": 60}
    with pytest.raises(InvalidConfiguration, match=r"source\.telemetry\.assetColumn must be given"):
        read(folder, source={"telemetry": telemetry}, label={"failures": table, "horizonSeconds": 3600})


LONG = {
    "table": "long",
    "layout": "Long",
    "timeColumn": "ms",
    "timeUnit": "Milliseconds",
    "assetColumn": "machine",
    "tagColumn": "tag",
    "valueColumn": "value",
    "samplePeriodSeconds": 60,
}


def test_the_long_layout_gives_a_column_for_each_tag(folder: Path) -> None:
    start = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * 1000
    rows = [f"{start + 60_000 * i},m1,{tag},{i + shift}\n" for i in range(5) for shift, tag in enumerate("ab")]
    rows += [f"{start},m1,fault,1\n", f"{start},m1,a,7\n", f"{start},m1,other,9\n", f"{start},m2,b,\n"]
    (folder / "long.csv").write_text("ms,machine,tag,value\n" + "".join(rows))
    data = read(folder, source={"telemetry": LONG, "continuousColumns": ["b", "a"], "columnMapping": {"a": "alpha"}})
    found = data.telemetry
    assert found.sensors == ("b", "alpha")
    np.testing.assert_array_equal(found.values[:3], [[1.0, 7.0], [2.0, 1.0], [3.0, 2.0]])
    assert np.isnan(found.values[5]).all()
    assert found.asset.tolist() == [0] * 5 + [1]
    assert found.label is not None
    np.testing.assert_array_equal(found.label, [1.0, *[np.nan] * 5])
    assert found.repeated == 1


def test_a_range_without_rows_names_the_fields_to_look_at(folder: Path) -> None:
    with pytest.raises(InsufficientData, match=r"no row between 2026-10-25 and 2026-11-01; check timeColumn"):
        read(folder, source={"dataRangeDays": 7})


def test_a_wrong_unit_of_time_is_hinted_at_where_no_row_is_in_range(folder: Path) -> None:
    (folder / "long.csv").write_text("ms,machine,tag,value\n1790812800,m1,temp,1\n")
    said = r"check timeColumn, timeUnit, continuousColumns \(the tags\) and dataRangeDays"
    with pytest.raises(InsufficientData, match=said):
        read(folder, source={"telemetry": LONG, "continuousColumns": ["temp"]})


def test_rows_that_may_still_come_late_are_not_read(folder: Path) -> None:
    late = {"table": "telemetry", "layout": "Wide", "timeColumn": "ts", "assetColumn": "machine"}
    late |= {
        "samplePeriodSeconds": 60,
        "latencySeconds": int((NOW - datetime(2026, 10, 1, tzinfo=UTC)).total_seconds()) - 120,
    }
    assert len(read(folder, source={"telemetry": late}).telemetry.time) == 4


def test_attributes_are_numbers_or_categories_and_may_be_missing(folder: Path) -> None:
    (folder / "machines.csv").write_text("machine,model,age\nm2,beta,3\nm1,,4\nm7,gamma,5\n")
    table = {"table": "machines", "assetColumn": "machine", "columns": ["model", "age"]}
    data = read(folder, source={"attributes": table})
    assert data.attributes is not None
    assert data.attributes.categories == {"model": ("beta", "gamma")}
    np.testing.assert_array_equal(data.attributes.values, [[np.nan, 4], [0, 3]])
    assert data.strangers[0].names == ("m7",)


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
        ("ERROR: deadlock detected", "40P01", SourceUnavailable, 4),
        ("ERROR: out of shared memory", "53200", SourceUnavailable, 4),
        ("server closed the connection unexpectedly", "08006", SourceUnavailable, 4),
        ("ERROR: canceling statement due to statement timeout", "57014", SourceUnavailable, 1),
        ("ERROR: invalid input syntax for type double precision", "22P02", InvalidConfiguration, 1),
        ("FATAL: password authentication failed", "28P01", SourceUnavailable, 1),
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
