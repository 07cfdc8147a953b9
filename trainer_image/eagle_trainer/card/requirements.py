"""What the schedule asks of a version before it serves, and whether this one gives it.

The operator decides; the card says beforehand what it will find in the figures.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from eagle_contract.api.schedule import Bound
from eagle_trainer.card.content import CardInput
from eagle_trainer.numbers import decimal


@dataclass(frozen=True)
class Requirement:
    """One requirement, whether it is met, and a sentence."""

    met: bool
    text: str


def requirements(card: CardInput) -> list[Requirement]:
    """All requirements in the order in which the operator checks them."""
    evaluation, policy = card.evaluation, card.resolved
    judged = "The holdout can judge the model"
    if not evaluation.evaluable:
        judged = f"The holdout cannot judge the model: {evaluation.message or 'no reason is known'}"
    found = [Requirement(evaluation.evaluable, judged)]
    found += [_bound(card, bound, "at least") for bound in policy.minimums]
    found += [_bound(card, bound, "at most") for bound in policy.maximums]
    if policy.must_beat_baseline:
        found.append(_baseline(card))
    if policy.max_regression is not None and (comparison := card.comparison):
        worse = comparison.outcome == "Worse" and Decimal(comparison.difference or 0) < -Decimal(policy.max_regression)
        if comparison.outcome == "NotCompared":
            text = f"Not compared with the version in service: {comparison.message}"
        else:
            text = (
                f"Average precision differs by {comparison.difference} from {comparison.version} in service;"
                f" at most -{policy.max_regression} is allowed"
            )
        found.append(Requirement(not worse, text))
    return found


def _bound(card: CardInput, bound: Bound, kind: Literal["at least", "at most"]) -> Requirement:
    if bound.metric not in card.metrics:
        return Requirement(False, f"{bound.metric} must be {kind} {bound.value}, but this model has no such figure")
    value, limit = Decimal(decimal(card.metrics[bound.metric])), Decimal(bound.value)
    met = value >= limit if kind == "at least" else value <= limit
    return Requirement(met, f"{bound.metric} is {value}, {'as asked' if met else 'but must be'}: {kind} {bound.value}")


def _baseline(card: CardInput) -> Requirement:
    evaluation = card.evaluation
    gain = evaluation.baseline_gain or "unknown"
    bound = evaluation.baseline_gain_lower_bound
    sure = f" (with 90 % certainty at least {bound})" if bound is not None else " (too few events to be certain)"
    verb = "Beats" if evaluation.beats_baseline else "Does not surely beat"
    return Requirement(
        bool(evaluation.beats_baseline), f"{verb} its baselines: average precision differs by {gain}{sure}"
    )
