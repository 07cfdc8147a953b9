"""Fits LightGBM: how many rounds (by time folds), then the same recipe with several seeds.

The folds grow in step, a round at a time, and stop together: the number of rounds is the median of the folds' best.
One binned dataset serves all folds. Same data and same seeds give the same trees, whatever the number of threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from eagle_trainer.features import FeatureBlocks, RowSequence
from eagle_trainer.parameters import Parameters, Value
from eagle_trainer.series import Flags, Floats, Integers

SEEDS = 3
_PATIENCE = 25
_ROUNDS_WITHOUT_FOLDS = 100

Pulse = Callable[[float], None]
"""Called now and then with the share that is done; may raise to end the work."""


@dataclass(frozen=True, kw_only=True)
class RoundsChoice:
    """The number of rounds, the margins of the rows that were checked, and which rows those are.

    `margins` [n] belong to the rows at `checked` (positions among the training rows), each scored by a fold that did
    not see its time.
    """

    rounds: int
    log_losses: tuple[float, ...]
    checked: Integers
    margins: Floats


def lightgbm_parameters(parameters: Parameters, *, seed: int, threads: int) -> dict[str, Value]:
    """Everything LightGBM is told, the schedule's values included."""
    return {
        "bin_construct_sample_cnt": 200_000,
        **parameters.values,
        "objective": "binary",
        "metric": "none",
        "seed": seed,
        "data_random_seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def dataset(
    blocks: FeatureBlocks, rows: Integers, target: Floats, parameters: Parameters, *, seed: int, threads: int
) -> lgb.Dataset:
    """The binned training data of the given rows (sorted positions among the samples)."""
    settings = lightgbm_parameters(parameters, seed=seed, threads=threads)
    data = lgb.Dataset(
        RowSequence(blocks, rows),
        label=target,
        params=settings,
        feature_name=[f"f{i}" for i in range(len(blocks.plan.names))],
        free_raw_data=True,
    )
    return data.construct()


def choose_rounds(
    data: lgb.Dataset,
    features: Callable[[Integers], Floats],
    target: Floats,
    folds: Sequence[tuple[Flags, Flags]],
    parameters: Parameters,
    *,
    seed: int,
    threads: int,
    pulse: Pulse,
) -> RoundsChoice:
    """The number of rounds: the median of those with which each fold has its lowest log loss.

    `folds` are pairs (fit, check) over the rows of `data`; `features` gives the features of such rows for scoring.
    Folds whose fit part has one class only are passed over; with none left a fixed number of rounds is taken.
    """
    settings = lightgbm_parameters(parameters, seed=seed, threads=threads)
    usable = [(fit, check) for fit, check in folds if 0.0 < target[fit].mean() < 1.0]
    if not usable:
        rounds = min(parameters.rounds, _ROUNDS_WITHOUT_FOLDS)
        return RoundsChoice(rounds=rounds, log_losses=(), checked=np.zeros(0, np.int64), margins=np.zeros(0))
    settings["metric"] = "binary_logloss"
    boosters = []
    for fit, check in usable:
        booster = lgb.Booster(settings, data.subset(np.flatnonzero(fit).tolist()))
        booster.add_valid(data.subset(np.flatnonzero(check).tolist()), "check")
        boosters.append(booster)
    losses = _grow(boosters, parameters.rounds, pulse)
    rounds = _median_best(losses)
    checked = np.concatenate([np.flatnonzero(check) for _, check in usable])
    margins = [
        np.asarray(booster.predict(features(np.flatnonzero(check)), num_iteration=rounds, raw_score=True))
        for booster, (_, check) in zip(boosters, usable, strict=True)
    ]
    return RoundsChoice(
        rounds=rounds,
        log_losses=tuple(float(loss) for loss in losses.mean(axis=1)),
        checked=checked,
        margins=np.concatenate(margins),
    )


def fit_seeds(
    data: lgb.Dataset, parameters: Parameters, *, rounds: int, seed: int, threads: int, pulse: Pulse
) -> list[lgb.Booster]:
    """One booster for each seed, all on the same binned data."""
    boosters = []
    for number in range(SEEDS):
        settings = lightgbm_parameters(parameters, seed=seed, threads=threads)
        for name in ("bagging_seed", "feature_fraction_seed", "extra_seed", "objective_seed"):
            settings[name] = seed + 1000 * (number + 1)
        booster = lgb.Booster(settings, data)
        for done in range(rounds):
            booster.update()
            pulse((number + (done + 1) / rounds) / SEEDS)
        boosters.append(booster)
    return boosters


def margins(
    boosters: Sequence[lgb.Booster], blocks: FeatureBlocks, rows: Integers, *, slope: float = 1.0, offset: float = 0.0
) -> Floats:
    """slope * (mean of the boosters' margins) + offset for the given rows, block by block."""
    result = np.empty(len(rows))
    for place, block in blocks.chosen(rows):
        result[place] = margins_of(boosters, block, slope=slope, offset=offset)
    return result


def margins_of(boosters: Sequence[lgb.Booster], features: Floats, *, slope: float = 1.0, offset: float = 0.0) -> Floats:
    """The same for a matrix of features [N,F]."""
    total = np.zeros(len(features))
    for booster in boosters:
        total += np.asarray(booster.predict(features, raw_score=True))
    return np.asarray(total * (slope / len(boosters)) + offset)


def _grow(boosters: Sequence[lgb.Booster], most: int, pulse: Pulse) -> Floats:
    """Log loss [rounds, folds] after each round, until the median fold has not become better for a while."""
    losses: list[list[float]] = []
    while len(losses) < most and len(losses) - _median_best(np.array(losses)) <= _PATIENCE:
        for booster in boosters:
            booster.update()
        losses.append([float(booster.eval_valid()[0][2]) for booster in boosters])
        pulse(len(losses) / most)
    return np.array(losses)


def _median_best(losses: Floats) -> int:
    """The median of the folds' own best rounds, counted from 1; 0 before the first.

    Not the best mean: a stretch of time unlike all others ends its improvement early and dominates a mean.
    """
    return int(np.median(np.argmin(losses, axis=0))) + 1 if len(losses) else 0
