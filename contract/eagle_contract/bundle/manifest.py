"""The manifest: all that a lost cluster needs to know about a published model, and the digests that bind its files."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from eagle_contract.api.types import ApiModel, Digest, Fraction, Time
from eagle_contract.bundle.errors import SchemaUnsupported

SCHEMA_VERSION = 1
"""Goes up with a change that a program which does not know it would get wrong. A file that need not be there is no such
change: it is one more name in `files`, of which a program asks for those that it knows.
"""
ACCEPTED_VERSIONS = range(max(1, SCHEMA_VERSION - 1), SCHEMA_VERSION + 2)
"""One version before and one after our own: programs of neighbouring releases read each other's bundles."""

KeyId = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")]
Segment = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A part of a bundle's path."""


class FileEntry(ApiModel):
    """One file of the bundle, before encryption."""

    digest: Digest
    size_bytes: Annotated[int, Field(ge=0)]


class DecisionThresholds(ApiModel):
    """The probabilities from which the graph says `alarm` and `confident`."""

    failure_probability: Fraction
    confidence: Fraction


class Manifest(ApiModel):
    """What a bundle holds. `files` and `key_id` are filled in by `publish`.

    `sensors` gives the order of the window's last axis, `context_columns` that of the context; `context_definitions`
    says in the same order how each column of it is computed. `result` is the trainer's status.result without the
    artifact, `schedule_spec` the schedule's spec as trained.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")  # so that to_bytes refuses them, rather than lose them

    schema_version: int = SCHEMA_VERSION
    organization: Segment
    schedule_uid: Segment
    model_name: Segment
    version: Segment
    sensors: Annotated[list[str], Field(min_length=1, max_length=1024)]
    window_length: Annotated[int, Field(ge=1, le=1_000_000)]
    context_columns: Annotated[list[str], Field(max_length=1024)] = []
    context_definitions: Annotated[list[dict[str, Any]], Field(max_length=1024)] = []
    thresholds: DecisionThresholds
    trained_through: Time
    result: dict[str, Any] = {}
    schedule_spec: dict[str, Any] = {}
    libraries: dict[str, str] = {}
    drift_reference: dict[str, Any] | None = None
    files: dict[str, FileEntry] = {}
    key_id: KeyId = ""

    def to_bytes(self) -> bytes:
        """The manifest as stored: JSON with sorted keys, so that the same manifest is always the same bytes.

        Raises ValueError where `result`, `schedule_spec` or `drift_reference` hold NaN or infinity.
        """
        text = json.dumps(self.wire(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """The manifest of a stored file. Raises SchemaUnsupported when it is of another release's form."""
        try:
            found = json.loads(data)
            version = found["schemaVersion"]
        except (ValueError, KeyError, TypeError) as cause:
            raise SchemaUnsupported(
                "manifest.json is not a JSON object with a schemaVersion; publish the model again"
            ) from cause
        if version not in ACCEPTED_VERSIONS:
            accepted = f"{ACCEPTED_VERSIONS[0]} to {ACCEPTED_VERSIONS[-1]}"
            raise SchemaUnsupported(
                f"the manifest has schemaVersion {version!r}, but this program reads {accepted};"
                " use a program of the release that published it, or train again"
            )
        try:
            return cls.model_validate(found)
        except ValidationError as cause:
            first = cause.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise SchemaUnsupported(
                f"the manifest's field {field} cannot be read ({first['msg']}); publish the model again"
            ) from cause


def sha256_digest(data: bytes) -> str:
    """The digest as resources and manifests spell it: `sha256:<64 hexadecimal digits>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
