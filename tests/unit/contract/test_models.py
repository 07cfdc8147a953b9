"""Models and the wire: what is read comes back as it was, and what is newer is passed over."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.operator import builders as b

from eagle_contract.api import (
    Condition,
    ModelVersion,
    ModelVersionStatus,
    TrainingSchedule,
    TrainingScheduleSpec,
    TrainingScheduleStatus,
    training_hash,
)
from eagle_contract.api.version import Attempt, Progress

FULL: dict[str, Any] = {
    "organizationId": "acme",
    "description": "Presses of hall 3",
    "schedule": "0 2 * * 0",
    "timeZone": "Europe/Berlin",
    "suspend": False,
    "startingDeadlineSeconds": 3600,
    "timeoutSeconds": 7200,
    "pendingTimeoutSeconds": 600,
    "concurrencyPolicy": "Forbid",
    "retry": {"delaysSeconds": [300, 900], "retryOn": ["TrainingFailed"]},
    "historyLimits": {"successful": 10, "failed": 5},
    "deletionPolicy": "Retain",
    "source": {
        "connection": {"secretName": "acme-scada"},
        "dataRangeDays": 180,
        "telemetry": {
            "table": "public.telemetry",
            "layout": "Wide",
            "timeColumn": "ts",
            "assetColumn": "machine_id",
            "samplePeriodSeconds": 60,
            "latencySeconds": 30,
        },
        "continuousColumns": ["temp", "press"],
        "columnMapping": {"temp": "temperature"},
        "events": [{"name": "error", "table": "public.errors", "timeColumn": "ts", "kindColumn": "error_id"}],
        "attributes": {"table": "public.machines", "assetColumn": "machine_id", "columns": ["model", "age"]},
    },
    "label": {
        "failures": {"table": "public.failures", "timeColumn": "ts"},
        "horizonSeconds": 86400,
        "recoverySeconds": 0,
    },
    "features": {"include": ["temperature"], "lagSeconds": [60, 120], "rollingWindows": [5, 10], "missing": "Skip"},
    "model": {
        "name": "press-failure",
        "parameters": {"num_leaves": "31"},
        "thresholds": {"failureProbability": "0.85", "confidence": "0.7"},
        "seed": 7,
    },
    "promotion": {
        "policy": "Manual",
        "minimums": [{"metric": "accuracy", "value": "0.75"}],
        "maximums": [{"metric": "false_alarms_per_asset_month", "value": "1"}],
        "mustBeatBaseline": True,
        "maxRegression": "0.02",
    },
    "serving": {
        "mode": "Managed",
        "replicas": 1,
        "progressDeadlineSeconds": 300,
        "pin": {"version": "v", "reason": "r"},
    },
    "monitoring": {
        "accuracyThreshold": "0.75",
        "failureRateThreshold": "0.3",
        "stuckAfterSeconds": 7200,
        "windowRuns": 10,
    },
    "notifications": {"onSuccess": True, "channels": [{"name": "ops", "type": "Slack", "secretName": "acme-slack"}]},
    "trainer": {
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "2Gi"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}],
        "queueName": "q",
    },
}


def test_a_spec_with_every_field_comes_back_as_it_was() -> None:
    assert TrainingScheduleSpec.model_validate(FULL).wire() == FULL


def test_every_field_of_the_spec_is_in_that_example() -> None:
    assert set(TrainingScheduleSpec.model_json_schema(by_alias=True)["properties"]) == set(FULL)


def test_what_is_absent_stays_absent() -> None:
    assert b.spec().wire() == b.spec_wire()
    assert TrainingScheduleStatus().wire() == {"conditions": []}


def test_a_status_comes_back_as_it_was() -> None:
    status = b.trained(image="serving:1", serving=("True", "Promoted"))
    again = ModelVersionStatus.model_validate(status.wire())
    assert again == status
    assert again.wire() == status.wire()
    served = b.in_service(("v2", "b"), ("v1", "a"))
    assert TrainingScheduleStatus.model_validate(served.wire()) == served


def test_names_that_are_not_plain_camel_case_are_as_kubernetes_would_write_them() -> None:
    wire = b.running().wire()
    assert wire["reporterUID"] == "uid-pod"
    assert wire["attempts"][0]["podUID"] == "uid-pod"
    data = b.result().wire()["data"]
    assert {"from", "to"} <= data.keys()


def test_fields_of_a_newer_release_are_passed_over() -> None:
    newer = {"spec": b.spec_wire(invented=1), "status": {"invented": True}, "metadata": {"name": "x"}}
    assert TrainingSchedule.model_validate(newer) == TrainingSchedule(spec=b.spec())


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("2026-11-22T02:00:00Z", "2026-11-22T02:00:00Z"),
        ("2026-11-22T03:00:00+01:00", "2026-11-22T02:00:00Z"),
        ("2026-11-22T02:00:00.999999Z", "2026-11-22T02:00:00Z"),
    ],
)
def test_a_time_is_a_moment_whatever_its_writing(text: str, wire: str) -> None:
    order = {"spec": {"scheduleName": "s", "trigger": "Schedule", "scheduledTime": text}}
    version = ModelVersion.model_validate(order)
    assert version.spec.scheduled_time is not None
    assert version.spec.scheduled_time.tzinfo is not None
    assert version.spec.wire()["scheduledTime"] == wire


def test_a_moment_without_a_time_zone_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ValidationError, match="must have a time zone"):
        Progress(step="fit", percent=1, updated_time=datetime(2026, 11, 22))


def test_moments_are_written_in_utc() -> None:
    there = datetime(2026, 11, 22, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert Attempt(number=1, job_name="j", start_time=there).wire()["startTime"] == "2026-11-22T02:00:00Z"
    assert there == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_models_cannot_be_changed_under_anybodys_feet() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        b.spec().suspend = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"timeoutSeconds": 59}, "timeoutSeconds"),
        ({"concurrencyPolicy": "Allow"}, "concurrencyPolicy"),
        ({"model": {"name": "Press Failure"}}, "model.name"),
        ({"promotion": {"minimums": [{"metric": "accuracy", "value": "high"}]}}, "promotion.minimums.0.value"),
        ({"promotion": {"maxRegression": "1.5"}}, "promotion.maxRegression"),
        ({"organizationId": None}, "organizationId"),
    ],
)
def test_a_wrong_field_is_named_as_users_know_it(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingScheduleSpec.model_validate(b.spec_wire(**change))
    assert ".".join(str(part) for part in caught.value.errors()[0]["loc"]) == where


def test_a_condition_has_a_reason() -> None:
    with pytest.raises(ValidationError):
        Condition(type="Ready", status="True", last_transition_time=b.NOW, reason="")


# --- the fingerprint of a training


def test_the_hash_of_a_training_is_stable() -> None:
    assert training_hash(TrainingScheduleSpec.model_validate(FULL)) == (
        "sha256:8ba98ef2bf2f82e742ae44549c6809be544edf7b4fd3b2fed6dca1514003f2e3"
    )


def test_the_order_of_members_decides_nothing() -> None:
    turned = dict(reversed(list(FULL.items())))
    turned["model"] = dict(reversed(list(FULL["model"].items())))
    assert training_hash(TrainingScheduleSpec.model_validate(turned)) == training_hash(
        TrainingScheduleSpec.model_validate(FULL)
    )


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"organizationId", "source", "label", "model"}))
def test_the_hash_follows_what_decides_a_training_and_nothing_else(name: str) -> None:
    whole = training_hash(TrainingScheduleSpec.model_validate(FULL))
    without = training_hash(TrainingScheduleSpec.model_validate({k: v for k, v in FULL.items() if k != name}))
    decides = name in ("features", "trainer", "timeoutSeconds", "pendingTimeoutSeconds")
    assert (whole != without) == decides


@pytest.mark.parametrize("name", ["source", "label", "model"])
def test_the_hash_follows_data_label_and_model(name: str) -> None:
    changed = {
        "source": {**FULL["source"], "dataRangeDays": 30},
        "label": {**FULL["label"], "horizonSeconds": 60},
        "model": {**FULL["model"], "seed": 8},
    }
    assert training_hash(TrainingScheduleSpec.model_validate({**FULL, name: changed[name]})) != training_hash(
        TrainingScheduleSpec.model_validate(FULL)
    )
