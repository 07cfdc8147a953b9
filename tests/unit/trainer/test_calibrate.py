"""Calibrated probabilities happen as often as they say; margins that say nothing are left alone."""

import numpy as np
import pytest
from scipy.optimize import minimize

from eagle_trainer.calibrate import Calibration, platt, sigmoid
from eagle_trainer.metrics import calibration_error, log_loss
from eagle_trainer.series import Floats


def overconfident(rows: int = 20_000) -> tuple[Floats, Floats]:
    """Margins that are three times too large and shifted, with what happened."""
    random = np.random.default_rng(7)
    true_margin = random.normal(-2.0, 1.5, rows)
    return 3.0 * true_margin + 1.0, (random.random(rows) < sigmoid(true_margin)).astype(float)


def test_overconfident_margins_become_probabilities_that_hold() -> None:
    margin, target = overconfident()
    found = platt(margin, target)
    assert found.fitted
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    calibrated = sigmoid(found.slope * margin + found.offset)
    assert calibration_error(sigmoid(margin), target) > 0.05
    assert calibration_error(calibrated, target) < 0.015
    assert log_loss(calibrated, target) < log_loss(sigmoid(margin), target)


def test_the_calibration_is_the_one_a_general_optimizer_finds() -> None:
    margin, target = overconfident(2000)
    positives, negatives = target.sum(), len(target) - target.sum()
    smoothed = np.where(target == 1.0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(point: Floats) -> float:
        score = point[0] * margin + point[1]
        return float((np.logaddexp(0.0, score) - smoothed * score).sum())

    best = minimize(loss, [1.0, 0.0])
    found = platt(margin, target)
    assert [found.slope, found.offset] == pytest.approx(best.x, rel=1e-3)


def test_calibration_keeps_the_order_of_rows() -> None:
    margin, target = overconfident(500)
    found = platt(margin, target)
    np.testing.assert_array_equal(np.argsort(found.slope * margin + found.offset), np.argsort(margin))


@pytest.mark.parametrize("target", [np.zeros(50), np.ones(50)], ids=["no positive", "no negative"])
def test_rows_of_one_class_leave_margins_as_they_are(target: Floats) -> None:
    assert platt(np.linspace(-1, 1, 50), target) == Calibration(1.0, 0.0, False)


def test_margins_that_say_the_contrary_of_the_truth_are_not_turned_round() -> None:
    margin, target = overconfident(500)
    assert platt(-margin, target) == Calibration(1.0, 0.0, False)


def test_margins_that_separate_the_classes_perfectly_stay_finite() -> None:
    margin = np.concatenate([np.full(100, -5.0), np.full(10, 5.0)])
    found = platt(margin, (margin > 0).astype(float))
    assert found.fitted
    assert 0.5 < sigmoid(np.array([found.slope * 5.0 + found.offset]))[0] < 1.0


def test_sigmoid_does_not_overflow() -> None:
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
