"""A line of machines to learn from: small enough to train on in seconds, clear enough to pass the gate every time.

Four machines report temperature and pressure every minute. Now and then both leave their level for half an hour; when
they go opposite ways, the machine fails at the end. Neither tells anything alone, so the linear baseline cannot do it.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from eagledemo.dataset import Table
from tests.support.api import Object

SENSORS = ["temp", "press"]
SAMPLE_PERIOD_SECONDS = 60
HORIZON_SECONDS = 1800
MODEL_NAME = "line-failure"
_MACHINES = 4
_SAMPLES = 2400
_EPISODE_SAMPLES = HORIZON_SECONDS // SAMPLE_PERIOD_SECONDS
_EPISODE_EVERY = 2 * _EPISODE_SAMPLES
_START = datetime(2026, 1, 1)

_QUICK = {"num_iterations": "40", "learning_rate": "0.2", "num_leaves": "7"}


def line_tables(seed: int = 7) -> list[Table]:
    """The tables `telemetry` and `failures`; the same for the same seed."""
    random = np.random.default_rng(seed)
    times = np.datetime64(_START, "us") + np.arange(_SAMPLES) * np.timedelta64(SAMPLE_PERIOD_SECONDS, "s")
    machines = [_machine(random) for _ in range(_MACHINES)]
    numbers = np.arange(1, _MACHINES + 1, dtype=np.int32)
    telemetry = {
        "ts": np.tile(times, _MACHINES),
        "machine_id": np.repeat(numbers, _SAMPLES),
        "temp": np.concatenate([machine.temperature for machine in machines]),
        "press": np.concatenate([machine.pressure for machine in machines]),
    }
    failures = [machine.failures for machine in machines]
    failed = {
        "ts": np.concatenate([times[moments] for moments in failures]),
        "machine_id": np.repeat(numbers, [len(moments) for moments in failures]),
    }
    return [Table("telemetry", pa.table(telemetry)), Table("failures", pa.table(failed))]


def line_spec(organization_id: str, secret: str, **members: object) -> Object:
    """The spec of a TrainingSchedule that learns from the line; its slots are years away, and nothing is retried.

    `members` replace.
    """
    return {
        "organizationId": organization_id,
        "schedule": "0 0 1 1 *",
        "timeoutSeconds": 600,
        "retry": {"delaysSeconds": []},
        "source": {
            "connection": {"secretName": secret},
            "dataRangeDays": 3,
            "telemetry": {
                "table": "public.telemetry",
                "layout": "Wide",
                "timeColumn": "ts",
                "assetColumn": "machine_id",
                "samplePeriodSeconds": SAMPLE_PERIOD_SECONDS,
            },
            "continuousColumns": SENSORS,
        },
        "label": {
            "failures": {"table": "public.failures", "timeColumn": "ts", "assetColumn": "machine_id"},
            "horizonSeconds": HORIZON_SECONDS,
        },
        "features": {"rollingWindows": [5, 15]},
        "model": {"name": MODEL_NAME, "parameters": _QUICK},
        "serving": {"mode": "Managed", "replicas": 1, "progressDeadlineSeconds": 120},
        "trainer": {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2G"}}},
        **members,
    }


def calm_windows(length: int, count: int) -> list[list[list[float]]]:
    """Windows [count, length, sensors] of machines of which nothing is to be feared: both rise together."""
    return _windows(length, count, temperature=1.0, pressure=1.0)


def failing_windows(length: int, count: int) -> list[list[list[float]]]:
    """Windows of machines that will fail soon: the temperature rises while the pressure falls."""
    return _windows(length, count, temperature=1.0, pressure=-1.0)


@dataclass(frozen=True, eq=False)
class _Machine:
    temperature: npt.NDArray[np.float64]
    pressure: npt.NDArray[np.float64]
    failures: npt.NDArray[np.int64]


def _machine(random: np.random.Generator) -> _Machine:
    starts = np.arange(random.integers(_EPISODE_EVERY), _SAMPLES - _EPISODE_EVERY, _EPISODE_EVERY)
    ways = random.choice([-1.0, 1.0], size=(len(starts), 2))
    excursion = np.zeros((_SAMPLES, 2))
    for start, way in zip(starts, ways, strict=True):
        excursion[start : start + _EPISODE_SAMPLES] = way
    opposite = ways[:, 0] != ways[:, 1]
    return _Machine(*_measured(random, excursion), (starts + _EPISODE_SAMPLES)[opposite])


def _measured(
    random: np.random.Generator, excursion: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Temperature and pressure [..., samples] of excursions [..., samples, 2], with the noise of measuring."""
    noise = random.normal(0, 1, excursion.shape)
    values = np.array([60.0, 5.0]) + (6 * excursion + noise) * np.array([1.0, 0.1])
    return values[..., 0].round(3), values[..., 1].round(3)


def _windows(length: int, count: int, *, temperature: float, pressure: float) -> list[list[list[float]]]:
    excursion = np.broadcast_to(np.array([temperature, pressure]), (count, length, 2))
    windows: list[list[list[float]]] = np.stack(_measured(np.random.default_rng(1), excursion), axis=-1).tolist()
    return windows
