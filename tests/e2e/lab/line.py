"""A line of machines to learn from: small enough to train on in seconds, clear enough to pass the gate every time.

Four machines report temperature and pressure every minute. In the half hour before a failure the temperature climbs, so
a model can foresee it and a constant cannot.
"""

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
_WARNING_SAMPLES = HORIZON_SECONDS // SAMPLE_PERIOD_SECONDS
_START = datetime(2026, 1, 1)

_QUICK = {"num_iterations": "40", "learning_rate": "0.2", "num_leaves": "7"}


def line_tables(seed: int = 7) -> list[Table]:
    """The tables `telemetry` and `failures`; the same for the same seed."""
    random = np.random.default_rng(seed)
    machines = range(1, _MACHINES + 1)
    failures = {machine: _failures(random) for machine in machines}
    minute = np.timedelta64(SAMPLE_PERIOD_SECONDS, "s")
    times = np.datetime64(_START, "us") + np.arange(_SAMPLES) * minute
    telemetry = {
        "ts": np.tile(times, _MACHINES),
        "machine_id": np.repeat(np.array(machines, np.int32), _SAMPLES),
        "temp": np.concatenate([_temperature(random, failures[machine]) for machine in machines]),
        "press": random.normal(5, 0.2, _SAMPLES * _MACHINES).round(3),
    }
    failed = {
        "ts": np.concatenate([times[failures[machine]] for machine in machines]),
        "machine_id": np.concatenate([np.full(len(failures[machine]), machine, np.int32) for machine in machines]),
    }
    return [Table("telemetry", pa.table(telemetry)), Table("failures", pa.table(failed))]


def line_spec(organization_id: str, secret: str, **members: object) -> Object:
    """The spec of a TrainingSchedule that learns from the line; its slots are years away. `members` replace."""
    return {
        "organizationId": organization_id,
        "schedule": "0 0 1 1 *",
        "timeoutSeconds": 600,
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


def _failures(random: np.random.Generator) -> npt.NDArray[np.int64]:
    """The samples at which one machine fails."""
    moments = np.cumsum(random.integers(90, 150, size=_SAMPLES // 90))
    return np.asarray(moments[moments < _SAMPLES - _WARNING_SAMPLES], np.int64)


def _temperature(random: np.random.Generator, failures: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    temperature = random.normal(60, 1, _SAMPLES)
    for failure in failures:
        temperature[failure - _WARNING_SAMPLES : failure] += np.linspace(3, 10, _WARNING_SAMPLES)
    return temperature.round(3)


def calm_windows(length: int, count: int) -> list[list[list[float]]]:
    """Windows [count, length, sensors] of machines of which nothing is to be feared."""
    return _windows(np.random.default_rng(1), length, count, np.zeros(length))


def failing_windows(length: int, count: int) -> list[list[list[float]]]:
    """Windows of machines of which the temperature has been climbing for as long as the window is."""
    return _windows(np.random.default_rng(2), length, count, np.linspace(6, 10, length))


def _windows(
    random: np.random.Generator, length: int, count: int, climb: npt.NDArray[np.float64]
) -> list[list[list[float]]]:
    temperature = random.normal(60, 1, (count, length)) + climb
    pressure = random.normal(5, 0.2, (count, length))
    windows: list[list[list[float]]] = np.stack([temperature, pressure], axis=-1).tolist()
    return windows
