"""An API server of a test's own, for what would harm others on a shared cluster: taking the operator's chart away.

It is the same kube-apiserver, on its own etcd, without controllers or nodes: objects are stored, checked and refused,
and nothing ever runs.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.cluster import CommandError, kubectl, program, wait_for
from tests.support.ports import free_port
from tests.support.programs import Program


@dataclass(frozen=True)
class ApiServer:
    """An API server that can be killed and started again on what its etcd holds."""

    config: Path
    """The kubeconfig of an administrator."""
    url: str
    certificate: Path
    token: str
    etcd: Program
    program: Program

    def until_ready(self) -> None:
        """Waits until it answers. AssertionError with its log if that does not come."""
        wait_for(self._answers, f"the API server; its log is {self.program.log}", timeout=60, interval=0.1)

    def restart(self) -> None:
        """Kill it and start it again on the same etcd; does not wait for it to be ready."""
        self.program.kill()
        self.program.start()

    def _answers(self) -> bool:
        if not self.certificate.exists():
            return False
        try:
            return kubectl("get", "--raw", "/readyz", config=self.config) == "ok"
        except CommandError:
            return False


@contextmanager
def private_api_server(folder: Path, *arguments: str) -> Iterator[Path]:
    """The kubeconfig of an administrator of a fresh API server, which ends with the context.

    `folder` must be empty; `arguments` are more flags of kube-apiserver. Raises FileNotFoundError where it or etcd is
    not installed.
    """
    with api_server(folder, *arguments) as server:
        yield server.config


@contextmanager
def api_server(folder: Path, *arguments: str) -> Iterator[ApiServer]:
    """As `private_api_server`, for tests that restart it."""
    etcd_port, peer_port, port = (free_port() for _ in range(3))
    etcd_url, peer_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    url = f"https://127.0.0.1:{port}"
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    (folder / "service-accounts.pem").write_bytes(_private_key())
    config = folder / "kubeconfig"
    certificate = folder / "pki" / "apiserver.crt"
    cluster = {"server": url, "certificate-authority": str(certificate)}
    config.write_text(kubeconfig_text(cluster, token))
    etcd = [
        program("etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--log-level=warn",
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
    with (
        Program(etcd, folder / "etcd.log") as store,
        Program(server, folder / "kube-apiserver.log") as process,
    ):
        made = ApiServer(config, url, certificate, token, store, process)
        made.until_ready()
        yield made


def kubeconfig_text(cluster: dict[str, str], token: str) -> str:
    """A kubeconfig, as JSON (which is YAML), of whoever bears the token; `cluster` says where and whom to trust."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "private",
            "clusters": [{"name": "private", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "private", "context": {"cluster": "private", "user": "admin"}}],
        }
    )


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
