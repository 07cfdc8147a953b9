"""The seven programs of the cluster, with their command lines.

Each listens on loopback, or on the bridge where pods or the API server have to reach it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from localcluster.content import content_key
from localcluster.paths import Paths
from localcluster.progress import StepError
from localcluster.settings import (
    API_PORT,
    ETCD_PEER_URL,
    ETCD_URL,
    NODE_ADDRESS,
    NODE_NAME,
    POD_RANGE,
    SERVICE_RANGE,
    SYSTEM_PATH,
)


@dataclass(frozen=True)
class Component:
    """One long-running program."""

    name: str
    command: tuple[str, ...]
    config_files: tuple[Path, ...] = ()

    def fingerprint(self) -> str:
        """Return a key that changes when the running process no longer is what is wanted."""
        return content_key(texts=self.command, files=self.config_files)


def _component(name: str, program: str | Path, *flags: str, config: tuple[Path, ...] = ()) -> Component:
    return Component(name, (str(program), *flags), config)


def etcd(program: Path, paths: Paths) -> Component:
    certificate, key, authority = _key_pair(paths, "etcd")
    return _component(
        "etcd",
        program,
        f"--data-dir={paths.etcd}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=default={ETCD_PEER_URL}",
        f"--cert-file={certificate}",
        f"--key-file={key}",
        f"--trusted-ca-file={authority}",
        "--client-cert-auth",
        f"--peer-cert-file={certificate}",
        f"--peer-key-file={key}",
        f"--peer-trusted-ca-file={authority}",
        "--peer-client-cert-auth",
        "--log-level=warn",
        # A cluster that is thrown away need not survive a power cut.
        "--unsafe-no-fsync",
    )


def api_server(program: Path, paths: Paths) -> Component:
    certificate, key, authority = _key_pair(paths, "kube-apiserver")
    client_certificate, client_key, _ = _key_pair(paths, "kube-apiserver-to-kubelet")
    return _component(
        "kube-apiserver",
        program,
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers={ETCD_URL}",
        f"--etcd-cafile={authority}",
        f"--etcd-certfile={certificate}",
        f"--etcd-keyfile={key}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={authority}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={paths.pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={paths.pki / 'service-accounts.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={client_certificate}",
        f"--kubelet-client-key={client_key}",
        f"--kubelet-certificate-authority={authority}",
        "--kubelet-preferred-address-types=InternalIP",
    )


def controller_manager(program: Path, paths: Paths) -> Component:
    _, _, authority = _key_pair(paths, "ca")
    return _component(
        "kube-controller-manager",
        program,
        f"--kubeconfig={_kubeconfig(paths, 'kube-controller-manager')}",
        f"--service-account-private-key-file={paths.pki / 'service-accounts.key'}",
        f"--root-ca-file={authority}",
        f"--cluster-signing-cert-file={authority}",
        f"--cluster-signing-key-file={paths.pki / 'ca.key'}",
        "--use-service-account-credentials",
        f"--cluster-cidr={POD_RANGE}",
        "--bind-address=127.0.0.1",
        # There is only one, and a lease would make every start wait for the old one to expire.
        "--leader-elect=false",
    )


def scheduler(program: Path, paths: Paths) -> Component:
    return _component(
        "kube-scheduler",
        program,
        f"--kubeconfig={_kubeconfig(paths, 'kube-scheduler')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )


def containerd(paths: Paths) -> Component:
    program = shutil.which("containerd", path=SYSTEM_PATH)
    if program is None:
        raise StepError("start containerd", "the program is not installed")
    config = paths.config / "containerd.toml"
    return _component("containerd", program, f"--config={config}", config=(config,))


def kubelet(program: Path, paths: Paths) -> Component:
    config = paths.config / "kubelet.json"
    return _component(
        "kubelet",
        program,
        f"--config={config}",
        f"--kubeconfig={_kubeconfig(paths, 'kubelet')}",
        f"--root-dir={paths.kubelet}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
        config=(config,),
    )


def kube_proxy(program: Path, paths: Paths) -> Component:
    return _component(
        "kube-proxy",
        program,
        f"--kubeconfig={_kubeconfig(paths, 'kube-proxy')}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={POD_RANGE}",
        f"--hostname-override={NODE_NAME}",
        "--healthz-bind-address=127.0.0.1:10256",
        "--metrics-bind-address=127.0.0.1:10249",
        # NodePorts on the bridge alone.
        "--nodeport-addresses=primary",
        "--iptables-localhost-nodeports=false",
        # Zero leaves the machine's own limits as they are.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    )


def _key_pair(paths: Paths, name: str) -> tuple[Path, Path, Path]:
    return paths.pki / f"{name}.crt", paths.pki / f"{name}.key", paths.pki / "ca.crt"


def _kubeconfig(paths: Paths, name: str) -> Path:
    return paths.pki / f"{name}.kubeconfig"
