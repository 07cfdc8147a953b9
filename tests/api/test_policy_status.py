"""Status is the operator's word; a run's own pod may add its result and its progress, and nothing else."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.support.api import Api, Object
from tests.support.cluster import kubectl, unique
from tests.support.eagle import Organization, manual_order, schedule
from tests.support.workloads import trainer_pod

NOW = "2026-11-22T01:00:00Z"
DIGEST = "sha256:" + "a" * 64
PROGRESS = {"step": "fit", "percent": 40, "updatedTime": NOW}


@pytest.fixture(scope="module")
def trainers(administrator: Api, organization: Organization) -> Iterator[list[tuple[str, Api]]]:
    """Two pods of trainers, each with the bound token a kubelet would give it: (pod UID, caller)."""
    namespace = organization.namespace
    with trainer_pod(administrator, namespace) as one, trainer_pod(administrator, namespace) as other:
        yield [one, other]


@pytest.fixture
def order(administrator: Api, operator: Api, organization: Organization, trainers: list[tuple[str, Api]]) -> Object:
    """A run whose reporter is the first of the two pods."""
    made = administrator.create(manual_order(organization, "press"))
    return operator.merge(made, {"status": running(reporter=trainers[0][0])}, "status")


def running(reporter: str) -> Object:
    condition = {
        "type": "Trained",
        "status": "Unknown",
        "reason": "Running",
        "message": "attempt 1",
        "lastTransitionTime": NOW,
        "observedGeneration": 1,
    }
    return {
        "state": "Running",
        "conditions": [condition],
        "attempts": [{"number": 1, "jobName": "press-m-1", "podUID": reporter, "startTime": NOW}],
        "reporterUID": reporter,
    }


def result(pod_uid: str) -> Object:
    return {
        "attempt": 1,
        "podUID": pod_uid,
        "scheduleGeneration": 1,
        "trainingHash": DIGEST,
        "trainedThrough": NOW,
        "schemaDigest": DIGEST,
        "artifact": {
            "uri": "s3://eagle-acme/acme/1/v1/",
            "digest": DIGEST,
            "modelDigest": DIGEST,
            "sizeBytes": 1,
            "keyId": "k1",
            "signature": "s",
        },
        "data": {"rows": 10, "positives": 1, "assets": 1, "from": NOW, "to": NOW},
        "evaluation": {"evaluable": False, "message": "too few failures"},
        "metrics": [{"name": "accuracy", "value": "0.98"}],
        "onnx": {"opset": 21, "maxAbsDiff": "0", "rowsCompared": 10},
    }


def report(order: Object, **status: object) -> Object:
    """What a trainer applies: the fields that it owns, and no others."""
    metadata = {key: order["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": order["apiVersion"], "kind": order["kind"], "metadata": metadata, "status": status}


def apply(caller: Api, body: Object) -> Object:
    return caller.apply(body, "eagle-trainer", "status")


def test_the_reporter_reports_progress_and_then_its_result(order: Object, trainers: list[tuple[str, Api]]) -> None:
    uid, trainer = trainers[0]
    assert apply(trainer, report(order, progress=PROGRESS))["status"]["progress"]["percent"] == 40
    status = apply(trainer, report(order, progress=PROGRESS, result=result(uid)))["status"]
    assert status["result"]["podUID"] == uid
    assert status["attempts"] == order["status"]["attempts"]


def test_another_pod_of_the_same_organization_may_not_report(
    order: Object, trainers: list[tuple[str, Api]], refusal: Callable[..., str]
) -> None:
    message = refusal(apply, trainers[1][1], report(order, progress=PROGRESS))
    assert "only the pod that status.reporterUID names may report" in message
    assert "try again in a moment" in message


def test_nobody_reports_before_the_operator_has_recorded_the_reporter(
    administrator: Api, organization: Organization, trainers: list[tuple[str, Api]], refusal: Callable[..., str]
) -> None:
    order = administrator.create(manual_order(organization, "press"))
    assert "reporterUID" in refusal(apply, trainers[0][1], report(order, progress=PROGRESS))


def test_a_token_that_is_bound_to_no_pod_may_not_report(
    administrator: Api, organization: Organization, order: Object, refusal: Callable[..., str]
) -> None:
    unbound = administrator.impersonate(f"system:serviceaccount:{organization.namespace}:eagle-trainer")
    assert "with the token of its own pod" in refusal(apply, unbound, report(order, progress=PROGRESS))


def test_a_result_names_the_pod_that_reports_it(
    order: Object, trainers: list[tuple[str, Api]], refusal: Callable[..., str]
) -> None:
    foreign = report(order, result=result(trainers[1][0]))
    assert "status.result.podUID must be the UID of the pod" in refusal(apply, trainers[0][1], foreign)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "Succeeded"},
        {"state": None},
        {"version": "v2026-11-22T01-00-00-000Z_a1b2c3d4"},
        {"conditions": []},
        {"attempts": None},
        {"attempts": [{"number": 1, "jobName": "another"}]},
        {"reporterUID": "another"},
        {"reporterUID": None},
        {"nextAttemptTime": NOW},
        {"trainerImage": "another"},
    ],
    ids=json.dumps,
)
def test_a_reporter_changes_no_other_member(
    order: Object, trainers: list[tuple[str, Api]], change: Object, refusal: Callable[..., str]
) -> None:
    message = refusal(trainers[0][1].merge, order, {"status": {**change, "progress": PROGRESS}}, "status")
    assert "may write only status.result and status.progress" in message


def test_a_reporter_changes_nothing_outside_status(order: Object, trainers: list[tuple[str, Api]]) -> None:
    body = report(order, progress=PROGRESS)
    body["metadata"] = {**body["metadata"], "labels": {"forged": "yes"}, "finalizers": ["example.com/forged"]}
    body["spec"] = {**order["spec"], "description": "forged"}
    after = apply(trainers[0][1], body)
    assert after["metadata"].get("labels", {}).get("forged") is None
    assert "finalizers" not in after["metadata"]
    assert after["spec"] == order["spec"]


def test_the_clusters_administrator_does_not_write_status_and_is_told_what_to_do(
    administrator: Api, organization: Organization, order: Object, refusal: Callable[..., str]
) -> None:
    message = refusal(administrator.merge, order, {"status": {"state": "Succeeded"}}, "status")
    assert "only the operator writes the status of a ModelVersion; use spec.approval or spec.cancellation" in message
    made = administrator.create(schedule(organization, unique("press")))
    message = refusal(administrator.merge, made, {"status": {"observedGeneration": 7}}, "status")
    assert "only the operator writes the status of a TrainingSchedule; change its spec" in message


def test_the_operator_writes_all_status(
    administrator: Api, operator: Api, organization: Organization, order: Object
) -> None:
    assert operator.merge(order, {"status": {"state": "Failed"}}, "status")["status"]["state"] == "Failed"
    made = administrator.create(schedule(organization, unique("press")))
    after = operator.merge(made, {"status": {"observedGeneration": 1}}, "status")
    assert after["status"]["observedGeneration"] == 1


def test_a_trainer_writes_no_resource_whatever_its_roles_say(
    administrator: Api,
    organization: Organization,
    order: Object,
    trainers: list[tuple[str, Api]],
    refusal: Callable[..., str],
) -> None:
    binding = unique("too-much")
    kubectl("create", "rolebinding", binding, "--clusterrole=cluster-admin", f"--namespace={organization.namespace}",
            f"--serviceaccount={organization.namespace}:eagle-trainer")  # fmt: skip
    try:
        made = administrator.create(schedule(organization, unique("press")))
        _, trainer = trainers[0]
        told = "trainers and servers only read TrainingSchedules and ModelVersions"
        assert told in refusal(trainer.merge, order, {"spec": {"approval": {"decision": "Approved"}}})
        assert told in refusal(trainer.merge, made, {"spec": {"suspend": False}})
        assert told in refusal(trainer.create, manual_order(organization, "press"))
        assert told in refusal(trainer.call, "DELETE", _path(order))
        message = refusal(trainer.merge, made, {"status": {"observedGeneration": 7}}, "status")
        assert "only the operator writes the status of a TrainingSchedule" in message
    finally:
        kubectl("delete", "rolebinding", binding, f"--namespace={organization.namespace}")


def _path(order: Object) -> str:
    metadata = order["metadata"]
    return f"/apis/{order['apiVersion']}/namespaces/{metadata['namespace']}/modelversions/{metadata['name']}"
