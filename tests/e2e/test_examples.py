"""What the examples promise: real data, trained in pods of less than 2 GB, to models as good as the README says."""

from collections.abc import Iterator

import pytest
from eagledemo.dataset import EXAMPLES, read_tables
from eagledemo.kube import Cluster
from eagledemo.runs import read_schedule
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.plant import Plant, onboarded
from tests.e2e.lab.schedule import condition
from tests.support.api import Api, Object

_MEMORY_BYTES = 2_000_000_000
_TRAINING_SECONDS = 480
_NEVER_BY_ITSELF = "0 0 1 1 *"


@pytest.fixture
def plant(request: pytest.FixtureRequest, cluster: Cluster, administrator: Api, operator: Operator) -> Iterator[Plant]:
    """An organization whose database is empty."""
    with onboarded(cluster, administrator, "e2e-example", keep=lambda: False) as plant:
        yield plant


def _trained(plant: Plant, example: str) -> Object:
    """The version that a run of the example's schedule makes, once it serves."""
    plant.load(read_tables(EXAMPLES / example))
    manifest = read_schedule(EXAMPLES / example / "schedule.yaml")
    spec = manifest["spec"]
    own = {
        "organizationId": plant.organization.id,
        "schedule": _NEVER_BY_ITSELF,
        "source": {**spec["source"], "connection": {"secretName": plant.organization.database_secret}},
        "trainer": {"resources": {"requests": {"memory": "512Mi"}, "limits": {"memory": str(_MEMORY_BYTES)}}},
    }
    schedule = plant.apply(manifest["metadata"]["name"], {**spec, **own})
    schedule.until("Ready", "True")
    name = schedule.order()
    schedule.until_state(name, "Succeeded", seconds=_TRAINING_SECONDS)
    schedule.until_serving(name)
    return schedule.version(name)


@pytest.mark.parametrize(("example", "metric"), [("fleet", "average_precision"), ("rig", "accuracy")])
def test_an_example_reaches_what_its_readme_promises(plant: Plant, example: str, metric: str) -> None:
    version = _trained(plant, example)
    result = version["status"]["result"]
    metrics = {entry["name"]: float(entry["value"]) for entry in result["metrics"]}
    assert metrics[metric] >= 0.95, metrics
    assert result["evaluation"]["evaluable"]
    assert result["evaluation"]["beatsBaseline"]
    assert float(result["onnx"]["maxAbsDiff"]) <= 1e-9
    assert result["onnx"]["rowsCompared"] > 0
    assert 0 < result["peakMemoryBytes"] < _MEMORY_BYTES
    assert condition(version, "Validated")["reason"] == "AllChecksPassed"
