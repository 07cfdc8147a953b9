"""The operator's settings, from environment variables that the chart sets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from eagle_contract.api import InstallationDefaults
from eagle_operator.domain.admission import Limits
from eagle_operator.domain.manifests import amount
from eagle_operator.domain.world import Installation

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is wrong; the message names the variable and what it must be."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that an installation decides."""

    installation: Installation
    defaults: InstallationDefaults
    limits: Limits
    namespace: str
    admission_enabled: bool
    workers: int = 8
    resync_seconds: float = 300.0
    health_address: str = "http://0.0.0.0:8080/healthz"
    metrics_port: int = 9090


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that the variables say. Raises SettingsError."""
    read = _Reader(environment)
    maximum = {
        "cpu": read.value("EAGLE_TRAINER_MAX_CPU", str, ""),
        "memory": read.value("EAGLE_TRAINER_MAX_MEMORY", str, ""),
    }
    return Settings(
        installation=Installation(
            trainer_image=read.required("EAGLE_TRAINER_IMAGE"),
            serving_image=read.required("EAGLE_SERVING_IMAGE"),
            image_pull_policy=read.value("EAGLE_IMAGE_PULL_POLICY", str, "IfNotPresent"),
            image_pull_secrets=tuple(read.value("EAGLE_IMAGE_PULL_SECRETS", json.loads, [])),
            trainer_resources=read.value("EAGLE_TRAINER_RESOURCES", json.loads, {}),
            serving_resources=read.value("EAGLE_SERVING_RESOURCES", json.loads, {}),
            max_trainer={name: text for name, text in maximum.items() if text and amount(text)},
        ),
        defaults=InstallationDefaults(
            timeout_seconds=int(read.value("TRAINING_TIMEOUT_HOURS", _positive, 2.0) * 3600),
            accuracy_threshold=str(read.value("ACCURACY_THRESHOLD", _fraction, 0.75)),
        ),
        limits=Limits(
            total=int(read.value("MAX_CONCURRENT_RUNS", _positive, 5.0)),
            per_organization=int(read.value("MAX_CONCURRENT_RUNS_PER_ORGANIZATION", _positive, 1.0)),
        ),
        namespace=read.value("EAGLE_NAMESPACE", str, "eagle-system"),
        admission_enabled=read.value("TRAINING_SCHEDULE_ENABLED", _boolean, True),
    )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def required(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise SettingsError(f"{name} must be set")
        return value

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        text = self._environment.get(name, "")
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingsError(f"{name} is {text!r}: {error}") from error


def _positive(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise ValueError("must be greater than 0")
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError("must be from 0 to 1")
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"
