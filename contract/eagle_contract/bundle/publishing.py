"""Writing a bundle once, and saying where it is and how to recognise it."""

from dataclasses import dataclass

from eagle_contract.bundle.encryption import KeyRing, decrypt, encrypt
from eagle_contract.bundle.errors import BundleConflict, BundleTooLarge, DecryptionFailed
from eagle_contract.bundle.golden import Golden
from eagle_contract.bundle.layout import (
    CARD_FILE,
    ENCRYPTED_SUFFIX,
    GOLDEN_FILE,
    JUDGED_FILE,
    LIMITS,
    MANIFEST_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    BundleIdentity,
)
from eagle_contract.bundle.manifest import FileEntry, Manifest, sha256_digest
from eagle_contract.bundle.signature import Signer
from eagle_contract.bundle.store import ObjectStore


@dataclass(frozen=True)
class BundleContents:
    """What is published; `card` is an HTML page in UTF-8.

    `judged` is the ONNX file of the model that the figures are of, which has not seen the holdout, if there is one.
    """

    manifest: Manifest
    model: bytes
    golden: Golden
    card: bytes
    judged: bytes | None = None


@dataclass(frozen=True)
class PublishedArtifact:
    """Where a bundle lies (`uri`, a folder) and what it is known by.

    `digest` is of manifest.json, `model_digest` of the plaintext ONNX file, `signature` of manifest.sig; all are
    `sha256:<hex>`. `size_bytes` counts all files as stored.
    """

    uri: str
    digest: str
    size_bytes: int
    key_id: str
    signature: str
    model_digest: str


@dataclass(frozen=True)
class _File:
    name: str
    stored: bytes
    digest: str
    associated: str | None = None


def publish(
    store: ObjectStore,
    url: str,
    identity: BundleIdentity,
    contents: BundleContents,
    *,
    keyring: KeyRing,
    signer: Signer,
) -> PublishedArtifact:
    """Writes the bundle below `url`, the store's or one inside it; the manifest comes last: where it lies, all lies.

    Doing it again with the same contents and keys changes nothing and answers the same. Raises BundleConflict when
    another content lies there, BundleTooLarge, StoreInvalid, StoreUnavailable; ValueError when the manifest names
    another identity.
    """
    secret = _secret(contents)
    manifest = _complete(contents, secret, identity, keyring.current_id)
    manifest_bytes = manifest.to_bytes()
    folder = "/".join(part for part in (store.relative(url), identity.folder(manifest_bytes)) if part)
    envelope = signer.sign(manifest_bytes, subject=str(identity))
    files = [
        *_encrypted(secret, identity, keyring),
        _File(CARD_FILE, contents.card, sha256_digest(contents.card)),
        _File(SIGNATURE_FILE, envelope, sha256_digest(envelope)),
        _File(MANIFEST_FILE, manifest_bytes, sha256_digest(manifest_bytes)),
    ]
    for file in files:
        _refuse_too_large(file)
    for file in files:
        if not store.create(f"{folder}/{file.name}", file.stored):
            _confirm_same(store, folder, file, keyring)
    return PublishedArtifact(
        uri=f"{store.url}/{folder}/",
        digest=sha256_digest(manifest_bytes),
        size_bytes=sum(len(file.stored) for file in files),
        key_id=manifest.key_id,
        signature=sha256_digest(envelope),
        model_digest=manifest.files[MODEL_FILE].digest,
    )


def _secret(contents: BundleContents) -> dict[str, bytes]:
    """The files that are encrypted, by name and before it."""
    found = {MODEL_FILE: contents.model, GOLDEN_FILE: contents.golden.to_bytes()}
    return found if contents.judged is None else {**found, JUDGED_FILE: contents.judged}


def _complete(contents: BundleContents, secret: dict[str, bytes], identity: BundleIdentity, key_id: str) -> Manifest:
    if identity != BundleIdentity.of(contents.manifest):
        raise ValueError(
            f"the manifest is of {BundleIdentity.of(contents.manifest)}, but {identity} is to be published"
        )
    plain = {**secret, CARD_FILE: contents.card}
    files = {name: FileEntry(digest=sha256_digest(data), size_bytes=len(data)) for name, data in plain.items()}
    return contents.manifest.model_copy(update={"files": files, "key_id": key_id})


def _encrypted(secret: dict[str, bytes], identity: BundleIdentity, keyring: KeyRing) -> list[_File]:
    key = keyring.key(keyring.current_id)
    found = []
    for name, plaintext in secret.items():
        associated = identity.associated(name)
        stored = encrypt(plaintext, key=key, associated=associated)
        found.append(_File(name + ENCRYPTED_SUFFIX, stored, sha256_digest(plaintext), associated))
    return found


def _refuse_too_large(file: _File) -> None:
    limit = LIMITS[file.name]
    if len(file.stored) > limit:
        raise BundleTooLarge(
            f"{file.name} has {len(file.stored)} bytes, but servers accept at most {limit}; train a smaller model"
        )


def _confirm_same(store: ObjectStore, folder: str, file: _File, keyring: KeyRing) -> None:
    """Returns when what lies there has this file's content, which for encrypted files is never the same bytes."""
    found = store.get(f"{folder}/{file.name}", limit=LIMITS[file.name])
    if file.associated is not None:
        try:
            found = decrypt(found, key=keyring.key(keyring.current_id), associated=file.associated)
        except DecryptionFailed as cause:
            raise BundleConflict(_conflict(store, folder, file)) from cause
    if sha256_digest(found) != file.digest:
        raise BundleConflict(_conflict(store, folder, file))


def _conflict(store: ObjectStore, folder: str, file: _File) -> str:
    return f"{store.url}/{folder}/{file.name} exists with another content; remove that folder and publish again"
