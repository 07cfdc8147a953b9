"""An operator that dies, or that sees nothing for a while, costs time and nothing else."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule
from tests.e2e.lab.watch import watched
from tests.support.cluster import EAGLE_HOME, kubeconfig, wait_for

from eagle_contract.api import names


@pytest.fixture
def schedule(plant: Plant, operator: Operator) -> Iterator[Schedule]:
    schedule = plant.schedule("restarts")
    schedule.until("Ready", "True")
    yield schedule
    operator.until_ready()
    schedule.delete()


def _added(jobs: list[str]) -> set[str]:
    return {line for line in jobs if line.startswith("ADDED ")}


def test_an_operator_killed_at_every_moment_of_a_run_changes_nothing_but_the_delay(
    plant: Plant, operator: Operator, schedule: Schedule
) -> None:
    selector = f"{names.SCHEDULE_LABEL}={schedule.name}"
    fields = "{.object.metadata.name} {.object.metadata.uid}"
    with watched(plant.cluster, plant.namespace, "jobs", selector, fields) as jobs:
        with plant.locked("telemetry"):
            name = schedule.order()
            operator.kill()
            schedule.until_state(name, "Queued", "Running", seconds=60)
            operator.kill()
            schedule.until_running(name)
            operator.kill()
        wait_for(lambda: "result" in schedule.version(name)["status"], "the trainer's result", timeout=180)
        operator.kill()
        schedule.until_state(name, "Succeeded")
        wait_for(lambda: not schedule.gone("Deployment", names.serving_name(schedule.name), "apps/v1"), "the rollout")
        operator.kill()
        schedule.until_serving(name)

    assert len(_added(jobs)) == 1, jobs
    version = schedule.until_reason(name, "Serving", "Promoted")
    assert [version["metadata"]["name"] for version in schedule.versions()] == [name]
    assert [attempt["reason"] for attempt in version["status"]["attempts"]] == ["Completed"]
    assert len(schedule.look()["status"]["servingHistory"]) == 1
    assert [event["reason"] for event in schedule.events(name)] == ["Completed"]
    assert [event["reason"] for event in schedule.events()] == ["Promoted"]


def test_a_slot_that_comes_while_no_operator_runs_is_run_once_afterwards(
    plant: Plant, operator: Operator, schedule: Schedule
) -> None:
    slot = (datetime.now(UTC) + timedelta(seconds=20)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    schedule.change(schedule=f"{slot.minute} {slot.hour} * * *", timeZone="Etc/UTC")
    schedule.until("Ready", "True")
    name = names.slot_name(schedule.name, slot)
    operator.stop()
    wait_for(lambda: not schedule.gone("Job", name, "batch/v1"), "the slot's Job", timeout=90)
    assert schedule.gone("ModelVersion", name)
    operator.start()
    schedule.until_state(name, "Succeeded")
    assert [version["metadata"]["name"] for version in schedule.versions()] == [name]
    assert [job["metadata"]["name"] for job in schedule.jobs()] == [name]


@contextmanager
def no_operator(operator: Operator) -> Iterator[None]:
    operator.stop()
    try:
        yield
    finally:
        operator.start()


@contextmanager
def an_operator_that_is_cut_off(operator: Operator) -> Iterator[None]:
    """Its connections to the API server are broken, and new ones are refused: it is told nothing of what happens."""
    if kubeconfig() != EAGLE_HOME / "cluster" / "admin.kubeconfig" or os.geteuid() != 0:
        pytest.skip("cuts connections on the node, which is this machine only with the local cluster, and as root")
    address = operator.pods()[0]["status"]["podIP"]
    rule = ["INPUT", "--source", address, "--protocol", "tcp", "--dport", "6443", "--jump", "REJECT"]
    refuse = [*rule, "--reject-with", "tcp-reset"]
    subprocess.run(["iptables", "--wait", "--insert", *refuse], check=True)
    try:
        subprocess.run(["ss", "--kill", "state", "established", "dst", address], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["iptables", "--wait", "--delete", *refuse], check=True)


@pytest.mark.parametrize("unseeing", [no_operator, an_operator_that_is_cut_off])
def test_what_is_deleted_unseen_holds_no_place_afterwards(
    plant: Plant,
    operator: Operator,
    schedule: Schedule,
    unseeing: Callable[[Operator], AbstractContextManager[None]],
) -> None:
    with plant.locked("telemetry"):
        ghost = schedule.order()
        schedule.until_running(ghost)
        waiting = schedule.order()
        schedule.until_state(waiting, "Queued", seconds=30)
        with unseeing(operator):
            plant.delete("batch/v1", "Job", ghost)
            schedule.delete_version(ghost)
            wait_for(lambda: schedule.gone("Job", ghost, "batch/v1"), "the Job to go")
            wait_for(lambda: schedule.gone("ModelVersion", ghost), "its version to go")
            wait_for(lambda: not schedule.pods(program="eagle-trainer"), "its pod to go", timeout=90)
        schedule.until_running(waiting, seconds=120)
    schedule.until_state(waiting, "Succeeded")
