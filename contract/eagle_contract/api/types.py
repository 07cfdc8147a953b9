"""The building blocks of the resource models: a base model and strings, numbers and lists with bounds.

Every string has a maximum length and every list a maximum size, because the API server prices validation rules by
them and because nothing in an object may grow without bound.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A part of a custom resource: camelCase on the wire, unknown fields of newer versions ignored, immutable."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """The JSON object that the API server knows: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def rule(expression: str, message: str, **more: str) -> dict[str, str]:
    """One CEL validation rule; the message tells the user what must be."""
    return {"rule": expression, "message": message, **more}


def rules(*items: Mapping[str, str]) -> dict[str, Any]:
    """Schema extras that carry CEL rules."""
    return {"x-kubernetes-validations": [dict(item) for item in items]}


def unordered() -> dict[str, Any]:
    """Schema extras of a list whose members are unique and have no order."""
    return {"x-kubernetes-list-type": "set"}


def keyed(*keys: str) -> dict[str, Any]:
    """Schema extras of a list whose members are told apart by the given fields."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def atomic() -> dict[str, Any]:
    """Schema extras of a list that one writer owns as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_time(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("must have a time zone")
    return value


Time = Annotated[datetime, BeforeValidator(_read_time), PlainSerializer(_write_time, return_type=str)]
"""A moment, written as Kubernetes writes it: RFC 3339, UTC, whole seconds."""

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""The name of a Kubernetes object (RFC 1123 subdomain)."""

Identifier = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that becomes part of feature names: a sensor or an event."""

Column = Annotated[str, Field(min_length=1, max_length=128)]
"""A column of the organization's database, exactly as the database spells it."""

Table = Annotated[str, Field(min_length=1, max_length=256)]
"""A table or view, with its schema where it has one: `public.telemetry`."""

Query = Annotated[str, Field(min_length=1, max_length=8192)]
Text = Annotated[str, Field(max_length=1024)]
Reason = Annotated[str, Field(max_length=64, pattern=r"^([A-Z][A-Za-z0-9]*)?$")]
Uid = Annotated[str, Field(max_length=64)]
TimeZone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9_+/-]+$",
        json_schema_extra=rules(rule("self != 'Local'", "must be an IANA name, as Europe/Berlin or Etc/UTC")),
    ),
]
"""An IANA name."""

Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Uri = Annotated[str, Field(max_length=1024)]
VersionLabel = Annotated[str, Field(max_length=64)]
User = Annotated[str, Field(max_length=256)]

Decimal = Annotated[str, Field(max_length=40, pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,18})?(e-?[0-9]{1,3})?$")]
"""A number as text, since floating-point numbers do not survive every client."""

Fraction = Annotated[str, Field(max_length=14, pattern=r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$")]
"""A decimal number from 0 to 1, as text."""

Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$",
            "maxLength": 32,
        }
    ),
]
"""An amount of a resource, as Kubernetes writes it: 500m, 2Gi."""

Seconds = Annotated[int, Field(ge=0, le=31_536_000)]
Count = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
