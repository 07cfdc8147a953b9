"""Figures of how good probabilities are: pure functions of arrays.

Average precision is the step-wise area under precision and recall (no interpolation), rows with equal probability
counted as one step; with weights, so that a bootstrap sample costs no sorting.
"""

import numpy as np

from eagle_trainer.series import Floats, Integers

_SMALLEST = 1e-15


class Ranking:
    """Rows sorted by falling probability, with ties kept together."""

    def __init__(self, probability: Floats, target: Floats) -> None:
        self._order = np.argsort(-probability, kind="stable")
        ranked = probability[self._order]
        self._last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        self._positive = target[self._order]
        self._threshold = ranked[self._last]

    def curve(self, weight: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Precision, recall and threshold at every distinct probability, from the highest on."""
        weights = np.ones(len(self._order)) if weight is None else weight[self._order]
        hits = np.cumsum(weights * self._positive)[self._last]
        shown = np.cumsum(weights)[self._last]
        precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
        return precision, hits / max(hits[-1], _SMALLEST), self._threshold

    def average_precision(self, weight: Floats | None = None) -> float:
        """From 0 to 1; NaN when no (weighted) row is positive."""
        precision, recall, _ = self.curve(weight)
        if recall[-1] < 0.5:
            return float("nan")
        return float((np.diff(recall, prepend=0.0) * precision).sum())


def average_precision(probability: Floats, target: Floats) -> float:
    """From 0 to 1; NaN when no row is positive."""
    return Ranking(probability, target).average_precision()


def roc_auc(probability: Floats, target: Floats) -> float:
    """The chance that a positive row is ranked above a negative one (ties count half); NaN with one class."""
    positives = int(target.sum())
    negatives = len(target) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[target == 1.0].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(probability: Floats, target: Floats) -> float:
    """The mean of -log of the probability given to what happened."""
    return float(log_losses(probability, target).mean())


def log_losses(probability: Floats, target: Floats) -> Floats:
    """[N]: -log of the probability given to what happened, of every row."""
    given = np.where(target == 1.0, probability, 1.0 - probability)
    return np.asarray(-np.log(np.clip(given, _SMALLEST, 1.0)))


def brier(probability: Floats, target: Floats) -> float:
    """The mean squared difference of probability and truth."""
    return float(((probability - target) ** 2).mean())


def at_threshold(alarm: np.ndarray, target: Floats) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of alarms; precision without any alarm is 0."""
    positive = target == 1.0
    hits, alarms, truths = int((alarm & positive).sum()), int(alarm.sum()), int(positive.sum())
    return {
        "accuracy": float((alarm == positive).mean()),
        "precision": hits / alarms if alarms else 0.0,
        "recall": hits / truths if truths else 0.0,
        "f1": 2 * hits / (alarms + truths) if alarms + truths else 0.0,
    }


def calibration_error(probability: Floats, target: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equally many rows (Naeini et al. 2015)."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(p) * abs(probability[p].mean() - target[p].mean()) for p in parts) / len(order))


def reliability(probability: Floats, target: Floats, bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean probability, share of positives, rows) in bins of equal width; empty bins are left out."""
    place: Integers = np.minimum((probability * bins).astype(np.int64), bins - 1)
    return [
        (float(probability[mine].mean()), float(target[mine].mean()), int(mine.sum()))
        for mine in (place == i for i in range(bins))
        if mine.any()
    ]
