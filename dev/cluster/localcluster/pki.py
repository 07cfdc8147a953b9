"""Certificates and kubeconfigs: one authority of the cluster's own, one key pair per program.

Every certificate names its authority's key: Python 3.13 clients verify strictly and refuse
chains without key identifiers or without a keyUsage on the authority.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.paths import Paths
from localcluster.progress import run_quietly
from localcluster.settings import (
    API_SERVICE_ADDRESS,
    API_URL,
    CLUSTER_DOMAIN,
    NODE_ADDRESS,
    NODE_NAME,
)

_STEP = "make the certificates"
_DAYS = "3650"
_AUTHORITY_CONFIG = """\
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = eagle-local-cluster
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
"""


@dataclass(frozen=True)
class Certificate:
    """What one certificate says about its holder."""

    name: str
    common_name: str
    organization: str = ""
    server_names: tuple[str, ...] = ()

    def subject(self) -> str:
        """Return the subject in openssl's notation."""
        organization = f"/O={self.organization}" if self.organization else ""
        return f"{organization}/CN={self.common_name}"

    def extensions(self) -> str:
        """Return the extension section: servers are clients of one another as well."""
        usages = "serverAuth, clientAuth" if self.server_names else "clientAuth"
        lines = [
            "basicConstraints = CA:FALSE",
            "keyUsage = critical, digitalSignature",
            f"extendedKeyUsage = {usages}",
            "subjectKeyIdentifier = hash",
            "authorityKeyIdentifier = keyid:always",
        ]
        if self.server_names:
            lines.append(f"subjectAltName = {', '.join(self.server_names)}")
        return "\n".join(lines) + "\n"


CERTIFICATES = (
    Certificate("etcd", "etcd", server_names=("DNS:localhost", "IP:127.0.0.1")),
    Certificate(
        "kube-apiserver",
        "kube-apiserver",
        server_names=(
            "DNS:localhost",
            "DNS:kubernetes",
            "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc",
            f"DNS:kubernetes.default.svc.{CLUSTER_DOMAIN}",
            "IP:127.0.0.1",
            f"IP:{NODE_ADDRESS}",
            f"IP:{API_SERVICE_ADDRESS}",
        ),
    ),
    Certificate("kube-apiserver-to-kubelet", "kube-apiserver-to-kubelet", "system:masters"),
    Certificate("kube-controller-manager", "system:kube-controller-manager"),
    Certificate("kube-scheduler", "system:kube-scheduler"),
    Certificate("kube-proxy", "system:kube-proxy"),
    Certificate(
        "kubelet",
        f"system:node:{NODE_NAME}",
        "system:nodes",
        server_names=(f"DNS:{NODE_NAME}", f"IP:{NODE_ADDRESS}"),
    ),
    Certificate("admin", "admin", "system:masters"),
)
_CLIENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")


def ensure_pki(paths: Paths) -> None:
    """Make the authority, all certificates and kubeconfigs, or leave a complete set alone."""
    if paths.pki.exists() and paths.admin_kubeconfig.exists():
        return
    paths.cluster.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(paths.pki, ignore_errors=True)
    # Made aside and renamed: a folder of that name is always a complete set.
    aside = Path(tempfile.mkdtemp(dir=paths.cluster, prefix=".pki-"))
    _make_authority(aside)
    _make_service_account_key(aside)
    for certificate in CERTIFICATES:
        _issue(certificate, aside)
    for client in _CLIENTS:
        _write_private(aside / f"{client}.kubeconfig", kubeconfig(client, aside))
    admin = kubeconfig("admin", aside)
    aside.rename(paths.pki)
    _write_private(paths.admin_kubeconfig, admin)
    _give_to_invoking_user(paths.admin_kubeconfig)


def kubeconfig(user: str, folder: Path) -> str:
    """Return a kubeconfig for the holder of a certificate, as JSON (which is YAML)."""

    def embedded(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "eagle",
        "clusters": [
            {
                "name": "eagle",
                "cluster": {"server": API_URL, "certificate-authority-data": embedded("ca.crt")},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": embedded(f"{user}.crt"),
                    "client-key-data": embedded(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "eagle", "context": {"cluster": "eagle", "user": user}}],
    }
    return json.dumps(content, indent=2) + "\n"


def _openssl(*words: str | Path) -> None:
    run_quietly(["openssl", *words], step=_STEP)


def _new_key(folder: Path, name: str, options: Sequence[str]) -> None:
    _openssl("genpkey", *options, "-out", folder / f"{name}.key")


_ELLIPTIC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def _make_authority(folder: Path) -> None:
    _new_key(folder, "ca", _ELLIPTIC)
    config = folder / "ca.cnf"
    config.write_text(_AUTHORITY_CONFIG)
    key, certificate = folder / "ca.key", folder / "ca.crt"
    _openssl("req", "-x509", "-new", "-config", config, "-key", key, "-days", _DAYS, "-out", certificate)


def _make_service_account_key(folder: Path) -> None:
    _new_key(folder, "service-accounts", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
    key, public = folder / "service-accounts.key", folder / "service-accounts.pub"
    _openssl("pkey", "-in", key, "-pubout", "-out", public)


def _issue(certificate: Certificate, folder: Path) -> None:
    name = certificate.name
    _new_key(folder, name, _ELLIPTIC)
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(certificate.extensions())
    _openssl(
        *("req", "-new", "-config", folder / "ca.cnf", "-key", folder / f"{name}.key"),
        *("-subj", certificate.subject(), "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key"),
        *("-CAcreateserial", "-days", _DAYS, "-extfile", extensions),
        *("-out", folder / f"{name}.crt"),
    )
    request.unlink()
    extensions.unlink()


def _write_private(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


def _give_to_invoking_user(path: Path) -> None:
    """Let the user who called through sudo use the cluster without it."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if user and group:
        os.chown(path, int(user), int(group))
