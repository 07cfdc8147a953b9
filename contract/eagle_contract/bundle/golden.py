"""Golden predictions: windows and the answers the trainer's own run of the graph gave for them.

A server that does not reproduce them is not ready.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from eagle_contract.bundle.errors import SchemaUnsupported

Floats: TypeAlias = npt.NDArray[np.float64]
Booleans: TypeAlias = npt.NDArray[np.bool_]

MAX_UNPACKED_BYTES = 256 * 2**20
_DIMENSIONS = {"window": 3, "context": 2, "failure_probability": 1, "alarm": 1, "confident": 1}
_TYPES = {
    "window": np.float64,
    "context": np.float64,
    "failure_probability": np.float64,
    "alarm": np.bool_,
    "confident": np.bool_,
}
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
"""What zipfile and numpy raise for bytes that are not theirs; RuntimeError is for encrypted or newer archives."""


@dataclass(frozen=True, eq=False)
class Golden:
    """`window` [N, T, S], `context` [N, C] where the model has one, and the answers [N]. N is at least 1."""

    window: Floats
    failure_probability: Floats
    alarm: Booleans
    confident: Booleans
    context: Floats | None = None

    def __post_init__(self) -> None:
        """Raises ValueError when the arrays do not fit together."""
        arrays = self._arrays()
        for name, array in arrays.items():
            if array.ndim != _DIMENSIONS[name] or array.dtype != _TYPES[name]:
                raise ValueError(f"{name} must be {_TYPES[name].__name__} with {_DIMENSIONS[name]} dimensions")
        if len({len(array) for array in arrays.values()}) != 1 or not len(self.window):
            raise ValueError("all arrays must have the same number of rows, and at least one")

    def to_bytes(self) -> bytes:
        """The arrays as an uncompressed .npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self._arrays())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Golden":
        """The arrays of an .npz file. Raises SchemaUnsupported when they are not golden predictions."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(f"they unpack to {unpacked} bytes, more than {MAX_UNPACKED_BYTES}")
            with np.load(io.BytesIO(data), allow_pickle=False) as found:
                return cls(**{name: found[name] for name in _DIMENSIONS if name in found})
        except _UNREADABLE as cause:
            raise SchemaUnsupported(
                f"the golden predictions cannot be read ({cause}); publish the model again"
            ) from cause

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        found: dict[str, npt.NDArray[np.generic] | None] = {name: getattr(self, name) for name in _DIMENSIONS}
        return {name: array for name, array in found.items() if array is not None}
