"""Load on a model's endpoint: a client in the cluster that asks without a pause, and what it has counted.

In the cluster and not on this machine, because that is where the Service's address works on every cluster, and because
`kubectl port-forward` is bound to one pod and would end with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.progress import StepError

from eagledemo.asker import Tally
from eagledemo.kube import Cluster, Object

_ASKER = Path(__file__).resolve().parent / "asker.py"
_STEP = "ask the endpoint continuously"
_FIRST_ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """A client that is asking."""

    cluster: Cluster
    namespace: str
    name: str

    def tally(self) -> Tally:
        """Return what it has counted up to a second ago; an empty tally before it has begun."""
        words = ("logs", self.name, "--namespace", self.namespace, "--tail", "1")
        line = self.cluster.kubectl(*words, step=_STEP).strip()
        return Tally(**json.loads(line)) if line.startswith("{") else Tally()

    def wait_for_answers(self, version: str | None = None, *, more_than: int = 0) -> Tally:
        """Return the tally once there are more answers than that, of the version where one is named.

        Raises StepError after a minute.
        """
        end = time.monotonic() + _FIRST_ANSWER_SECONDS
        while time.monotonic() < end:
            tally = self.tally()
            answers = sum(count for name, count in tally.versions.items() if version in (None, name))
            if answers > more_than:
                return tally
            time.sleep(1)
        raise StepError(
            _STEP, f"no more answers of {version or 'any version'} in {_FIRST_ANSWER_SECONDS:.0f} s: {tally}"
        )

    def stop(self) -> Tally:
        """End it; return what it has counted, the very last questions included."""
        # The pod stays until its log is read: only its process ends.
        words = ("exec", self.name, "--namespace", self.namespace, "--", "python3", "-c", "import os; os.kill(1, 15)")
        self.cluster.kubectl(*words, step=_STEP)
        target = ("pod", self.name, "--namespace", self.namespace)
        self.cluster.kubectl("wait", *target, "--for", "jsonpath={.status.phase}=Succeeded", step=_STEP)
        return self.tally()


@contextmanager
def asking(
    cluster: Cluster, namespace: str, name: str, *, url: str, body: str, image: str, pause_seconds: float = 0.1
) -> Iterator[Load]:
    """Ask `url` with `body` for as long as the context lasts. `image` is one with Python; `name` is the pod's."""
    _remove(cluster, namespace, name)
    files = {"asker.py": _ASKER.read_text(), "body.json": body}
    metadata = {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": name}}
    config: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _pod(name, image, url, pause_seconds),
    }
    cluster.apply(config, pod, step=_STEP)
    try:
        words = ("wait", "pod", name, "--namespace", namespace, "--for", "condition=Ready", "--timeout", "120s")
        cluster.kubectl(*words, step=_STEP)
        load = Load(cluster, namespace, name)
        load.wait_for_answers()
        yield load
    finally:
        _remove(cluster, namespace, name)


def _remove(cluster: Cluster, namespace: str, name: str) -> None:
    words = (f"pod/{name}", f"configmap/{name}", "--namespace", namespace, "--ignore-not-found", "--grace-period", "1")
    cluster.kubectl("delete", *words, step=_STEP)


def _pod(name: str, image: str, url: str, pause_seconds: float) -> Object:
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "asker",
        "image": image,
        "command": ["python3", "/asker/asker.py", url, "/asker/body.json", str(pause_seconds)],
        "securityContext": security,
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [{"name": "asker", "mountPath": "/asker"}],
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "asker", "configMap": {"name": name}}],
    }
