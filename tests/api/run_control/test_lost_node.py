"""A node disappears with a trainer on it: its pod neither ends nor goes, and the run begins anew elsewhere.

The control plane is one of this file's own: it gives up nodes within seconds instead of minutes. What then remains is
the operator's patience: the pod's own time to end, and two minutes.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import runs
from tests.support.cluster import wait_for
from tests.support.lab import BeginOperator, Lab, own_lab
from tests.support.runs import Ending, Played

API_SERVER_FLAGS = ("--default-unreachable-toleration-seconds=2", "--default-not-ready-toleration-seconds=2")
CONTROLLER_FLAGS = ("--node-monitor-grace-period=12s", "--node-monitor-period=1s", "--node-startup-grace-period=12s")
LOST_SECONDS = 240


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    try:
        folder = tmp_path / "plane"
        folder.mkdir()
        with own_lab(folder, server_flags=API_SERVER_FLAGS, controller_flags=CONTROLLER_FLAGS) as lab:
            yield lab
    except FileNotFoundError as missing:
        pytest.skip(f"needs a control plane of its own: {missing}")


def hangs_on_the_node_that_goes(played: Played) -> Ending | None:
    return None if played.attempt == 1 else runs.PASSES


def schedulable(lab: Lab, group: str, yes: bool) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": lab.plane.node(group)}}
    lab.api.merge(node, {"spec": {"unschedulable": not yes}})


def test_a_run_whose_node_is_gone_is_repeated_elsewhere_and_loses_no_retry(
    lab: Lab, begin_operator: BeginOperator
) -> None:
    operator = begin_operator(lab.plane.config, MAX_CONCURRENT_RUNS="1")
    place = lab.organization(hangs_on_the_node_that_goes)
    lab.schedule(place, retry={"delaysSeconds": []})
    schedulable(lab, "stays", False)
    order = lab.order(place)
    wait_for(lambda: lab.trainers.played_in(place.namespace), "the trainer to be at work")
    (first,) = lab.pods.objects(place.namespace)
    assert first["spec"]["nodeName"] == lab.plane.node("goes")

    lab.plane.kubelets["goes"].kill()
    schedulable(lab, "stays", True)
    began = time.monotonic()
    lab.until_served(place, operator, timeout=LOST_SECONDS)
    print(f"in service {time.monotonic() - began:.0f} s after the node was lost")

    status = lab.version(order)
    assert [attempt["reason"] for attempt in status["attempts"]] == ["NodeLost", "Completed"]
    assert status.get("retriesUsed", 0) == 0
    second = lab.trainers.played_in(place.namespace)[1].pod
    assert second["spec"]["nodeName"] == lab.plane.node("stays")
    still_there = [p for p in lab.pods.objects(place.namespace) if p["metadata"]["uid"] == first["metadata"]["uid"]]
    assert [pod["status"]["phase"] for pod in still_there] in ([], ["Running"])
