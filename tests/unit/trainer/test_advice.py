"""The advised threshold is the best on the training part, and the holdout has no part in choosing it."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.trainer.test_evaluate import alarms, scored

from eagle_trainer.advice import Advice, Costs, advise, best_threshold, operation
from eagle_trainer.evaluate import Scored
from eagle_trainer.series import Floats

FAILURES = tuple(range(50, 1000, 100))


def hesitant(*, announced: float = 0.6, false: float = 0.3, usual: float = 0.05) -> Floats:
    """Every failure is announced with one probability; halfway between two there is a false rise to another."""
    probability = np.full(1000, usual)
    for failure in FAILURES:
        probability[failure - 8 : failure] = announced
        probability[(failure + 45) % 1000] = false
    return probability


def found(probability: Floats) -> Scored:
    return scored(probability, *FAILURES)


FOLD = np.arange(1000) // 250
"""Four folds, with two or three of the ten failures in each."""


def advised(training: Scored, judged: Scored | None, configured: float, costs: Costs | None = None) -> Advice:
    advice = advise(training, FOLD, judged, configured=configured, costs=costs)
    assert advice is not None
    return advice


def test_a_threshold_that_catches_nothing_is_lowered_into_the_middle_of_what_separates() -> None:
    advised = best_threshold(found(hesitant()), configured=0.85, costs=None)
    assert advised is not None
    assert 0.3 < advised < 0.6
    logit = np.log(advised / (1 - advised))
    assert logit == pytest.approx((np.log(0.3 / 0.7) + np.log(0.6 / 0.4)) / 2, abs=0.01)


def test_the_configured_threshold_stays_where_none_is_better() -> None:
    advice = advised(found(hesitant()), found(hesitant()), 0.45)
    assert advice.threshold == 0.45
    assert not advice.differs
    assert advice.sentence.startswith("No threshold surely does better")


def test_dear_misses_lower_the_threshold_and_dear_false_alarms_raise_it() -> None:
    random = np.random.default_rng(2)
    probability = 0.05 + 0.5 * random.random(1000)
    for number, failure in enumerate(FAILURES):
        probability[failure - 8 : failure] = 0.3 + 0.06 * number
    cheap = best_threshold(found(probability), configured=0.5, costs=Costs(miss=1000.0, false_alarm=1.0))
    dear = best_threshold(found(probability), configured=0.5, costs=Costs(miss=1.0, false_alarm=1.0))
    assert cheap is not None
    assert dear is not None
    assert cheap < 0.35 < 0.5 < dear


def test_no_threshold_costs_less_than_the_advised_one() -> None:
    random = np.random.default_rng(3)
    probability = np.clip(random.beta(2, 5, 1000) + 0.25 * found(np.zeros(1000)).samples.target, 0, 1)
    rows = found(probability)
    for costs in (None, Costs(miss=5.0, false_alarm=1.0), Costs(miss=1.0, false_alarm=3.0)):
        advised = best_threshold(rows, configured=0.85, costs=costs)
        assert advised is not None

        def loss(threshold: float, costs: Costs | None = costs) -> float:
            told = operation(rows, rows.probability >= threshold, costs)
            return told.cost if told.cost is not None else 1.0 - told.f1

        assert loss(advised) <= min(loss(float(other)) for other in np.quantile(probability, np.linspace(0, 1, 50)))


def test_where_every_alarm_costs_more_than_a_miss_the_advice_is_to_be_silent() -> None:
    rows = found(hesitant(announced=0.5, false=0.6))
    advised = best_threshold(rows, configured=0.4, costs=Costs(miss=1.0, false_alarm=100.0))
    assert advised is not None
    assert operation(rows, rows.probability >= advised, None).false_alarms == 0


def test_the_holdout_has_no_part_in_the_advice() -> None:
    training = found(hesitant())
    first = advised(training, found(hesitant()), 0.85)
    second = advised(training, found(hesitant(announced=0.1, false=0.9)), 0.85)
    assert first.threshold == second.threshold
    assert first.judged_advised.caught == len(FAILURES)
    assert second.judged_advised.caught == 0
    assert second.judged_advised.false_alarms == len(FAILURES)


def test_the_advice_says_what_both_thresholds_come_to_on_the_holdout() -> None:
    advice = advised(found(hesitant()), found(hesitant()), 0.85, Costs(miss=500.0, false_alarm=20.0))
    assert "cost less than the configured 0.85" in advice.sentence
    assert "caught 10 of 10 events with 0 false alarms, at a cost of 0" in advice.sentence
    assert "caught 0 of 10 events with 0 false alarms, at a cost of 5000" in advice.sentence
    wire = advice.wire()
    assert wire["criterion"] == "Cost"
    assert wire["judged"]["configured"]["cost"] == "5000"


def test_few_events_give_no_advice() -> None:
    few = scored(alarms(1000, 45), *FAILURES[:7])
    assert advise(few, FOLD, few, configured=0.85, costs=None) is None


def test_a_threshold_that_fits_only_the_events_it_was_found_on_is_not_advised() -> None:
    """Each fold has its own level; in each the best threshold of the others catches less or alarms more."""
    probability = np.full(1000, 0.05)
    for failure in FAILURES:
        level = 0.3 + 0.15 * FOLD[failure]
        probability[failure - 8 : failure] = level + 0.1
        probability[(failure + 45) % 1000] = 0.99 if FOLD[failure] in (0, 3) else 0.05
    advice = advised(found(probability), found(probability), 0.5)
    best = best_threshold(found(probability), configured=0.5, costs=None)
    assert best != 0.5
    assert advice.threshold == 0.5


def test_with_blocked_folds_what_is_told_is_what_the_others_thresholds_come_to() -> None:
    """In one fold the failures are hardly announced: the others' threshold misses them, and that is told."""
    probability = hesitant()
    probability[:250] = np.where(probability[:250] == 0.6, 0.2, 0.05)
    advice = advised(found(probability), None, 0.85)
    assert advice.differs
    assert advice.judged_advised.caught == 7
    assert advice.judged_configured.caught == 0


def test_f1_counts_events_and_false_alarms() -> None:
    rows = scored(alarms(1000, 45, 145, 300, 500), *FAILURES)
    told = operation(rows, rows.probability >= 0.5, None)
    assert (told.events, told.caught, told.false_alarms) == (10, 2, 2)
    assert told.f1 == pytest.approx(2 * 2 / (2 * 2 + 8 + 2))
    nothing = operation(replace(rows, probability=np.zeros(1000)), np.zeros(1000, bool), None)
    assert nothing.f1 == 0.0
