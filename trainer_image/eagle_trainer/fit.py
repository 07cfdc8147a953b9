"""Fits LightGBM: how many rounds (by time folds), then the same recipe with several seeds.

The folds grow in step, a round at a time, and stop together: the number of rounds is the median of the folds' best.
One binned dataset serves all folds. Same data and same seeds give the same trees, whatever the number of threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from eagle_trainer.budget import PATIENCE, drawn
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.features import FeatureBlocks, RowSequence
from eagle_trainer.parameters import Parameters, Value
from eagle_trainer.series import Flags, Floats, Integers
from eagle_trainer.team.alone import ALONE, Team
from eagle_trainer.trees import tree_table

SEEDS = 3
_ROUNDS_WITHOUT_FOLDS = 100
_BINNING_ROWS = 50_000
"""Of which bins are made: 200 for each of 255 bins. They are held twice, in double precision."""

Pulse = Callable[[float], None]
"""Called now and then with the share that is done; may raise to end the work."""

Folds = Sequence[tuple[Flags, Flags]]
"""Pairs (fit, check) of flags; no row is in both, and none is checked twice."""

Witness = Callable[[Floats], None]
"""Called after each round with the folds' log losses so far [rounds, folds]; may raise to end the growing."""


@dataclass(frozen=True, kw_only=True)
class RoundsChoice:
    """The number of rounds, and the margins of the rows that were checked.

    `checked` [n] are positions among the samples, `margins` [n] theirs, each scored by a fold that did not see its
    time: `fold` [n] is that fold's number. `losses` [rounds, folds] are the folds' log losses after each round.
    """

    rounds: int
    losses: Floats
    checked: Integers
    margins: Floats
    fold: Integers


def lightgbm_parameters(parameters: Parameters, *, seed: int, threads: int) -> dict[str, Value]:
    """Everything LightGBM is told, the schedule's values included."""
    settings: dict[str, Value] = {
        "bin_construct_sample_cnt": _BINNING_ROWS,
        **parameters.values,
        # Else features are dropped for good that cannot be split with a data set's first min_data_in_leaf.
        "feature_pre_filter": False,
        "objective": "binary",
        "metric": "none",
        "seed": seed,
        "data_random_seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    if parameters.device != "cpu":
        # Row-wise or column-wise is a question of the CPU alone; sums in single precision would differ from run to run.
        del settings["force_col_wise"]
        settings["gpu_use_dp"] = True
    return settings


def dataset(
    blocks: FeatureBlocks, rows: Integers, target: Floats, parameters: Parameters, *, seed: int, threads: int
) -> lgb.Dataset:
    """The binned training data of the given rows (sorted positions among the samples).

    They serve boosters with other parameters, too. Raises InvalidConfiguration when LightGBM refuses the parameters.
    """
    settings = lightgbm_parameters(parameters, seed=seed, threads=threads)
    share = int(settings["bin_construct_sample_cnt"]) / len(rows)
    # LightGBM's own draw asks for one row after the other, and so for every block's features once more.
    bins = lgb.Dataset(
        blocks.matrix(drawn(rows, share, np.random.default_rng(seed))),
        params=settings,
        feature_name=[f"f{i}" for i in range(len(blocks.plan.names))],
        categorical_feature=list(blocks.plan.categorical_features),
    )
    try:
        return lgb.Dataset(RowSequence(blocks, rows), label=target, reference=bins, params=settings).construct()
    except lgb.basic.LightGBMError as error:
        raise refusal(error, parameters) from error


def usable_folds(target: Floats, folds: Folds) -> Folds:
    """The folds whose fit part has both classes; all over the same rows."""
    return [(fit, check) for fit, check in folds if fit.any() and 0.0 < target[fit].mean() < 1.0 and check.any()]


def choose_rounds(
    data: lgb.Dataset,
    blocks: FeatureBlocks,
    rows: Integers,
    target: Floats,
    folds: Folds,
    parameters: Parameters,
    *,
    seed: int,
    threads: int,
    pulse: Pulse,
    team: Team = ALONE,
) -> RoundsChoice:
    """The number of rounds: the median of those with which each fold has its lowest log loss.

    `data` has the given `rows` (sorted positions among the samples); `target` and `folds` are over all samples, so that
    rows which are not learned from are scored with the others. Folds whose fit part has one class only are passed
    over; with none left a fixed number of rounds is taken.
    """
    usable = [pair for pair in folds if usable_folds(target[rows], [(pair[0][rows], pair[1][rows])])]
    if not usable:
        none = np.zeros(0, np.int64)
        fixed = min(parameters.rounds, _ROUNDS_WITHOUT_FOLDS)
        return RoundsChoice(rounds=fixed, losses=np.zeros((0, 0)), checked=none, margins=np.zeros(0), fold=none)

    def witness(losses: Floats) -> None:
        pulse(len(losses) / parameters.rounds)

    known = [(fit[rows], check[rows]) for fit, check in usable]
    boosters, losses = grown(data, known, parameters, seed=seed, threads=threads, witness=witness, team=team)
    rounds = median_best(losses)
    parts = [np.flatnonzero(check) for _, check in usable]
    scored = [margins([one], blocks, part, rounds=rounds) for one, part in zip(boosters, parts, strict=True)]
    return RoundsChoice(
        rounds=rounds,
        losses=losses,
        checked=np.concatenate(parts),
        margins=np.concatenate(scored),
        fold=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
    )


def grown(
    data: lgb.Dataset,
    folds: Folds,
    parameters: Parameters,
    *,
    seed: int,
    threads: int,
    witness: Witness,
    patience: int = PATIENCE,
    team: Team = ALONE,
) -> tuple[list[lgb.Booster], Floats]:
    """A booster for each fold, and log loss [rounds, folds]: until the median fold has not become better for a while.

    `folds` are over the rows of `data`, and usable. Raises what `witness` raises, and InvalidConfiguration for refused
    parameters.
    """
    settings = {**lightgbm_parameters(parameters, seed=seed, threads=threads), "metric": "binary_logloss"}
    boosters = []
    for fit, check in folds:
        booster = _booster(settings, data, np.flatnonzero(fit), parameters, team)
        booster.add_valid(data.subset(np.flatnonzero(check).tolist()), "check")
        boosters.append(booster)
    losses: list[list[float]] = []
    while len(losses) < parameters.rounds and len(losses) - median_best(np.array(losses)) <= patience:
        for booster in boosters:
            team.grow(booster)
        losses.append([float(booster.eval_valid()[0][2]) for booster in boosters])
        witness(np.array(losses))
    return boosters, np.array(losses)


def fit_seeds(
    data: lgb.Dataset,
    parameters: Parameters,
    *,
    rounds: int,
    seed: int,
    threads: int,
    pulse: Pulse,
    count: int = SEEDS,
    team: Team = ALONE,
) -> list[lgb.Booster]:
    """`count` boosters, one for each seed, all on the same binned data."""
    boosters = []
    for number in range(count):
        settings = lightgbm_parameters(parameters, seed=seed, threads=threads)
        for name in ("bagging_seed", "feature_fraction_seed", "extra_seed", "objective_seed"):
            settings[name] = seed + 1000 * (number + 1)
        booster = _booster(settings, data, None, parameters, team)
        for done in range(rounds):
            team.grow(booster)
            pulse((number + (done + 1) / rounds) / count)
        boosters.append(booster)
    return boosters


def margins(
    boosters: Sequence[lgb.Booster],
    blocks: FeatureBlocks,
    rows: Integers,
    *,
    slope: float = 1.0,
    offset: float = 0.0,
    rounds: int | None = None,
) -> Floats:
    """slope * (mean of the boosters' margins) + offset for the given rows, as the published graph's trees give them.

    ONNX Runtime takes a quarter of LightGBM's time for them. `rounds`: only so many trees of each booster count. Raises
    ConversionFailed for trees that cannot be published.
    """
    return blocks.scored(rows, tree_table(boosters, slope=slope, offset=offset, rounds=rounds))


def margins_of(boosters: Sequence[lgb.Booster], features: Floats, *, slope: float = 1.0, offset: float = 0.0) -> Floats:
    """The same for a matrix of features [N,F], as LightGBM itself gives them."""
    total = np.zeros(len(features))
    for booster in boosters:
        total += np.asarray(booster.predict(features, raw_score=True))
    return np.asarray(total * (slope / len(boosters)) + offset)


def median_best(losses: Floats) -> int:
    """The median of the folds' own best rounds, counted from 1; 0 before the first.

    Not the best mean: a stretch of time unlike all others ends its improvement early and dominates a mean.
    """
    return int(np.median(np.argmin(losses, axis=0))) + 1 if len(losses) else 0


def refusal(error: lgb.basic.LightGBMError, parameters: Parameters) -> InvalidConfiguration:
    """What LightGBM says of the parameters, as a sentence that names what to change."""
    said = " ".join(str(error).split()).rstrip(".")
    if parameters.device != "cpu":
        return InvalidConfiguration(
            f"model.parameters.device_type is {parameters.device!r}, which cannot be used here ({said}); remove it, or"
            " run the trainer where there is one, with an image whose LightGBM was built for it"
        )
    return InvalidConfiguration(f"model.parameters are refused by LightGBM: {said}")


def _booster(
    settings: dict[str, Value], data: lgb.Dataset, rows: Integers | None, parameters: Parameters, team: Team
) -> lgb.Booster:
    try:
        return team.booster(settings, data, rows)
    except lgb.basic.LightGBMError as error:
        raise refusal(error, parameters) from error
