"""A Kubernetes of a test's own that really makes Jobs, pods and rollouts, with nodes on which nothing runs.

API server, controllers and scheduler are the real ones; kwok plays the kubelets. It starts in seconds, on loopback
alone, and everything ends with the context. Each part can be killed and started again.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import kwok
from tests.support.api import Api, Object
from tests.support.cluster import REPOSITORY, kubectl, program, unique, wait_for
from tests.support.eagle import Organization
from tests.support.ports import free_port
from tests.support.private_api_server import ApiServer, api_server
from tests.support.programs import Program

from eagle_contract.api import names

_CONTROLLERS = (
    "job-controller",
    "cronjob-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "deployment-controller",
    "replicaset-controller",
    "ttl-after-finished-controller",
)
_NODE_GROUPS = ("stays", "goes")
"""Two groups of nodes, each with a kwok of its own: that one can die."""


@dataclass(frozen=True)
class ControlPlane:
    """The programs of a running Kubernetes."""

    folder: Path
    server: ApiServer
    api: Api
    """Its administrator."""
    controllers: Program
    scheduler: Program
    kubelets: dict[str, Program] = field(default_factory=dict)
    """The kwoks, by the group of nodes whose kubelets they play."""

    @property
    def config(self) -> Path:
        """The kubeconfig of an administrator."""
        return self.server.config

    def node(self, group: str) -> str:
        """The name of the group's node."""
        return f"node-{group}"


@contextmanager
def control_plane(
    folder: Path, *, server_flags: Sequence[str] = (), controller_flags: Sequence[str] = ()
) -> Iterator[ControlPlane]:
    """A fresh control plane with this tree's definitions; `folder` must be empty.

    Raises FileNotFoundError where one of its programs is not installed.
    """
    with ExitStack() as stack:
        server = stack.enter_context(api_server(folder, *server_flags))
        api = stack.enter_context(Api.administrator(server.config))
        controllers = stack.enter_context(_controllers(server, folder, controller_flags))
        scheduler = stack.enter_context(_scheduler(server, folder))
        made = ControlPlane(folder, server, api, controllers, scheduler)
        for file in sorted((REPOSITORY / "crds").glob("*.yaml")):
            kubectl("apply", "--server-side", "-f", str(file), config=server.config)
        for group in _NODE_GROUPS:
            api.create(kwok.node(made.node(group), group))
            playing = kwok.kwok(server.config, folder, group, port=free_port())
            made.kubelets[group] = stack.enter_context(playing)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", config=server.config)
        wait_for(lambda: all(_ready(node) for node in _nodes(api)), "the nodes to be ready", interval=0.1)
        yield made


def _controllers(server: ApiServer, folder: Path, flags: Sequence[str]) -> Program:
    command = [
        program("kube-controller-manager"),
        f"--kubeconfig={server.config}",
        f"--controllers={','.join(_CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--concurrent-job-syncs=20",
        *flags,
    ]
    return Program(command, folder / "kube-controller-manager.log")


def _scheduler(server: ApiServer, folder: Path) -> Program:
    command = [
        program("kube-scheduler"),
        f"--kubeconfig={server.config}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
    return Program(command, folder / "kube-scheduler.log")


def _nodes(api: Api) -> list[Object]:
    return list(api.call("GET", "/api/v1/nodes")["items"])


def _ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) and not node["spec"].get("taints")


@contextmanager
def organization(api: Api, prefix: str) -> Iterator[Organization]:
    """An organization's namespace with what its pods need; its schedules end with the context."""
    name = unique(prefix)
    furnish(api, name)
    try:
        yield Organization(id=name, namespace=name, release=name)
    finally:
        api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def furnish(api: Api, name: str) -> None:
    """Makes an organization's namespace, and the ServiceAccounts that its pods need."""
    labels = {names.ORGANIZATION_LABEL: name}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    for account in ("default", names.TRAINER_SERVICE_ACCOUNT, names.SERVING_SERVICE_ACCOUNT):
        metadata = {"name": account, "namespace": name}
        api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
