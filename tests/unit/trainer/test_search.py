"""A search finds better parameters on folds of the training part, within its limits, and the same ones every time."""

import time
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import pytest
from tests.unit.trainer.arrays import feature_rows, plan, series

from eagle_trainer import fit
from eagle_trainer.parameters import Parameters, checked_parameters
from eagle_trainer.search import Found, Limits, search
from eagle_trainer.series import Floats

BAD = {"num_iterations": "40", "min_data_in_leaf": "5", "num_leaves": "64"}
"""Leaves so small that noise is learned by heart."""


@pytest.fixture(scope="module")
def noisy() -> tuple[lgb.Dataset, Floats, fit.Folds]:
    random = np.random.default_rng(3)
    values = random.normal(size=(900, 4))
    target = (values[:, 0] + random.normal(0, 1.0, 900) > 1.0).astype(float)
    _, blocks = feature_rows(series(values), plan(sensors="abcd", lags=(), windows=()))
    owner = np.repeat(np.arange(3), 300)
    data = fit.dataset(blocks, np.arange(900), target, checked_parameters(BAD), seed=7, threads=1)
    return data, target, [(owner != fold, owner == fold) for fold in range(3)]


def searched(
    noisy: tuple[lgb.Dataset, Floats, fit.Folds],
    *,
    trials: int = 8,
    fixed: frozenset[str] = frozenset(),
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    pulse: fit.Pulse = lambda share: None,
) -> Found:
    data, target, folds = noisy
    found = search(
        data,
        target,
        folds,
        checked_parameters(BAD),
        fixed,
        Limits(trials=trials, seconds=seconds),
        seed=7,
        threads=1,
        pulse=pulse,
        clock=clock,
    )
    assert found is not None
    return found


def test_the_schedules_own_recipe_is_tried_first_and_better_ones_are_found(
    noisy: tuple[lgb.Dataset, Floats, fit.Folds],
) -> None:
    found = searched(noisy)
    own = found.trials[0]
    assert (own.parameters["min_data_in_leaf"], own.parameters["num_leaves"]) == (5, 64)
    losses = [trial.log_loss for trial in found.trials if trial.log_loss is not None]
    assert found.trials[found.best].log_loss == min(losses)
    assert found.best > 0
    assert found.parameters.values["num_leaves"] == found.trials[found.best].parameters["num_leaves"]
    assert "8 sets of parameters tried" in found.told()


def test_the_same_search_finds_the_same(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    assert searched(noisy, trials=6).trials == searched(noisy, trials=6).trials


def test_what_the_schedule_sets_stays(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    found = searched(noisy, trials=5, fixed=frozenset({"num_leaves"}))
    assert all("num_leaves" not in trial.parameters for trial in found.trials)
    assert found.parameters.values["num_leaves"] == 64


def test_hopeless_trials_are_given_up(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    found = searched(noisy, trials=16)
    assert any(trial.state == "pruned" and trial.log_loss is None for trial in found.trials)
    assert found.trials[0].state == "complete"


def test_no_trial_begins_after_its_time(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    ticks = iter(range(0, 1000, 4))
    found = searched(noisy, trials=50, seconds=10.0, clock=lambda: float(next(ticks)))
    assert len(found.trials) == 3


def test_the_pulse_may_end_the_search(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    class Enough(Exception):
        pass

    def pulse(share: float) -> None:
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        searched(noisy, pulse=pulse)


def test_without_folds_there_is_nothing_to_search_by(noisy: tuple[lgb.Dataset, Floats, fit.Folds]) -> None:
    data, target, folds = noisy
    nothing = [(inside & (target == 0.0), checked) for inside, checked in folds]
    parameters = Parameters(rounds=5, values={})
    limits = Limits(trials=2)
    assert search(data, target, nothing, parameters, frozenset(), limits, seed=7, threads=1, pulse=print) is None
