"""The operator as its administrators handle it: they kill it, scale it, read its log and its metrics."""

from dataclasses import dataclass

from eagledemo.kube import Cluster
from eagledemo.organizations import OPERATOR_NAMESPACE, OPERATOR_RELEASE
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import wait_for

from eagle_contract.api import names

_DEPLOYMENT = f"{OPERATOR_RELEASE}-operator"
_SELECTOR = f"{names.NAME_LABEL}=eagle-operator"


@dataclass(frozen=True)
class Operator:
    """The operator's Deployment."""

    cluster: Cluster
    api: Api

    @property
    def caller(self) -> Api:
        """The operator's own ServiceAccount, with its rights."""
        return self.api.impersonate(f"system:serviceaccount:{OPERATOR_NAMESPACE}:{_DEPLOYMENT}")

    def pods(self) -> list[Object]:
        """The operator's pods that are there now."""
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods"
        return list(self.api.call("GET", path, labelSelector=_SELECTOR)["items"])

    def kill(self) -> None:
        """End the operator at once, as a node's failure does; another one starts on its own."""
        words = ("delete", "pod", "--selector", _SELECTOR, "--namespace", OPERATOR_NAMESPACE)
        self._kubectl(*words, "--force", "--grace-period=0", "--wait=false")

    def stop(self) -> None:
        """Scale to none and wait until no operator runs, also when somebody brings the release up to date meanwhile."""

        def ended() -> bool:
            self._scale(0)
            return not self.pods()

        wait_for(ended, "the operator to end", timeout=90, interval=1)

    def start(self) -> None:
        """Scale to one and wait until it is ready."""
        self._scale(1)
        self.until_ready()

    def until_ready(self) -> None:
        """Returns when one operator is there and ready."""

        def ready() -> bool:
            pods = [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]
            states = [status["ready"] for pod in pods for status in pod["status"].get("containerStatuses", [])]
            return states == [True]

        wait_for(ready, "the operator to be ready", timeout=120)

    def log(self, *, lines: int) -> str:
        """The newest lines of its log."""
        return self._kubectl("logs", f"deployment/{_DEPLOYMENT}", "--namespace", OPERATOR_NAMESPACE, f"--tail={lines}")

    def metrics(self) -> str:
        """What Prometheus reads. Raises RefusedError while there is no operator to ask."""
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/services/{_DEPLOYMENT}:metrics/proxy/metrics"
        answer = self.api.connection.get(path, headers=dict(self.api.headers))
        if answer.is_error:
            raise RefusedError(answer.status_code, answer.text)
        return answer.text

    def _scale(self, replicas: int) -> None:
        words = ("scale", f"deployment/{_DEPLOYMENT}", "--namespace", OPERATOR_NAMESPACE)
        self._kubectl(*words, f"--replicas={replicas}")

    def _kubectl(self, *words: str) -> str:
        return self.cluster.kubectl(*words, step="handle the operator")
