"""Who vouches for a manifest: a DSSE envelope around an in-toto statement, signed with ECDSA P-256.

The statement has the form of OpenSSF model signing (predicate `https://model_signing/signature/v1.0`): its predicate
lists one resource, the manifest, and its subject's digest is the digest over the resources' digests. The signature
proves integrity from trainer to server, not that the trainer was honest.

A certificate here is only a container of a public key: what is in the verification folder is trusted, also after its
expiry, because a date must not take models out of service.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from eagle_contract.bundle.errors import KeysInvalid, SignatureInvalid

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MANIFEST_FILE = "manifest.json"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PUBLIC_KEY = b"-----BEGIN PUBLIC KEY-----"
_ALGORITHM = ec.ECDSA(hashes.SHA256())
_SIGNING_ALGORITHM = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True)
class Signer:
    """The trainer's private key."""

    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> "Signer":
        """The signer of an unencrypted PEM file, SEC 1 or PKCS 8. Raises KeysInvalid unless it is ECDSA P-256."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as cause:
            raise KeysInvalid(
                "signing.pem is not an unencrypted private key in PEM form"
                " (openssl ecparam -name prime256v1 -genkey -noout)"
            ) from cause
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeysInvalid(
                "signing.pem must be an ECDSA P-256 key (openssl ecparam -name prime256v1 -genkey -noout)"
            )
        return cls(key)

    def verifier(self) -> "Verifier":
        """Whoever believes this key alone."""
        return Verifier.of([self._key.public_key()])

    def sign(self, manifest: bytes, *, subject: str) -> bytes:
        """The envelope for a manifest, as stored in manifest.sig. The same manifest and key give the same bytes."""
        payload = _canonical(_statement(manifest, subject))
        signed = self._key.sign(_pre_authentication(PAYLOAD_TYPE, payload), _SIGNING_ALGORITHM)
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": _key_id(self._key.public_key()), "sig": base64.b64encode(signed).decode()}],
        }
        return _canonical(envelope)


@dataclass(frozen=True)
class Verifier:
    """The public keys that are believed, by the SHA-256 of their DER form."""

    _keys: Mapping[str, ec.EllipticCurvePublicKey] = field(repr=False)

    @classmethod
    def of(cls, keys: list[ec.EllipticCurvePublicKey]) -> "Verifier":
        """A verifier that believes these keys."""
        return cls({_key_id(key): key for key in keys})

    @classmethod
    def from_folder(cls, folder: Path) -> "Verifier":
        """The keys of a mounted ConfigMap: every `*.pem` holds certificates or one public key. Raises KeysInvalid."""
        try:
            files = {file.name: file.read_bytes() for file in sorted(folder.glob("*.pem"))}
        except OSError as cause:
            raise KeysInvalid(
                f"the verification keys cannot be read from {folder} ({cause});"
                " mount the ConfigMap eagle-verification there"
            ) from cause
        if not files:
            raise KeysInvalid(f"there is no *.pem in {folder}; mount the ConfigMap eagle-verification there")
        return cls.of([key for name, pem in files.items() for key in _public_keys(name, pem)])

    def verify(self, manifest: bytes, envelope: bytes, *, subject: str) -> None:
        """Returns when a believed key has signed this manifest as `subject`. Raises SignatureInvalid otherwise."""
        payload, signatures = _open_envelope(envelope)
        message = _pre_authentication(PAYLOAD_TYPE, payload)
        if not any(_matches(key, signature, message) for key in self._keys.values() for signature in signatures):
            raise SignatureInvalid(
                f"no trusted key has signed the manifest of {subject} (trusted: {', '.join(sorted(self._keys))});"
                " add the signer's certificate to the ConfigMap eagle-verification or publish the model again"
            )
        if not _covers(payload, _statement(manifest, subject)):
            raise SignatureInvalid(
                f"manifest.sig of {subject} is a signature for another manifest; publish the model again"
            )


def _statement(manifest: bytes, subject: str) -> dict[str, Any]:
    digest = hashlib.sha256(manifest)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject, "digest": {"sha256": hashlib.sha256(digest.digest()).hexdigest()}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [{"name": MANIFEST_FILE, "algorithm": "sha256", "digest": digest.hexdigest()}],
        },
    }


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs (its specification calls it PAE)."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def _open_envelope(envelope: bytes) -> tuple[bytes, list[bytes]]:
    try:
        found = json.loads(envelope)
        if found["payloadType"] != PAYLOAD_TYPE:
            raise ValueError(f"its payloadType is {found['payloadType']!r}")
        payload = base64.b64decode(found["payload"], validate=True)
        return payload, [base64.b64decode(entry["sig"], validate=True) for entry in found["signatures"]]
    except (ValueError, KeyError, TypeError, binascii.Error) as cause:
        raise SignatureInvalid(f"manifest.sig is not a DSSE envelope ({cause}); publish the model again") from cause


def _covers(payload: bytes, expected: dict[str, Any]) -> bool:
    """Whether a signed statement says what is expected; what a later release adds to its predicate does not matter."""
    try:
        found = json.loads(payload)
        return all(found[name] == expected[name] for name in ("_type", "subject", "predicateType")) and (
            found["predicate"]["resources"] == expected["predicate"]["resources"]
        )
    except (ValueError, KeyError, TypeError):
        return False


def _matches(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def _public_keys(name: str, pem: bytes) -> list[ec.EllipticCurvePublicKey]:
    try:
        if _CERTIFICATE in pem:
            found: list[object] = [certificate.public_key() for certificate in x509.load_pem_x509_certificates(pem)]
        elif _PUBLIC_KEY in pem:
            found = [serialization.load_pem_public_key(pem)]
        else:
            raise ValueError("it has neither")
    except ValueError as cause:
        raise KeysInvalid(f"{name} holds no usable certificate or public key in PEM form ({cause})") from cause
    keys = [key for key in found if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)]
    if len(keys) != len(found):
        raise KeysInvalid(f"{name} must hold ECDSA P-256 keys only, the kind that trainers sign with")
    return keys


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
