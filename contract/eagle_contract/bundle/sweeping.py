"""Bundles as they lie in a store, for whoever takes away those that nothing refers to any more.

A bundle goes signature first and manifest last. From the first moment on no server believes it; until the last its
manifest says whose it was and what is to become of it, so a removal that was cut off is completed by the next one.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from eagle_contract.bundle.errors import BundleMissing, DigestMismatch
from eagle_contract.bundle.layout import LIMITS, MANIFEST_FILE, SIGNATURE_FILE, BundleIdentity
from eagle_contract.bundle.manifest import Manifest, sha256_digest
from eagle_contract.bundle.store import ObjectStore, StoredFile

_SEGMENT = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_ADDRESS = re.compile(rf"(?<![A-Za-z0-9._-]){_SEGMENT}/{_SEGMENT}/{_SEGMENT}/[0-9a-f]{{64}}")


@dataclass(frozen=True)
class StoredBundle:
    """What lies in a bundle's folder, all of it or a part. `digest` is the manifest's, 64 hexadecimal digits."""

    identity: BundleIdentity
    digest: str
    files: tuple[StoredFile, ...]

    @property
    def folder(self) -> str:
        """Where in the store it lies; also how anything that refers to it ends."""
        return f"{self.identity}/{self.digest}"

    @property
    def size_bytes(self) -> int:
        """Of all its files, as stored."""
        return sum(file.size for file in self.files)

    @property
    def modified(self) -> datetime:
        """When the youngest of its files was written."""
        return max(file.modified for file in self.files)

    @property
    def has_manifest(self) -> bool:
        """Whether its manifest is there."""
        return any(file.path == f"{self.folder}/{MANIFEST_FILE}" for file in self.files)


def stored_bundles(store: ObjectStore, organization: str) -> list[StoredBundle]:
    """An organization's bundles, the oldest run's first. What does not lie as a bundle's file does is not among them.

    Raises StoreInvalid, StoreUnavailable.
    """
    folders: dict[str, list[StoredFile]] = defaultdict(list)
    for file in store.files(organization):
        folder, _, name = file.path.rpartition("/")
        if name and _ADDRESS.fullmatch(folder):
            folders[folder].append(file)
    bundles = [StoredBundle(*_identified(folder), tuple(files)) for folder, files in folders.items()]
    return sorted(bundles, key=lambda bundle: (bundle.identity.version, bundle.folder))


def folders_in(text: str) -> Iterator[str]:
    """The folders of all bundles whose addresses a text contains, in whatever store they lie."""
    return (found.group() for found in _ADDRESS.finditer(text))


def read_manifest(store: ObjectStore, bundle: StoredBundle) -> Manifest:
    """What a bundle says of itself; its signature is not looked at.

    Raises BundleMissing, DigestMismatch when it is not the one that was published there, SchemaUnsupported,
    StoreInvalid, StoreUnavailable.
    """
    if not bundle.has_manifest:
        raise BundleMissing(f"{store.url}/{bundle.folder}/ has no {MANIFEST_FILE}; nothing can be said of it")
    data = store.get(f"{bundle.folder}/{MANIFEST_FILE}", limit=LIMITS[MANIFEST_FILE])
    if sha256_digest(data) != f"sha256:{bundle.digest}":
        raise DigestMismatch(f"{store.url}/{bundle.folder}/{MANIFEST_FILE} is not the one that was published there")
    manifest = Manifest.from_bytes(data)
    if BundleIdentity.of(manifest) != bundle.identity:
        raise DigestMismatch(
            f"the bundle in {store.url}/{bundle.folder}/ says that it is {BundleIdentity.of(manifest)}"
        )
    return manifest


def remove(store: ObjectStore, bundle: StoredBundle) -> None:
    """Takes a bundle away; doing it again is doing the rest. Raises StoreInvalid, StoreUnavailable."""
    for file in sorted(bundle.files, key=lambda file: _turn(file.path.rpartition("/")[2])):
        store.delete(file.path)


def _turn(name: str) -> int:
    return {SIGNATURE_FILE: 0, MANIFEST_FILE: 2}.get(name, 1)


def _identified(folder: str) -> tuple[BundleIdentity, str]:
    identity, _, digest = folder.rpartition("/")
    return BundleIdentity(*identity.split("/")), digest
