"""The page docs/rest-operations.md does what it says: its own blocks are run, with kubectl and with curl."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule
from tests.support.api import Object
from tests.support.cluster import EAGLE_HOME, REPOSITORY, kubeconfig, wait_for

_PAGE = REPOSITORY / "docs" / "rest-operations.md"
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```sh ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

TOOLS = pytest.mark.parametrize("tool", ["kubectl", "curl"])


def blocks(section: str, tool: str = "") -> list[str]:
    """The shell blocks of a section that are for the tool ('': for both)."""
    parts = _SECTION.split(_PAGE.read_text())
    return [block for label, block in _BLOCK.findall(parts[parts.index(section) + 1]) if label == tool]


@dataclass(frozen=True)
class Reader:
    """Somebody who follows the page in a shell, with a schedule of their own."""

    schedule: Schedule

    def does(self, section: str, tool: str) -> str:
        """What a block of the page prints. `tool` is kubectl or curl."""
        which, _, address = blocks("Before")
        (block,) = blocks(section, tool)
        return self.shell("\n".join([which, address, block]))

    def shell(self, script: str) -> str:
        """What a script prints. AssertionError with what it said, when it fails."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig()),
            "PATH": f"{EAGLE_HOME / 'bin'}:{os.environ['PATH']}",
            "NAMESPACE": self.schedule.namespace,
            "SCHEDULE": self.schedule.name,
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{script}\nsaid: {done.stderr}{done.stdout}"
        return done.stdout

    def orders(self, tool: str) -> Object:
        """The ModelVersion that the page's order makes."""
        before = {version["metadata"]["name"] for version in self.schedule.versions()}
        self.does("Train", tool)
        (ordered,) = [v for v in self.schedule.versions() if v["metadata"]["name"] not in before]
        return ordered


@pytest.fixture(scope="module")
def reader(plant: Plant) -> Iterator[Reader]:
    reader = Reader(plant.schedule("rest"))
    which, account, _ = blocks("Before")
    reader.shell("\n".join([which, account]))
    yield reader
    reader.schedule.delete()


@pytest.fixture(scope="module")
def served(reader: Reader) -> list[str]:
    """Three versions that have served one after the other, ordered by the page's own blocks."""
    names = []
    for tool in ("kubectl", "curl", "kubectl"):
        name = reader.orders(tool)["metadata"]["name"]
        reader.schedule.until_state(name, "Succeeded")
        reader.schedule.until_serving(name)
        names.append(name)
    return names


def test_the_page_has_every_operation_for_both_tools() -> None:
    titles = _SECTION.findall(_PAGE.read_text())
    operations = [title for title in titles if title != "Before"]
    assert len(operations) == 9
    for operation in operations:
        assert len(blocks(operation, "kubectl")) == len(blocks(operation, "curl")) == 1, operation


@TOOLS
def test_an_order_says_who_made_it(reader: Reader, served: list[str], tool: str) -> None:
    version = reader.schedule.version(served[0] if tool == "kubectl" else served[1])
    client = f"system:serviceaccount:{reader.schedule.namespace}:training-client"
    assert version["spec"]["description"] == f"ordered with {tool}"
    assert (version["spec"]["requestedBy"] == client) == (tool == "curl")


@TOOLS
def test_the_schedule_is_shown(reader: Reader, tool: str) -> None:
    shown = reader.does("Get the schedule", tool)
    assert reader.schedule.name in shown
    assert "trainingschedules" in shown or "TrainingSchedule" in shown


@TOOLS
def test_the_schedule_is_changed(reader: Reader, tool: str) -> None:
    reader.does("Set the schedule", tool)
    spec = reader.schedule.look()["spec"]
    assert spec["timeZone"] == "Europe/Berlin"
    assert spec["schedule"] == {"kubectl": "30 2 * * 0", "curl": "30 3 * * 0"}[tool]
    reader.schedule.until("Ready", "True", "Reconciled")


@TOOLS
def test_the_history_has_every_version(reader: Reader, served: list[str], tool: str) -> None:
    history = reader.does("History", tool)
    assert all(name in history for name in served)


@TOOLS
def test_metrics_tell_how_training_goes(reader: Reader, served: list[str], tool: str) -> None:
    shown = reader.does("Metrics", tool)
    assert "meanAccuracy" in shown
    if tool == "kubectl":
        assert shown.count("average_precision=") == len(served)


@pytest.fixture(scope="module")
def overseer(reader: Reader) -> Iterator[Reader]:
    """The reader, with the right to see all organizations."""
    which, _, address = blocks("Before")
    (bind,) = blocks("System metrics")
    reader.shell("\n".join([which, bind]))
    everything = 'call "$SERVER/apis/training.eagle-notifier.io/v1alpha1/trainingschedules"'

    def allowed() -> bool:
        try:
            return bool(reader.shell("\n".join([which, address, everything])))
        except AssertionError as refused:
            if "forbidden" not in str(refused):
                raise
            return False

    wait_for(allowed, "the API server to know of the right")
    yield reader
    reader.shell("\n".join([which, 'kubectl delete clusterrolebinding "training-client-$NAMESPACE"']))


@TOOLS
def test_system_metrics_reach_over_all_organizations(overseer: Reader, tool: str) -> None:
    shown = overseer.does("System metrics", tool)
    assert overseer.schedule.name in shown
    if tool == "kubectl":
        assert "eagle_runs" in shown
    else:
        assert json.loads(shown)["kind"] == "TrainingScheduleList"


def test_a_roll_back_brings_the_one_before_into_service(reader: Reader, served: list[str]) -> None:
    for tool, back_to in (("kubectl", served[1]), ("curl", served[0])):
        reader.does("Roll back", tool)
        serving = reader.schedule.until_serving(back_to)
        assert serving["status"]["servingHistory"][0]["reason"] == "RolledBackTo"


@TOOLS
def test_a_run_is_cancelled(reader: Reader, served: list[str], plant: Plant, tool: str) -> None:
    with plant.locked("public.telemetry"):
        name = reader.orders(tool)["metadata"]["name"]
        reader.schedule.until_state(name, "Running")
        reader.does("Cancel", tool)
        ended = reader.schedule.until_state(name, "Cancelled", seconds=60)
    assert ended["spec"]["cancellation"]["reason"] == "wrong data"


@TOOLS
def test_a_schedule_is_deleted(reader: Reader, plant: Plant, tool: str) -> None:
    other = Reader(plant.schedule("rest-gone"))
    other.does("Delete the schedule", tool)
    assert other.schedule.gone("TrainingSchedule", other.schedule.name)
