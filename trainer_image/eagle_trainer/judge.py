"""Judges the recipe on rows that were new to it: figures and how sure they are, baselines, champion, threshold."""

from dataclasses import dataclass

import numpy as np

from eagle_contract.api import Resolved
from eagle_contract.api.version import ActiveComparison, Evaluation
from eagle_trainer import evaluate
from eagle_trainer.advice import Advice, Costs, advise
from eagle_trainer.baseline import logistic_across, logistic_baseline
from eagle_trainer.champion import Champion, NotComparable, duel
from eagle_trainer.dataset import Prepared
from eagle_trainer.intervals import MOST_BLOCKS, Bootstrap, Comparison, Interval, run_blocks, time_blocks
from eagle_trainer.numbers import decimal
from eagle_trainer.series import SECOND, Floats, Integers, moment
from eagle_trainer.split import Split

__all__ = ["Champion", "Judgement", "NotComparable", "OutOfFold", "judge"]


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Calibrated probabilities of rows, each given by a fold that had not seen it.

    `rows` [N] are positions among the samples, in any order; `fold` [N] and `probability` [N] belong to them.
    """

    rows: Integers
    fold: Integers
    probability: Floats


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Everything that is said of the recipe. `scored` are the judged rows with their probabilities.

    `compared` are this recipe's figures on the rows on which the version in service was scored; empty where it was
    not.
    """

    scored: evaluate.Scored
    evaluation: Evaluation
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    baselines: dict[str, float]
    comparison: ActiveComparison | None
    compared: dict[str, float]
    advice: Advice | None


def judge(
    prepared: Prepared,
    split: Split,
    probability: Floats,
    *,
    resolved: Resolved,
    horizon_seconds: int | None,
    out_of_fold: OutOfFold,
    champion: Champion | NotComparable | None,
) -> Judgement:
    """The judgement of `probability` [N], which belongs to the rows of `split.holdout` in their order.

    `out_of_fold` are rows of the training part, from which the threshold's advice comes; with blocked folds they are
    the judged rows themselves. `horizon_seconds` is None for labels by column, `champion` None when nothing serves.
    """
    rows = np.flatnonzero(split.holdout)
    threshold, seed = float(resolved.failure_probability), resolved.seed
    scored = _scored(prepared, rows, probability, split.boundary, by_failures=horizon_seconds is not None)
    target = scored.samples.target
    rate = float(prepared.samples.target[split.training].mean())
    logistic = _logistic(prepared, split, rows)
    metrics = evaluate.holdout_metrics(scored, threshold=threshold, training_rate=rate)
    block = _blocks(prepared, scored, horizon_seconds)
    bootstrap = Bootstrap(scored.samples, block, seed=seed)
    rivals = [None] if logistic is None else [None, logistic]
    gains = [gain for rival in rivals if (gain := bootstrap.compare(probability, rival))]
    fought = duel(
        champion,
        prepared,
        scored,
        rows,
        block,
        threshold=threshold,
        horizon_seconds=horizon_seconds or 0,
        training_rate=rate,
        seed=seed,
    )
    advice = _advice(prepared, split, scored, out_of_fold, resolved)
    return Judgement(
        scored=scored,
        evaluation=_evaluation(split, scored, gains, metrics, advice),
        metrics=metrics,
        intervals=evaluate.holdout_intervals(scored, bootstrap, threshold=threshold, training_rate=rate),
        baselines=evaluate.baseline_metrics(logistic, target, training_rate=rate, threshold=threshold),
        comparison=fought.comparison if fought else None,
        compared=fought.own if fought else {},
        advice=advice,
    )


def _scored(
    prepared: Prepared, rows: Integers, probability: Floats, start: int, *, by_failures: bool
) -> evaluate.Scored:
    return evaluate.Scored(
        samples=prepared.samples.take(rows),
        probability=probability,
        events=evaluate.events_within(prepared.events, start),
        period_seconds=prepared.plan.period_seconds,
        by_failures=by_failures,
    )


def _logistic(prepared: Prepared, split: Split, rows: Integers) -> Floats | None:
    if split.folds:
        return logistic_across(prepared.blocks, prepared.samples, split.folds, rows)
    return logistic_baseline(prepared.blocks, np.flatnonzero(split.training), prepared.samples, rows)


def _blocks(prepared: Prepared, scored: evaluate.Scored, horizon_seconds: int | None) -> Integers:
    """What is drawn together: rows that share a horizon or a window, or a run of the label, are alike."""
    plan = prepared.plan
    alike = 2 * max(horizon_seconds or 0, plan.span_seconds, plan.period_seconds)
    length = max(alike, len(scored.samples) * plan.period_seconds // MOST_BLOCKS) * SECOND
    if horizon_seconds is None:
        return run_blocks(scored.samples, scored.events, length)
    return time_blocks(scored.samples, length)


def _evaluation(
    split: Split,
    scored: evaluate.Scored,
    gains: list[Comparison],
    metrics: dict[str, float],
    advice: Advice | None,
) -> Evaluation:
    """Every baseline is to be beaten; the gain that is told is that over the best of them."""
    least = min(gains, key=lambda gain: gain.difference, default=None)
    surely = bool(gains) and all(gain.lower is not None and gain.lower > 0 for gain in gains)
    one_class = not 0.0 < float(scored.samples.target.mean()) < 1.0
    message = split.message
    if one_class and split.evaluable:
        message = "the rows that are to judge the model are all of one class; raise source.dataRangeDays"
    time = scored.samples.time
    return Evaluation(
        evaluable=split.evaluable and not one_class,
        message=message,
        holdout_from=moment(int(time.min())),
        holdout_to=moment(int(time.max())),
        holdout_events=split.events,
        beats_baseline=surely and metrics.get("log_loss_skill", 0.0) > 0,
        baseline_gain=decimal(least.difference) if least else None,
        baseline_gain_lower_bound=decimal(least.lower) if least and least.lower is not None else None,
        advised_threshold=f"{advice.threshold:.6f}".rstrip("0").rstrip(".") if advice and advice.differs else None,
    )


def _advice(
    prepared: Prepared, split: Split, scored: evaluate.Scored, given: OutOfFold, resolved: Resolved
) -> Advice | None:
    costs = None
    if resolved.miss_cost is not None and resolved.false_alarm_cost is not None:
        costs = Costs(miss=float(resolved.miss_cost), false_alarm=float(resolved.false_alarm_cost))
    configured = float(resolved.failure_probability)
    order = np.argsort(given.rows)
    if split.folds:
        return advise(scored, given.fold[order], None, configured=configured, costs=costs)
    if not len(order):
        return None
    rows = given.rows[order]
    start = int(prepared.samples.time[rows].min())
    training = _scored(prepared, rows, given.probability[order], start, by_failures=scored.by_failures)
    return advise(training, given.fold[order], scored, configured=configured, costs=costs)
