"""Certificates that the strictest clients accept."""

import json
import ssl
from pathlib import Path

import pytest
from localcluster.paths import Paths
from localcluster.pki import CERTIFICATES, Certificate, ensure_pki


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths(tmp_path_factory.mktemp("pki"))
    ensure_pki(paths)
    return paths


def _handshake(paths: Paths, *, client: str, server: str, name: str) -> ssl.SSLObject:
    """Return the client's end of a mutual TLS connection that is verified as Python 3.13 does."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client_context = ssl.create_default_context(cafile=paths.pki / "ca.crt")
    for context, holder in ((server_context, server), (client_context, client)):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(paths.pki / f"{holder}.crt", paths.pki / f"{holder}.key")
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(paths.pki / "ca.crt")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server_end = server_context.wrap_bio(to_server, to_client, server_side=True)
    ends = [client_end, server_end]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
    return client_end


@pytest.mark.parametrize(
    ("client", "server", "name"),
    [
        ("admin", "kube-apiserver", "10.85.0.1"),
        ("kubelet", "kube-apiserver", "10.85.0.1"),
        ("admin", "kube-apiserver", "kubernetes.default.svc.cluster.local"),
        ("kube-apiserver", "etcd", "127.0.0.1"),
        ("kube-apiserver-to-kubelet", "kubelet", "10.85.0.1"),
    ],
)
def test_a_strict_client_accepts_the_chain(made: Paths, client: str, server: str, name: str) -> None:
    assert _handshake(made, client=client, server=server, name=name).version() == "TLSv1.3"


def test_a_client_certificate_does_not_serve() -> None:
    admin = next(each for each in CERTIFICATES if each.name == "admin")
    assert "serverAuth" not in admin.extensions()


def test_the_organization_comes_before_the_name_in_a_subject() -> None:
    assert Certificate("kubelet", "system:node:n", "system:nodes").subject() == "/O=system:nodes/CN=system:node:n"


def test_keys_and_kubeconfigs_are_for_their_owner_alone(made: Paths) -> None:
    private = [*made.pki.glob("*.key"), *made.pki.glob("*.kubeconfig"), made.admin_kubeconfig]
    assert {path.stat().st_mode & 0o077 for path in private} == {0}


def test_a_complete_set_is_left_alone_and_an_incomplete_one_is_made_again(made: Paths) -> None:
    before = (made.pki / "ca.crt").read_text()
    ensure_pki(made)
    assert (made.pki / "ca.crt").read_text() == before
    made.admin_kubeconfig.unlink()
    ensure_pki(made)
    config = json.loads(made.admin_kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://10.85.0.1:6443"


def test_no_half_made_set_is_left_behind(made: Paths) -> None:
    assert [path for path in made.cluster.iterdir() if path.name.startswith(".pki-")] == []


def test_requests_and_extension_files_do_not_stay(made: Paths) -> None:
    assert [path for path in Path(made.pki).iterdir() if path.suffix in {".csr", ".ext"}] == []
