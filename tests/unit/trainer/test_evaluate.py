"""By hand: which failures were caught and how early, what a false alarm is, and what beats a baseline."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.trainer.arrays import PERIOD, START, STEP, events, samples_at, series

from eagle_trainer import evaluate, metrics
from eagle_trainer.evaluate import Scored
from eagle_trainer.intervals import Bootstrap, Interval, time_blocks
from eagle_trainer.labels import complete_rows, label_by_column
from eagle_trainer.series import SECOND, Floats

HORIZON = 10


def scored(probability: Floats, *failures: int, missing: tuple[int, ...] = (), assets: int = 1) -> Scored:
    """Rows of one minute; failures as rows of the first asset. Rows in `missing` were not observed."""
    each = len(probability) // assets
    time = np.tile(START + np.arange(each) * STEP, assets)
    asset = np.repeat(np.arange(assets), each)
    target = np.zeros(len(probability))
    for failure in failures:
        target[max(failure - HORIZON, 0) : failure] = 1.0
    kept = ~np.isin(np.arange(len(probability)), missing)
    spans = [(0, START + (failure - HORIZON) * STEP, START + failure * STEP) for failure in failures]
    samples = samples_at(time, target, asset=asset, horizon=HORIZON * STEP).take(kept)
    return Scored(samples=samples, probability=probability[kept], events=events(*spans), period_seconds=PERIOD)


def alarms(rows: int, *on: int) -> Floats:
    """Probability 0.9 at some rows, 0.1 at the others."""
    probability = np.full(rows, 0.1)
    probability[list(on)] = 0.9
    return probability


def figures(found: Scored) -> dict[str, float]:
    return evaluate.holdout_metrics(found, threshold=0.5, training_rate=0.1)


def test_a_failure_is_caught_by_one_alarm_in_its_horizon_and_the_lead_counts_from_the_first() -> None:
    found = scored(alarms(100, 43, 48), 50)
    assert figures(found)["event_recall"] == 1.0
    assert figures(found)["median_lead_hours"] == pytest.approx(7 / 60)


def test_an_alarm_before_the_horizon_or_after_the_failure_catches_nothing() -> None:
    found = figures(scored(alarms(100, 39, 50, 51), 50))
    assert found["event_recall"] == 0.0
    assert "median_lead_hours" not in found


def test_each_failure_counts_once() -> None:
    found = figures(scored(alarms(200, *range(40, 50), 95), 50, 100, 150))
    assert found["events"] == 3.0
    assert found["event_recall"] == pytest.approx(2 / 3)


def test_an_alarm_of_another_asset_catches_nothing() -> None:
    probability = alarms(200, 145)
    assert figures(scored(probability, 50, assets=2))["event_recall"] == 0.0


@pytest.mark.parametrize(
    ("on", "count"),
    [
        ((), 0),
        ((10, 11, 12), 1),
        ((10, 12), 2),
        ((35, 36, 37, 38, 39, 40), 0),
        ((38, 39), 1),
        ((48, 49, 50, 51), 0),
        ((50, 51), 1),
        ((10, 45, 70), 2),
        (tuple(range(10, 33)), 3),
        (tuple(range(15, 50)), 2),
        (tuple(range(45, 75)), 2),
        (tuple(range(100)), 9),
    ],
    ids=[
        "none",
        "rows in a row are one",
        "cleared in between are two",
        "early, but lasting into the horizon is right",
        "cleared just before the horizon is false",
        "lasting beyond the failure is right",
        "only after the failure is false",
        "the right one does not count",
        "lasting, it is counted anew every horizon",
        "two horizons too early are two",
        "two horizons too long are two",
        "an alarm that never clears is not right for ever",
    ],
)
def test_false_alarms(on: tuple[int, ...], count: int) -> None:
    assert figures(scored(alarms(100, *on), 50))["false_alarms"] == count


def test_an_alarm_across_a_gap_in_the_data_is_two() -> None:
    assert figures(scored(alarms(100, *range(10, 20)), 50))["false_alarms"] == 1
    assert figures(scored(alarms(100, *range(10, 20)), 50, missing=(14, 15)))["false_alarms"] == 2


def labelled(target: Floats, probability: Floats) -> Scored:
    """Rows of one minute with a label's column."""
    found = series(np.zeros((len(target), 1)), label=target)
    samples, runs = label_by_column(found, complete_rows(found, 1), column="fault")
    return Scored(samples=samples, probability=probability, events=runs, period_seconds=PERIOD, by_failures=False)


@pytest.mark.parametrize(("length", "count"), [(1, 4), (2, 2), (4, 1), (5, 1)])
def test_an_alarm_beside_a_label_is_counted_anew_after_the_usual_run_of_it(length: int, count: int) -> None:
    """Four rows of alarm, of which none is right, are as many false alarms as runs of the label would fit in."""
    target = np.zeros(60)
    for start in (10, 30, 50):
        target[start : start + length] = 1.0
    found = labelled(target, alarms(60, 20, 21, 22, 23))
    assert evaluate.false_alarm_rows(found, found.probability > 0.5).tolist() == list(range(20, 24, length))[:count]


@pytest.mark.parametrize("by_failures", [True, False])
def test_there_are_never_more_false_alarms_than_rows(by_failures: bool) -> None:
    """A label that flickers has runs of one row, and a horizon may be shorter than the period."""
    found = labelled((np.arange(5000) % 10 == 0).astype(float), np.ones(5000))
    if by_failures:
        short = replace(found.samples, until=found.samples.time + SECOND)
        found = replace(found, samples=short, by_failures=True)
    wrong = evaluate.false_alarm_rows(found, found.probability > 0.5)
    assert wrong.tolist() == [row for row in range(5000) if row % 10]


def test_a_label_without_a_run_of_ones_has_false_alarms_that_are_counted_once() -> None:
    found = labelled(np.zeros(60), alarms(60, 20, 21, 22, 23))
    assert evaluate.false_alarms(found, found.probability > 0.5) == 1


def test_an_alarm_does_not_last_from_one_asset_to_the_next() -> None:
    found = scored(alarms(200, 98, 99, 100, 101), assets=2)
    assert evaluate.false_alarms(found, found.probability > 0.5) == 2


def test_false_alarms_are_counted_per_asset_and_month() -> None:
    month = round(30.4375 * 86_400 / PERIOD)
    found = figures(scored(alarms(2 * month, 5, 10, 15, 20), 500, assets=2))
    assert found["false_alarms_per_asset_month"] == pytest.approx(2.0, rel=1e-4)


def test_figures_that_the_rows_cannot_give_are_left_out() -> None:
    found = figures(scored(alarms(50)))
    assert "average_precision" not in found
    assert "roc_auc" not in found
    assert "event_recall" not in found
    assert found["accuracy"] == 1.0
    assert all(np.isfinite(value) for value in found.values())


def test_the_shift_of_the_base_rate_is_told() -> None:
    found = figures(scored(alarms(100), 50))
    assert found["base_rate"] == pytest.approx(0.1)
    assert found["base_rate_shift"] == pytest.approx(0.0)


def test_skill_is_zero_for_the_base_rate_and_one_for_the_truth() -> None:
    target = np.repeat([0.0, 1.0], [90, 10])
    rate = np.full(100, 0.2)
    assert evaluate.skill(metrics.log_loss(rate, target), target, 0.2) == 0.0
    assert evaluate.skill(metrics.log_loss(target, target), target, 0.2) == pytest.approx(1.0)


def test_baselines_say_what_doing_nothing_gives() -> None:
    target = np.repeat([0.0, 1.0], [98, 2])
    found = evaluate.baseline_metrics(None, target, training_rate=0.03, threshold=0.5)
    assert found["majority_accuracy"] == 0.98
    assert found["base_rate_average_precision"] == 0.02
    assert not any(name.startswith("logistic") for name in found)


def test_leads_are_told_of_failures_alone() -> None:
    found = scored(alarms(100, 45), 50)
    stretches = Scored(
        samples=found.samples,
        probability=found.probability,
        events=found.events,
        period_seconds=PERIOD,
        by_failures=False,
    )
    assert "median_lead_hours" in figures(found)
    assert "median_lead_hours" not in figures(stretches)


def test_an_event_has_the_rows_of_its_own_asset_between_start_and_end() -> None:
    found = scored(np.zeros(200), 50, assets=2)
    first, last = evaluate.event_rows(found)
    assert [first.tolist(), last.tolist()] == [[40], [50]]


def test_an_event_without_rows_has_none_and_is_not_caught() -> None:
    found = scored(alarms(100, *range(100)), 50, missing=tuple(range(40, 50)))
    first, last = evaluate.event_rows(found)
    assert first.tolist() == last.tolist()
    assert figures(found)["event_recall"] == 0.0


def with_intervals(found: Scored) -> dict[str, Interval]:
    blocks = time_blocks(found.samples, 20 * STEP)
    bootstrap = Bootstrap(found.samples, blocks, seed=1)
    return evaluate.holdout_intervals(found, bootstrap, threshold=0.5, training_rate=0.1)


def test_intervals_lie_around_their_figures() -> None:
    random = np.random.default_rng(8)
    failures = range(50, 3000, 100)
    target = scored(np.zeros(3000), *failures).samples.target
    found = scored(np.clip(0.55 * random.random(3000) + 0.3 * target, 0, 1), *failures)
    told = figures(found)
    intervals = with_intervals(found)
    assert set(intervals) == {
        "average_precision",
        "log_loss_skill",
        "accuracy",
        "precision",
        "recall",
        "false_alarms_per_asset_month",
        "event_recall",
    }
    for name, interval in intervals.items():
        assert interval.lower <= told[name] <= interval.upper, name
        assert interval.lower < interval.upper or told[name] in (0.0, 1.0), name


def test_figures_of_few_blocks_have_no_intervals() -> None:
    assert with_intervals(scored(alarms(60, 45), 50)) == {}
