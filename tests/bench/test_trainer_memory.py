"""How much memory a training takes before it learns: ten million values from a real PostgreSQL, in both layouts.

Each reading is a process of its own, since a process never forgets its largest size.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.postgres import Postgres

ASSETS, SENSORS, MINUTES = 10, 5, 200_000
VALUES = ASSETS * SENSORS * MINUTES
VALUE_BYTES = 8 * VALUES
MOST_BYTES = 2_000_000_000
"""What a whole run may take; what is measured here, the reading, is to leave more than half of it to the learning."""
Report = Callable[[str], None]

READING = """
import json, sys, time
from datetime import UTC, datetime
import eagle_trainer.pipeline
from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer import check, machine
from eagle_trainer.extract import extract
from eagle_trainer.resample import resample
from eagle_trainer.sources.database import Database

url, wire = sys.argv[1], json.loads(sys.argv[2])
spec = TrainingScheduleSpec.model_validate(wire)
base, started = machine.peak_memory(), time.perf_counter()
data = extract(Database(url), spec, resolve(spec), now=datetime(2026, 11, 1, tzinfo=UTC))
seconds = time.perf_counter() - started
series = resample(data.telemetry, period_seconds=60, longest_gap=60)
issues = check.findings(data.telemetry, series, strangers=data.strangers, window_length=60)
print(json.dumps({"base": base, "peak": machine.peak_memory(), "seconds": seconds, "values": int(series.values.size)}))
"""


@dataclass(frozen=True)
class Reading:
    """What one process came to: sizes in bytes, `base` with everything loaded and nothing read."""

    base: int
    peak: int
    seconds: float
    values: int


@pytest.fixture(scope="module")
def server(database: Postgres) -> Postgres:
    names = [f"s{number}" for number in range(SENSORS)]
    database.execute(
        f"CREATE UNLOGGED TABLE wide AS SELECT ts, 'machine-' || m AS machine,"
        f" {', '.join(f'random() * 100 AS {name}' for name in names)}"
        f" FROM generate_series(1, {MINUTES}) AS i, generate_series(1, {ASSETS}) AS m,"
        " LATERAL (SELECT timestamptz '2026-10-30Z' - i * interval '1 min') AS at(ts)"
    )
    measured = ", ".join(f"('hall.line.{name}', {name})" for name in names)
    database.execute(
        "CREATE UNLOGGED TABLE long AS SELECT ts, machine, tag, value"
        f" FROM wide, LATERAL (VALUES {measured}) AS measured(tag, value)"
    )
    return database


@pytest.mark.parametrize(("layout", "most"), [("Wide", 6.0), ("Long", 10.0)])
def test_ten_million_values_are_read_checked_and_resampled_in_little_memory(
    server: Postgres, report: Report, layout: str, most: float
) -> None:
    found = read(server, layout)
    copied = server.copied_seconds(layout.lower())
    taken = (found.peak - found.base) / VALUE_BYTES
    report(
        f"{layout}: {found.values:,} values; peak {found.peak / 1e6:.0f} MB, of which {found.base / 1e6:.0f} MB with"
        f" nothing read: {taken:.1f} x the values themselves; read in {found.seconds:.1f} s, psql's copy"
        f" {copied:.1f} s, ratio {found.seconds / copied:.2f}"
    )
    assert found.values == VALUES
    assert found.peak < MOST_BYTES / 2
    assert taken < most
    assert found.seconds < 2 * copied


def read(server: Postgres, layout: str) -> Reading:
    command = [sys.executable, "-W", "error", "-c", READING, server.url(), json.dumps(schedule(layout))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Reading(**json.loads(done.stdout))


def schedule(layout: str) -> dict[str, Any]:
    table = {"table": layout.lower(), "layout": layout, "timeColumn": "ts", "assetColumn": "machine"}
    long = {"tagColumn": "tag", "valueColumn": "value"} if layout == "Long" else {}
    stem = "hall.line.s" if layout == "Long" else "s"
    failures = {"query": "SELECT ts, machine FROM wide LIMIT 100", "timeColumn": "ts", "assetColumn": "machine"}
    return {
        "organizationId": "acme",
        "source": {
            "connection": {"secretName": "scada"},
            "telemetry": {**table, **long, "samplePeriodSeconds": 60},
            "continuousColumns": [f"{stem}{number}" for number in range(SENSORS)],
        },
        "label": {"failures": failures, "horizonSeconds": 86_400},
        "model": {"name": "memory"},
    }
