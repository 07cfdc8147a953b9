"""The operator's settings, from environment variables that the chart sets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from eagle_contract.api import InstallationDefaults
from eagle_operator.domain.admission import Limits
from eagle_operator.domain.manifests import amount
from eagle_operator.domain.world import Installation, Manifest
from eagle_operator.lease import Times

T = TypeVar("T")

_SHORTEST_TIMEOUT_SECONDS, _LONGEST_TIMEOUT_SECONDS = 60, 86_400
_MOST_RETRIES = 10
_SHORTEST_LEASE_SECONDS, _LONGEST_LEASE_SECONDS = 3, 600
_HIGHEST_PORT = 65_535
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


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
    identity: str = ""
    """By which the Lease knows this process; empty: a new name at each start."""
    lease_times: Times = field(default_factory=Times)
    workers: int = 8
    resync_seconds: float = 300.0
    health_address: str = "http://0.0.0.0:8080"
    metrics_port: int = 9090


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that the variables say. Raises SettingsError."""
    read = _Reader(environment)
    maximum = {
        "cpu": read.value("EAGLE_TRAINER_MAX_CPU", _quantity, ""),
        "memory": read.value("EAGLE_TRAINER_MAX_MEMORY", _quantity, ""),
    }
    return Settings(
        installation=Installation(
            trainer_image=read.required("EAGLE_TRAINER_IMAGE"),
            serving_image=read.required("EAGLE_SERVING_IMAGE"),
            image_pull_policy=read.value("EAGLE_IMAGE_PULL_POLICY", _pull_policy, "IfNotPresent"),
            image_pull_secrets=read.value("EAGLE_IMAGE_PULL_SECRETS", _names, ()),
            trainer_resources=read.value("EAGLE_TRAINER_RESOURCES", _resources, {}),
            serving_resources=read.value("EAGLE_SERVING_RESOURCES", _resources, {}),
            max_trainer={name: text for name, text in maximum.items() if text},
            max_waiting_manual_runs=read.value("MAX_WAITING_MANUAL_RUNS", _count, 5),
        ),
        defaults=InstallationDefaults(
            timeout_seconds=read.value("TRAINING_TIMEOUT_HOURS", _hours, 7200),
            accuracy_threshold=str(read.value("ACCURACY_THRESHOLD", _fraction, 0.75)),
            retry_attempts=read.value("TRAINING_RETRY_ATTEMPTS", _retries, 3),
        ),
        limits=Limits(
            total=read.value("MAX_CONCURRENT_RUNS", _count, 5),
            per_organization=read.value("MAX_CONCURRENT_RUNS_PER_ORGANIZATION", _count, 1),
        ),
        namespace=read.value("EAGLE_NAMESPACE", str, "eagle-system"),
        admission_enabled=read.value("TRAINING_SCHEDULE_ENABLED", _boolean, True),
        identity=read.value("EAGLE_IDENTITY", str, read.value("HOSTNAME", str, "")),
        lease_times=Times(read.value("EAGLE_LEASE_SECONDS", _lease_seconds, Times().duration)),
        workers=read.value("EAGLE_WORKERS", _count, 8),
        resync_seconds=read.value("EAGLE_RESYNC_SECONDS", _count, 300),
        health_address=read.value("EAGLE_HEALTH_ADDRESS", _address, "http://0.0.0.0:8080"),
        metrics_port=read.value("EAGLE_METRICS_PORT", _port, 9090),
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


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("must be a whole number from 1")
    return int(text)


def _retries(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_RETRIES:
        raise ValueError(f"must be a whole number from 0 to {_MOST_RETRIES}")
    return int(text)


def _lease_seconds(text: str) -> int:
    if not text.isdecimal() or not _SHORTEST_LEASE_SECONDS <= int(text) <= _LONGEST_LEASE_SECONDS:
        raise ValueError(f"must be a whole number from {_SHORTEST_LEASE_SECONDS} to {_LONGEST_LEASE_SECONDS}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST_PORT:
        raise ValueError(f"must be a port, from 1 to {_HIGHEST_PORT}")
    return int(text)


def _address(text: str) -> str:
    """A port out of range is a ValueError of urlsplit's own."""
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise ValueError("must be as http://HOST:PORT")
    return text


def _hours(text: str) -> int:
    """Seconds, within what a schedule may say itself."""
    seconds = float(text) * 3600
    if not _SHORTEST_TIMEOUT_SECONDS <= seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise ValueError("must be from a minute to a day, in hours")
    return int(seconds)


def _quantity(text: str) -> str:
    amount(text)
    return text


def _pull_policy(text: str) -> str:
    if text not in _PULL_POLICIES:
        raise ValueError(f"must be one of {', '.join(_PULL_POLICIES)}")
    return text


def _names(text: str) -> tuple[str, ...]:
    parsed = json.loads(text)
    if not isinstance(parsed, list) or not all(isinstance(name, str) for name in parsed):
        raise ValueError("must be a JSON list of names")
    return tuple(parsed)


def _resources(text: str) -> Manifest:
    """Requests and limits as a container has them."""
    parsed = json.loads(text)
    if not isinstance(parsed, dict) or not parsed.keys() <= {"requests", "limits"}:
        raise ValueError("must be a JSON object with requests and limits")
    for amounts in parsed.values():
        if not isinstance(amounts, dict):
            raise ValueError("must have an object of quantities for requests and for limits")
        for quantity in amounts.values():
            amount(quantity)
    return parsed


def _fraction(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError("must be from 0 to 1")
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"
