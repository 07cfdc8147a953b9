"""Nodes on which nothing runs: kwok plays the kubelet, and says of pods whatever a test wants to hear.

A trainer's pod starts and then goes on until it is told how to end, by annotations (`ending`), so that a test decides.
What a schedule puts into its pods' nodeSelector chooses another fate: ending by itself after a second, or never
starting for want of its image. A server's pod becomes ready and stays.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tests.support.api import Object
from tests.support.cluster import program
from tests.support.programs import Program

EXIT_CODE, EXIT_REASON, EXIT_MESSAGE = "lab-exit-code", "lab-exit-reason", "lab-exit-message"
"""Annotations of a pod that tell it how to end."""
ENDS_IN_A_SECOND = {"lab-ends-in-a-second": "yes"}
"""A nodeSelector: the pod succeeds by itself."""
IMAGE_MISSING = {"lab-image-missing": "yes"}
"""A nodeSelector: the pod waits for an image that is nowhere."""
NOWHERE = {"lab-nowhere": "yes"}
"""A nodeSelector that no node has: the pod is unschedulable."""

GROUP_LABEL = "lab-nodes"
"""A node's label: which kwok plays its kubelet."""

_STARTS_AFTER_MS, _ENDS_AFTER_MS = 20, 100


def ending(code: int, *, reason: str = "", message: str = "") -> dict[str, str]:
    """The annotations that make a running pod's container end with that exit code, as OOMKilled for instance."""
    told = {EXIT_CODE: str(code), EXIT_REASON: reason or ("Completed" if code == 0 else "Error")}
    return {**told, EXIT_MESSAGE: message} if message else told


LOG_LINES = [f"line {number} of a trainer's log" for number in range(100)]
"""What every container says."""


def node(name: str, group: str) -> Object:
    """A node with room for everything, whose kubelet the kwok of that group plays."""
    labels = {GROUP_LABEL: group, "kubernetes.io/hostname": name, **ENDS_IN_A_SECOND, **IMAGE_MISSING}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": {"cpu": "1000", "memory": "1Ti", "pods": "10000"},
            "allocatable": {"cpu": "1000", "memory": "1Ti", "pods": "10000"},
        },
    }


def kwok(kubeconfig: Path, folder: Path, group: str, *, port: int) -> Program:
    """The program that plays the kubelets of a group's nodes. Raises FileNotFoundError where it is not installed."""
    config = folder / f"kwok-{group}.yaml"
    logs = folder / f"kwok-{group}-containers.log"
    logs.write_text("".join(f"{_MOMENT} stdout F {line}\n" for line in LOG_LINES))
    documents = [*_stages(port), _logs(logs)]
    config.write_text("\n---\n".join(json.dumps(document, indent=1) for document in documents))
    command = [
        program("kwok"),
        f"--kubeconfig={kubeconfig}",
        f"--config={config}",
        f"--manage-nodes-with-label-selector={GROUP_LABEL}={group}",
        f"--server-address=127.0.0.1:{port}",
        "--node-lease-duration-seconds=10",
        "--node-ip=127.0.0.1",
    ]
    return Program(command, folder / f"kwok-{group}.log")


def _logs(file: Path) -> Object:
    """Which file kwok shows as the log of every container."""
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "logs"},
        "spec": {"logs": [{"logsFile": str(file)}]},
    }


def _stages(port: int) -> Iterable[Object]:
    alive, ended = _is("deletionTimestamp", False), _is("deletionTimestamp", True)
    running, pending = _phase("Running"), _phase("Pending")
    image_missing = ".spec.nodeSelector[" + json.dumps(next(iter(IMAGE_MISSING))) + "]"
    one_second = ".spec.nodeSelector[" + json.dumps(next(iter(ENDS_IN_A_SECOND))) + "]"
    told = f'.metadata.annotations["{EXIT_CODE}"]'
    has_image = _exists(image_missing, False)
    no_status = _exists(".status.containerStatuses", False)
    yield _stage("is-ready", [_NOT_READY], _READY + _KUBELET.format(port=port), 0, kind="Node")
    yield _stage("starts", [alive, pending, has_image, no_status], _RUNNING, _STARTS_AFTER_MS)
    yield _stage("waits-for-its-image", [alive, pending, _exists(image_missing, True), no_status], _WAITING, 0)
    yield _stage("ends-as-told", [alive, running, _exists(told, True)], _TOLD, 0)
    yield _stage("ends-by-itself", [alive, running, _exists(one_second, True)], _COMPLETED, 1000)
    yield _stage("is-killed", [ended, _phase("Running", "Pending")], _KILLED, _ENDS_AFTER_MS)
    yield _stage("is-removed", [ended, _phase("Failed", "Succeeded")], None, 0)


def _stage(name: str, when: list[Object], status: str | None, after_ms: int, kind: str = "Pod") -> Object:
    following: Object = {"statusTemplate": status} if status else {"delete": True}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "delay": {"durationMilliseconds": after_ms},
            "next": following,
        },
    }


def _exists(key: str, there: bool) -> Object:
    return {"key": key, "operator": "Exists" if there else "DoesNotExist"}


def _is(member: str, there: bool) -> Object:
    return _exists(f".metadata.{member}", there)


def _phase(*phases: str) -> Object:
    return {"key": ".status.phase", "operator": "In", "values": list(phases)}


def _status(phase: str, ready: bool, state: str) -> str:
    """A template of a pod's status, all of whose containers are in one state."""
    truth = json.dumps(str(ready))
    return f"""
{{{{ $now := Now }}}}
{{{{ $annotations := or .metadata.annotations dict }}}}
{{{{ $began := or .status.startTime $now }}}}
phase: {phase}
startTime: {{{{ $began | Quote }}}}
hostIP: {{{{ NodeIPWith .spec.nodeName | Quote }}}}
conditions:
{{{{ range $kind := list "Ready" "ContainersReady" }}}}
- {{type: {{{{ $kind }}}}, status: {truth}, lastTransitionTime: {{{{ $now | Quote }}}}}}
{{{{ end }}}}
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  imageID: {{{{ .image | Quote }}}}
  ready: {str(ready).lower()}
  restartCount: 0
  state:
    {state}
{{{{ end }}}}
"""


_NOT_READY: Object = {
    "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
    "operator": "NotIn",
    "values": ["True"],
}
_READY = """
{{ $now := Now }}
conditions:
- type: Ready
  status: "True"
  reason: KubeletReady
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
"""
_KUBELET = """
addresses:
- {{type: InternalIP, address: 127.0.0.1}}
daemonEndpoints:
  kubeletEndpoint: {{Port: {port}}}
"""
_MOMENT = "2026-11-22T00:00:00.000000000Z"
_BETWEEN = "startedAt: {{ $began | Quote }}, finishedAt: {{ $now | Quote }}"
_RUNNING = _status("Running", True, "running: {startedAt: {{ $now | Quote }}}")
_WAITING = _status("Pending", False, 'waiting: {reason: ErrImagePull, message: "example.invalid/none: no such image"}')
_COMPLETED = _status("Succeeded", False, f"terminated: {{exitCode: 0, reason: Completed, {_BETWEEN}}}")
_KILLED = _status("Failed", False, f"terminated: {{exitCode: 143, reason: Error, {_BETWEEN}}}")
_TOLD = _status(
    f'{{{{ if eq (index $annotations "{EXIT_CODE}") "0" }}}}Succeeded{{{{ else }}}}Failed{{{{ end }}}}',
    False,
    f'terminated: {{exitCode: {{{{ index $annotations "{EXIT_CODE}" }}}}, '
    f'reason: {{{{ index $annotations "{EXIT_REASON}" }}}}, '
    f'message: {{{{ or (index $annotations "{EXIT_MESSAGE}") "" | Quote }}}}, {_BETWEEN}}}',
)
