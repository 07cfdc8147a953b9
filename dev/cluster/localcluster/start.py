"""`up`: from whatever is there to a cluster that answers, in the order things depend on each other."""

from __future__ import annotations

import http.client
import os
from collections.abc import Sequence
from pathlib import Path

from localcluster import addons, components, host_settings, network
from localcluster.api_client import ApiClient
from localcluster.components import Component
from localcluster.conditions import has_condition
from localcluster.dns_probe import dns_answers
from localcluster.go_programs import NEEDED_TO_START, TOOLS, ensure_built, missing_programs, program_named
from localcluster.host_packages import cni_plugin_folder, install, missing_packages
from localcluster.node_config import write_node_config
from localcluster.node_images import NodeImages
from localcluster.paths import Paths
from localcluster.pki import ensure_pki
from localcluster.progress import StepError, say
from localcluster.scratch_image import COREDNS_IMAGE, PAUSE_IMAGE
from localcluster.settings import API_URL, KUBERNETES_VERSION, NODE_NAME
from localcluster.supervisor import STOP_ORDER, Supervisor
from localcluster.waiting import wait_until

_KUBELET_HEALTH = ("127.0.0.1", 10248)
_NODE = f"/api/v1/nodes/{NODE_NAME}"


def up(paths: Paths) -> None:
    """Bring the cluster up, or leave it alone where it already is."""
    _require_root()
    _announce(paths)
    packages = missing_packages()
    if packages:
        install(packages, paths)
    ensure_built(NEEDED_TO_START, paths)
    _prepare(paths)
    supervisor = Supervisor(paths)
    api = _start_control_plane(paths, supervisor)
    _start_node(paths, supervisor, api)
    _start_dns(paths, supervisor)
    say(f"Kubernetes {KUBERNETES_VERSION} is ready at {API_URL}")
    ensure_built(TOOLS, paths)
    say(f"use it: export KUBECONFIG={paths.admin_kubeconfig} PATH={paths.bin}:$PATH")


def _require_root() -> None:
    if os.geteuid() != 0:
        raise StepError(
            "start the cluster",
            "it needs root (it makes a network bridge, mounts and namespaces): sudo -E make ...",
        )


def _announce(paths: Paths) -> None:
    """Say what will be installed and changed, as far as it is not so already."""
    lines = []
    for package in missing_packages():
        lines.append(f"install the Debian package {package.name} ({package.purpose})")
    programs = [program.name for program in missing_programs([*NEEDED_TO_START, *TOOLS], paths)]
    if programs:
        lines.append(f"build from source, into {paths.program_store}: {', '.join(programs)}")
    if not network.bridge_exists():
        lines += [
            f"make {network.describe()}",
            f"add iptables chains ({', '.join(network.OUR_CHAINS)}, and kube-proxy's KUBE-*)",
            f"set {host_settings.describe()}",
        ]
    if not paths.cluster.exists():
        lines.append(f"run etcd, containerd and Kubernetes with their data in {paths.cluster}")
    if lines:
        print(f"To run Kubernetes {KUBERNETES_VERSION} on this machine, this will")
        print("\n".join(f"  - {line}" for line in lines))
        print("`make cluster-down` takes it back, except for packages and caches.", flush=True)


def _prepare(paths: Paths) -> None:
    if not network.bridge_exists():
        network.check_for_conflicts()
    network.load_kernel_parts()
    paths.cluster.mkdir(parents=True, exist_ok=True)
    # Others on the machine may reach the kubeconfig by its path, and list nothing.
    paths.cluster.chmod(0o711)
    host_settings.remember_settings(paths)
    host_settings.apply_settings()
    network.make_bridge()
    network.close_off()
    ensure_pki(paths)
    write_node_config(paths, pause_image=PAUSE_IMAGE.reference, cni_plugins=cni_plugin_folder())


def _start_control_plane(paths: Paths, supervisor: Supervisor) -> ApiClient:
    def program(name: str) -> Path:
        return program_named(name).built(paths)

    _start(
        supervisor,
        [
            components.etcd(program("etcd"), paths),
            components.api_server(program("kube-apiserver"), paths),
            components.containerd(paths),
            components.controller_manager(program("kube-controller-manager"), paths),
            components.scheduler(program("kube-scheduler"), paths),
        ],
    )
    api = ApiClient(paths)
    wait_until(
        api.ready,
        what="the API server",
        seconds=90,
        check=lambda: supervisor.require_alive(["etcd", "kube-apiserver"]),
        log=supervisor.log_file("kube-apiserver"),
    )
    return api


def _start_node(paths: Paths, supervisor: Supervisor, api: ApiClient) -> None:
    images = NodeImages(paths)
    wait_until(
        images.answers,
        what="containerd",
        seconds=60,
        check=lambda: supervisor.require_alive(["containerd"]),
        log=supervisor.log_file("containerd"),
    )
    present = images.references()
    for image in (PAUSE_IMAGE, COREDNS_IMAGE):
        if image.reference not in present:
            images.load(image.archive(paths))
    _start(supervisor, [components.kubelet(program_named("kubelet").built(paths), paths)])
    wait_until(
        lambda: _kubelet_is_healthy() and has_condition(api.read(_NODE), "Ready"),
        what="the node",
        seconds=90,
        check=lambda: supervisor.require_alive(["kubelet", "kube-controller-manager"]),
        log=supervisor.log_file("kubelet"),
    )
    # It looks its own node up at start: so the node comes first.
    _start(supervisor, [components.kube_proxy(program_named("kube-proxy").built(paths), paths)])


def _start_dns(paths: Paths, supervisor: Supervisor) -> None:
    addons.apply_coredns(paths, COREDNS_IMAGE.reference)
    wait_until(
        dns_answers,
        what="the cluster's DNS",
        seconds=120,
        check=lambda: supervisor.require_alive(STOP_ORDER),
        log=supervisor.log_file("kubelet"),
    )


def _start(supervisor: Supervisor, wanted: Sequence[Component]) -> None:
    started = [each.name for each in wanted if supervisor.ensure_running(each)]
    if started:
        say(f"started {', '.join(started)}")


def _kubelet_is_healthy() -> bool:
    connection = http.client.HTTPConnection(*_KUBELET_HEALTH, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
