"""The server's settings, read once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from eagle_contract.api.names import KEYS_FOLDER, VERIFICATION_FOLDER
from eagle_contract.api.types import Digest
from eagle_serving.errors import ConfigurationInvalid

MIB = 2**20


class ServedModel(BaseModel):
    """One model that the operator orders: its public name, its version label, and the bundle that holds it."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(min_length=1, max_length=64)]
    uri: Annotated[str, Field(min_length=1, max_length=1024)]
    digest: Digest


_MODELS = TypeAdapter(Annotated[list[ServedModel], Field(min_length=1, max_length=64)])


@dataclass(frozen=True)
class Settings:
    """All that the server can be told; `environment` is what stores read their options from.

    An empty `host` is every address of the pod, IPv4 and IPv6; with `threads` 0 the CPU limit decides.
    """

    models: tuple[ServedModel, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    keys_folder: Path = Path(KEYS_FOLDER)
    verification_folder: Path = Path(VERIFICATION_FOLDER)
    host: str = ""
    port: int = 8080
    settle_seconds: float = 5.0
    drain_seconds: float = 20.0
    max_body_bytes: int = 16 * MIB
    max_held_bytes: int = 64 * MIB
    threads: int = 0
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings of EAGLE_… variables. Raises ConfigurationInvalid, which names the variable."""
        given = {name: value for name, value in environment.items() if value.strip()}
        limit = _number(given, "EAGLE_MAX_BODY_MIB", cls.max_body_bytes // MIB, least=1, most=1024)
        return cls(
            models=_models(given.get("EAGLE_MODELS", "")),
            environment=environment,
            keys_folder=Path(given.get("EAGLE_KEYS_FOLDER", cls.keys_folder)),
            verification_folder=Path(given.get("EAGLE_VERIFICATION_FOLDER", cls.verification_folder)),
            host=given.get("EAGLE_HOST", cls.host),
            port=int(_number(given, "EAGLE_PORT", cls.port, least=0, most=65535)),
            settle_seconds=_number(given, "EAGLE_SETTLE_SECONDS", cls.settle_seconds, least=0, most=3600),
            drain_seconds=_number(given, "EAGLE_DRAIN_SECONDS", cls.drain_seconds, least=0, most=3600),
            max_body_bytes=int(limit * MIB),
            max_held_bytes=int(4 * limit * MIB),
            threads=int(_number(given, "EAGLE_THREADS", cls.threads, least=0, most=256)),
            log_level=_log_level(given.get("EAGLE_LOG_LEVEL", cls.log_level)),
        )


def _models(text: str) -> tuple[ServedModel, ...]:
    try:
        models = _MODELS.validate_json(text)
    except ValidationError as cause:
        first = cause.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "it"
        raise ConfigurationInvalid(
            'EAGLE_MODELS must be a JSON list like [{"name": …, "version": …, "uri": …, "digest": "sha256:…"}];'
            f" {place}: {first['msg']}"
        ) from cause
    if len({model.name for model in models}) != len(models):
        raise ConfigurationInvalid("EAGLE_MODELS names a model twice; give each its own name")
    return tuple(models)


def _number(given: Mapping[str, str], name: str, default: float, *, least: float, most: float) -> float:
    text = given.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError as cause:
        raise ConfigurationInvalid(f"{name} must be a number, not {text!r}") from cause
    if not least <= value <= most:
        raise ConfigurationInvalid(f"{name} must be from {least:g} to {most:g}, not {text}")
    return value


def _log_level(text: str) -> str:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    if text.upper() not in levels:
        raise ConfigurationInvalid(f"EAGLE_LOG_LEVEL must be one of {', '.join(levels)}, not {text!r}")
    return text.upper()
