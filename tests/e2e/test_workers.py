"""A schedule with several workers trains to a model like that of one worker."""

import pytest
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule
from tests.support.api import Object
from tests.support.cluster import wait_for

from eagle_contract.api import names


def metrics(version: Object) -> dict[str, float]:
    return {metric["name"]: float(metric["value"]) for metric in version["status"]["result"]["metrics"]}


def workers(schedule: Schedule, run: str) -> dict[str, Object]:
    """The pods of a run that are there now, by their index."""
    labels = [(pod["metadata"]["labels"], pod) for pod in schedule.pods(program="eagle-trainer")]
    return {tags[names.INDEX_LABEL]: pod for tags, pod in labels if tags.get(names.JOB_NAME_LABEL) == run}


def test_two_workers_train_to_a_model_as_good_as_one_workers(plant: Plant) -> None:
    schedule = plant.schedule("workers", trainer={"workers": 2}, promotion={"policy": "Manual"})
    schedule.until("Ready", "True")
    with plant.locked("telemetry"):
        run = schedule.order()
        schedule.until_running(run)
        pods = wait_for(lambda: found if len(found := workers(schedule, run)) == 2 else None, "two pods of the run")
    version = schedule.until_state(run, "Succeeded")
    assert version["status"]["result"]["podUID"] == pods["0"]["metadata"]["uid"]
    assert len(version["status"]["attempts"]) == 1
    name = pods["0"]["metadata"]["name"]
    log = plant.cluster.kubectl("logs", name, "--namespace", plant.namespace, step="read the log of worker 0")
    assert '"all workers are there", "workers": 2' in log

    schedule.change(trainer={"workers": 1})
    schedule.until("Ready", "True")
    alone = metrics(schedule.version(schedule.train()))
    together = metrics(version)
    assert together["log_loss_skill"] == pytest.approx(alone["log_loss_skill"], abs=0.05)
    assert together["average_precision"] == pytest.approx(alone["average_precision"], abs=0.05)
    schedule.delete()
