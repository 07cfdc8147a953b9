"""A TrainingSchedule seen as its users see it: they order, decide, look at conditions, and ask for predictions."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import unique, wait_for

from eagle_contract.api import names

_API = f"{names.GROUP}/{names.API_VERSION}"
_ENDED = ("Succeeded", "Failed", "Cancelled")

TRAINING_SECONDS = 180
"""Longer than a training on the line takes on a busy machine of two cores."""
ROLLOUT_SECONDS = 120


def condition(resource: Object, kind: str) -> Object:
    """A condition of an object; one that says nothing when it is not there."""
    found = [c for c in resource.get("status", {}).get("conditions", []) if c["type"] == kind]
    return dict(found[0]) if found else {"type": kind, "status": "Unknown", "reason": "", "message": ""}


def told(resource: Object) -> str:
    """The conditions of an object in one line."""
    conditions = resource.get("status", {}).get("conditions", [])
    return "; ".join(f"{c['type']}={c['status']} {c['reason']} {c['message']}".strip() for c in conditions)


@dataclass(frozen=True)
class Schedule:
    """A TrainingSchedule on the cluster."""

    api: Api
    namespace: str
    name: str

    def look(self) -> Object:
        """The schedule as it is now."""
        return self.api.get(self._object("TrainingSchedule", self.name))

    def version(self, name: str) -> Object:
        """A ModelVersion as it is now."""
        return self.api.get(self._object("ModelVersion", name))

    def versions(self) -> list[Object]:
        """The schedule's ModelVersions, oldest first."""
        found = self._list(f"/apis/{_API}/namespaces/{self.namespace}/modelversions")
        own = [version for version in found if version["spec"]["scheduleName"] == self.name]
        return sorted(own, key=lambda version: str(version["metadata"]["creationTimestamp"]))

    def jobs(self) -> list[Object]:
        """The Jobs of the schedule's runs that are there now."""
        return self._labelled("/apis/batch/v1", "jobs")

    def pods(self, *, program: str) -> list[Object]:
        """The schedule's pods that are there now; `program` is eagle-trainer or eagle-serving."""
        found = self._labelled("/api/v1", "pods")
        return [pod for pod in found if pod["metadata"]["labels"].get(names.NAME_LABEL) == program]

    @property
    def deployment(self) -> Object:
        """The serving Deployment as it is now."""
        return self.api.get(self._object("Deployment", names.serving_name(self.name), "apps/v1"))

    def events(self, about: str | None = None) -> list[Object]:
        """The Events on the schedule, or on the version of that name."""
        found = self._list(
            f"/api/v1/namespaces/{self.namespace}/events",
            fieldSelector=f"involvedObject.name={about or self.name}",
        )
        return [event for event in found if event.get("source", {}).get("component") == names.OPERATOR_MANAGER]

    def change(self, **members: object) -> Object:
        """Merge into the spec."""
        return self.api.merge(self._object("TrainingSchedule", self.name), {"spec": members})

    def delete(self) -> None:
        """Ask for the schedule's end."""
        self.api.delete(self._object("TrainingSchedule", self.name))

    def delete_version(self, version: str) -> None:
        """Ask for the end of a ModelVersion."""
        self.api.delete(self._object("ModelVersion", version))

    def order(self, **spec: object) -> str:
        """Order a run; the name of its ModelVersion."""
        manifest: Object = {
            **self._object("ModelVersion", unique(f"{self.name}-m")),
            "spec": {"scheduleName": self.name, "trigger": "Manual", **spec},
        }
        return str(self.api.create(manifest)["metadata"]["name"])

    def decide(self, version: str, decision: str, reason: str) -> None:
        """Approve or reject a version."""
        change = {"spec": {"approval": {"decision": decision, "reason": reason}}}
        self.api.merge(self._object("ModelVersion", version), change)

    def cancel(self, version: str, reason: str) -> None:
        """Cancel a run."""
        self.api.merge(self._object("ModelVersion", version), {"spec": {"cancellation": {"reason": reason}}})

    def until(self, kind: str, status: str, *reasons: str, seconds: float = 30) -> Object:
        """The schedule once its condition has the status, one of the reasons (any, if none) and is up to date."""

        def arrived() -> Object | None:
            seen = self.look()
            found = condition(seen, kind)
            fresh = found.get("observedGeneration") == seen["metadata"]["generation"]
            return seen if fresh and found["status"] == status and (found["reason"] in reasons or not reasons) else None

        return self._wait(arrived, f"{kind}={status} {' or '.join(reasons)}".strip(), seconds)

    def until_state(self, version: str, *states: str, seconds: float = TRAINING_SECONDS) -> Object:
        """The version once it has one of the states; AssertionError at once when it has ended otherwise."""

        def arrived() -> Object | None:
            seen = self.version(version)
            state = seen.get("status", {}).get("state")
            assert state in states or state not in _ENDED, f"{version} is {state}: {told(seen)}"
            return seen if state in states else None

        return self._wait(arrived, f"{version} to be {' or '.join(states)}", seconds)

    def until_reason(self, version: str, kind: str, *reasons: str, seconds: float = ROLLOUT_SECONDS) -> Object:
        """The version once its condition has one of the reasons."""

        def arrived() -> Object | None:
            seen = self.version(version)
            return seen if condition(seen, kind)["reason"] in reasons else None

        return self._wait(arrived, f"{version} to be {kind} {' or '.join(reasons)}", seconds)

    def until_serving(self, version: str, *, seconds: float = ROLLOUT_SECONDS) -> Object:
        """The schedule once the version is in service and its rollout is over."""

        def arrived() -> Object | None:
            seen = self.look()
            serving = condition(seen, "Serving")
            active = seen.get("status", {}).get("activeVersion", {}).get("name")
            done = serving["status"] == "True" and serving["reason"] in ("Serving", "RolledBack")
            return seen if done and active == version else None

        return self._wait(arrived, f"{version} to serve", seconds)

    def until_running(self, version: str, *, seconds: float = 60) -> Object:
        """The trainer's pod of a run, once it runs and may report."""

        def arrived() -> Object | None:
            reporter = self.version(version).get("status", {}).get("reporterUID")
            pods = [pod for pod in self.pods(program="eagle-trainer") if pod["metadata"]["uid"] == reporter]
            return pods[0] if pods and pods[0]["status"]["phase"] == "Running" else None

        return self._wait(arrived, f"the trainer of {version} to run", seconds)

    def train(self, **spec: object) -> str:
        """Order a run and wait until it has succeeded; the name of its version."""
        name = self.order(**spec)
        self.until_state(name, "Succeeded")
        return name

    @property
    def service(self) -> str:
        """The path of the serving Service, through the API server."""
        name = names.serving_name(self.name)
        return f"/api/v1/namespaces/{self.namespace}/services/{name}:http/proxy"

    def infer(self, model: str, window: list[Any]) -> Object:
        """The server's answer to windows [B, T, S], nested."""
        shape = [len(window), len(window[0]), len(window[0][0])]
        tensor = {"name": "window", "datatype": "FP64", "shape": shape, "data": window}
        return self.api.call("POST", f"{self.service}/v2/models/{model}/infer", {"inputs": [tensor]})

    def gone(self, kind: str, name: str, api_version: str = _API) -> bool:
        """Whether there is no such object in the namespace."""
        try:
            self.api.get(self._object(kind, name, api_version))
        except RefusedError as no:
            if no.code == 404:
                return True
            raise
        return False

    def _wait(self, look: Any, what: str, seconds: float) -> Object:
        try:
            return dict(wait_for(look, what, timeout=seconds))
        except AssertionError as late:
            late.add_note(f"{self.namespace}/{self.name}: {told(self.look())}")
            for version in self.versions():
                late.add_note(f"{version['metadata']['name']}: {json.dumps(version.get('status', {}))[:3000]}")
            raise

    def _labelled(self, root: str, plural: str) -> list[Object]:
        return self._list(f"{root}/namespaces/{self.namespace}/{plural}", labelSelector=self._selector)

    @property
    def _selector(self) -> str:
        return f"{names.SCHEDULE_LABEL}={self.name}"

    def _list(self, path: str, **query: str) -> list[Object]:
        return list(self.api.call("GET", path, **query)["items"])

    def _object(self, kind: str, name: str, api_version: str = _API) -> Object:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}}
