"""Searches LightGBM's parameters with Optuna, on the folds of the training part alone; the holdout judges the result.

A trial grows all folds in step, and is given up as soon as it is behind the median of the trials before it. The first
trial is the schedule's own recipe, so what is found is never worse out of fold. Parameters that the schedule sets are
not searched. With a bound on trials alone the same data give the same result; what a clock ends need not.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import lightgbm as lgb

from eagle_trainer import fit
from eagle_trainer.parameters import Parameters, Value
from eagle_trainer.series import Floats
from eagle_trainer.team.alone import ALONE, Team

_LOOK_EVERY = 10
_WARM_UP_ROUNDS = 20
_TRIALS_BEFORE_PRUNING = 4


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One trial: what was tried, the folds' mean log loss at the chosen rounds (None: given up), and how it ended."""

    number: int
    parameters: Mapping[str, Value]
    log_loss: float | None
    rounds: int
    state: Literal["complete", "pruned"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """The best parameters, and every trial in its order; `best` is the number of the best one."""

    parameters: Parameters
    trials: tuple[Tried, ...]
    best: int

    def told(self) -> str:
        """What came of it, in a sentence."""
        own, best = self.trials[0].log_loss, self.trials[self.best].log_loss
        # Neither the first trial nor the best one is given up.
        assert own is not None
        assert best is not None
        pruned = sum(trial.state == "pruned" for trial in self.trials)
        gain = "none was better than the schedule's own" if not self.best else f"from {own:.5f} to {best:.5f}"
        return f"{len(self.trials)} sets of parameters tried, {pruned} given up early; log loss out of fold: {gain}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When the search ends: after so many trials, or when no more may begin."""

    trials: int
    seconds: float | None = None


class _GivenUp(Exception):
    pass


def search(
    data: lgb.Dataset,
    target: Floats,
    folds: fit.Folds,
    base: Parameters,
    fixed: frozenset[str],
    limits: Limits,
    *,
    seed: int,
    threads: int,
    pulse: fit.Pulse,
    clock: Callable[[], float] = time.monotonic,
    team: Team = ALONE,
) -> Found | None:
    """The best parameters over the rows of `data`; None when no fold can be learned from.

    `fixed` are the names that the schedule sets. Raises InvalidConfiguration for refused parameters.
    """
    usable = fit.usable_folds(target, folds)
    if not usable:
        return None
    optuna = _optuna()
    space = {name: draw for name, draw in _space(len(target)).items() if name not in fixed}
    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=_TRIALS_BEFORE_PRUNING, n_warmup_steps=_WARM_UP_ROUNDS, interval_steps=_LOOK_EVERY
        ),
    )
    study.enqueue_trial({name: base.values.get(name, usual) for name, (usual, _) in space.items()})
    tried: list[Tried] = []
    started = clock()
    while len(tried) < limits.trials and (not tried or clock() - started < (limits.seconds or float("inf"))):
        trial = study.ask()
        drawn = {name: draw(trial, name) for name, (_, draw) in space.items()}
        parameters = Parameters(rounds=base.rounds, values={**base.values, **drawn, **_along(drawn)})
        share_of_search = _after(pulse, tried, limits)
        ended = _tried(
            trial, drawn, data, usable, parameters, seed=seed, threads=threads, pulse=share_of_search, team=team
        )
        if ended.log_loss is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, ended.log_loss)
        tried.append(ended)
    best = min((t for t in tried if t.log_loss is not None), key=lambda t: t.log_loss or 0.0)
    values = {**base.values, **best.parameters, **_along(best.parameters)}
    return Found(parameters=Parameters(rounds=base.rounds, values=values), trials=tuple(tried), best=best.number)


def _tried(
    trial: Any,
    drawn: Mapping[str, Value],
    data: lgb.Dataset,
    folds: fit.Folds,
    parameters: Parameters,
    *,
    seed: int,
    threads: int,
    pulse: fit.Pulse,
    team: Team,
) -> Tried:
    def witness(losses: Floats) -> None:
        pulse(len(losses) / parameters.rounds)
        if len(losses) % _LOOK_EVERY == 0:
            trial.report(float(losses.mean(axis=1).min()), len(losses))
            if trial.number and trial.should_prune():
                raise _GivenUp

    try:
        _, losses = fit.grown(data, folds, parameters, seed=seed, threads=threads, witness=witness, team=team)
    except _GivenUp:
        return Tried(number=trial.number, parameters=drawn, log_loss=None, rounds=0, state="pruned")
    rounds = fit.median_best(losses)
    log_loss = float(losses[rounds - 1].mean())
    return Tried(number=trial.number, parameters=drawn, log_loss=log_loss, rounds=rounds, state="complete")


Draw = Callable[[Any, str], Value]
"""Draws a parameter of that name for a trial of Optuna."""


def _space(rows: int) -> dict[str, tuple[Value, Draw]]:
    """Per parameter what LightGBM takes by itself, and how it is drawn."""
    most_in_leaf = max(200, rows // 100)
    return {
        "learning_rate": (0.05, lambda trial, name: trial.suggest_float(name, 0.02, 0.2, log=True)),
        "num_leaves": (31, lambda trial, name: trial.suggest_int(name, 4, 127, log=True)),
        "min_data_in_leaf": (100, lambda trial, name: trial.suggest_int(name, 5, most_in_leaf, log=True)),
        "feature_fraction": (0.5, lambda trial, name: trial.suggest_float(name, 0.2, 1.0)),
        "bagging_fraction": (1.0, lambda trial, name: trial.suggest_float(name, 0.4, 1.0)),
        "lambda_l2": (1e-3, lambda trial, name: trial.suggest_float(name, 1e-3, 100.0, log=True)),
        "path_smooth": (0.0, lambda trial, name: trial.suggest_float(name, 0.0, 50.0)),
    }


def _along(drawn: Mapping[str, Value]) -> dict[str, Value]:
    """What a drawn parameter needs beside it to have an effect."""
    return {"bagging_freq": 1} if float(drawn.get("bagging_fraction", 1.0)) < 1.0 else {}


def _after(pulse: fit.Pulse, tried: list[Tried], limits: Limits) -> fit.Pulse:
    done = len(tried)
    return lambda share: pulse((done + share) / limits.trials)


def _optuna() -> Any:
    """Imported only where there is something to search: it takes a while."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
