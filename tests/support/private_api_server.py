"""An API server of a test's own, for what would harm others on a shared cluster: taking the operator's chart away.

It is the same kube-apiserver, on its own etcd, without controllers or nodes: objects are stored, checked and refused,
and nothing ever runs.
"""

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.cluster import CommandError, kubectl, program, wait_for


@contextmanager
def private_api_server(folder: Path, *arguments: str) -> Iterator[Path]:
    """The kubeconfig of an administrator of a fresh API server, which ends with the context.

    `folder` must be empty; `arguments` are more flags of kube-apiserver. Raises FileNotFoundError where it or etcd is
    not installed.
    """
    etcd_port, peer_port, port = (_free_port() for _ in range(3))
    etcd_url, peer_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    (folder / "service-accounts.pem").write_bytes(_private_key())
    config = folder / "kubeconfig"
    certificate = folder / "pki" / "apiserver.crt"
    config.write_text(json.dumps(_kubeconfig(f"https://127.0.0.1:{port}", str(certificate), token)))
    etcd = [
        program("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
    ]
    server = [
        program("kube-apiserver"),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={certificate.parent}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        f"--service-account-key-file={folder / 'service-accounts.pem'}",
        f"--service-account-signing-key-file={folder / 'service-accounts.pem'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.97.0.0/16",
        "--authorization-mode=RBAC",
        *arguments,
    ]
    with ExitStack() as processes:
        for name, command in (("etcd", etcd), ("kube-apiserver", server)):
            processes.enter_context(_running(command, folder / f"{name}.log"))
        wait_for(lambda: _answers(config, certificate), f"the API server; see {folder}", timeout=60)
        yield config


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(config: Path, certificate: Path) -> bool:
    if not certificate.exists():
        return False
    try:
        return kubectl("get", "--raw", "/readyz", config=config) == "ok"
    except CommandError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _kubeconfig(server: str, certificate: str, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "private",
        "clusters": [{"name": "private", "cluster": {"server": server, "certificate-authority": certificate}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "private", "context": {"cluster": "private", "user": "admin"}}],
    }
