"""How a bundle lies in a store: the names of its files, their limits, and the path that says whose it is."""

import hashlib
import re
from dataclasses import dataclass

from eagle_contract.bundle.errors import DigestMismatch
from eagle_contract.bundle.manifest import Manifest

MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.npz"
JUDGED_FILE = "judged.onnx"
"""For whoever checks the figures: no server fetches it, and bundles without it are as good."""
CARD_FILE = "card.html"
ENCRYPTED_SUFFIX = ".enc"

_MIB = 2**20
LIMITS = {
    MANIFEST_FILE: 4 * _MIB,
    SIGNATURE_FILE: _MIB,
    MODEL_FILE + ENCRYPTED_SUFFIX: 512 * _MIB,
    GOLDEN_FILE + ENCRYPTED_SUFFIX: 128 * _MIB,
    JUDGED_FILE + ENCRYPTED_SUFFIX: 512 * _MIB,
    CARD_FILE: 32 * _MIB,
}
"""The most bytes of each file as stored: beyond any honest bundle, below what takes a server's memory."""

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class BundleIdentity:
    """Whose model it is and which: the first three parts of a bundle's path."""

    organization: str
    schedule_uid: str
    version: str

    def __post_init__(self) -> None:
        """Raises ValueError when a part cannot be part of a path."""
        for part in (self.organization, self.schedule_uid, self.version):
            if not _SEGMENT.fullmatch(part):
                raise ValueError(f"{part!r} must be at most 128 letters, digits, '.', '_' and '-'")

    def __str__(self) -> str:
        return f"{self.organization}/{self.schedule_uid}/{self.version}"

    @classmethod
    def of(cls, manifest: Manifest) -> "BundleIdentity":
        """The identity that a manifest names."""
        return cls(manifest.organization, manifest.schedule_uid, manifest.version)

    @classmethod
    def of_uri(cls, uri: str) -> "BundleIdentity":
        """The identity that a bundle's address names. Raises DigestMismatch when it is not a bundle's address."""
        parts = uri.rstrip("/").split("/")
        try:
            organization, schedule_uid, version, _ = parts[-4:]
            return cls(organization, schedule_uid, version)
        except ValueError as cause:
            raise DigestMismatch(
                f"{uri} is not the address of a bundle; it must end in ORGANIZATION/SCHEDULE-UID/VERSION/DIGEST/"
            ) from cause

    def folder(self, manifest: bytes) -> str:
        """The bundle's path inside the store."""
        return f"{self}/{hashlib.sha256(manifest).hexdigest()}"

    def associated(self, file: str) -> str:
        """What is authenticated with an encrypted file; `file` is the name of the plaintext."""
        return f"{self}/{file}"
