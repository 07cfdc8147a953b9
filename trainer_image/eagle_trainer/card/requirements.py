"""What the schedule asks of a version before it serves, and whether this one gives it.

The operator decides; the card says beforehand what it will find in the figures.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from eagle_contract.api.schedule import Bound
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.figures import title
from eagle_trainer.card.wording import figure, score
from eagle_trainer.numbers import decimal


@dataclass(frozen=True)
class Requirement:
    """One requirement, whether it is met, and a sentence."""

    met: bool
    text: str


def requirements(card: CardInput) -> list[Requirement]:
    """All requirements in the order in which the operator checks them."""
    evaluation, policy = card.evaluation, card.resolved
    judged = "The data it was judged on can carry a judgement"
    if not evaluation.evaluable:
        judged = f"The data cannot carry a judgement: {evaluation.message or 'no reason is known'}"
    found = [Requirement(evaluation.evaluable, judged)]
    found += [_bound(card, bound, "at least") for bound in policy.minimums]
    found += [_bound(card, bound, "at most") for bound in policy.maximums]
    if policy.must_beat_baseline:
        found.append(_baseline(card))
    if policy.max_regression is not None and card.comparison:
        found.append(_regression(card, policy.max_regression))
    return found


def _bound(card: CardInput, bound: Bound, kind: Literal["at least", "at most"]) -> Requirement:
    name = title(bound.metric)
    if bound.metric not in card.metrics:
        return Requirement(False, f"{name}: {kind} {bound.value} is asked for, but this model has no such figure")
    value, limit = Decimal(decimal(card.metrics[bound.metric])), Decimal(bound.value)
    met = value >= limit if kind == "at least" else value <= limit
    told, asked = figure(bound.metric, float(value)), figure(bound.metric, float(limit))
    if told == asked and value != limit:
        told, asked = str(value), bound.value
    return Requirement(met, f"{name}: {told}; {kind} {asked} is asked for")


def _baseline(card: CardInput) -> Requirement:
    evaluation = card.evaluation
    beats = bool(evaluation.beats_baseline)
    text = "Surely better than its baselines" if beats else "Not surely better than its baselines"
    if evaluation.baseline_gain is None:
        return Requirement(beats, f"{text}: average precision cannot be compared")
    text += f": average precision {_signed(evaluation.baseline_gain)} against the best of them"
    bound = evaluation.baseline_gain_lower_bound
    sure = f"with 90 % certainty at least {_signed(bound)}" if bound is not None else "too few events to be certain"
    return Requirement(beats, f"{text}, {sure}")


def _regression(card: CardInput, allowed: str) -> Requirement:
    comparison = card.comparison
    assert comparison is not None
    if comparison.outcome == "NotCompared":
        return Requirement(True, f"Not compared with the version in service: {comparison.message}")
    worse = comparison.outcome == "Worse" and Decimal(comparison.difference or 0) < -Decimal(allowed)
    return Requirement(
        not worse,
        f"Against {comparison.version} in service: average precision {_signed(comparison.difference or '0')};"
        f" a loss of at most {allowed} is allowed",
    )


def _signed(value: str) -> str:
    number = float(value)
    return ("+" if number >= 0 else "") + score(number)
