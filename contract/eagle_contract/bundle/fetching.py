"""Reading a bundle and believing nothing that was not checked."""

import hashlib
from dataclasses import dataclass

from eagle_contract.bundle.encryption import OVERHEAD_BYTES, KeyRing, decrypt
from eagle_contract.bundle.errors import BundleMissing, DigestMismatch, SchemaUnsupported
from eagle_contract.bundle.golden import Golden
from eagle_contract.bundle.layout import (
    ENCRYPTED_SUFFIX,
    GOLDEN_FILE,
    JUDGED_FILE,
    LIMITS,
    MANIFEST_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    BundleIdentity,
)
from eagle_contract.bundle.manifest import Manifest, sha256_digest
from eagle_contract.bundle.signature import Verifier
from eagle_contract.bundle.store import ObjectStore


@dataclass(frozen=True)
class OpenedBundle:
    """A bundle whose digests, signature and identity are right. `model` is the ONNX file."""

    manifest: Manifest
    model: bytes
    golden: Golden


@dataclass(frozen=True)
class JudgedModel:
    """The model that the figures of a bundle are of, checked like the bundle itself. `model` is the ONNX file."""

    manifest: Manifest
    model: bytes


def fetch(store: ObjectStore, uri: str, digest: str, *, keyring: KeyRing, verifier: Verifier) -> OpenedBundle:
    """The bundle at `uri`, whose manifest has `digest` (`sha256:<hex>`): what is needed to serve, and no more of it.

    Raises BundleMissing, DigestMismatch, SignatureInvalid, SchemaUnsupported, DecryptionFailed (in the order of the
    checks), StoreInvalid, and StoreUnavailable when trying again may help.
    """
    folder = store.relative(uri)
    identity = BundleIdentity.of_uri(uri)
    manifest = _read_manifest(store, folder, identity, digest, verifier)
    model, golden = (_read_encrypted(store, folder, manifest, name, keyring) for name in (MODEL_FILE, GOLDEN_FILE))
    return OpenedBundle(manifest, model, Golden.from_bytes(golden))


def fetch_judged(store: ObjectStore, uri: str, digest: str, *, keyring: KeyRing, verifier: Verifier) -> JudgedModel:
    """The model that the figures of the bundle at `uri` are of.

    Raises BundleMissing where the bundle has none, and otherwise as `fetch` does.
    """
    folder = store.relative(uri)
    manifest = _read_manifest(store, folder, BundleIdentity.of_uri(uri), digest, verifier)
    if JUDGED_FILE not in manifest.files:
        raise BundleMissing(
            f"the bundle of {BundleIdentity.of(manifest)} has no {JUDGED_FILE}: its figures are of several models"
            " (validation BlockedFolds), or it is of an older release; train with validation Holdout to have one"
        )
    return JudgedModel(manifest, _read_encrypted(store, folder, manifest, JUDGED_FILE, keyring))


def _read_manifest(
    store: ObjectStore, folder: str, identity: BundleIdentity, digest: str, verifier: Verifier
) -> Manifest:
    data = store.get(_path(folder, MANIFEST_FILE), limit=LIMITS[MANIFEST_FILE])
    found = hashlib.sha256(data).hexdigest()
    if f"sha256:{found}" != digest:
        raise DigestMismatch(
            f"the manifest of {identity} has the digest sha256:{found}, but {digest} is to be served;"
            " restore the bundle from a backup or publish the model again"
        )
    envelope = store.get(_path(folder, SIGNATURE_FILE), limit=LIMITS[SIGNATURE_FILE])
    verifier.verify(data, envelope, subject=str(identity))
    manifest = Manifest.from_bytes(data)
    if BundleIdentity.of(manifest) != identity:
        raise DigestMismatch(
            f"the bundle in the folder of {identity} says that it is {BundleIdentity.of(manifest)};"
            " serve a bundle from where it was published"
        )
    return manifest


def _read_encrypted(store: ObjectStore, folder: str, manifest: Manifest, name: str, keyring: KeyRing) -> bytes:
    entry = manifest.files.get(name)
    if entry is None:
        raise SchemaUnsupported(f"the manifest lists no {name}; publish the model again")
    stored = name + ENCRYPTED_SUFFIX
    limit = min(entry.size_bytes + OVERHEAD_BYTES, LIMITS[stored])
    sealed = store.get(_path(folder, stored), limit=limit)
    associated = BundleIdentity.of(manifest).associated(name)
    plaintext = decrypt(sealed, key=keyring.key(manifest.key_id), associated=associated)
    if sha256_digest(plaintext) != entry.digest:
        raise DigestMismatch(
            f"{associated} is not the file that the manifest names ({entry.digest}); publish the model again"
        )
    return plaintext


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
