"""The gate between a trained model and service: a row of checks; the first that fails is the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from eagle_contract.api import Resolved, TrainingResult


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reason of the Validated condition, and a sentence."""

    reason: str
    message: str

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return self.reason == "AllChecksPassed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks look at."""

    result: TrainingResult
    resolved: Resolved
    served_schema: str | None
    """The input schema's digest of the version in service; None if nothing serves."""

    def metric(self, name: str) -> Decimal | None:
        """A metric of the holdout."""
        return next((Decimal(metric.value) for metric in self.result.metrics if metric.name == name), None)


Check = Callable[[Evidence], Verdict | None]


def judge(evidence: Evidence) -> Verdict:
    """The first check's objection, or AllChecksPassed."""
    for check in CHECKS:
        objection = check(evidence)
        if objection:
            return objection
    return Verdict("AllChecksPassed", f"passed {len(CHECKS)} checks")


def _evaluable(evidence: Evidence) -> Verdict | None:
    evaluation = evidence.result.evaluation
    if evaluation.evaluable:
        return None
    return Verdict("NotEvaluable", evaluation.message or "the holdout cannot judge the model")


def _minimums(evidence: Evidence) -> Verdict | None:
    for bound in evidence.resolved.minimums:
        value = evidence.metric(bound.metric)
        if value is None:
            return Verdict("BelowMinimum", _unknown(evidence, bound.metric))
        if value < Decimal(bound.value):
            return Verdict("BelowMinimum", f"{bound.metric} is {value}, below the minimum of {bound.value}")
    return None


def _maximums(evidence: Evidence) -> Verdict | None:
    for bound in evidence.resolved.maximums:
        value = evidence.metric(bound.metric)
        if value is None:
            return Verdict("AboveMaximum", _unknown(evidence, bound.metric))
        if value > Decimal(bound.value):
            return Verdict("AboveMaximum", f"{bound.metric} is {value}, above the maximum of {bound.value}")
    return None


def _baseline(evidence: Evidence) -> Verdict | None:
    if not evidence.resolved.must_beat_baseline or evidence.result.evaluation.beats_baseline:
        return None
    gain = evidence.result.evaluation.baseline_gain or "unknown"
    return Verdict("WorseThanBaseline", f"does not beat its baselines: gain in average precision {gain}")


def _active(evidence: Evidence) -> Verdict | None:
    """Worse only if it is both notable and not chance: one number at the bound would refuse its own twin."""
    allowed, comparison = evidence.resolved.max_regression, evidence.result.active_version_metrics
    if allowed is None or comparison is None or comparison.outcome == "NotCompared":
        return None
    if comparison.difference is None or comparison.difference_upper_bound is None:
        return None
    if Decimal(comparison.difference) < -Decimal(allowed) and Decimal(comparison.difference_upper_bound) < 0:
        return Verdict(
            "WorseThanActive",
            f"average precision differs by {comparison.difference} from {comparison.version} in service;"
            f" at most -{allowed} is allowed",
        )
    return None


def _schema(evidence: Evidence) -> Verdict | None:
    if evidence.served_schema in (None, evidence.result.schema_digest):
        return None
    return Verdict(
        "SchemaChanged",
        "its inputs differ from those of the version in service, so clients must change with it;"
        " approve it when they are ready",
    )


def _unknown(evidence: Evidence, name: str) -> str:
    known = ", ".join(metric.name for metric in evidence.result.metrics)
    return f"{name} is not among the metrics of this model: {known}"


CHECKS: tuple[Check, ...] = (_evaluable, _minimums, _maximums, _baseline, _active, _schema)
