"""What a model card is made from: plain values and arrays, all of them known before the bundle is published.

What a training does not have (a search, a version in service, an advice) is left at its default, and the card leaves
the part out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from eagle_contract.api import Resolved
from eagle_contract.api.version import ActiveComparison, DataSummary, Evaluation, OnnxProof
from eagle_trainer.evaluate import Scored


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one feature did to one answer.

    `value` is as people read it, `push` in log odds: above 0 it made an event more likely.
    """

    feature: str
    value: str
    push: float


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Why the model gave an answer.

    log odds of `probability` = `usual` (the mean over its training rows) + all `parts` + `rest` (all other features).
    `time` in microseconds; `kind` says whether it was an alarm, and if so whether an event followed.
    """

    asset: int
    time: int
    probability: float
    kind: Literal["right", "false", "none"]
    usual: float
    parts: tuple[Part, ...]
    rest: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about the data. Without an `advice` the card takes its own for this kind of issue."""

    column: str
    issue: str
    severity: Literal["Info", "Warning", "Error"]
    count: int
    detail: str | None = None
    advice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of parameters that was tried; `score` is its log loss out of fold, None if it was given up."""

    number: int
    parameters: Mapping[str, object]
    score: float | None
    state: str
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How the learning was planned, in sentences, and what a search tried, in the order of trying."""

    lines: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Advice:
    """An operating threshold that would serve better, and why in one sentence."""

    threshold: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class CardInput:
    """Everything that the card tells.

    `scored` is the holdout with the probabilities of the evaluated model, `assets` the names its codes point to.
    `horizon_seconds` is None for labels by column. `importance` are features with their gain in any order and unit.
    `parameters` is what LightGBM was told, `environment` names of programs with their versions. `findings` are all
    that the check found (None: those of `data`). `intervals` are bounds of 90 % by name of a figure. `compared` are
    this model's figures on the rows that the version in service was scored on.
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
    explained: tuple[Explained, ...] = ()
    findings: tuple[Finding, ...] | None = None
    learning: Learning = Learning()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    advice: Advice | None = None
    compared: Mapping[str, float] = field(default_factory=dict)

    @property
    def threshold(self) -> float:
        """The probability from which the model alarms."""
        return float(self.resolved.failure_probability)

    @property
    def by_failures(self) -> bool:
        """Whether events are failures (else: stretches in which the label is 1)."""
        return self.horizon_seconds is not None

    @property
    def by_folds(self) -> bool:
        """Whether every row was judged by a model that had not seen its stretch of time (else: the newest rows)."""
        return self.resolved.validation == "BlockedFolds"

    @property
    def event(self) -> tuple[str, str]:
        """What one event and several are called."""
        return ("failure", "failures") if self.by_failures else ("positive stretch", "positive stretches")
