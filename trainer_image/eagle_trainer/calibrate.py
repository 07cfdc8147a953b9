"""Platt's calibration of margins to probabilities.

Platt, "Probabilistic outputs for support vector machines" (1999), with the smoothed targets and the damped Newton
steps of Lin, Lin and Weng, "A note on Platt's probabilistic outputs for support vector machines" (2007).
"""

from dataclasses import dataclass

import numpy as np

from eagle_trainer.series import Floats, Integers

_STEPS = 100


@dataclass(frozen=True)
class Calibration:
    """probability = sigmoid(slope * margin + offset); `fitted` is False where margins were left as they are."""

    slope: float = 1.0
    offset: float = 0.0
    fitted: bool = False


def sigmoid(margin: Floats) -> Floats:
    """1 / (1 + exp(-margin)) without overflow."""
    small = np.exp(-np.abs(margin))
    return np.asarray(np.where(margin >= 0, 1.0, small) / (1.0 + small))


def platt(margin: Floats, target: Floats) -> Calibration:
    """The calibration of margins [N] that were scored out of fold, with targets 0 and 1.

    Margins that say nothing, or the contrary of the truth, or of one class only, are left as they are.
    """
    positives = float(target.sum())
    negatives = len(target) - positives
    if positives < 1 or negatives < 1:
        return Calibration()
    smoothed = np.where(target == 1.0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, offset = 1.0, 0.0
    loss = _loss(margin, smoothed, slope, offset)
    for _ in range(_STEPS):
        probability = sigmoid(slope * margin + offset)
        error, weight = probability - smoothed, probability * (1 - probability)
        gradient = np.array([(error * margin).sum(), error.sum()])
        cross = (weight * margin).sum()
        hessian = np.array([[(weight * margin**2).sum(), cross], [cross, weight.sum()]]) + 1e-10 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        share = 1.0
        while share > 1e-8:
            tried = _loss(margin, smoothed, slope - share * step[0], offset - share * step[1])
            if tried < loss:
                break
            share /= 2
        else:
            break
        slope, offset = float(slope - share * step[0]), float(offset - share * step[1])
        if loss - tried < 1e-12 * max(loss, 1.0):
            break
        loss = tried
    return Calibration(slope, offset, True) if slope > 0 else Calibration()


def crossfit(margin: Floats, target: Floats, fold: Integers) -> Floats:
    """Probabilities [N] of margins that were scored out of fold, each calibrated on the other folds alone.

    What is judged has so not been seen by its calibration either. `fold` [N] says which fold a margin belongs to.
    """
    probability = np.empty(len(margin))
    for code in np.unique(fold):
        own = fold == code
        found = platt(margin[~own], target[~own])
        probability[own] = sigmoid(found.slope * margin[own] + found.offset)
    return probability


def _loss(margin: Floats, target: Floats, slope: float, offset: float) -> float:
    score = slope * margin + offset
    return float((np.logaddexp(0.0, score) - target * score).sum())
