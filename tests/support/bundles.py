"""Bundles for tests: keys of an organization, and contents that are small but whole."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from eagle_contract.bundle import (
    BundleContents,
    BundleIdentity,
    DecisionThresholds,
    Golden,
    KeyRing,
    Manifest,
    Signer,
)

IDENTITY = BundleIdentity("acme", "6f1c3f0e-0001", "v2026-11-22T01-00-00-000Z_a1b2c3d4")


@dataclass(frozen=True)
class OrganizationKeys:
    """One organization's keys."""

    keyring: KeyRing
    signer: Signer
    signing_pem: bytes
    public_pem: bytes

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The keys as pods see them mounted: the folders `keys` and `verification`."""
        keys, verification = folder / "keys", folder / "verification"
        keys.mkdir(parents=True)
        verification.mkdir(parents=True)
        (keys / "current").write_text(self.keyring.current_id)
        for key_id, key in self.keyring.keys.items():
            (keys / f"{key_id}.key").write_text(base64.b64encode(key).decode() + "\n")
        (verification / "signing.pem").write_bytes(self.public_pem)
        return keys, verification


def organization_keys(seed: int = 1, *, key_id: str = "k1") -> OrganizationKeys:
    """Keys that are the same for the same seed."""
    private = ec.derive_private_key(1_000_003 * seed, ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return OrganizationKeys(KeyRing(key_id, {key_id: bytes([seed]) * 32}), Signer.from_pem(pem), pem, public)


def golden(rows: int = 3, length: int = 2, sensors: int = 2) -> Golden:
    """Any golden predictions of the right form; window [rows, length, sensors]."""
    probability = np.linspace(0.1, 0.95, rows)
    window = np.arange(rows * length * sensors, dtype=np.float64).reshape(rows, length, sensors)
    return Golden(window, probability, probability >= 0.85, np.maximum(probability, 1 - probability) >= 0.7)


def manifest(identity: BundleIdentity = IDENTITY) -> Manifest:
    """A manifest of a model of two sensors and two samples."""
    return Manifest(
        organization=identity.organization,
        schedule_uid=identity.schedule_uid,
        version=identity.version,
        model_name="press-failure",
        sensors=["temperature", "pressure"],
        window_length=2,
        thresholds=DecisionThresholds(failure_probability="0.85", confidence="0.7"),
        trained_through=datetime(2026, 11, 21, tzinfo=UTC),
        result={"metrics": [{"name": "accuracy", "value": "0.99"}]},
        schedule_spec={"schedule": "@weekly"},
        libraries={"lightgbm": "4.7.0"},
    )


def contents(
    *,
    identity: BundleIdentity = IDENTITY,
    model: bytes = b"onnx",
    answers: Golden | None = None,
    judged: bytes | None = b"judged onnx",
) -> BundleContents:
    """What is to be published."""
    card = b"<!doctype html><title>card</title>"
    return BundleContents(manifest(identity), model, answers or golden(), card, judged)
