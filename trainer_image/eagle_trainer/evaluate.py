"""Judges probabilities on the holdout: by row, by failure event, against baselines, and how sure that is.

Rows near each other in time are alike, so intervals come from a bootstrap over blocks of an asset's time, not over
rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eagle_trainer import metrics
from eagle_trainer.series import DAY, SECOND, Flags, Floats, Integers, LabelEvents, Samples

MONTH = 30.4375 * DAY
REPLICATES = 300
_FEWEST_BLOCKS = 5


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The holdout's samples with the probability given to each, and the events that begin in it."""

    samples: Samples
    probability: Floats
    events: LabelEvents
    period_seconds: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Average precision of one model less another's on the same rows; bounds of a one-sided 90 % (None: too few)."""

    difference: float
    lower: float | None
    upper: float | None


def holdout_metrics(scored: Scored, *, threshold: float, training_rate: float) -> dict[str, float]:
    """All figures by their public names; those that the rows cannot give are left out."""
    target, probability = scored.samples.target, scored.probability
    base = float(target.mean())
    alarm = probability >= threshold
    loss = metrics.log_loss(probability, target)
    found = {
        "average_precision": metrics.average_precision(probability, target),
        "roc_auc": metrics.roc_auc(probability, target),
        "log_loss": loss,
        "log_loss_skill": skill(loss, target, training_rate),
        "brier": metrics.brier(probability, target),
        "calibration_error": metrics.calibration_error(probability, target),
        **metrics.at_threshold(alarm, target),
        "positives": float(target.sum()),
        "base_rate": base,
        "training_base_rate": training_rate,
        "base_rate_shift": base - training_rate,
        **_event_metrics(scored, alarm),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def skill(loss: float, target: Floats, rate: float) -> float:
    """1 - log loss / log loss of always saying `rate` (the base rate of the training rows); above 0 is better."""
    reference = metrics.log_loss(np.full(len(target), rate), target)
    return 1.0 - loss / reference if reference > 0 else float("nan")


def baseline_metrics(
    logistic: Floats | None, target: Floats, *, training_rate: float, threshold: float
) -> dict[str, float]:
    """Figures of the three baselines: majority, base rate, and logistic regression where it could be fitted."""
    majority = float(training_rate >= 0.5)
    found = {
        "majority_accuracy": float((target == majority).mean()),
        "base_rate_average_precision": float(target.mean()),
        "base_rate_log_loss": metrics.log_loss(np.full(len(target), training_rate), target),
    }
    if logistic is not None:
        loss = metrics.log_loss(logistic, target)
        found |= {
            "logistic_average_precision": metrics.average_precision(logistic, target),
            "logistic_log_loss": loss,
            "logistic_log_loss_skill": skill(loss, target, training_rate),
            "logistic_accuracy": metrics.at_threshold(logistic >= threshold, target)["accuracy"],
        }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def compare(
    first: Floats, second: Floats | None, samples: Samples, *, block_micros: int, seed: int
) -> Comparison | None:
    """Average precision of `first` less that of `second` (None: a constant); None when no row is positive.

    The bounds are quantiles of a paired bootstrap over blocks of assets and time.
    """
    target = samples.target
    if not target.any():
        return None
    constant = np.zeros(len(target)) if second is None else second
    one, two = metrics.Ranking(first, target), metrics.Ranking(constant, target)
    difference = one.average_precision() - two.average_precision()
    blocks = time_blocks(samples, block_micros)
    count = int(blocks.max()) + 1
    if count < _FEWEST_BLOCKS:
        return Comparison(difference=difference, lower=None, upper=None)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(REPLICATES):
        times = np.bincount(random.integers(0, count, count), minlength=count).astype(float)
        weight = times[blocks]
        drawn.append(one.average_precision(weight) - two.average_precision(weight))
    kept = np.array(drawn)[np.isfinite(drawn)]
    if len(kept) < REPLICATES / 2:
        return Comparison(difference=difference, lower=None, upper=None)
    lower, upper = np.quantile(kept, [0.1, 0.9])
    return Comparison(difference=difference, lower=float(lower), upper=float(upper))


def time_blocks(samples: Samples, length: int) -> Integers:
    """The block of every sample: stretches of `length` microseconds of one asset, counted from 0."""
    key = samples.asset * (1 << 40) + (samples.time - samples.time.min()) // length
    return np.asarray(np.unique(key, return_inverse=True)[1], np.int64)


def events_within(events: LabelEvents, start: int) -> LabelEvents:
    """The events that begin at or after a moment."""
    keep = events.start >= start
    return LabelEvents(
        asset=events.asset[keep], start=events.start[keep], end=events.end[keep], positive=events.positive[keep]
    )


def caught(scored: Scored, alarm: Flags) -> tuple[Flags, Integers]:
    """Per positive event: was there an alarm on one of its rows, and the microseconds from the first to its end."""
    events = events_of(scored)
    found = np.zeros(len(events), bool)
    lead = np.zeros(len(events), np.int64)
    for i, (asset, start, end) in enumerate(events):
        mine = alarm & (scored.samples.asset == asset) & (scored.samples.time >= start) & (scored.samples.time < end)
        if mine.any():
            found[i], lead[i] = True, end - int(scored.samples.time[mine].min())
    return found, lead


def events_of(scored: Scored) -> list[tuple[int, int, int]]:
    """(asset, start, end) of the positive events."""
    chosen = np.flatnonzero(scored.events.positive)
    e = scored.events
    return [(int(e.asset[i]), int(e.start[i]), int(e.end[i])) for i in chosen]


def false_alarms(scored: Scored, alarm: Flags) -> int:
    """How often an alarm was raised and cleared again without a positive row in between."""
    asset, time, positive = scored.samples.asset, scored.samples.time, scored.samples.target == 1.0
    step = 1.5 * scored.period_seconds * SECOND
    joined = np.append(False, (asset[1:] == asset[:-1]) & (np.diff(time) <= step) & alarm[:-1] & alarm[1:])
    episode = np.cumsum(~joined)
    raised = np.unique(episode[alarm])
    justified = np.unique(episode[alarm & positive])
    return len(np.setdiff1d(raised, justified))


def figures(values: Mapping[str, float]) -> str:
    """The first figures for a line of log or a table."""
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _event_metrics(scored: Scored, alarm: Flags) -> dict[str, float]:
    found, lead = caught(scored, alarm)
    months = len(scored.samples) * scored.period_seconds * SECOND / MONTH
    result = {
        "events": float(len(found)),
        "false_alarms": float(false_alarms(scored, alarm)),
        "false_alarms_per_asset_month": false_alarms(scored, alarm) / months,
    }
    if len(found):
        result["event_recall"] = float(found.mean())
    if found.any():
        result["median_lead_hours"] = float(np.median(lead[found])) / (3600 * SECOND)
    return result
