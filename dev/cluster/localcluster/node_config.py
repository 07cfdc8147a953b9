"""The configuration files of the node: containerd, pod network, kubelet.

They are JSON where the reader takes YAML, so that nothing but the standard library writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcluster.paths import Paths
from localcluster.settings import (
    BRIDGE,
    CLUSTER_DOMAIN,
    DNS_SERVICE_ADDRESS,
    NODE_ADDRESS,
    POD_NETWORK_NAME,
    POD_RANGE,
)

_CGROUP_V2_MARK = Path("/sys/fs/cgroup/cgroup.controllers")


def machine_has_cgroup_v2() -> bool:
    return _CGROUP_V2_MARK.exists()


def containerd_config(paths: Paths, *, pause_image: str, cni_plugins: Path) -> str:
    """Return the configuration of a containerd that shares nothing with another on the machine."""
    return f"""\
version = 2
root = "{paths.node_images}"
state = "{paths.containerd_state}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{paths.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Without CAP_SYS_RESOURCE a process cannot shield itself more than its parent.
  restrict_oom_score_adj = true
  # So that every network namespace of this cluster can be told from others by its path.
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni_plugins}"
  conf_dir = "{paths.config / "cni"}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "{paths.run / "runc"}"
"""


def pod_network_config(paths: Paths) -> str:
    """Return the CNI configuration: pods on the bridge, addresses kept in the cluster's folder."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(paths.cluster / "pod-addresses"),
            "ranges": [[{"subnet": str(POD_RANGE), "gateway": str(NODE_ADDRESS)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return _json({"cniVersion": "0.4.0", "name": POD_NETWORK_NAME, "plugins": [bridge]})


def kubelet_config(paths: Paths, *, cgroup_v2: bool) -> str:
    """Return the kubelet's configuration for a machine that is not the cluster's alone."""
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(NODE_ADDRESS),
        "healthzBindAddress": "127.0.0.1",
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(paths.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(paths.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(paths.pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [str(DNS_SERVICE_ADDRESS)],
        # Empty on purpose: names of this machine's network are none of the pods' business.
        "resolvConf": str(paths.config / "resolv.conf"),
        "podLogsDir": str(paths.pod_logs),
        "volumePluginDir": str(paths.kubelet / "volume-plugins"),
        "failSwapOn": False,
        "oomScoreAdj": 0,
        # The machine's processes and the pods share it without fixed portions.
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": False,
        # Images come from here and nowhere else: one that was collected could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "memory.available": "100Mi",
        },
    }
    if not cgroup_v2:
        config["failCgroupV1"] = False
    return _json(config)


def write_node_config(paths: Paths, *, pause_image: str, cni_plugins: Path) -> None:
    """Write all files of the node."""
    containerd = containerd_config(paths, pause_image=pause_image, cni_plugins=cni_plugins)
    kubelet = kubelet_config(paths, cgroup_v2=machine_has_cgroup_v2())
    files: Mapping[Path, str] = {
        paths.config / "containerd.toml": containerd,
        paths.config / "cni" / "10-eagle.conflist": pod_network_config(paths),
        paths.config / "kubelet.json": kubelet,
        paths.config / "resolv.conf": "",
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
