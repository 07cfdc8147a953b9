"""A made-up fleet to try trainings on: machines that wear out by a hidden Markov chain, with the faults of real data.

Every machine is in one of four states of wear, which nobody sees; sensors drift with it under Gaussian noise, errors
become more frequent, and the last state ends in a failure, after which the machine is as new. So the truth is known,
and some of it is learnable. On top come what SCADA data bring: gaps, missing values, jitter, and a stuck sensor.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import yaml

from eagle_contract.api.names import API_VERSION, GROUP
from eagle_trainer.series import SECOND, Flags, Integers, micros

HORIZON_SHARE = 0.1
"""The schedule's horizon as a part of a life: twice the time that a machine spends in the last state."""
_DWELL = (0.65, 0.20, 0.10, 0.05)
"""The part of a life that a machine spends in each state, on average."""
_ERROR_CHANCE = (0.002, 0.006, 0.020, 0.050)
_ERROR_KINDS = ("overload", "overheated", "limit_switch")
_COMPONENTS = ("bearing", "seal", "drive")
_SERVICE_CHANCE = 1 / 1500
_MISSING_CHANCE = 0.003
_GAPS_PER_MACHINE = 2
_LONGEST_GAP_PERIODS = 60
_JITTER = 0.02
_SENSORS = ("temperature", "vibration", "pressure", "current", "flow", "speed", "torque", "voltage")
_MODELS = ("alpha", "beta", "gamma")


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """What was written. `schedule` is the file for `eagle-train local --schedule`."""

    folder: Path
    schedule: Path
    rows: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class _Fleet:
    """What happened: the state [steps, machines], and when failures and services fell."""

    state: Integers
    failed: Flags
    serviced: Flags


def synthesize(
    folder: Path,
    *,
    assets: int,
    days: int,
    period_seconds: int,
    sensors: int,
    seed: int,
    now: datetime,
    days_between_failures: float = 20.0,
    noise: float = 0.6,
) -> Synthetic:
    """Writes telemetry, errors, maintenance, failures and machines as Parquet, and a schedule.yaml that fits them.

    The newest row is about one period before `now`. `noise` is the sensors' standard deviation beside an effect of
    wear of about 1. With two or more sensors the last one is stuck. The same arguments write the same data.
    """
    random = np.random.default_rng(seed)
    steps = days * 86_400 // period_seconds
    life = days_between_failures * 86_400 / period_seconds
    fleet = _lived(random, steps, assets, life)
    names = [f"M{number + 1:03d}" for number in range(assets)]
    sensor_names = [_SENSORS[i] if i < len(_SENSORS) else f"sensor_{i + 1}" for i in range(sensors)]
    grid = micros(now) - (steps - np.arange(steps)) * period_seconds * SECOND
    folder.mkdir(parents=True, exist_ok=True)
    rows = _write_telemetry(folder, random, fleet, names, sensor_names, grid, noise, period_seconds)
    _write_events(folder, random, fleet, names, grid)
    _write_machines(folder, random, names)
    schedule = folder / "schedule.yaml"
    horizon = max(round(HORIZON_SHARE * life), 1) * period_seconds
    spec = _schedule(sensor_names, period_seconds, days, horizon)
    schedule.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return Synthetic(folder=folder, schedule=schedule, rows=rows, failures=int(fleet.failed.sum()))


def _lived(random: np.random.Generator, steps: int, assets: int, life: float) -> _Fleet:
    leave = 1.0 / np.maximum(np.array(_DWELL) * life, 1.0)
    state = np.zeros((steps, assets), np.int64)
    failed, serviced = np.zeros((steps, assets), bool), np.zeros((steps, assets), bool)
    current = random.choice(len(_DWELL), size=assets, p=_DWELL)
    for step in range(steps):
        state[step] = current
        worse = random.random(assets) < leave[current]
        failed[step] = worse & (current == len(_DWELL) - 1)
        serviced[step] = (random.random(assets) < _SERVICE_CHANCE) & ~failed[step]
        current = np.where(failed[step] | serviced[step], 0, current + (worse & ~failed[step]))
    return _Fleet(state=state, failed=failed, serviced=serviced)


def _write_telemetry(
    folder: Path,
    random: np.random.Generator,
    fleet: _Fleet,
    names: list[str],
    sensors: list[str],
    grid: Integers,
    noise: float,
    period_seconds: int,
) -> int:
    steps, assets = fleet.state.shape
    effect = random.choice([-1.0, 1.0], len(sensors)) * random.uniform(0.5, 1.0, len(sensors))
    level = random.normal(0.0, 0.3, (assets, len(sensors)))
    wear = (fleet.state / (len(_DWELL) - 1))[:, :, None] * effect
    values = 50.0 + 10.0 * (wear + level + random.normal(0.0, noise, (steps, assets, len(sensors))))
    values[random.random(values.shape) < _MISSING_CHANCE] = np.nan
    if len(sensors) > 1:
        values[:, :, -1] = 50.0
    kept = _without_gaps(random, steps, assets)
    jitter = random.uniform(-_JITTER, _JITTER, (steps, assets)) * period_seconds * SECOND
    time = grid[:, None] + np.rint(jitter).astype(np.int64)
    owner = np.broadcast_to(np.arange(assets), (steps, assets))
    columns: dict[str, Any] = {"ts": _stamps(time[kept]), "machine_id": _named(names, owner[kept])}
    for position, sensor in enumerate(sensors):
        columns[sensor] = pa.array(values[:, :, position][kept], from_pandas=True)
    _write(folder, "telemetry", columns)
    return int(kept.sum())


def _without_gaps(random: np.random.Generator, steps: int, assets: int) -> Flags:
    """True for the rows that arrived [steps, machines]."""
    kept = np.ones((steps, assets), bool)
    for machine in range(assets):
        for start in random.integers(0, steps, _GAPS_PER_MACHINE):
            kept[start : start + random.integers(1, _LONGEST_GAP_PERIODS), machine] = False
    return kept


def _write_events(folder: Path, random: np.random.Generator, fleet: _Fleet, names: list[str], grid: Integers) -> None:
    chance = np.array(_ERROR_CHANCE)[fleet.state]
    _write_kinds(
        folder, "errors", random.random(fleet.state.shape) < chance, "error_id", _ERROR_KINDS, random, names, grid
    )
    _write_kinds(folder, "failures", fleet.failed, "component", _COMPONENTS, random, names, grid)
    upkeep = fleet.failed | fleet.serviced
    _write_kinds(folder, "maintenance", upkeep, "component", _COMPONENTS, random, names, grid)


def _write_kinds(
    folder: Path,
    table: str,
    happened: Flags,
    kind_column: str,
    kinds: tuple[str, ...],
    random: np.random.Generator,
    names: list[str],
    grid: Integers,
) -> None:
    step, machine = np.nonzero(happened)
    kind = random.integers(0, len(kinds), len(step))
    columns = {"ts": _stamps(grid[step]), "machine_id": _named(names, machine), kind_column: _named(kinds, kind)}
    _write(folder, table, columns)


def _write_machines(folder: Path, random: np.random.Generator, names: list[str]) -> None:
    model = random.integers(0, len(_MODELS), len(names))
    age = random.integers(0, 20, len(names))
    _write(folder, "machines", {"machine_id": names, "model": _named(_MODELS, model), "age": age})


def _stamps(time: Integers) -> pa.Array:
    return pa.array(time, pa.int64()).cast(pa.timestamp("us"))


def _named(names: list[str] | tuple[str, ...], codes: Integers) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(codes))


def _write(folder: Path, table: str, columns: dict[str, Any]) -> None:
    pa.parquet.write_table(pa.table(columns), folder / f"{table}.parquet")


def _schedule(sensors: list[str], period_seconds: int, days: int, horizon_seconds: int) -> dict[str, Any]:
    events = [
        {"name": name, "table": table, "timeColumn": "ts", "assetColumn": "machine_id", "kindColumn": kind}
        for name, table, kind in (("error", "errors", "error_id"), ("maintenance", "maintenance", "component"))
    ]
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "TrainingSchedule",
        "metadata": {"name": "synthetic"},
        "spec": {
            "organizationId": "synthetic",
            "source": {
                "connection": {"secretName": "synthetic"},
                "dataRangeDays": days + 1,
                "telemetry": {
                    "table": "telemetry",
                    "layout": "Wide",
                    "timeColumn": "ts",
                    "assetColumn": "machine_id",
                    "samplePeriodSeconds": period_seconds,
                },
                "continuousColumns": sensors,
                "events": events,
                "attributes": {"table": "machines", "assetColumn": "machine_id", "columns": ["model", "age"]},
            },
            "label": {
                "failures": {"table": "failures", "timeColumn": "ts", "assetColumn": "machine_id"},
                "horizonSeconds": horizon_seconds,
            },
            "features": {"lagSeconds": [period_seconds], "rollingWindows": [6, 24]},
            "model": {"name": "synthetic-failure", "thresholds": {"failureProbability": "0.5"}},
        },
    }
