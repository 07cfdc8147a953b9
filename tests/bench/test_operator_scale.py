"""How the operator does with a thousand schedules.

Times are given as multiples of what `kubectl create` takes for as many bare CronJobs on the same machine in the same
run, memory as a multiple of what the operator takes with nothing to do: so the bounds hold on any machine.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx
import pytest
from eagledemo import organizations
from eagledemo.kube import Cluster
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.lab.line import line_spec
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.plant import API
from tests.e2e.lab.schedule import condition
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import EAGLE_HOME, kubeconfig, local_images, unique, wait_for

from eagle_contract.api import names

SCHEDULES = 1000
ORGANIZATIONS = 5
READY_WITHIN = 2.0
"""From the first `kubectl create` to the last Ready condition, in multiples of the reference."""
RESTARTED_WITHIN = 2.0
"""From killing the operator to the last of all schedules being looked at again."""
MEMORY_WITHIN = 2.5
"""The operator's peak in multiples of its memory with nothing to do."""


@dataclass
class Gauge:
    """The operator's own metrics, read all the time: also while it restarts."""

    operator: Operator
    peak_bytes: float = 0.0
    newest: dict[str, float] = field(default_factory=dict)
    over: Event = field(default_factory=Event)

    def watch(self) -> None:
        """Read until `over`."""
        while not self.over.wait(0.25):
            self.look()

    def look(self) -> dict[str, float]:
        """The samples now, summed over their labels; the last ones while there is nobody to ask."""
        try:
            text = self.operator.metrics()
        except (RefusedError, httpx.TransportError):
            return self.newest
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        found.setdefault("eagle_reconcile_total", 0.0)
        self.newest = found
        self.peak_bytes = max(self.peak_bytes, found["process_resident_memory_bytes"])
        return found


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    cluster = Cluster(kubeconfig(), EAGLE_HOME / "bin")
    organizations.install_operator(cluster, local_images())
    with Api.administrator() as api:
        operator = Operator(cluster, api)
        operator.until_ready()
        yield operator


@pytest.fixture(scope="module")
def namespaces(operator: Operator) -> Iterator[list[str]]:
    """Namespaces of organizations; nothing runs in them, so the label is all they need."""
    made = [unique("bench") for _ in range(ORGANIZATIONS)]
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {names.ORGANIZATION_LABEL: name}},
        }
        for name in made
    ]
    operator.cluster.apply(*objects, step="make the namespaces")
    yield made
    operator.cluster.kubectl("delete", "namespace", *made, "--wait=false", step="remove the namespaces")


def _namespace(name: str) -> Object:
    metadata = {"name": name, "labels": {names.ORGANIZATION_LABEL: name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _schedules(namespaces: list[str]) -> Iterator[Object]:
    for number in range(SCHEDULES):
        namespace = namespaces[number % len(namespaces)]
        metadata = {"name": f"bench-{number}", "namespace": namespace}
        yield {
            "apiVersion": API,
            "kind": "TrainingSchedule",
            "metadata": metadata,
            "spec": line_spec(namespace, "none"),
        }


def _cron_jobs(namespaces: list[str]) -> Iterator[Object]:
    container = {"name": "main", "image": "example.invalid/none"}
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}
    for number in range(SCHEDULES):
        metadata = {"name": f"bare-{number}", "namespace": namespaces[number % len(namespaces)]}
        spec = {"schedule": "0 0 1 1 *", "jobTemplate": template}
        yield {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


def _create(cluster: Cluster, objects: Iterator[Object]) -> float:
    """Seconds that `kubectl create` takes."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    began = time.monotonic()
    cluster.kubectl("create", "--filename", "-", "--output", "name", step="create", stdin=text, seconds=900)
    return time.monotonic() - began


def _all_ready(api: Api, namespaces: list[str]) -> Callable[[], bool]:
    waiting = set(namespaces)

    def ready() -> bool:
        for namespace in sorted(waiting):
            found = api.call("GET", f"/apis/{API}/namespaces/{namespace}/{names.SCHEDULES}")["items"]
            if len(found) < SCHEDULES // len(namespaces) or any(
                condition(s, "Ready")["status"] != "True" for s in found
            ):
                return False
            waiting.discard(namespace)
        return True

    return ready


def test_a_thousand_schedules_are_taken_up_and_taken_up_again_after_a_restart(
    operator: Operator, namespaces: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    operator.stop()
    operator.start()
    gauge = Gauge(operator)
    idle_bytes = gauge.look()["process_resident_memory_bytes"]
    reader = Thread(target=gauge.watch)
    reader.start()
    try:
        reference = _create(operator.cluster, _cron_jobs(namespaces))
        for namespace in namespaces:
            operator.api.call("DELETE", f"/apis/batch/v1/namespaces/{namespace}/cronjobs")

        began = time.monotonic()
        created = _create(operator.cluster, _schedules(namespaces))
        patience = 20 * reference
        wait_for(_all_ready(operator.api, namespaces), "all schedules to be Ready", timeout=patience, interval=0.5)
        ready = time.monotonic() - began

        began = time.monotonic()
        killed = gauge.look()["process_start_time_seconds"]
        operator.kill()
        wait_for(lambda: _caught_up(gauge, killed), "all schedules to be looked at", timeout=patience, interval=0.1)
        restarted = time.monotonic() - began
    finally:
        gauge.over.set()
        reader.join()
    with capsys.disabled():
        _tell(reference, created, ready, restarted, idle_bytes, gauge.peak_bytes)
    assert ready / reference <= READY_WITHIN
    assert restarted / reference <= RESTARTED_WITHIN
    assert gauge.peak_bytes / idle_bytes <= MEMORY_WITHIN


def _caught_up(gauge: Gauge, killed: float) -> bool:
    newest = gauge.newest
    another = newest["process_start_time_seconds"] != killed
    return another and newest["eagle_reconcile_total"] >= SCHEDULES and newest["eagle_workqueue_depth"] == 0


def _tell(
    reference: float, created: float, ready: float, restarted: float, idle_bytes: float, peak_bytes: float
) -> None:
    mebibyte = 2**20
    print(
        f"\n{SCHEDULES} schedules in {ORGANIZATIONS} organizations"
        f"\n  kubectl create, bare CronJobs   {reference:6.1f} s  (reference)"
        f"\n  kubectl create, schedules       {created:6.1f} s  {created / reference:5.2f}"
        f"\n  until all are Ready             {ready:6.1f} s  {ready / reference:5.2f}  (at most {READY_WITHIN})"
        f"\n  restart until all looked at     {restarted:6.1f} s  {restarted / reference:5.2f}"
        f"  (at most {RESTARTED_WITHIN})"
        f"\n  memory idle / peak              {idle_bytes / mebibyte:.0f} / {peak_bytes / mebibyte:.0f} MiB"
        f"  {peak_bytes / idle_bytes:5.2f}  (at most {MEMORY_WITHIN})"
    )
