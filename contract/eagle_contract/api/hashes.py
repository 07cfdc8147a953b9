"""A fingerprint of all that decides what a training learns."""

import hashlib
import json

from eagle_contract.api.schedule import TrainingScheduleSpec


def training_hash(spec: TrainingScheduleSpec) -> str:
    """`sha256:…` of source, label, features, model, trainer and time-outs; promotion and serving do not count."""
    parts = spec.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"source", "label", "features", "model", "trainer", "timeout_seconds", "pending_timeout_seconds"},
    )
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
