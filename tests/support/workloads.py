"""Workloads as small as restricted pod security allows, for tests that care who may make them, not what they do."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.api import Api, Object, RefusedError, bearer_of
from tests.support.cluster import unique, wait_for

CONTROLLER = "system:serviceaccount:kube-system:{}-controller"
JOB_CONTROLLER = CONTROLLER.format("job")
CRON_JOB_CONTROLLER = CONTROLLER.format("cronjob")
DEPLOYMENT_CONTROLLER = CONTROLLER.format("deployment")
REPLICA_SET_CONTROLLER = CONTROLLER.format("replicaset")

_LABELS = {"app": "stand-in"}
_CONTAINER = {
    "name": "main",
    "image": "example.invalid/nothing",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


def pod_spec(account: str, **members: object) -> Object:
    """A pod's spec that runs as the ServiceAccount. `members` are added."""
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "serviceAccountName": account,
        "restartPolicy": "Never",
        "securityContext": security,
        "containers": [_CONTAINER],
        **members,
    }


def pod(namespace: str, account: str, **members: object) -> Object:
    """A pod on a node that does not exist, so that nothing ever runs."""
    spec = pod_spec(account, **{"nodeName": unique("ghost"), **members})
    return _resource("v1", "Pod", namespace, spec)


def job(namespace: str, account: str, *, suspend: bool, labels: dict[str, str] | None = None) -> Object:
    """A Job of one pod."""
    spec = {"suspend": suspend, "backoffLimit": 0, "template": {"spec": pod_spec(account)}}
    return _resource("batch/v1", "Job", namespace, spec, labels)


def cron_job(namespace: str, account: str, labels: dict[str, str] | None = None) -> Object:
    """A CronJob that never fires."""
    template = {"spec": {"suspend": True, "template": {"spec": pod_spec(account)}}}
    spec = {"schedule": "0 0 30 2 *", "jobTemplate": template}
    return _resource("batch/v1", "CronJob", namespace, spec, labels)


def replicated(kind: str, namespace: str, account: str) -> Object:
    """A Deployment, ReplicaSet, StatefulSet, DaemonSet or ReplicationController without replicas."""
    template = {"metadata": {"labels": _LABELS}, "spec": pod_spec(account, restartPolicy="Always")}
    core = kind == "ReplicationController"
    spec: Object = {"selector": _LABELS if core else {"matchLabels": _LABELS}, "template": template}
    if kind == "DaemonSet":
        template["spec"]["nodeSelector"] = {"none": "such"}
    else:
        spec["replicas"] = 0
    if kind == "StatefulSet":
        spec["serviceName"] = "none"
    return _resource("v1" if core else "apps/v1", kind, namespace, spec)


@contextmanager
def trainer_pod(administrator: Api, namespace: str) -> Iterator[tuple[str, Api]]:
    """A trainer's pod, as the job controller makes it, and a caller with its own bound token: (pod UID, caller)."""
    made = administrator.impersonate(JOB_CONTROLLER).create(pod(namespace, "eagle-trainer"))
    try:
        node = node_of(administrator, made)
        with bearer_of(wait_for(lambda: kubelet_token(node, made), "the node's right to a token")) as caller:
            yield made["metadata"]["uid"], caller
    finally:
        administrator.call("DELETE", _pod_path(made), {"gracePeriodSeconds": 0})


def node_of(administrator: Api, made: Object) -> Api:
    """The kubelet of the node that a pod is on."""
    return administrator.impersonate(f"system:node:{made['spec']['nodeName']}", group="system:nodes")


def kubelet_token(node: Api, made: Object) -> str | None:
    """The token a kubelet gets for a pod; None until the API server knows that the pod is on the node."""
    namespace, account = made["metadata"]["namespace"], made["spec"]["serviceAccountName"]
    try:
        return str(request_token(node, namespace, account, made)["status"]["token"])
    except RefusedError as no:
        if "no relationship found" in no.message:
            return None
        raise


def request_token(caller: Api, namespace: str, account: str, bound_to: Object | None = None) -> Object:
    """The answer to a request for a token of the ServiceAccount."""
    spec: Object = {"expirationSeconds": 600}
    if bound_to:
        metadata = bound_to["metadata"]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return caller.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body)


def _pod_path(made: Object) -> str:
    return f"/api/v1/namespaces/{made['metadata']['namespace']}/pods/{made['metadata']['name']}"


def _resource(version: str, kind: str, namespace: str, spec: Object, labels: dict[str, str] | None = None) -> Object:
    metadata = {"name": unique(kind.lower()), "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
