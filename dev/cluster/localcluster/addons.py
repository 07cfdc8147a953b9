"""What runs inside the cluster from the start: CoreDNS, so that Services have names."""

from __future__ import annotations

from string import Template

from localcluster.paths import CLUSTER_SOURCES, Paths
from localcluster.progress import run_quietly
from localcluster.settings import CLUSTER_DOMAIN, DNS_SERVICE_ADDRESS

_COREDNS = CLUSTER_SOURCES / "manifests" / "coredns.yaml"
COREDNS_DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


def coredns_manifest(image: str) -> str:
    """Return the objects of CoreDNS as YAML."""
    return Template(_COREDNS.read_text()).substitute(
        image=image, cluster_domain=CLUSTER_DOMAIN, service_address=DNS_SERVICE_ADDRESS
    )


def apply_coredns(paths: Paths, image: str) -> None:
    """Apply CoreDNS on the server; repeatable."""
    run_quietly(
        [
            *(paths.bin / "kubectl", f"--kubeconfig={paths.admin_kubeconfig}"),
            *("apply", "--server-side", "--force-conflicts", "--field-manager=eagle-local-cluster"),
            *("--filename", "-"),
        ],
        step="install CoreDNS",
        stdin=coredns_manifest(image),
    )
