"""The schedules that go with a made-up fleet: one with all its tables, one with telemetry alone."""

from typing import Any

from eagle_contract.api.names import API_VERSION, GROUP

WINDOWS = (6, 24)
"""The rolling windows of both schedules, in samples; the longest is the length of the window that the model sees."""


def everything(sensors: list[str], *, period_seconds: int, days: int, horizon_seconds: int) -> dict[str, Any]:
    """Telemetry, errors, maintenance and what the machines are."""
    found = telemetry_alone(sensors, period_seconds=period_seconds, days=days, horizon_seconds=horizon_seconds)
    found["metadata"]["name"] = "synthetic"
    found["spec"]["source"] |= {
        "events": [
            {"name": name, "table": table, "timeColumn": "ts", "assetColumn": "machine_id", "kindColumn": kind}
            for name, table, kind in (("error", "errors", "error_id"), ("maintenance", "maintenance", "component"))
        ],
        "attributes": {"table": "machines", "assetColumn": "machine_id", "columns": ["model", "age"]},
    }
    return found


def telemetry_alone(sensors: list[str], *, period_seconds: int, days: int, horizon_seconds: int) -> dict[str, Any]:
    """Windows of the sensors and nothing else."""
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "TrainingSchedule",
        "metadata": {"name": "synthetic-telemetry"},
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
            },
            "label": {
                "failures": {"table": "failures", "timeColumn": "ts", "assetColumn": "machine_id"},
                "horizonSeconds": horizon_seconds,
            },
            "features": {"lagSeconds": [period_seconds], "rollingWindows": list(WINDOWS)},
            "model": {"name": "synthetic-failure", "thresholds": {"failureProbability": "0.5"}},
        },
    }
