"""The promise itself: at its slot a schedule trains on fresh data, the gate looks at the model, and it answers.

And its other half: a slot that passed while the schedule was suspended stays passed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.e2e.lab.line import MODEL_NAME, SAMPLE_PERIOD_SECONDS, SENSORS, calm_windows, failing_windows
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule, condition
from tests.e2e.lab.store import opened_vault
from tests.support.api import Object
from tests.support.cluster import wait_for

from eagle_contract.api import names

_SLOT_SECONDS = 90


@dataclass(frozen=True)
class Slot:
    """A slot that has come, and two schedules with it: one that was suspended then."""

    moment: datetime
    active: Schedule
    suspended: Schedule


@pytest.fixture(scope="module")
def slot(plant: Plant) -> Iterator[Slot]:
    moment = (datetime.now(UTC) + timedelta(seconds=15)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    once = {"schedule": f"{moment.minute} {moment.hour} * * *", "timeZone": "Etc/UTC"}
    slot = Slot(moment, plant.schedule("slot", **once), plant.schedule("suspended", **once, suspend=True))
    slot.active.until("Ready", "True")
    slot.suspended.until("Training", "False", "Suspended")
    wait_for(slot.active.versions, "the slot", timeout=_SLOT_SECONDS)
    yield slot
    slot.active.delete()
    slot.suspended.delete()


@pytest.fixture(scope="module")
def served(slot: Slot) -> Object:
    """The slot's version, once it serves."""
    name = names.slot_name(slot.active.name, slot.moment)
    slot.active.until_state(name, "Succeeded")
    slot.active.until_serving(name)
    return slot.active.until_reason(name, "Serving", "Promoted")


def test_a_slot_is_one_run_that_is_trained_judged_and_promoted(slot: Slot, served: Object) -> None:
    assert [version["metadata"]["name"] for version in slot.active.versions()] == [served["metadata"]["name"]]
    assert [job["metadata"]["name"] for job in slot.active.jobs()] == [served["metadata"]["name"]]
    assert served["spec"]["trigger"] == "Schedule"
    assert served["spec"]["scheduledTime"] == slot.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    reasons = {kind: condition(served, kind)["reason"] for kind in ("Admitted", "Trained", "Validated", "Serving")}
    assert reasons == {
        "Admitted": "Admitted",
        "Trained": "Completed",
        "Validated": "AllChecksPassed",
        "Serving": "Promoted",
    }
    assert [attempt["reason"] for attempt in served["status"]["attempts"]] == ["Completed"]
    digest = served["status"]["result"]["artifact"]["modelDigest"].removeprefix("sha256:")
    assert served["status"]["version"] == names.version_label(slot.moment, digest)


def test_the_schedule_says_what_serves_since_when_and_how_training_goes(slot: Slot, served: Object) -> None:
    status = slot.active.until("Ready", "True", "Reconciled")["status"]
    assert status["activeVersion"]["version"] == served["status"]["version"]
    assert status["activeVersion"]["digest"] == served["status"]["result"]["artifact"]["digest"]
    assert status["lastScheduleTime"] == served["spec"]["scheduledTime"]
    assert status["lastSuccessfulTime"] >= served["spec"]["scheduledTime"]
    assert status["nextScheduleTime"] == (slot.moment + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert status["statistics"]["runs"] == 1
    assert float(status["statistics"]["successRate"]) == 1.0
    assert status["servingHistory"][0]["reason"] == "Promoted"


def test_the_result_says_what_was_learned_from_what(served: Object) -> None:
    result = served["status"]["result"]
    metrics = {metric["name"]: float(metric["value"]) for metric in result["metrics"]}
    assert metrics["accuracy"] >= 0.95
    assert result["evaluation"]["evaluable"]
    assert result["evaluation"]["beatsBaseline"]
    assert result["data"]["assets"] == 4
    assert 0 < result["data"]["positives"] < result["data"]["rows"]
    assert float(result["onnx"]["maxAbsDiff"]) <= 1e-9


def test_the_service_gives_the_answers_that_were_proved_in_training(
    plant: Plant, slot: Slot, served: Object, tmp_path: Path
) -> None:
    with opened_vault(plant, tmp_path) as vault:
        golden = vault.open(served).golden
    window = [[[None if np.isnan(v) else v for v in sample] for sample in row] for row in golden.window.tolist()]
    answer = slot.active.infer(MODEL_NAME, window)
    assert answer["model_version"] == served["status"]["version"]
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    assert np.abs(np.array(outputs["failure_probability"]) - golden.failure_probability).max() <= 1e-9
    assert outputs["alarm"] == golden.alarm.tolist()
    assert outputs["confident"] == golden.confident.tolist()


def test_a_machine_about_to_fail_is_told_from_a_calm_one(slot: Slot, served: Object) -> None:
    described = slot.active.api.call("GET", f"{slot.active.service}/v2/models/{MODEL_NAME}")["parameters"]
    assert described["sensors"] == SENSORS
    assert described["samplePeriodSeconds"] == SAMPLE_PERIOD_SECONDS
    length = described["windowLength"]
    failing = slot.active.infer(MODEL_NAME, failing_windows(length, 20))["outputs"]
    calm = slot.active.infer(MODEL_NAME, calm_windows(length, 20))["outputs"]
    probability = {"failing": np.array(failing[0]["data"]), "calm": np.array(calm[0]["data"])}
    assert failing[0]["name"] == calm[0]["name"] == "failure_probability"
    assert probability["failing"].min() > 0.85
    assert probability["calm"].max() < 0.3


def test_a_slot_that_passed_in_suspension_is_counted_as_missed_and_never_run(slot: Slot) -> None:
    suspended = slot.suspended
    assert suspended.jobs() == []
    assert "nextScheduleTime" not in suspended.look()["status"]
    suspended.change(suspend=False)

    def missed() -> bool:
        return bool(suspended.look()["status"].get("missedSlots", {}).get("count"))

    wait_for(missed, "the slot to be counted as missed", timeout=30)
    wait_for(lambda: not suspended.jobs(), "the Job of the missed slot to go", timeout=30)
    assert suspended.versions() == []
    status = suspended.until("Training", "False", "Idle")["status"]
    assert status["missedSlots"]["lastTime"] == slot.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert status["nextScheduleTime"] == (slot.moment + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_manual_run_trains_while_the_schedule_is_suspended(slot: Slot) -> None:
    slot.suspended.change(suspend=True)
    slot.suspended.until("Training", "False", "Suspended")
    slot.suspended.train()
