"""The node's configuration: valid, and the cluster's own in everything."""

import json
from pathlib import Path

from localcluster import components
from localcluster.node_config import containerd_config, kubelet_config, pod_network_config
from localcluster.paths import Paths
from localcluster.settings import NODE_ADDRESS


def test_only_cgroup_v1_is_told_not_to_fail_on_cgroup_v1(paths: Paths) -> None:
    assert json.loads(kubelet_config(paths, cgroup_v2=False))["failCgroupV1"] is False
    assert "failCgroupV1" not in json.loads(kubelet_config(paths, cgroup_v2=True))


def test_images_are_never_collected_because_none_can_be_pulled_again(paths: Paths) -> None:
    config = json.loads(kubelet_config(paths, cgroup_v2=True))
    assert config["imageGCHighThresholdPercent"] == 100


def test_pods_get_addresses_behind_the_node(paths: Paths) -> None:
    (plugin,) = json.loads(pod_network_config(paths))["plugins"]
    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.85.0.0/24", "gateway": str(NODE_ADDRESS)}]]


def test_containerd_shares_no_folder_with_another_on_the_machine(paths: Paths) -> None:
    import tomllib

    config = tomllib.loads(containerd_config(paths, pause_image="localhost/pause:1", cni_plugins=Path("/usr/lib/cni")))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    runc = cri["containerd"]["runtimes"]["runc"]["options"]
    for folder in (config["root"], config["state"], config["grpc"]["address"], cri["cni"]["conf_dir"], runc["Root"]):
        assert Path(folder).is_relative_to(paths.home)
    assert cri["sandbox_image"] == "localhost/pause:1"


def test_every_address_to_listen_on_is_loopback_or_the_bridge(paths: Paths) -> None:
    program = Path("/bin/true")
    makers = (
        components.etcd,
        components.api_server,
        components.controller_manager,
        components.scheduler,
        components.kubelet,
        components.kube_proxy,
    )
    words = [word for make in makers for word in make(program, paths).command]
    addresses = [word for word in words if "address=" in word or "urls=" in word]
    assert addresses
    allowed = ("127.0.0.1", str(NODE_ADDRESS), "nodeport-addresses=primary")
    assert [word for word in addresses if not any(each in word for each in allowed)] == []


def test_another_command_line_is_another_fingerprint() -> None:
    one = components.Component("etcd", ("etcd", "--a"))
    two = components.Component("etcd", ("etcd", "--b"))
    assert one.fingerprint() != two.fingerprint()
