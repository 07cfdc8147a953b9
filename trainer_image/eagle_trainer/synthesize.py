"""A made-up fleet to try trainings on: machines that wear out by a hidden Markov chain, with the faults of real data.

Every machine is in one of four states of wear, which nobody sees; sensors drift with it under Gaussian noise, errors
become more frequent, and the last state ends in a failure, after which the machine is as new, as it is after a service.
On top come what SCADA data bring: gaps, missing values, jitter, and a stuck sensor. So the truth is known, and it is
written beside the data: `truth.parquet` has the probability that the best possible model would give to each row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import yaml

from eagle_trainer import synthetic_schedule
from eagle_trainer.metrics import average_precision
from eagle_trainer.series import SECOND, Flags, Floats, Integers, micros
from eagle_trainer.truth import Chain, known_from_everything, known_from_window, log_likelihoods, wear_chain

HORIZON_SHARE = 0.1
"""The schedule's horizon as a part of a life: twice the time that a machine spends in the last state."""
_DWELL = np.array([0.65, 0.20, 0.10, 0.05])
"""The part of a life that a machine spends in each state, on average."""
_ERRORS_PER_LIFE = np.array([1.0, 3.0, 10.0, 24.0])
"""How many errors a machine would have if it spent a whole life in one state."""
_SERVICES_PER_LIFE = 0.4
_ERROR_KINDS = ("overload", "overheated", "limit_switch")
_COMPONENTS = ("bearing", "seal", "drive")
_MODELS = ("alpha", "beta", "gamma")
_MISSING_CHANCE = 0.003
_DAYS_BETWEEN_GAPS = 30
_LONGEST_GAP_PERIODS = 60
_JITTER = 0.02
_SENSORS = ("temperature", "vibration", "pressure", "current", "flow", "speed", "torque", "voltage")
_USUAL, _UNIT = 50.0, 10.0
"""A sensor's usual value, and how much an effect of 1 is in its unit."""


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """What was written. `schedule` uses all tables, `telemetry_schedule` the telemetry alone.

    `best` is the average precision that the best possible model has on the rows of each of the two; None where the
    truth was not asked for, or there is no failure.
    """

    folder: Path
    schedule: Path
    telemetry_schedule: Path
    rows: int
    failures: int
    horizon_seconds: int
    best: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class _Fleet:
    """What happened, [steps, machines] each: the state of wear, and what came between a step and the next."""

    state: Integers
    failed: Flags
    serviced: Flags
    errors: Flags
    chain: Chain
    error_chance: Floats

    @property
    def renewed(self) -> Flags:
        return self.failed | self.serviced


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """`values` [steps, machines, S] (NaN where missing), `kept` [steps, machines] where a row arrived at all.

    `expected` [K,W,S] are the means by kind of machine and wear, `kind` [machines]; `live` are the sensors not stuck.
    """

    values: Floats
    kept: Flags
    expected: Floats
    kind: Integers
    live: int
    deviation: float


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
    signal: float = 1.0,
    truth: bool = True,
    pulse: Callable[[str, float], None] = lambda step, share: None,
) -> Synthetic:
    """Writes telemetry, errors, maintenance, failures, machines and truth as Parquet, and two schedules that fit them.

    The newest row is about one period before `now`. `noise` is the sensors' standard deviation beside an effect of
    wear of about `signal`; with a `signal` of 0 sensors and errors know nothing of wear. With two or more sensors the
    last one is stuck. The same arguments write the same data. `pulse` is told what is being done and the share done.
    """
    pulse("wear", 0.0)
    random = np.random.default_rng(seed)
    steps = days * 86_400 // period_seconds
    life = days_between_failures * 86_400 / period_seconds
    horizon = max(round(HORIZON_SHARE * life), 1)
    fleet = _lived(random, steps, assets, life, signal)
    pulse("sensors", 0.2)
    measured = _measured(random, fleet.state, sensors, noise=noise, signal=signal, days=days)
    names = [f"M{number + 1:03d}" for number in range(assets)]
    sensor_names = [_SENSORS[i] if i < len(_SENSORS) else f"sensor_{i + 1}" for i in range(sensors)]
    grid = micros(now) - (steps - np.arange(steps)) * period_seconds * SECOND
    jitter = random.uniform(-_JITTER, _JITTER, (steps, assets)) * period_seconds * SECOND
    time = grid[:, None] + np.rint(jitter).astype(np.int64)
    pulse("tables", 0.3)
    folder.mkdir(parents=True, exist_ok=True)
    _write_telemetry(folder, measured, names, sensor_names, time)
    _write_events(folder, random, fleet, names, grid + period_seconds * SECOND // 2)
    _write_machines(folder, random, names, measured.kind)
    best = _write_truth(folder, fleet, measured, names, time, horizon, pulse) if truth else None
    files = []
    for name, kind in (("schedule", synthetic_schedule.everything), ("telemetry", synthetic_schedule.telemetry_alone)):
        made = kind(sensor_names, period_seconds=period_seconds, days=days, horizon_seconds=horizon * period_seconds)
        files.append(folder / ("schedule.yaml" if name == "schedule" else "schedule-telemetry.yaml"))
        files[-1].write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    return Synthetic(
        folder=folder,
        schedule=files[0],
        telemetry_schedule=files[1],
        rows=int(measured.kept.sum()),
        failures=int(fleet.failed.sum()),
        horizon_seconds=horizon * period_seconds,
        best=best,
    )


def _lived(random: np.random.Generator, steps: int, assets: int, life: float, signal: float) -> _Fleet:
    service = min(_SERVICES_PER_LIFE / life, 0.5)
    chain = wear_chain(_DWELL * life, service=service)
    leave = 1.0 - np.diag(chain.quiet) / (1.0 - service)
    state = np.zeros((steps, assets), np.int64)
    failed, serviced = np.zeros((steps, assets), bool), np.zeros((steps, assets), bool)
    current = random.choice(len(_DWELL), size=assets, p=chain.resting())
    for step in range(steps):
        state[step] = current
        worse = random.random(assets) < leave[current]
        failed[step] = worse & (current == len(_DWELL) - 1)
        serviced[step] = (random.random(assets) < service) & ~failed[step]
        current = np.where(failed[step] | serviced[step], 0, current + (worse & ~failed[step]))
    usual = float(_ERRORS_PER_LIFE @ _DWELL)
    chance = np.minimum((usual + (_ERRORS_PER_LIFE - usual) * min(signal, 1.0)) / life, 0.5)
    errors = random.random(state.shape) < chance[state]
    return _Fleet(state=state, failed=failed, serviced=serviced, errors=errors, chain=chain, error_chance=chance)


def _measured(
    random: np.random.Generator, state: Integers, sensors: int, *, noise: float, signal: float, days: int
) -> _Measured:
    steps, assets = state.shape
    effect = random.choice([-1.0, 1.0], sensors) * random.uniform(0.5, 1.0, sensors) * signal
    level = random.normal(0.0, 0.3, (len(_MODELS), sensors))
    wear = np.linspace(0.0, 1.0, len(_DWELL))
    expected = _USUAL + _UNIT * (level[:, None, :] + wear[:, None] * effect)
    kind: Integers = np.asarray(random.integers(0, len(_MODELS), assets), np.int64)
    values = expected[kind, state] + _UNIT * random.normal(0.0, noise, (steps, assets, sensors))
    values[random.random(values.shape) < _MISSING_CHANCE] = np.nan
    if sensors > 1:
        values[:, :, -1] = _USUAL
    return _Measured(
        values=values,
        kept=_without_gaps(random, steps, assets, gaps=max(1, round(days / _DAYS_BETWEEN_GAPS))),
        expected=expected,
        kind=kind,
        live=max(sensors - 1, 1),
        deviation=_UNIT * noise,
    )


def _without_gaps(random: np.random.Generator, steps: int, assets: int, *, gaps: int) -> Flags:
    """True for the rows that arrived [steps, machines]."""
    kept = np.ones((steps, assets), bool)
    for machine in range(assets):
        for start in random.integers(0, steps, gaps):
            kept[start : start + random.integers(1, _LONGEST_GAP_PERIODS), machine] = False
    return kept


def _write_telemetry(folder: Path, measured: _Measured, names: list[str], sensors: list[str], time: Integers) -> None:
    columns = _keys(names, time, measured.kept)
    for position, sensor in enumerate(sensors):
        columns[sensor] = pa.array(measured.values[:, :, position][measured.kept], from_pandas=True)
    _write(folder, "telemetry", columns)


def _write_truth(
    folder: Path,
    fleet: _Fleet,
    measured: _Measured,
    names: list[str],
    time: Integers,
    horizon: int,
    pulse: Callable[[str, float], None],
) -> tuple[float, float] | None:
    """The exact probabilities of every row; returns their average precisions, all tables first."""
    values = np.where(measured.kept[:, :, None], measured.values, np.nan)[:, :, : measured.live]
    expected = measured.expected[:, :, : measured.live]
    steps, assets = fleet.state.shape
    seen = np.empty((steps, assets, len(_DWELL)))
    window = np.empty((steps, assets))
    for machine in range(assets):
        pulse("truth", 0.4 + 0.5 * machine / assets)
        likelihood = np.stack(
            [log_likelihoods(values[:, machine], means, measured.deviation) for means in expected], axis=1
        )
        seen[:, machine] = likelihood[:, measured.kind[machine]]
        window[:, machine] = known_from_window(
            likelihood, fleet.chain, length=max(synthetic_schedule.WINDOWS), horizon=horizon
        )
    everything = known_from_everything(
        seen, fleet.errors, fleet.renewed, fleet.chain, error_chance=fleet.error_chance, horizon=horizon
    )
    failing = _failing(fleet.failed, horizon)
    kept = measured.kept
    columns = _keys(names, time, kept) | {
        "wear": pa.array(fleet.state[kept], pa.int8()),
        "failing": pa.array(failing[kept], from_pandas=True).cast(pa.bool_()),
        "from_window": pa.array(window[kept], from_pandas=True),
        "from_everything": pa.array(everything[kept]),
    }
    _write(folder, "truth", columns)
    judged = kept & ~np.isnan(window) & ~np.isnan(failing)
    if not failing[judged].any():
        return None
    best = [average_precision(probability[judged], failing[judged]) for probability in (everything, window)]
    return best[0], best[1]


def _failing(failed: Flags, horizon: int) -> Floats:
    """1 where a failure comes within the `horizon` steps from this one on, NaN where that is not known yet."""
    until = np.concatenate([np.zeros((1, failed.shape[1]), np.int64), np.cumsum(failed, axis=0)])
    soon = np.full(failed.shape, np.nan)
    whole = len(failed) - horizon + 1
    soon[: max(whole, 0)] = until[horizon:] > until[: max(whole, 0)]
    return soon


def _write_events(folder: Path, random: np.random.Generator, fleet: _Fleet, names: list[str], time: Integers) -> None:
    """What happened between a step and the next, at `time` [steps]."""
    for table, happened, column, kinds in (
        ("errors", fleet.errors, "error_id", _ERROR_KINDS),
        ("failures", fleet.failed, "component", _COMPONENTS),
        ("maintenance", fleet.renewed, "component", _COMPONENTS),
    ):
        step, machine = np.nonzero(happened)
        kind = random.integers(0, len(kinds), len(step))
        columns = {"ts": _stamps(time[step]), "machine_id": _named(names, machine), column: _named(kinds, kind)}
        _write(folder, table, columns)


def _write_machines(folder: Path, random: np.random.Generator, names: list[str], kind: Integers) -> None:
    age = random.integers(0, 20, len(names))
    _write(folder, "machines", {"machine_id": names, "model": _named(_MODELS, kind), "age": age})


def _keys(names: list[str], time: Integers, kept: Flags) -> dict[str, Any]:
    owner = np.broadcast_to(np.arange(len(names)), time.shape)
    return {"ts": _stamps(time[kept]), "machine_id": _named(names, owner[kept])}


def _stamps(time: Integers) -> pa.Array:
    return pa.array(time, pa.int64()).cast(pa.timestamp("us"))


def _named(names: list[str] | tuple[str, ...], codes: Integers) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(codes))


def _write(folder: Path, table: str, columns: dict[str, Any]) -> None:
    pa.parquet.write_table(pa.table(columns), folder / f"{table}.parquet")
