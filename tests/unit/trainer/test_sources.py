"""What sources have in common: time stamps of every kind, text, growing arrays, statements that only name things."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.pivot import pivot
from eagle_trainer.series import moment
from eagle_trainer.sources.arrow_rows import RowsBuilder
from eagle_trainer.sources.database import Database
from eagle_trainer.sources.files import Files
from eagle_trainer.sources.growing import Growing
from eagle_trainer.sources.moments import micros_of
from eagle_trainer.sources.request import Coded, Request, Rows, TimeUnit
from eagle_trainer.sources.statements import newest_statement, rows_statement, shape_statement

BERLIN = ZoneInfo("Europe/Berlin")


def request(**more: object) -> Request:
    return Request(**{"field": "source.telemetry", "table": "public.telemetry", "time": "ts", **more})  # type: ignore[arg-type]


# --- time stamps


@given(st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1)).map(lambda time: time.replace(tzinfo=UTC)))
def test_a_moment_is_the_same_however_it_is_written(time: datetime) -> None:
    local = time.astimezone(BERLIN)
    expected = local.replace(fold=1).astimezone(UTC)  # Where the hour comes twice, nobody can tell which one it was.
    assert expected in (time, time + timedelta(hours=1))
    zoneless = pa.array([local.replace(tzinfo=None)], pa.timestamp("us"))
    assert moment(micros_of(zoneless, request(zone="Europe/Berlin"))[0]) == expected
    micros = int(micros_of(pa.array([time], pa.timestamp("us", tz="Asia/Tokyo")), request())[0])
    assert moment(micros) == time
    sizes: dict[TimeUnit, int] = {"Seconds": 10**6, "Milliseconds": 10**3, "Microseconds": 1}
    for unit, size in sizes.items():
        assert micros_of(pa.array([micros // size]), request(unit=unit))[0] == micros // size * size


@pytest.mark.parametrize(
    ("kind", "value", "unit"),
    [
        (pa.int32(), 1_790_000_000, "Seconds"),
        (pa.float64(), 1_790_000_000.25, "Seconds"),
        (pa.decimal128(20, 3), "1790000000.250", "Seconds"),
        (pa.int64(), 1_790_000_000_250, "Milliseconds"),
        (pa.int64(), 1_790_000_000_250_000_999, "Nanoseconds"),
    ],
)
def test_counts_since_1970_may_be_of_any_number_type(kind: pa.DataType, value: object, unit: TimeUnit) -> None:
    column = pa.array([value]).cast(kind) if isinstance(value, str) else pa.array([value], kind)
    expected = 1_790_000_000_000_000 if pa.types.is_int32(kind) else 1_790_000_000_250_000
    assert micros_of(column, request(unit=unit)).tolist() == [expected]


def test_in_the_hour_that_comes_twice_a_local_time_is_the_second_one() -> None:
    column = pa.array([datetime(2026, 10, 25, 1, 59), datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 3, 0)])
    found = [moment(value) for value in micros_of(column, request(zone="Europe/Berlin"))]
    assert found == [
        datetime(2026, 10, 24, 23, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 0, tzinfo=UTC),
    ]


def test_time_stamps_without_a_zone_are_of_utc_unless_the_schedule_says_where() -> None:
    column = pa.array([datetime(2026, 7, 1, 12)])
    assert moment(micros_of(column, request())[0]) == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert moment(micros_of(column, request(zone="Asia/Kolkata"))[0]) == datetime(2026, 7, 1, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["Seconds", "Milliseconds", "Microseconds"])
@pytest.mark.parametrize("column", [pa.array([2**62]), pa.array([1e300]), pa.array([np.inf]), pa.array([np.nan])])
def test_a_count_that_no_moment_can_have_is_far_away_and_not_wrapped_round(column: pa.Array, unit: TimeUnit) -> None:
    assert micros_of(column, request(unit=unit))[0] > 2**61


def test_a_local_time_that_no_calendar_has_is_taken_as_it_stands() -> None:
    far = pa.array([10**18], pa.timestamp("us"))
    assert micros_of(far, request(zone="Europe/Berlin"))[0] == pytest.approx(10**18, abs=86_400 * 10**6)


@pytest.mark.parametrize(
    ("column", "more", "said"),
    [
        (pa.array([1]), {}, r"source\.telemetry\.timeUnit"),
        (pa.array([datetime(2026, 1, 1)]), {"unit": "Seconds"}, r"take source\.telemetry\.timeUnit out"),
        (pa.array(["2026-01-01"]), {}, "of type string, not a time stamp"),
        (pa.array([datetime(2026, 1, 1)]), {"zone": "../etc/passwd"}, r"source\.timeZone"),
    ],
)
def test_a_time_column_that_is_none_is_refused(column: pa.Array, more: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        micros_of(column, request(**more))


# --- rows


def test_rows_are_the_same_however_they_are_cut_into_batches() -> None:
    random = np.random.default_rng(4)
    table = pa.table(
        {
            "ts": pa.array(random.integers(0, 10**9, 500), pa.timestamp("us", tz="UTC")),
            "asset": pa.array(random.choice(["m2", "m1", None, "a"], 500)),
            "x": pa.array(random.normal(size=500)),
            "label": pa.array(random.integers(0, 2, 500).astype(bool)),
            "kind": pa.array(random.choice(["k", "ä"], 500)),
        }
    )
    asked = request(asset="asset", numbers=("x",), label="label", texts=("kind",))

    def read(rows: int) -> Rows:
        builder = RowsBuilder(asked)
        for batch in table.to_batches(rows):
            builder.add(batch)
        return builder.rows()

    one, many = read(500), read(7)
    assert one.asset is not None
    assert many.asset is not None
    assert one.asset.names == many.asset.names == ("a", "m1", "m2")
    assert [one.asset.names[code] if code >= 0 else None for code in one.asset.codes] == table["asset"].to_pylist()
    for first, second in [
        (one.asset.codes, many.asset.codes),
        (one.numbers, many.numbers),
        (one.label, many.label),
        (one.time, many.time),
        (one.texts["kind"].codes, many.texts["kind"].codes),
    ]:
        np.testing.assert_array_equal(first, second)
    assert one.numbers[:, 0].tolist() == table["x"].to_pylist()


def test_rows_without_a_time_are_left_out_and_counted() -> None:
    builder = RowsBuilder(request(numbers=("x",)))
    times = pa.array([None, datetime(2026, 1, 1), None], pa.timestamp("us"))
    builder.add(pa.record_batch({"ts": times, "x": pa.array([1.0, 2.0, 3.0])}))
    rows = builder.rows()
    assert (rows.count, rows.timeless) == (1, 2)
    assert rows.numbers.tolist() == [[2.0]]


@given(st.lists(st.integers(0, 5000), max_size=40))
def test_a_growing_array_keeps_what_was_written(parts: list[int]) -> None:
    array = Growing(np.int64, 2)
    count = 0
    for rows in parts:
        array.room(rows)[:] = np.arange(count, count + rows)[:, None] * [1, -1]
        count += rows
    np.testing.assert_array_equal(array.done(), np.arange(count)[:, None] * [1, -1])


def test_files_are_filtered_by_moments_of_every_kind(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=hour) for hour in range(10)]
    table = {
        "zoned": pa.array(moments, pa.timestamp("us", tz="Asia/Tokyo")),
        "local": pa.array([time.astimezone(BERLIN).replace(tzinfo=None) for time in moments]),
        "epoch": pa.array([int(time.timestamp()) for time in moments]),
    }
    pq.write_table(pa.table(table), tmp_path / "telemetry.parquet")
    for column, more in [("zoned", {}), ("local", {"zone": "Europe/Berlin"}), ("epoch", {"unit": "Seconds"})]:
        asked = request(time=column, since=moments[3], until=moments[7], **more)
        found = Files(tmp_path).read(asked)
        assert found.time is not None
        assert [moment(value) for value in found.time] == moments[3:7], column


# --- layout Long


def measured(*rows: tuple[int, int, str, float]) -> tuple[Rows, Coded]:
    """Rows given as (asset, seconds, tag, value)."""
    names = tuple(sorted({tag for _, _, tag, _ in rows}))
    tags = Coded(names=names, codes=np.array([names.index(tag) for _, _, tag, _ in rows], np.int32))
    time = np.array([seconds for _, seconds, _, _ in rows], np.int64)
    return Rows(count=len(rows), time=time, numbers=np.array([[value] for *_, value in rows])), tags


def test_measurements_of_one_moment_become_a_row_and_the_last_given_counts() -> None:
    rows, tags = measured((1, 5, "x", 1.0), (0, 7, "y", 2.0), (1, 5, "y", 3.0), (0, 7, "y", 4.0), (0, 6, "z", 9.0))
    asset = np.array([1, 0, 1, 0, 0], np.int32)
    found = pivot(rows, asset, tags, ("y", "x", "w"), "z")
    assert found.asset.tolist() == [0, 0, 1]
    assert found.time.tolist() == [6, 7, 5]
    nan = np.nan
    np.testing.assert_array_equal(found.values, [[nan, nan, nan], [4.0, nan, nan], [3.0, 1.0, nan]])
    assert found.label is not None
    np.testing.assert_array_equal(found.label, [9.0, nan, nan])
    assert found.repeated == 1


def test_a_measurement_without_a_value_replaces_none() -> None:
    rows, tags = measured((0, 5, "x", 1.0), (0, 5, "x", np.nan))
    found = pivot(rows, np.zeros(2, np.int32), tags, ("x",), None)
    assert found.values.tolist() == [[1.0]]
    assert found.repeated == 0


# --- statements


SHAPE = pa.schema(
    [
        pa.field("ts", pa.timestamp("us", tz="UTC")),
        pa.field("x", pa.float64()),
        pa.field("n", pa.string(), metadata={"ADBC:postgresql:typname": "numeric"}),
        pa.field("flag", pa.bool_()),
        pa.field("asset", pa.int64()),
    ]
)


def test_a_statement_names_columns_and_gives_values_as_literals() -> None:
    asked = request(
        asset="asset",
        numbers=("x", "n"),
        label="flag",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        until=datetime(2026, 2, 1, tzinfo=UTC),
        only=("asset", ("m'1",)),
    )
    assert rows_statement(asked, SHAPE) == (
        'SELECT "ts", "asset"::text AS "asset", "flag"::int::float8 AS "flag", "x", "n"::float8 AS "n"'
        ' FROM "public"."telemetry"'
        ' WHERE "ts" >= TIMESTAMPTZ \'2026-01-01 00:00:00.000000+00\' AND "ts" < TIMESTAMPTZ'
        " '2026-02-01 00:00:00.000000+00' AND \"asset\"::text IN ('m''1')"
    )


def test_the_range_is_in_the_columns_own_terms() -> None:
    since, until = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    shape = pa.schema([pa.field("ts", pa.timestamp("us")), pa.field("n", pa.int64())])
    local = rows_statement(request(zone="Europe/Berlin", since=since, until=until), shape)
    assert "TIMESTAMP '2026-07-01 02:00:00.000000' AND \"ts\" < TIMESTAMP '2026-07-01 02:00:00.500000'" in local
    counted = rows_statement(request(time="n", unit="Seconds", since=since, until=until), shape)
    assert '"n" >= 1782864000 AND "n" < 1782864001' in counted


@pytest.mark.parametrize(
    ("table", "written"),
    [
        ("telemetry", '"telemetry"'),
        ("Plant.Tele metry", '"Plant"."Tele metry"'),
        ('public."odd.name"', '"public"."odd.name"'),
        ('t"; DROP TABLE x; --', '"t"."; DROP TABLE x; --"'),
    ],
)
def test_a_table_is_a_name_whatever_it_is(table: str, written: str) -> None:
    assert shape_statement(request(table=table)) == f'SELECT "ts" FROM {written} LIMIT 0'
    assert newest_statement(request(table=table)) == f'SELECT max("ts") AS "ts" FROM {written}'


# --- the authority of a database's certificate


def certificate() -> str:
    """Of an authority that signs itself, as PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plant")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 2, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_an_authority_may_be_several_certificates_with_notes_between_them() -> None:
    several = f"Zertifikat für die Anlage\n{certificate()}\nund das alte\n{certificate()}"
    Database("postgresql://reader@scada/plant", authority=several)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "plant.crt", certificate().replace("CERTIFICATE", "PRIVATE KEY"), certificate()[:200]],
    ids=["empty", "blank", "a name", "a key", "cut off"],
)
def test_an_authority_that_is_no_certificate_is_refused_before_anything_is_connected(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"ca\.crt of the Secret .* must be a certificate in PEM"):
        Database("postgresql://reader@scada/plant", authority=text)
