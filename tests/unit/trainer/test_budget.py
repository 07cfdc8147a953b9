"""The plan keeps the budget, gives up what costs least first, and knows nothing of the machine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eagle_trainer.budget import FEWEST_ROWS, LearningPlan, Work, planned, thinned
from eagle_trainer.calibrate import sigmoid
from eagle_trainer.parameters import checked_parameters


def work(rows: int = 1_560_000, positives: int = 156_000, features: int = 70, **parameters: str) -> Work:
    return Work(
        rows=rows,
        positives=positives,
        all_rows=round(rows * 1.6),
        features=features,
        parameters=checked_parameters(parameters),
    )


def test_small_data_are_learned_from_whole() -> None:
    plan = planned(work(rows=30_000, positives=600), seconds=600)
    assert (plan.folds, plan.seeds, plan.rows, plan.sampled) == (4, 3, 30_000, False)
    assert plan.correction == 0.0
    assert plan.told().startswith("all 30,000 rows, 4 folds, 3 seeds: about ")


def test_rows_go_before_folds_and_seeds() -> None:
    plan = planned(work(), seconds=600)
    assert plan.sampled
    assert (plan.folds, plan.seeds) == (4, 3)
    assert plan.within


def test_a_shorter_budget_costs_seeds_and_folds_as_well() -> None:
    plan = planned(work(), seconds=60)
    assert plan.within
    assert (plan.folds, plan.seeds) != (4, 3)
    assert plan.seconds < planned(work(), seconds=600).seconds


def test_a_budget_that_cannot_be_kept_is_said_so() -> None:
    plan = planned(work(features=2000, num_leaves="1024", num_iterations="5000", learning_rate="0.001"), seconds=10)
    assert not plan.within
    assert plan.rows == pytest.approx(FEWEST_ROWS, rel=0.01)
    assert "will not be kept" in plan.told()


def test_where_no_plan_keeps_the_budget_the_smallest_is_taken() -> None:
    plan = planned(work(rows=20_001, positives=10_000, features=259), seconds=10)
    assert (plan.within, plan.folds, plan.seeds) == (False, 2, 1)


def test_positives_are_kept_as_long_as_they_are_few() -> None:
    rare = planned(work(positives=5_000), seconds=120)
    assert rare.positive_share == 1.0
    assert rare.negative_share < 0.5
    common = planned(work(positives=700_000), seconds=120)
    assert common.positive_share == pytest.approx(common.negative_share, rel=0.01)


def test_given_folds_are_kept() -> None:
    assert planned(work(), seconds=30, folds=5).folds == 5


@given(
    rows=st.integers(10, 5_000_000),
    share=st.floats(0.0005, 0.9),
    features=st.integers(1, 500),
    seconds=st.integers(10, 10_000),
)
def test_every_plan_is_a_sensible_one(rows: int, share: float, features: int, seconds: int) -> None:
    plan = planned(work(rows=rows, positives=max(1, int(rows * share)), features=features), seconds=seconds)
    assert 0.0 < plan.positive_share <= 1.0
    assert 0.0 < plan.negative_share <= 1.0
    assert min(rows, FEWEST_ROWS) - 2 <= plan.rows <= rows
    assert plan.within or plan.rows <= FEWEST_ROWS + 2
    # What memory bounds is measured besides, which may take longer than all rows would have.
    assert plan.within or plan.seconds <= plan.wanted * 1.001


def a_plan(positive: float, negative: float) -> LearningPlan:
    return LearningPlan(
        folds=4,
        seeds=3,
        positive_share=positive,
        negative_share=negative,
        rows=1,
        seconds=1.0,
        wanted=1.0,
        budget=1.0,
    )


def test_what_is_kept_is_spread_evenly_and_follows_no_cycle() -> None:
    rows = np.arange(1000, 61_000)
    target = np.zeros(60_000)
    kept = thinned(rows, target, a_plan(1.0, 1 / 60), seed=3)
    assert len(kept) == pytest.approx(1000, abs=5)
    assert np.all(np.diff(kept) > 0)
    assert np.diff(kept).max() <= 2 * 60
    phases = np.bincount(kept % 60, minlength=60)
    assert phases.max() < 45, "a cycle of 60 rows is seen at every phase, not at one"
    np.testing.assert_array_equal(kept, thinned(rows, target, a_plan(1.0, 1 / 60), seed=3))


def test_each_class_is_thinned_by_its_own_share() -> None:
    target = (np.arange(20_000) % 10 == 0).astype(float)
    kept = thinned(np.arange(20_000), target, a_plan(0.5, 0.1), seed=1)
    assert target[kept].sum() == pytest.approx(1000, abs=5)
    assert (1 - target[kept]).sum() == pytest.approx(1800, abs=5)


def test_the_correction_gives_the_probabilities_of_all_rows() -> None:
    """Of a group with p = 0.2, thinned, the share of positives is another; corrected, it is 0.2 again."""
    plan = a_plan(0.8, 0.1)
    seen = 0.2 * 0.8 / (0.2 * 0.8 + 0.8 * 0.1)
    margin = np.log(seen / (1 - seen))
    assert sigmoid(np.array([margin + plan.correction]))[0] == pytest.approx(0.2)


def test_workers_share_the_fits_so_the_same_budget_learns_from_more_rows() -> None:
    plans = [planned(work(), seconds=120, workers=workers) for workers in (1, 2, 4)]
    assert all(plan.within for plan in plans)
    assert plans[0].rows < plans[1].rows < plans[2].rows
    assert "4 workers with two CPUs each" in plans[2].told()


def test_for_few_rows_workers_cost_more_than_they_save() -> None:
    alone, together = (planned(work(rows=20_000, positives=400), seconds=600, workers=workers) for workers in (1, 4))
    assert (alone.rows, alone.folds) == (together.rows, together.folds)
    assert together.seconds > alone.seconds
