"""The figures are those of scikit-learn, with and without ties and weights."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from eagle_trainer import metrics
from eagle_trainer.series import Floats

Rows = tuple[Floats, Floats]


@pytest.fixture(params=["distinct", "tied"])
def rows(request: pytest.FixtureRequest) -> Rows:
    random = np.random.default_rng(5)
    target = (random.random(2000) < 0.1).astype(float)
    probability = np.clip(0.3 * target + 0.7 * random.random(2000), 1e-9, 1 - 1e-9)
    return (probability if request.param == "distinct" else np.round(probability, 1) * 0.98 + 0.01), target


def test_average_precision(rows: Rows) -> None:
    expected = sklearn.metrics.average_precision_score(rows[1], rows[0])
    assert metrics.average_precision(*rows) == pytest.approx(expected, abs=1e-12)


def test_average_precision_with_the_weights_of_a_bootstrap(rows: Rows) -> None:
    probability, target = rows
    weight = np.random.default_rng(6).poisson(1.0, len(target)).astype(float)
    expected = sklearn.metrics.average_precision_score(target, probability, sample_weight=weight)
    assert metrics.Ranking(probability, target).average_precision(weight) == pytest.approx(expected, abs=1e-12)


def test_roc_auc(rows: Rows) -> None:
    assert metrics.roc_auc(*rows) == pytest.approx(sklearn.metrics.roc_auc_score(rows[1], rows[0]), abs=1e-12)


def test_log_loss_and_brier_score(rows: Rows) -> None:
    probability, target = rows
    assert metrics.log_loss(probability, target) == pytest.approx(sklearn.metrics.log_loss(target, probability))
    assert metrics.brier(probability, target) == pytest.approx(sklearn.metrics.brier_score_loss(target, probability))


def test_figures_at_a_threshold(rows: Rows) -> None:
    probability, target = rows
    alarm = probability >= 0.6
    assert metrics.at_threshold(alarm, target) == {
        "accuracy": pytest.approx(sklearn.metrics.accuracy_score(target, alarm)),
        "precision": pytest.approx(sklearn.metrics.precision_score(target, alarm)),
        "recall": pytest.approx(sklearn.metrics.recall_score(target, alarm)),
        "f1": pytest.approx(sklearn.metrics.f1_score(target, alarm)),
    }


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_ranking_figures_of_any_rows(pairs: list[tuple[float, bool]]) -> None:
    probability = np.array([p for p, _ in pairs])
    target = np.array([float(t) for _, t in pairs])
    if not target.any():
        assert np.isnan(metrics.average_precision(probability, target))
        return
    expected = sklearn.metrics.average_precision_score(target, probability)
    assert metrics.average_precision(probability, target) == pytest.approx(expected, abs=1e-12)
    if target.all():
        assert np.isnan(metrics.roc_auc(probability, target))
    else:
        assert metrics.roc_auc(probability, target) == pytest.approx(sklearn.metrics.roc_auc_score(target, probability))


def test_certainty_that_is_wrong_costs_much_but_not_infinitely_much() -> None:
    assert 30 < metrics.log_loss(np.array([0.0]), np.array([1.0])) < 40


def test_precision_without_any_alarm_is_zero() -> None:
    found = metrics.at_threshold(np.zeros(4, bool), np.array([0.0, 0.0, 0.0, 1.0]))
    assert found == {"accuracy": 0.75, "precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_calibration_error_is_the_mean_distance_between_said_and_seen() -> None:
    probability = np.repeat([0.1, 0.9], 500)
    target = np.concatenate([np.repeat([1.0, 0.0], [100, 400]), np.repeat([1.0, 0.0], [450, 50])])
    assert metrics.calibration_error(probability, target, bins=2) == pytest.approx((0.1 + 0.0) / 2)


def test_reliability_leaves_out_empty_bins_and_keeps_certainty_in_the_last() -> None:
    found = metrics.reliability(np.array([0.02, 0.04, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert found == [(pytest.approx(0.03), 0.5, 2), (1.0, 1.0, 1)]
