"""Judges the recipe on the holdout: figures, baselines, and the version in service on rows that are new to both."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eagle_contract.api.version import ActiveComparison, Evaluation
from eagle_contract.bundle import OpenedBundle
from eagle_trainer import evaluate
from eagle_trainer.baseline import logistic_baseline
from eagle_trainer.dataset import Prepared
from eagle_trainer.features import session
from eagle_trainer.numbers import decimal, metric_list
from eagle_trainer.series import SECOND, Floats, Integers, micros, moment
from eagle_trainer.split import FEWEST_EVENTS, Split

SIMILAR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version in service, opened."""

    label: str
    bundle: OpenedBundle


@dataclass(frozen=True)
class NotComparable:
    """The version in service, which cannot be compared, and why in one sentence."""

    label: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Everything that is said of the recipe. `scored` is the holdout with its probabilities."""

    scored: evaluate.Scored
    evaluation: Evaluation
    metrics: dict[str, float]
    baselines: dict[str, float]
    comparison: ActiveComparison | None


def judge(
    prepared: Prepared,
    split: Split,
    probability: Floats,
    *,
    threshold: float,
    horizon_seconds: int,
    champion: Champion | NotComparable | None,
    seed: int,
) -> Judgement:
    """The judgement of `probability`, which belongs to the rows of the holdout.

    `champion` is the version in service; None when nothing serves.
    """
    samples = prepared.samples
    training, holdout = np.flatnonzero(split.training), np.flatnonzero(split.holdout)
    scored = evaluate.Scored(
        samples=samples.take(holdout),
        probability=probability,
        events=evaluate.events_within(prepared.events, split.boundary),
        period_seconds=prepared.plan.period_seconds,
    )
    target = scored.samples.target
    rate = float(samples.target[training].mean())
    logistic = logistic_baseline(prepared.blocks, training, samples.target[training], holdout)
    metrics = evaluate.holdout_metrics(scored, threshold=threshold, training_rate=rate)
    baselines = evaluate.baseline_metrics(logistic, target, training_rate=rate, threshold=threshold)
    block = _block_micros(prepared, horizon_seconds)
    gains = [
        gain
        for baseline in (None, logistic)
        if baseline is not None or logistic is None
        if (gain := evaluate.compare(probability, baseline, scored.samples, block_micros=block, seed=seed))
    ]
    gain = min(gains, key=lambda comparison: comparison.difference, default=None)
    return Judgement(
        scored=scored,
        evaluation=_evaluation(split, scored, gain, metrics),
        metrics=metrics,
        baselines=baselines,
        comparison=_compared(prepared, scored, holdout, champion, threshold, horizon_seconds, rate, seed),
    )


def _evaluation(
    split: Split, scored: evaluate.Scored, gain: evaluate.Comparison | None, metrics: dict[str, float]
) -> Evaluation:
    beats = bool(gain and gain.lower is not None and gain.lower > 0 and metrics.get("log_loss_skill", 0.0) > 0)
    time = scored.samples.time
    return Evaluation(
        evaluable=split.evaluable,
        message=split.message,
        holdout_from=moment(int(time.min())),
        holdout_to=moment(int(time.max())),
        holdout_events=split.events,
        beats_baseline=beats,
        baseline_gain=decimal(gain.difference) if gain else None,
        baseline_gain_lower_bound=decimal(gain.lower) if gain and gain.lower is not None else None,
    )


def _block_micros(prepared: Prepared, horizon_seconds: int) -> int:
    """Rows this near to each other are alike: they share a horizon or a window."""
    return 2 * max(horizon_seconds, prepared.plan.span_seconds, prepared.plan.period_seconds) * SECOND


def _compared(
    prepared: Prepared,
    scored: evaluate.Scored,
    holdout: Integers,
    champion: Champion | NotComparable | None,
    threshold: float,
    horizon_seconds: int,
    rate: float,
    seed: int,
) -> ActiveComparison | None:
    if champion is None:
        return None
    if isinstance(champion, NotComparable):
        return _not_compared(champion, champion.message)
    manifest = champion.bundle.manifest
    plan = prepared.plan
    mine = (plan.sensors, plan.window_length, plan.context)
    if (tuple(manifest.sensors), manifest.window_length, tuple(manifest.context_columns)) != mine:
        return _not_compared(champion, "its inputs are others than this version's")
    new = scored.samples.time > micros(manifest.trained_through) + horizon_seconds * SECOND
    if not new.any():
        return _not_compared(champion, "there is no row that it was not trained on")
    fresh = evaluate.Scored(
        samples=scored.samples.take(new),
        probability=scored.probability[new],
        events=evaluate.events_within(scored.events, int(scored.samples.time[new].min())),
        period_seconds=scored.period_seconds,
    )
    events = int(np.count_nonzero(fresh.events.positive))
    if events < FEWEST_EVENTS:
        return _not_compared(champion, f"only {events} events are new to it, and {FEWEST_EVENTS} are needed")
    theirs = _scores(champion, prepared, holdout[new])
    result = evaluate.compare(
        fresh.probability,
        theirs,
        fresh.samples,
        block_micros=_block_micros(prepared, horizon_seconds),
        seed=seed,
    )
    if result is None:
        return _not_compared(champion, "no row that is new to it is positive")
    rival = evaluate.Scored(
        samples=fresh.samples, probability=theirs, events=fresh.events, period_seconds=fresh.period_seconds
    )
    figures = evaluate.holdout_metrics(rival, threshold=threshold, training_rate=rate)
    return ActiveComparison(
        version=champion.label,
        outcome=_outcome(result),
        message=f"on {len(theirs)} rows and {events} events that are new to both",
        difference=decimal(result.difference),
        difference_upper_bound=decimal(result.upper) if result.upper is not None else None,
        metrics=metric_list(figures),
    )


def _outcome(result: evaluate.Comparison) -> Literal["Better", "Similar", "Worse"]:
    if result.upper is not None and result.upper < -SIMILAR:
        return "Worse"
    if result.lower is not None and result.lower > SIMILAR:
        return "Better"
    return "Similar"


def _not_compared(champion: Champion | NotComparable, why: str) -> ActiveComparison:
    return ActiveComparison(version=champion.label, outcome="NotCompared", message=why)


def _scores(champion: Champion, prepared: Prepared, rows: Integers) -> Floats:
    graph = session(champion.bundle.model)
    size = prepared.blocks.block_rows
    parts = [
        graph.run(["failure_probability"], prepared.windows.take(rows[start : start + size]))[0]
        for start in range(0, len(rows), size)
    ]
    return np.concatenate(parts)
