"""Judges probabilities on rows that were new to the model: by row, by failure event, and against baselines."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eagle_trainer import metrics
from eagle_trainer.intervals import Bootstrap, Interval, metric_intervals
from eagle_trainer.series import DAY, SECOND, Flags, Floats, Integers, LabelEvents, Samples

MONTH = 30.4375 * DAY
_FOR_EVER = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The judged samples with the probability given to each, and the events that begin among them.

    `by_failures`: events are failures, and the time before them is what counts; else stretches of a label's column.
    """

    samples: Samples
    probability: Floats
    events: LabelEvents
    period_seconds: int
    by_failures: bool = True


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


def metrics_in_status(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures but for those that two others give: a status is to stay small."""
    return {name: value for name, value in metrics.items() if name != "base_rate_shift"}


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


def holdout_intervals(
    scored: Scored, bootstrap: Bootstrap, *, threshold: float, training_rate: float
) -> dict[str, Interval]:
    """Intervals of the main figures, by the names of `holdout_metrics`; empty where blocks are too few.

    `bootstrap` draws the rows of `scored`.
    """
    target, probability = scored.samples.target, scored.probability
    alarm = probability >= threshold
    positive, ones = target == 1.0, np.ones(len(target))
    hits = bootstrap.totals((alarm & positive).astype(float))
    alarms, truths, rows = bootstrap.totals(alarm.astype(float)), bootstrap.totals(target), bootstrap.totals(ones)
    reference = np.where(positive, -np.log(max(training_rate, 1e-15)), -np.log(max(1 - training_rate, 1e-15)))
    lost = bootstrap.totals(metrics.log_losses(probability, target))
    ratios = {
        "log_loss_skill": (bootstrap.totals(reference) - lost, bootstrap.totals(reference)),
        "accuracy": (bootstrap.totals((alarm == positive).astype(float)), rows),
        "precision": (hits, alarms),
        "recall": (hits, truths),
        "false_alarms_per_asset_month": (
            bootstrap.totals(np.ones(len(raised := false_alarm_rows(scored, alarm))), raised),
            rows * (scored.period_seconds * SECOND / MONTH),
        ),
    }
    first, last = event_rows(scored)
    seen = last > first
    if seen.any():
        found = caught(scored, alarm)[0]
        ratios["event_recall"] = (
            bootstrap.totals(found[seen].astype(float), first[seen]),
            bootstrap.totals(np.ones(int(seen.sum())), first[seen]),
        )
    intervals = metric_intervals(bootstrap, ratios)
    precision = bootstrap.interval(bootstrap.average_precision(probability))
    return {"average_precision": precision, **intervals} if precision else intervals


def events_within(events: LabelEvents, start: int) -> LabelEvents:
    """The events that begin at or after a moment."""
    keep = events.start >= start
    return LabelEvents(
        asset=events.asset[keep], start=events.start[keep], end=events.end[keep], positive=events.positive[keep]
    )


def event_rows(scored: Scored) -> tuple[Integers, Integers]:
    """Per positive event, its samples as positions [first, last); first = last where it has none."""
    chosen = scored.events.positive
    asset, start, end = scored.events.asset[chosen], scored.events.start[chosen], scored.events.end[chosen]
    samples = scored.samples
    if not len(samples) or not len(asset):
        empty = np.zeros(len(asset), np.int64)
        return empty, empty
    origin = min(int(samples.time.min()), int(start.min()))
    span = max(int(samples.time.max()), int(end.max())) - origin + 1
    key = samples.asset * span + (samples.time - origin)
    return (
        np.asarray(np.searchsorted(key, asset * span + (start - origin)), np.int64),
        np.asarray(np.searchsorted(key, asset * span + (end - origin)), np.int64),
    )


def caught(scored: Scored, alarm: Flags) -> tuple[Flags, Integers]:
    """Per positive event: was there an alarm on one of its rows, and the microseconds from the first to its end."""
    first, last = event_rows(scored)
    raised = np.append(np.flatnonzero(alarm), len(alarm))
    earliest = raised[np.searchsorted(raised[:-1], first)]
    found = earliest < last
    end = scored.events.end[scored.events.positive]
    time = scored.samples.time[np.where(found, earliest, 0)] if len(scored.samples) else end
    return found, np.asarray(np.where(found, end - time, 0), np.int64)


def false_alarms(scored: Scored, alarm: Flags) -> int:
    """How many false alarms there are: see `false_alarm_rows`."""
    return len(false_alarm_rows(scored, alarm))


def false_alarm_rows(scored: Scored, alarm: Flags) -> Integers:
    """Where each false alarm begins: rising positions of samples.

    One that is raised and cleared again without a positive row in between is false. One that stays on is counted anew
    after every horizon (for labels by column: the usual length of a positive run) in which nothing followed, be it
    before a failure or after it: else an alarm that never clears would be right for ever. An alarm across a gap in the
    rows is two.
    """
    raised = np.flatnonzero(alarm)
    if not len(raised):
        return raised
    asset, time, positive = (values[raised] for values in _columns(scored.samples))
    period = scored.period_seconds * SECOND
    opens = np.append(True, (asset[1:] != asset[:-1]) | (np.diff(time) > 1.5 * period))
    episode = np.cumsum(opens) - 1
    right = np.bincount(episode, weights=positive) > 0
    first = np.flatnonzero(opens | np.append(True, positive[1:] != positive[:-1]))
    last = np.append(first[1:], len(raised)) - 1
    first, last = first[positive[first] == 0.0], last[positive[first] == 0.0]
    patience = _patience(scored)
    lasted = (time[last] - time[first] + period) / patience
    counted = np.where(right[episode[first]], np.floor(lasted), np.ceil(lasted)).astype(np.int64)
    turn = np.arange(counted.sum()) - np.repeat(np.cumsum(counted) - counted, counted)
    place = np.repeat(first, counted) + turn * round(patience / period)
    return np.asarray(raised[np.minimum(place, np.repeat(last, counted))], np.int64)


def _columns(samples: Samples) -> tuple[Integers, Integers, Floats]:
    return samples.asset, samples.time, samples.target


def _patience(scored: Scored) -> int:
    """After how many microseconds an alarm that stays on is counted anew: at least a period, so at most once a row."""
    period = scored.period_seconds * SECOND
    horizon = int((scored.samples.until - scored.samples.time).max())
    if horizon:
        return max(horizon, period)
    runs = (scored.events.end - scored.events.start)[scored.events.positive]
    # The run of a label ends just after its last row, which stands for a whole period.
    return int(np.median(runs)) - 1 + period if len(runs) else _FOR_EVER


def asset_months(scored: Scored) -> float:
    """The observed time of all assets together, in months."""
    return len(scored.samples) * scored.period_seconds * SECOND / MONTH


def _event_metrics(scored: Scored, alarm: Flags) -> dict[str, float]:
    found, lead = caught(scored, alarm)
    wrong = false_alarms(scored, alarm)
    result = {
        "events": float(len(found)),
        "false_alarms": float(wrong),
        "false_alarms_per_asset_month": wrong / asset_months(scored),
    }
    if len(found):
        result["event_recall"] = float(found.mean())
    if found.any() and scored.by_failures:
        result["median_lead_hours"] = float(np.median(lead[found])) / (3600 * SECOND)
    return result
