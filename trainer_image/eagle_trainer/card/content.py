"""What a model card is made from: plain values and arrays, all of them known before the bundle is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from eagle_contract.api import Resolved
from eagle_contract.api.version import ActiveComparison, DataSummary, Evaluation, OnnxProof
from eagle_trainer.evaluate import Scored


@dataclass(frozen=True, kw_only=True)
class CardInput:
    """Everything that the card tells.

    `scored` is the holdout with the probabilities of the evaluated model, `assets` the names its codes point to.
    `horizon_seconds` is None for labels by column. `importance` are features with their gain in any order and unit.
    `parameters` is what LightGBM was told, `environment` names of programs with their versions.
    """

    organization: str
    schedule: str
    description: str | None
    version: str
    trained_through: datetime
    resolved: Resolved
    horizon_seconds: int | None
    window_length: int
    scored: Scored
    assets: tuple[str, ...]
    data: DataSummary
    evaluation: Evaluation
    metrics: Mapping[str, float]
    baselines: Mapping[str, float]
    comparison: ActiveComparison | None
    importance: tuple[tuple[str, float], ...]
    parameters: Mapping[str, object]
    onnx: OnnxProof
    environment: Mapping[str, str]

    @property
    def threshold(self) -> float:
        """The probability from which the model alarms."""
        return float(self.resolved.failure_probability)

    @property
    def by_failures(self) -> bool:
        """Whether events are failures (else: stretches in which the label is 1)."""
        return self.horizon_seconds is not None
