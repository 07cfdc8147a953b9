"""Keys as people and Helm write them are read; anything else is refused with a sentence that says what to do."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.bundles import organization_keys

from eagle_contract.bundle import KeyRing, KeysInvalid, Signer, Verifier

KEY = bytes(range(32))


def key_folder(folder: Path, current: str = "k1", **keys: str) -> Path:
    (folder / "current").write_text(current)
    for name, text in keys.items():
        (folder / f"{name}.key").write_text(text)
    return folder


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_key_may_end_in_a_newline(tmp_path: Path, ending: str) -> None:
    text = base64.b64encode(KEY).decode() + ending
    ring = KeyRing.from_folder(key_folder(tmp_path, current="k1" + ending, k1=text))
    assert ring.current_id == "k1"
    assert ring.key("k1") == KEY


@pytest.mark.parametrize(
    ("current", "text", "message"),
    [
        ("k1", base64.b64encode(bytes(16)).decode(), "has 16 bytes; it must have 32"),
        ("k1", base64.b64encode(bytes(33)).decode(), "has 33 bytes; it must have 32"),
        ("k1", "", "has 0 bytes; it must have 32"),
        ("k1", "not base64!", r"k1\.key is not base64"),
        ("k2", base64.b64encode(KEY).decode(), r"there is no k2\.key; add it or name one of: k1"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(tmp_path: Path, current: str, text: str, message: str) -> None:
    with pytest.raises(KeysInvalid, match=message):
        KeyRing.from_folder(key_folder(tmp_path, current, k1=text))


def test_a_folder_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysInvalid, match="mount the Secret eagle-keys there"):
        KeyRing.from_folder(tmp_path / "absent")


def test_keys_do_not_show_in_logs() -> None:
    keys = organization_keys()
    assert repr(KEY)[2:-1] not in repr(KeyRing("k1", {"k1": KEY}))
    assert "keys" not in repr(keys.keyring)
    assert repr(keys.signer) == "Signer()"


def test_both_pem_forms_of_a_private_key_sign_alike(tmp_path: Path) -> None:
    sec1 = organization_keys().signing_pem
    assert sec1.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    pkcs8 = serialization.load_pem_private_key(sec1, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    envelopes = [Signer.from_pem(pem).sign(b"{}", subject="s") for pem in (sec1, b"\n" + pkcs8 + b"\n")]
    assert envelopes[0] == envelopes[1]


def test_a_key_with_its_parameters_before_it_is_read() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    Signer.from_pem(parameters + organization_keys().signing_pem).sign(b"{}", subject="s")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"", "not an unencrypted private key"),
        (b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "not an unencrypted private key"),
        (ec.generate_private_key(ec.SECP384R1()), "must be an ECDSA P-256 key"),
        (rsa.generate_private_key(65537, 2048), "must be an ECDSA P-256 key"),
    ],
    ids=["empty", "broken", "P-384", "RSA"],
)
def test_another_kind_of_signing_key_is_refused(key: object, message: str) -> None:
    pem = key if isinstance(key, bytes) else _pem(key)
    with pytest.raises(KeysInvalid, match=message):
        Signer.from_pem(pem)


def test_an_encrypted_signing_key_is_refused() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(KeysInvalid, match="unencrypted"):
        Signer.from_pem(pem)


def test_certificates_and_public_keys_verify_also_after_expiry(tmp_path: Path) -> None:
    first, second = organization_keys(1), organization_keys(2)
    (tmp_path / "certificate.pem").write_bytes(_expired_certificate(first.signing_pem))
    (tmp_path / "key.pem").write_bytes(second.public_pem)
    (tmp_path / "notes.txt").write_text("not a key")
    verifier = Verifier.from_folder(tmp_path)
    for keys in (first, second):
        verifier.verify(b"{}", keys.signer.sign(b"{}", subject="s"), subject="s")


def test_several_certificates_may_share_a_file(tmp_path: Path) -> None:
    both = [_expired_certificate(organization_keys(seed).signing_pem) for seed in (1, 2)]
    (tmp_path / "all.pem").write_bytes(b"\n".join(both))
    verifier = Verifier.from_folder(tmp_path)
    for seed in (1, 2):
        verifier.verify(b"{}", organization_keys(seed).signer.sign(b"{}", subject="s"), subject="s")


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "holds no usable certificate or public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no usable certificate"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds no usable certificate"),
    ],
    ids=["empty", "certificate", "key"],
)
def test_a_broken_verification_file_is_named(tmp_path: Path, pem: bytes, message: str) -> None:
    (tmp_path / "odd.pem").write_bytes(pem)
    with pytest.raises(KeysInvalid, match=rf"odd\.pem {message}"):
        Verifier.from_folder(tmp_path)


def test_another_kind_of_verification_key_is_refused(tmp_path: Path) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    (tmp_path / "rsa.pem").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(KeysInvalid, match="P-256 keys only"):
        Verifier.from_folder(tmp_path)


def test_nobody_is_trusted_by_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(KeysInvalid, match="mount the ConfigMap eagle-verification there"):
        Verifier.from_folder(tmp_path)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_verifies_our_signature(tmp_path: Path) -> None:
    """Any DSSE tool must be able to check a bundle: here the least of them."""
    keys = organization_keys()
    envelope = json.loads(keys.signer.sign(b"{}", subject="s"))
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "message").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key.pem").write_bytes(keys.public_pem)
    arguments = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "message"]
    subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True)


def _pem(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _expired_certificate(signing_pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(signing_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "eagle-signing.acme")])
    past = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(past)
        .not_valid_after(past + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
