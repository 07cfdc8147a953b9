"""A backup brings everything back without status, owners and identities: nothing trains, and the same model serves."""

from dataclasses import dataclass
from typing import Any

import pytest
from tests.support import runs
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import wait_for
from tests.support.control_plane import furnish
from tests.support.eagle import API, Organization
from tests.support.lab import BeginOperator, Lab, condition
from tests.support.operator_process import OperatorProcess

from eagle_contract.api import names

RUNS = 3
_KEPT = ("name", "namespace", "labels", "annotations")
_COLLECTIONS = {
    "TrainingSchedule": f"/apis/{API}/namespaces/{{}}/{names.SCHEDULES}",
    "ModelVersion": f"/apis/{API}/namespaces/{{}}/{names.VERSIONS}",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Service": "/api/v1/namespaces/{}/services",
}
_VERSIONS = {"CronJob": "batch/v1", "Job": "batch/v1", "Deployment": "apps/v1", "Service": "v1"}


def backup(api: Api, namespace: str, kinds: list[str]) -> list[Object]:
    """The objects as Velero brings them back: without status, owners, UIDs and what the API server made up.

    Jobs that are finished stay away.
    """
    return [
        _stripped(kind, found)
        for kind in kinds
        for found in api.call("GET", _COLLECTIONS[kind].format(namespace))["items"]
        if kind != "Job" or found["spec"]["suspend"]
    ]


def _stripped(kind: str, found: Object) -> Object:
    spec = dict(found["spec"])
    if kind == "Service":
        spec = {name: value for name, value in spec.items() if not name.startswith("clusterIP")}
    if kind == "Job":
        spec.pop("selector", None)
        for name in ("controller-uid", "batch.kubernetes.io/controller-uid"):
            spec["template"]["metadata"]["labels"].pop(name, None)
    metadata = {name: found["metadata"][name] for name in _KEPT if name in found["metadata"]}
    return {"apiVersion": _VERSIONS.get(kind, API), "kind": kind, "metadata": metadata, "spec": spec}


def lose_the_namespace(lab: Lab, place: Organization) -> None:
    """Delete it, wait for its end, and make an empty one of its name."""
    path = f"/api/v1/namespaces/{place.namespace}"
    lab.api.call("DELETE", path)
    only = f"metadata.name={place.namespace}"
    wait_for(
        lambda: not lab.api.call("GET", "/api/v1/namespaces", fieldSelector=only)["items"],
        "the namespace to be gone",
        timeout=120,
    )
    furnish(lab.api, place.namespace)


def template(lab: Lab, place: Organization) -> Any:
    (deployment,) = lab.api.call("GET", _COLLECTIONS["Deployment"].format(place.namespace))["items"]
    return deployment["spec"]["template"]


def trained(lab: Lab, operator: OperatorProcess) -> Organization:
    """An organization with three runs behind it, the newest of which serves."""
    place = lab.organization()
    lab.schedule(place)
    for _ in range(RUNS):
        lab.until_active(place, lab.order(place)["metadata"]["name"], operator)
    return place


def restore(lab: Lab, saved: list[Object]) -> None:
    """Bring them back; what the operator has made meanwhile stays as it is."""
    for resource in saved:
        try:
            lab.api.create(resource)
        except RefusedError as no:
            if "already exists" not in no.message:
                raise


def order_that_waits(lab: Lab, place: Organization, begin_operator: BeginOperator) -> None:
    """A run whose Job is there, and which nobody lets go."""
    closed = begin_operator(lab.plane.config, EAGLE_IDENTITY="closed", TRAINING_SCHEDULE_ENABLED="false")
    name = lab.order(place)["metadata"]["name"]
    closed.until(lambda: (place.namespace, name) in lab.jobs.now, "the Job")
    assert closed.stop() == 0


@dataclass(frozen=True)
class Restore:
    """What a backup holds, and in which order it comes back."""

    waiting: bool
    """Whether a run waited for its turn."""
    pinned: bool
    schedules_first: bool


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Restore(waiting=False, pinned=False, schedules_first=False), id="plain"),
        pytest.param(Restore(waiting=True, pinned=False, schedules_first=True), id="waiting, schedules first"),
        pytest.param(Restore(waiting=True, pinned=True, schedules_first=False), id="waiting, pinned"),
        pytest.param(Restore(waiting=False, pinned=True, schedules_first=True), id="pinned, schedules first"),
    ],
)
def test_a_restored_organization_trains_nothing_and_serves_the_same_model(
    lab: Lab, begin_operator: BeginOperator, case: Restore
) -> None:
    operator = begin_operator(lab.plane.config)
    place = trained(lab, operator)
    served = lab.status(place)["activeVersion"]
    if case.pinned:
        (made,) = lab.api.call("GET", _COLLECTIONS["TrainingSchedule"].format(place.namespace))["items"]
        lab.api.merge(made, {"spec": {"serving": {"pin": {"version": served["name"], "reason": "holds"}}}})
    if case.waiting:
        operator.stop()
        order_that_waits(lab, place, begin_operator)
        operator.start()
    before = template(lab, place)
    saved = backup(lab.api, place.namespace, sorted(_COLLECTIONS, reverse=case.schedules_first))
    ordered = len([resource for resource in saved if resource["kind"] == "ModelVersion"])
    lose_the_namespace(lab, place)
    lab.trainers.follow(place.namespace, runs.all_pass)
    pods_before = len(lab.pods.of(place.namespace))

    restore(lab, saved)
    operator.until(lambda: lab.status(place).get("activeVersion"), "the model to be taken up", timeout=90)
    now = lab.status(place)["activeVersion"]
    assert [now[name] for name in ("name", "digest", "uri")] == [served[name] for name in ("name", "digest", "uri")]
    wait_for(lambda: condition(lab.status(place), "Serving")[0] == "True", "the service to be told")

    def states() -> list[str | None]:
        return [v.get("status", {}).get("state") for v in lab.versions.objects(place.namespace)]

    wait_for(lambda: states() == ["Failed"] * ordered, "every restored order to be told that it is not run")
    assert template(lab, place) == before
    trainers = [c for c in lab.pods.of(place.namespace)[pods_before:] if runs.version_of(c.object)]
    assert trainers == []

    name = lab.order(place)["metadata"]["name"]
    operator.until(
        lambda: any(p.version == name for p in lab.trainers.played_in(place.namespace)),
        "a new order to run",
    )
