"""The endpoint of a model as seen from this machine: a tunnel to its Service, and the Open Inference protocol."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from localcluster.progress import StepError

from eagledemo.kube import Cluster, Object

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """What a model says about one window."""

    version: str
    probability: float
    alarm: bool
    confident: bool


@dataclass(frozen=True)
class Endpoint:
    """A server on a port of this machine."""

    port: int
    model: str

    def describe(self) -> Object:
        """Return the model's description: sensors, window, context."""
        return self._call("GET", f"/v2/models/{self.model}", None)

    def ask(self, body: str) -> Answer:
        """Return the answer on the first window of a request."""
        found = self._call("POST", f"/v2/models/{self.model}/infer", body)
        outputs = {output["name"]: output["data"][0] for output in found["outputs"]}
        return Answer(
            version=str(found["model_version"]),
            probability=float(outputs["failure_probability"]),
            alarm=bool(outputs["alarm"]),
            confident=bool(outputs["confident"]),
        )

    def _call(self, method: str, path: str, body: str | None) -> Object:
        step = f"{method} {path}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as broken:
            raise StepError(step, f"the connection broke: {broken}") from broken
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise StepError(step, f"status {answer.status}: {text}")
        return dict(json.loads(text))


@contextmanager
def tunnel(cluster: Cluster, namespace: str, service: str, model: str) -> Iterator[Endpoint]:
    """Yield the endpoint of a Service for as long as the context lasts. It leads to one pod and ends with that."""
    step = f"open a tunnel to {service}"
    process = cluster.process(
        *("port-forward", "--namespace", namespace, f"service/{service}", ":80"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None  # it is a pipe
    try:
        said = process.stdout.readline()
        port = re.search(r"127\.0\.0\.1:(\d+)", said)
        if port is None:
            raise StepError(step, said.strip() or "kubectl port-forward said nothing")
        yield Endpoint(int(port[1]), model)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
