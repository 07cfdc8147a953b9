"""What a training costs: beside its LightGBM fits, and in memory. From a real PostgreSQL, as in a pod.

One plant is of a typical kind, made up: a small one of ten days by default. `EAGLE_BENCH_DAYS=180` is the size that is
promised for: ten assets, five sensors, a sample a minute, 2.6 million rows; take a machine with two idle processors and
a quarter of an hour. The other is the examples' rig, as if it were measured ten times a second.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tests.support.postgres import Postgres

from eagle_trainer.synthesize import synthesize

DAYS = int(os.environ.get("EAGLE_BENCH_DAYS", "10"))
PROMISED_DAYS = 180
NOW = datetime(2026, 5, 1, tzinfo=UTC)
MOST_SECONDS, MOST_BYTES = 900, 2_000_000_000
MOST_OF_FITS, MOST_OF_COPY = 0.3, 2.0
"""What a run may take beside its fits: of their time, and of the time in which psql copies the same rows. A fit is what
LightGBM does to learn: it bins the features, grows trees, and scores the rows that its folds check. Features are ours,
also where LightGBM asks for them while it bins."""
MOST_OF_SMALL_FITS = 3.0
"""A small plant has short fits, beside which what every run costs weighs more."""
RIG = Path(__file__).resolve().parents[2] / "examples" / "rig"
RIG_NOW = datetime(2000, 1, 2, 12, 45, tzinfo=UTC)
TIMES_A_SECOND = 10
MOST_RIG_BYTES = 1_000_000_000
Report = Callable[[str], None]

PROGRAM = """
import json, sys, time
from datetime import datetime
from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer import machine
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.inputs import source_of
from eagle_trainer.pipeline import Task, train
from eagle_trainer.progress import Stopwatch
import lightgbm as lgb  # After the trainer, which says how its threads are to wait.

spent = {"binning": 0.0, "rounds": 0.0, "features": 0.0}

def timed(kind, name, what):
    # Adds the time of a method to `spent`, but for that of timed methods within.
    method = getattr(kind, name)
    def call(*given, **named):
        before, started = sum(spent.values()), time.perf_counter()
        try:
            return method(*given, **named)
        finally:
            within = sum(spent.values()) - before
            spent[what] += time.perf_counter() - started - within
    setattr(kind, name, call)

timed(lgb.Dataset, "construct", "binning")
timed(lgb.Booster, "update", "rounds")
timed(lgb.Booster, "eval_valid", "rounds")
timed(FeatureBlocks, "_computed", "features")
url, wire, now = sys.argv[1], json.loads(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
spec, watch = TrainingScheduleSpec.model_validate(wire), Stopwatch(())
started = time.perf_counter()
trained = train(
    source_of(url), Task(spec=spec, resolved=resolve(spec), now=now, threads=machine.cpu_limit()), watch
)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    **spent,
    "steps": {timing.step: round(timing.seconds, 1) for timing in watch.timings},
    "peak": machine.peak_memory(),
    "rows": len(trained.prepared.series.time),
    "thinned": sum(issue.count for issue in trained.prepared.issues if issue.issue == "Thinned"),
    "plan": trained.recipe.lines,
}))
"""
"""The run in a process of its own, whose peak memory is the training's alone."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of a whole training and of its parts, peak memory in bytes, rows, and what was planned.

    `features` are beside the fits; `thinned` rows were read and fall together with others in one period.
    """

    seconds: float
    binning: float
    rounds: float
    features: float
    steps: dict[str, float]
    peak: int
    rows: int
    thinned: int
    plan: list[str]

    @property
    def fits(self) -> float:
        return self.binning + self.rounds

    @property
    def beside(self) -> float:
        return self.seconds - self.fits

    def told(self, copied: float) -> str:
        return (
            f"{self.rows + self.thinned:,} rows: {self.seconds:.1f} s, of them {self.fits:.1f} s of LightGBM's fits"
            f" (binning {self.binning:.1f} s, rounds {self.rounds:.1f} s); beside them {self.beside:.1f} s ="
            f" {self.beside / self.fits:.0%} (of it features {self.features:.1f} s), wanted at most"
            f" {allowed(self, copied):.1f} s, as psql's copy takes {copied:.1f} s; peak memory"
            f" {self.peak / 1e6:,.0f} MB; {self.steps}"
        )


def allowed(cost: Cost, copied: float) -> float:
    """The seconds that may pass beside the fits."""
    return MOST_OF_FITS * cost.fits + MOST_OF_COPY * copied


def test_a_training_costs_little_more_than_its_fits(database: Postgres, tmp_path: Path, report: Report) -> None:
    synthesize(tmp_path, assets=10, days=DAYS, period_seconds=60, sensors=5, seed=7, now=NOW, days_between_failures=5.0)
    for file in tmp_path.glob("*.parquet"):
        database.load(file.stem, pq.read_table(file))
    spec = yaml.safe_load((tmp_path / "schedule.yaml").read_text())["spec"]
    found, copied = trained(database, spec, NOW), database.copied_seconds("telemetry")
    for line in found.plan:
        report(line)
    report(found.told(copied))
    assert found.peak < MOST_BYTES
    if DAYS >= PROMISED_DAYS:
        assert found.beside < allowed(found, copied)
        assert found.seconds < MOST_SECONDS
    else:
        assert found.beside < MOST_OF_SMALL_FITS * found.fits


def test_a_rig_that_is_measured_ten_times_a_second_costs_little_too_and_less_than_a_gigabyte(
    database: Postgres, report: Report
) -> None:
    often = measured_often(pq.read_table(RIG / "telemetry.parquet"))
    database.load("rig", often)
    spec = yaml.safe_load((RIG / "schedule.yaml").read_text())["spec"]
    spec["source"]["telemetry"]["table"] = "rig"
    found, copied = trained(database, spec, RIG_NOW), database.copied_seconds("rig")
    report(f"rig: {found.told(copied)}")
    assert found.rows + found.thinned == len(often)
    assert found.peak < MOST_RIG_BYTES
    assert found.beside < allowed(found, copied)


def trained(database: Postgres, spec: dict[str, Any], now: datetime) -> Cost:
    command = [sys.executable, "-c", PROGRAM, database.url(), json.dumps(spec), now.isoformat()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def measured_often(table: pa.Table) -> pa.Table:
    """The rows, each ten times in its second."""
    often = table.take(np.repeat(np.arange(len(table)), TIMES_A_SECOND))
    began = often.column("ts").to_numpy().astype("datetime64[ms]")
    within = np.tile(np.arange(TIMES_A_SECOND) * (1000 // TIMES_A_SECOND), len(table)).astype("timedelta64[ms]")
    return often.set_column(often.column_names.index("ts"), "ts", pa.array(began + within))
