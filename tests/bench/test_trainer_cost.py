"""What a training costs: beside its LightGBM fits, and in memory. On a plant of a typical kind, made up.

By default a small one of ten days. `EAGLE_BENCH_DAYS=180` is the size that is promised for: ten assets, five sensors, a
sample a minute, 2.6 million rows; take a machine with two idle processors and a quarter of an hour.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from eagle_trainer.synthesize import synthesize

DAYS = int(os.environ.get("EAGLE_BENCH_DAYS", "10"))
NOW = datetime(2026, 5, 1, tzinfo=UTC)
PROMISED_DAYS = 180
MOST_SECONDS, MOST_BYTES = 900, 2_000_000_000
MOST_BESIDE_FITS = 0.45
"""Of the fits' time, at the promised size; 0.37 was measured. We want 0.3 and twice the time in which psql copies the
same rows, which is 0.06 more. A fit is what LightGBM does to learn: it bins the features, grows trees, and
scores the rows that its folds check. Features are ours, also where LightGBM asks for them while it bins."""
MOST_BESIDE_SMALL_FITS = 3.0
"""A small plant has short fits, beside which what every run costs weighs more."""
Report = Callable[[str], None]

PROGRAM = """
import json, sys, time
from datetime import datetime
from pathlib import Path
from eagle_contract.api import resolve
from eagle_trainer import machine
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.inputs import schedule_of, source_of
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
folder, now = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
_, schedule = schedule_of(folder / "schedule.yaml")
watch = Stopwatch(())
started = time.perf_counter()
trained = train(
    source_of(str(folder)),
    Task(spec=schedule.spec, resolved=resolve(schedule.spec), now=now, threads=machine.cpu_limit()),
    watch,
)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    **spent,
    "steps": {timing.step: round(timing.seconds, 1) for timing in watch.timings},
    "peak": machine.peak_memory(),
    "rows": len(trained.prepared.series.time),
    "plan": trained.recipe.lines,
}))
"""
"""The run in a process of its own, whose peak memory is the training's alone."""


def test_a_training_costs_little_more_than_its_fits(tmp_path: Path, report: Report) -> None:
    synthesize(tmp_path, assets=10, days=DAYS, period_seconds=60, sensors=5, seed=7, now=NOW, days_between_failures=5.0)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), NOW.isoformat()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    fits = found["binning"] + found["rounds"]
    beside = found["seconds"] / fits - 1.0
    for line in found["plan"]:
        report(line)
    report(
        f"{found['rows']:,} rows: {found['seconds']:.0f} s, of them {fits:.0f} s of LightGBM's fits"
        f" (binning {found['binning']:.0f} s, rounds {found['rounds']:.0f} s; beside them {beside:.0%}, of it features"
        f" {found['features']:.0f} s), peak memory {found['peak'] / 1e6:,.0f} MB; {found['steps']}"
    )
    assert found["peak"] < MOST_BYTES
    if DAYS >= PROMISED_DAYS:
        assert beside < MOST_BESIDE_FITS
        assert found["seconds"] < MOST_SECONDS
    else:
        assert beside < MOST_BESIDE_SMALL_FITS
