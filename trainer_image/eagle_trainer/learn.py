"""From prepared rows to a recipe: planned to the time budget, searched on request, with rounds and calibration.

Everything here sees the training part alone; the holdout is for judging. The recipe is then fitted to all data.
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from eagle_contract.api import Resolved
from eagle_trainer import fit
from eagle_trainer.budget import LearningPlan, Work, planned, thinned
from eagle_trainer.calibrate import Calibration, crossfit, platt, sigmoid
from eagle_trainer.dataset import Prepared
from eagle_trainer.judge import OutOfFold
from eagle_trainer.parameters import Parameters, set_names
from eagle_trainer.search import Found, Limits, search
from eagle_trainer.series import Floats, Integers
from eagle_trainer.split import Split, time_folds
from eagle_trainer.team.alone import ALONE, Team

_SEARCHING, _CHOOSING = 0.6, 0.6
"""Shares of the work: of everything when there is a search, and of what is left."""
_LITTLE = 0.005


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the model is made. `lines` say so to people."""

    plan: LearningPlan
    parameters: Parameters
    rounds: int
    calibration: Calibration
    found: Found | None
    sampling: float | None
    """By what part the log loss out of fold is higher with half of the rows; None where all rows are learned from."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What was planned and what it cost, each in a sentence."""
        lines = [f"Learned from {self.plan.told()}."]
        if self.sampling is not None:
            advice = (
                "rows that were left out would add little"
                if self.sampling < _LITTLE
                else "a longer model.timeBudgetSeconds would make a better model"
            )
            lines.append(f"With half of these rows the log loss out of fold changes by {self.sampling:+.2%}: {advice}.")
        if self.found:
            lines.append(f"{self.found.told()}.")
        return tuple(lines)

    def report(self) -> dict[str, object]:
        """The same for the manifest. Nothing in it comes from a clock."""
        plan = self.plan
        report: dict[str, object] = {
            "folds": plan.folds,
            "seeds": plan.seeds,
            "rows": plan.rows,
            "positiveShare": f"{plan.positive_share:.6g}",
            "negativeShare": f"{plan.negative_share:.6g}",
            "plannedSeconds": round(plan.seconds),
            "timeBudgetSeconds": round(plan.budget),
            "parameters": {name: str(value) for name, value in sorted(self.parameters.values.items())},
        }
        if plan.workers > 1:
            report["workers"] = plan.workers
        if self.sampling is not None:
            report["logLossWithHalfTheRows"] = f"{self.sampling:+.4g}"
        if self.found:
            report["trials"] = len(self.found.trials)
        return report


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The recipe, and what is to be judged: `probability` [n] of the holdout's rows in their order.

    `boosters` are those that the holdout was scored with; none with blocked folds, where each row has its own fold's.
    """

    recipe: Recipe
    probability: Floats
    out_of_fold: OutOfFold
    boosters: tuple[lgb.Booster, ...]


def learn(
    prepared: Prepared,
    split: Split,
    resolved: Resolved,
    parameters: Parameters,
    *,
    threads: int,
    pulse: fit.Pulse,
    team: Team = ALONE,
) -> Learned:
    """The recipe, chosen on the training part, and the probabilities that it gives to the holdout."""
    blocks, target, seed = prepared.blocks, prepared.samples.target, resolved.seed
    training = np.flatnonzero(split.training)
    plan = planned(
        Work(
            rows=len(training),
            positives=int(target[training].sum()),
            all_rows=len(target),
            features=len(prepared.plan.names),
            parameters=parameters,
        ),
        seconds=resolved.time_budget_seconds,
        folds=len(split.folds) or None,
        workers=team.size,
    )
    rows = thinned(training, target[training], plan, seed=seed)
    data = fit.dataset(blocks, rows, target[rows], parameters, seed=seed, threads=threads)
    folds = split.folds or time_folds(prepared.samples, split.training, folds=plan.folds, margin=prepared.span)
    known = [(inside[rows], checked[rows]) for inside, checked in folds]
    found = None
    if resolved.search_trials > 0:
        found = search(
            data,
            target[rows],
            known,
            parameters,
            set_names(resolved.parameters),
            Limits(trials=resolved.search_trials, seconds=resolved.search_seconds),
            seed=seed,
            threads=threads,
            pulse=lambda share: pulse(share * _SEARCHING),
            team=team,
        )
    chosen = found.parameters if found else parameters
    after = _SEARCHING if found else 0.0

    def rest(share: float) -> None:
        pulse(after + (1.0 - after) * share)

    choice = fit.choose_rounds(
        data,
        blocks,
        rows,
        target,
        folds,
        chosen,
        seed=seed,
        threads=threads,
        pulse=lambda share: rest(share * _CHOOSING),
        team=team,
    )
    recipe = Recipe(
        plan=plan,
        parameters=chosen,
        rounds=choice.rounds,
        calibration=_calibration(choice, target, plan),
        found=found,
        sampling=_with_half(data, target[rows], known, chosen, choice, plan, seed=seed, threads=threads, team=team),
    )
    if split.folds:
        return _by_folds(recipe, choice, target)
    boosters = fit.fit_seeds(
        data,
        chosen,
        rounds=choice.rounds,
        seed=seed,
        threads=threads,
        count=plan.seeds,
        pulse=lambda share: rest(_CHOOSING + share * (1.0 - _CHOOSING)),
        team=team,
    )
    slope, offset = recipe.calibration.slope, recipe.calibration.offset
    judged = fit.margins(boosters, blocks, np.flatnonzero(split.holdout), slope=slope, offset=offset)
    return Learned(
        recipe=recipe,
        probability=sigmoid(judged),
        out_of_fold=OutOfFold(
            rows=choice.checked, fold=choice.fold, probability=sigmoid(slope * choice.margins + offset)
        ),
        boosters=tuple(boosters),
    )


def fit_to(
    prepared: Prepared,
    rows: Integers,
    recipe: Recipe,
    *,
    seed: int,
    threads: int,
    pulse: fit.Pulse,
    team: Team = ALONE,
) -> list[lgb.Booster]:
    """The recipe's boosters, fitted to the given rows (sorted positions among the samples), thinned as planned."""
    target = prepared.samples.target
    kept = thinned(rows, target[rows], recipe.plan, seed=seed)
    data = fit.dataset(prepared.blocks, kept, target[kept], recipe.parameters, seed=seed, threads=threads)
    return fit.fit_seeds(
        data,
        recipe.parameters,
        rounds=recipe.rounds,
        seed=seed,
        threads=threads,
        count=recipe.plan.seeds,
        pulse=pulse,
        team=team,
    )


def _calibration(choice: fit.RoundsChoice, target: Floats, plan: LearningPlan) -> Calibration:
    """Platt's on all rows that were checked, which puts right what thinning did; else the correction alone."""
    if len(choice.checked):
        found = platt(choice.margins + plan.correction, target[choice.checked])
        return Calibration(found.slope, found.offset + found.slope * plan.correction, found.fitted)
    return Calibration(1.0, plan.correction, False)


def _by_folds(recipe: Recipe, choice: fit.RoundsChoice, target: Floats) -> Learned:
    given = crossfit(choice.margins + recipe.plan.correction, target[choice.checked], choice.fold)
    return Learned(
        recipe=recipe,
        probability=given[np.argsort(choice.checked)],
        out_of_fold=OutOfFold(rows=choice.checked, fold=choice.fold, probability=given),
        boosters=(),
    )


def _with_half(
    data: lgb.Dataset,
    target: Floats,
    folds: fit.Folds,
    parameters: Parameters,
    choice: fit.RoundsChoice,
    plan: LearningPlan,
    *,
    seed: int,
    threads: int,
    team: Team,
) -> float | None:
    """How much higher the folds' log loss is when they learn from half of their rows; None without sampling."""
    usable = fit.usable_folds(target, folds)
    if not plan.sampled or not usable:
        return None
    half = np.random.default_rng(seed + 1).random(len(target)) < 0.5
    halved = fit.usable_folds(target, [(inside & half, checked) for inside, checked in usable])
    if len(halved) < len(usable):
        return None
    exactly = Parameters(rounds=choice.rounds, values=parameters.values)
    _, losses = fit.grown(
        data,
        halved,
        exactly,
        seed=seed,
        threads=threads,
        witness=lambda so_far: None,
        patience=choice.rounds,
        team=team,
    )
    return float(losses[-1].mean() / choice.losses[choice.rounds - 1].mean() - 1.0)
