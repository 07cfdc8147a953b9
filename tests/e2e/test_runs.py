"""What people do with runs: order one with other values, cancel it while it waits or works, read why it failed."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.e2e.lab.line import MODEL_NAME
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule, condition
from tests.support.cluster import wait_for


@pytest.fixture
def schedule(plant: Plant) -> Iterator[Schedule]:
    schedule = plant.schedule("runs", promotion={"policy": "Manual"})
    schedule.until("Ready", "True")
    yield schedule
    schedule.delete()


def _nothing_runs(schedule: Schedule) -> bool:
    return not schedule.pods(program="eagle-trainer")


def test_an_ordered_run_uses_the_values_of_its_order(schedule: Schedule) -> None:
    name = schedule.train(dataRangeDays=1, parameters={"num_leaves": "4"}, description="only the last day")
    version = schedule.version(name)
    data = version["status"]["result"]["data"]
    assert datetime.fromisoformat(data["to"]) - datetime.fromisoformat(data["from"]) <= timedelta(days=1)
    assert data["rows"] <= 4 * 1440
    assert version["spec"]["requestedBy"]
    schedule.until_reason(name, "Serving", "NotPromoted")


def test_an_order_with_a_value_that_cannot_be_fails_and_names_it(schedule: Schedule) -> None:
    name = schedule.order(parameters={"linear_tree": "true"})
    version = schedule.until_state(name, "Failed")
    trained = condition(version, "Trained")
    assert trained["reason"] == "InvalidConfiguration"
    assert "model.parameters.linear_tree is refused" in trained["message"]
    assert any(e["type"] == "Warning" and e["reason"] == "InvalidConfiguration" for e in schedule.events(name))


def test_a_run_cancelled_in_the_queue_never_starts(plant: Plant, schedule: Schedule) -> None:
    with plant.locked("telemetry"):
        first = schedule.order()
        schedule.until_running(first)
        second = schedule.order()
        schedule.until_state(second, "Queued", seconds=30)
        wait_for(
            lambda: condition(schedule.version(second), "Admitted")["reason"] == "ScheduleBusy",
            "the second run to wait for the first",
        )
        schedule.cancel(second, "ordered by mistake")
        cancelled = schedule.until_state(second, "Cancelled", seconds=30)
        wait_for(lambda: schedule.gone("Job", second, "batch/v1"), "the cancelled run's Job to go")
        schedule.cancel(first, "the test is over")
    assert not cancelled["status"].get("attempts")
    assert cancelled["spec"]["cancellation"]["by"]
    schedule.until_state(first, "Cancelled", seconds=60)


def test_a_run_cancelled_at_work_ends_and_makes_room(plant: Plant, schedule: Schedule) -> None:
    with plant.locked("telemetry"):
        name = schedule.order()
        schedule.until_running(name)
        schedule.cancel(name, "the data are wrong")
        cancelled = schedule.until_state(name, "Cancelled", seconds=60)
    assert condition(cancelled, "Trained")["reason"] == "Cancelled"
    assert [attempt["reason"] for attempt in cancelled["status"]["attempts"]] == ["Cancelled"]
    wait_for(lambda: _nothing_runs(schedule), "the cancelled trainer to end", timeout=60)
    schedule.train()


def test_a_source_that_does_not_answer_is_named(plant: Plant) -> None:
    plant.create("v1", "Secret", "elsewhere", stringData={"uri": "postgresql://reader:x@nowhere.invalid:5432/scada"})
    source = {**plant.spec()["source"], "connection": {"secretName": "elsewhere"}}
    schedule = plant.schedule("unreachable", source=source)
    version = schedule.until_state(schedule.order(), "Failed")
    trained = condition(version, "Trained")
    assert trained["reason"] == "SourceUnavailable"
    assert "nowhere.invalid" in trained["message"]
    assert "reader:x" not in trained["message"]
    schedule.delete()


def test_a_table_without_failures_ends_as_insufficient_data(plant: Plant) -> None:
    failures = {"query": "SELECT ts, machine_id FROM failures WHERE false", "timeColumn": "ts"}
    label = {"failures": {**failures, "assetColumn": "machine_id"}, "horizonSeconds": 1800}
    schedule = plant.schedule("unfailing", label=label, model={"name": MODEL_NAME})
    version = schedule.until_state(schedule.order(), "Failed")
    assert condition(version, "Trained")["reason"] == "InsufficientData"
    assert "failures" in condition(version, "Trained")["message"]
    schedule.delete()
