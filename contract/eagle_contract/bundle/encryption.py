"""Files encrypted at rest: AES-256-GCM under a random key of their own, which the organization's key wraps (AES-KW).

An encrypted file is `EAGLEGCM`, the wrapped key (40 bytes), the nonce (12 bytes), the ciphertext with its tag (16 bytes
more than the plaintext). Which of the organization's keys wraps is the manifest's `keyId`, which is signed. What is
authenticated beside the content is `organization/schedule uid/version/file name`: no file can stand in for another.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from eagle_contract.bundle.errors import DecryptionFailed, KeysInvalid

KEY_BYTES = 32
_MAGIC = b"EAGLEGCM"
_WRAPPED_BYTES = 40
_NONCE_BYTES = 12
_TAG_BYTES = 16
OVERHEAD_BYTES = len(_MAGIC) + _WRAPPED_BYTES + _NONCE_BYTES + _TAG_BYTES
"""How much larger an encrypted file is than its plaintext."""

_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class KeyRing:
    """The organization's keys by keyId (32 bytes each); `current_id` is the one that new bundles use."""

    current_id: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises KeysInvalid when a key has the wrong length or the current one is not there."""
        for key_id, key in self.keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise KeysInvalid(f"the keyId {key_id!r} must be at most 63 letters, digits, '.', '_' and '-'")
            if len(key) != KEY_BYTES:
                raise KeysInvalid(
                    f"the key {key_id} has {len(key)} bytes; it must have {KEY_BYTES} (openssl rand -base64 32)"
                )
        if self.current_id not in self.keys:
            raise KeysInvalid(
                f"the current keyId is {self.current_id!r}, but there is no {self.current_id}.key;"
                f" add it or name one of: {', '.join(sorted(self.keys)) or 'none'}"
            )

    @classmethod
    def from_folder(cls, folder: Path) -> "KeyRing":
        """The keys of a mounted Secret: `current` holds a keyId, `<keyId>.key` a key in base64. Raises KeysInvalid."""
        try:
            current = (folder / "current").read_text().strip()
            keys = {file.name.removesuffix(".key"): _read_key(file) for file in sorted(folder.glob("*.key"))}
        except (OSError, UnicodeDecodeError) as cause:
            raise KeysInvalid(
                f"the organization's keys cannot be read from {folder} ({cause}); mount the Secret eagle-keys there"
            ) from cause
        return cls(current, keys)

    def key(self, key_id: str) -> bytes:
        """The key of that id. Raises DecryptionFailed when it is not among the keys any more."""
        found = self.keys.get(key_id)
        if found is None:
            raise DecryptionFailed(
                f"the bundle is encrypted with key {key_id!r}, which is not among the organization's keys"
                f" ({', '.join(sorted(self.keys))}); put {key_id}.key back into the Secret eagle-keys"
            )
        return found


def _read_key(file: Path) -> bytes:
    try:
        return base64.b64decode("".join(file.read_text().split()), validate=True)
    except (binascii.Error, ValueError) as cause:
        raise KeysInvalid(f"{file.name} is not base64; it must be 32 random bytes (openssl rand -base64 32)") from cause


def encrypt(plaintext: bytes, *, key: bytes, associated: str) -> bytes:
    """The encrypted file; never twice the same."""
    data_key = AESGCM.generate_key(bit_length=256)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(data_key).encrypt(nonce, plaintext, associated.encode())
    return _MAGIC + aes_key_wrap(key, data_key) + nonce + sealed


def decrypt(data: bytes, *, key: bytes, associated: str) -> bytes:
    """The plaintext. Raises DecryptionFailed when the key is another, or when data or `associated` were changed."""
    if len(data) < OVERHEAD_BYTES or not data.startswith(_MAGIC):
        raise DecryptionFailed(f"{associated} is not an encrypted file of Eagle; publish the model again")
    wrapped_end = len(_MAGIC) + _WRAPPED_BYTES
    nonce_end = wrapped_end + _NONCE_BYTES
    try:
        data_key = aes_key_unwrap(key, data[len(_MAGIC) : wrapped_end])
        return AESGCM(data_key).decrypt(data[wrapped_end:nonce_end], data[nonce_end:], associated.encode())
    except (InvalidUnwrap, InvalidTag) as cause:
        raise DecryptionFailed(
            f"{associated} cannot be decrypted: it was changed, belongs to another bundle, or was encrypted with"
            " another key of the same keyId; restore the key or publish the model again"
        ) from cause
