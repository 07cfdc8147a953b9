"""Runs that fail and are tried again: after a while, with more memory, or when somebody has mended what was wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.e2e.lab.line import MODEL_NAME
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule, condition
from tests.support.api import Object, RefusedError
from tests.support.cluster import unique, wait_for

from eagle_contract.api import names

NOWHERE = "postgresql://reader:secret@nowhere.invalid:5432/scada"


@pytest.fixture
def secret(plant: Plant) -> Iterator[str]:
    """A Secret that names a database which is not there."""
    name = unique("source")
    plant.create("v1", "Secret", name, stringData={"uri": NOWHERE})
    yield name
    plant.delete("v1", "Secret", name)


def source(plant: Plant, secret: str) -> Object:
    return {**plant.spec()["source"], "connection": {"secretName": secret}}


def mend(plant: Plant, secret: str) -> None:
    """Let the Secret name the plant's own database."""
    own = plant.get("v1", "Secret", plant.organization.database_secret)
    plant.api.merge(plant.get("v1", "Secret", secret), {"data": {"uri": own["data"]["uri"]}})


def reasons(version: Object) -> list[str]:
    return [attempt.get("reason", "") for attempt in version["status"]["attempts"]]


def jobs(schedule: Schedule) -> list[str]:
    return sorted(job["metadata"]["name"] for job in schedule.jobs())


def test_a_run_that_failed_is_tried_again_after_its_delay_and_succeeds(plant: Plant, secret: str) -> None:
    schedule = plant.schedule("retried", source=source(plant, secret), retry={"delaysSeconds": [2, 10, 10]})
    name = schedule.order()
    first = schedule.until_reason(name, "Retrying", "WaitingToRetry")
    assert reasons(first)[0] == "SourceUnavailable"
    schedule.until("Training", "True", "WaitingToRetry", "Queued", "Running")
    mend(plant, secret)
    version = schedule.until_state(name, "Succeeded")
    tries = reasons(version)
    assert tries[-1] == "Completed"
    assert set(tries[:-1]) == {"SourceUnavailable"}
    assert [attempt["number"] for attempt in version["status"]["attempts"]] == list(range(1, len(tries) + 1))
    assert jobs(schedule) == sorted(names.attempt_job_name(name, number + 1) for number in range(len(tries)))
    ends = [datetime.fromisoformat(a["finishTime"]) for a in version["status"]["attempts"]]
    starts = [datetime.fromisoformat(a["startTime"]) for a in version["status"]["attempts"]]
    assert starts[1] - ends[0] >= timedelta(seconds=2)
    assert not {"nextAttemptTime", "reporterUID"} & version["status"].keys()
    assert condition(version, "Retrying")["reason"] == ""
    schedule.until_serving(name)
    schedule.delete()


def test_a_run_whose_retries_are_used_up_says_so_and_starts_again_when_the_spec_changes(
    plant: Plant, secret: str
) -> None:
    schedule = plant.schedule("exhausted", source=source(plant, secret), retry={"delaysSeconds": [1]})
    name = schedule.order()
    version = schedule.until_state(name, "Failed")
    assert reasons(version) == ["SourceUnavailable"] * 2
    assert condition(version, "Retrying")["reason"] == "Exhausted"
    assert "nowhere.invalid" in version["status"]["attempts"][-1]["logTail"]
    assert "logTail" not in version["status"]["attempts"][0]
    told = condition(schedule.until("Training", "False", "Exhausted"), "Training")["message"]
    assert "a changed spec, a manual run or the next slot" in told

    schedule.change(description="not what is trained")
    schedule.until("Training", "False", "Exhausted")
    schedule.change(source={"connection": {"secretName": plant.organization.database_secret}})
    wait_for(lambda: schedule.version(name)["status"]["state"] != "Failed", "another attempt")
    version = schedule.until_state(name, "Succeeded")
    assert reasons(version) == ["SourceUnavailable"] * 2 + ["Completed"]
    assert "logTail" not in version["status"]["attempts"][-1]
    schedule.delete()


def test_what_is_configured_wrong_is_not_retried_and_runs_when_it_is_mended(plant: Plant) -> None:
    wrong = {"name": MODEL_NAME, "parameters": {**plant.spec()["model"]["parameters"], "num_leafs": "7"}}
    schedule = plant.schedule("wrong", model=wrong, retry={"delaysSeconds": [1, 1, 1]})
    name = schedule.order()
    version = schedule.until_state(name, "Failed")
    assert reasons(version) == ["InvalidConfiguration"]
    assert condition(version, "Retrying")["reason"] == "WaitingForChange"
    schedule.until("Training", "False", "WaitingForChange")
    schedule.change(model={"parameters": {"num_leafs": None}})
    wait_for(lambda: schedule.version(name)["status"]["state"] != "Failed", "another attempt")
    schedule.until_state(name, "Succeeded")
    schedule.delete()


def test_a_model_that_the_gate_refuses_is_trained_again_until_it_comes_out_the_same(plant: Plant) -> None:
    unreachable = {"minimums": [{"metric": "log_loss_skill", "value": "1"}]}
    schedule = plant.schedule("refused", promotion=unreachable, retry={"delaysSeconds": [1, 1, 1]})
    name = schedule.order()
    version = schedule.until_state(name, "Failed")
    assert reasons(version) == ["ValidationFailed"] * 2, "the same data give the same model: a third time is of no use"
    assert condition(version, "Trained")["status"] == "True"
    assert condition(version, "Validated")["reason"] == "BelowMinimum"
    assert condition(version, "Retrying")["reason"] == "Exhausted"
    assert "the very same model" in condition(version, "Retrying")["message"]
    schedule.until_reason(name, "Serving", "NotPromoted")
    schedule.delete()


def test_a_trainer_out_of_memory_gets_more_up_to_the_bound(plant: Plant) -> None:
    little = {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    retry = {"delaysSeconds": [1, 1, 1, 1], "maxMemory": "120Mi"}
    schedule = plant.schedule("memory", trainer={"resources": little}, retry=retry)
    name = schedule.order()

    def third() -> Object | None:
        found = [job for job in schedule.jobs() if job["metadata"]["name"] == names.attempt_job_name(name, 3)]
        return found[0] if found else None

    job = wait_for(third, "the third attempt", timeout=120)
    version = schedule.version(name)
    assert reasons(version)[:2] == ["OutOfMemory"] * 2
    limits = [_memory(job) for job in sorted(schedule.jobs(), key=lambda job: str(job["metadata"]["name"]))[:3]]
    assert limits == ["64Mi", "96Mi", "120Mi"]
    assert _memory(job) == "120Mi"
    schedule.cancel(name, "seen enough")
    schedule.until_state(name, "Cancelled", seconds=90)
    schedule.delete()


def _memory(job: Object) -> str:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    return str(container["resources"]["limits"]["memory"])


def test_a_run_that_waits_for_its_retry_can_be_cancelled_and_one_that_ended_cannot(plant: Plant, secret: str) -> None:
    schedule = plant.schedule("given-up", source=source(plant, secret), retry={"delaysSeconds": [3600]})
    name = schedule.order()
    schedule.until_state(name, "WaitingToRetry")
    schedule.cancel(name, "the plant is closed")
    version = schedule.until_state(name, "Cancelled", seconds=30)
    assert reasons(version) == ["SourceUnavailable"]
    assert "nextAttemptTime" not in version["status"]
    again = schedule.order()
    schedule.until_state(again, "WaitingToRetry")
    mend(plant, secret)
    schedule.change(description="the Secret was mended", model={"seed": 8})
    schedule.until_state(again, "Succeeded")
    with pytest.raises(RefusedError, match="the run has ended, and there is nothing to cancel"):
        schedule.cancel(again, "too late")
    assert "cancellation" not in schedule.version(again)["spec"]
    schedule.delete()


def test_a_job_that_an_administrator_makes_of_the_cron_job_becomes_an_ordered_run(plant: Plant) -> None:
    schedule = plant.schedule("by-hand")
    schedule.until("Ready", "True")
    made = ("create", "job", "by-hand", f"--from=cronjob/{schedule.name}", "--namespace", plant.namespace)
    plant.cluster.kubectl(*made, step="make a Job of the CronJob")
    (version,) = wait_for(schedule.versions, "the Job's version")
    name = version["metadata"]["name"]
    version = schedule.until_state(name, "Succeeded")
    assert version["spec"]["trigger"] == "Manual"
    assert [attempt["jobName"] for attempt in version["status"]["attempts"]] == ["by-hand"]
    schedule.delete()


def test_only_so_many_ordered_runs_may_wait(plant: Plant) -> None:
    schedule = plant.schedule("crowd", suspend=True, historyLimits={"failed": 10})
    schedule.until("Ready", "True")
    with plant.locked("telemetry"):
        first = schedule.order()
        schedule.until_running(first)
        waiting = [schedule.order() for _ in range(5)]
        for name in waiting:
            schedule.until_state(name, "Queued", seconds=30)
        refused = schedule.until_state(schedule.order(), "Failed", seconds=30)
        assert condition(refused, "Trained")["reason"] == "QueueFull"
        for name in (*waiting, first):
            schedule.cancel(name, "the test is over")
    for name in (*waiting, first):
        schedule.until_state(name, "Cancelled", seconds=60)
    schedule.delete()
