"""The simple rival is a strong one: what a linear model can know it knows, and it never says more than it knows."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.unit.trainer.arrays import feature_rows, plan, series

from eagle_trainer import baseline, metrics
from eagle_trainer.baseline import LinearInputs, logistic_across, logistic_baseline
from eagle_trainer.calibrate import sigmoid
from eagle_trainer.evaluate import skill
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.series import Floats, Integers, Samples

ROWS = 6000
TRAINING = 4000


@dataclass(frozen=True)
class World:
    """Rows of one sensor that says nothing, of which the first are learned from, and columns of context that may."""

    samples: Samples
    blocks: FeatureBlocks
    training: int = TRAINING

    @property
    def held(self) -> Integers:
        return np.arange(self.training, len(self.samples))

    @property
    def target(self) -> Floats:
        return self.samples.target[self.held]

    @property
    def rate(self) -> float:
        return float(self.samples.target[: self.training].mean())

    def probability(self) -> Floats:
        found = logistic_baseline(self.blocks, np.arange(self.training), self.samples, self.held)
        assert found is not None
        return found

    def skill(self) -> float:
        return skill(metrics.log_loss(self.probability(), self.target), self.target, self.rate)


def world(target: Floats, *context: Floats, categorical: tuple[int, ...] = (), training: int = TRAINING) -> World:
    names = [f"c{number}" for number in range(len(context))]
    chosen = plan(sensors="a", lags=(), windows=(), context=names)
    chosen = replace(chosen, categorical=tuple(names[i] for i in categorical))
    noise = np.random.default_rng(1).normal(size=(len(target), 1))
    samples, blocks = feature_rows(series(noise), chosen, np.column_stack([*context]) if context else None)
    return World(replace(samples, target=target), blocks, training)


def stretches(chance: float = 0.3, *, rows: int = ROWS, seed: int = 2) -> Floats:
    """Labels that come in stretches of twenty rows, as a horizon's do."""
    return np.repeat((np.random.default_rng(seed).random(rows // 20) < chance).astype(float), 20)


def drawn(margin: Floats, seed: int = 3) -> Floats:
    return (np.random.default_rng(seed).random(len(margin)) < sigmoid(margin)).astype(float)


def test_what_a_linear_model_can_know_it_knows() -> None:
    values = np.random.default_rng(4).normal(size=ROWS)
    margin = 2.0 * values - 1.0
    found = world(drawn(margin), 1e6 + 1e3 * values)
    best = skill(metrics.log_loss(sigmoid(margin)[found.held], found.target), found.target, found.rate)
    assert found.skill() == pytest.approx(best, abs=0.01)


def test_a_value_far_beyond_all_that_were_learned_from_is_as_the_highest_of_them() -> None:
    values = np.random.default_rng(4).normal(size=ROWS)
    target = drawn(2.0 * values - 1.0)
    highest = float(np.sort(values[:TRAINING])[-10])
    values[-2:] = highest, 1e6
    found = world(target, values).probability()
    assert found[-1] == pytest.approx(found[-2], abs=0.01)
    assert 0.9 < found[-1] < 0.999


def test_what_tells_stretches_of_time_apart_is_not_learned_by_heart() -> None:
    """Five machines' attributes and slow drifts fit each stretch of the past, and say nothing of the next one."""
    random = np.random.default_rng(5)
    drifts = [np.cumsum(random.normal(size=ROWS)) for _ in range(30)]
    assert world(stretches(), *drifts).skill() > -0.05


def test_categories_are_no_numbers() -> None:
    """Only the kind in the middle of five fails."""
    kind = np.random.default_rng(6).integers(0, 5, ROWS).astype(float)
    target = drawn(np.where(kind == 2.0, 2.0, -3.0))
    assert world(target, kind, categorical=(0,)).skill() > world(target, kind).skill() + 0.2


def test_a_category_that_was_never_learned_is_none_of_the_known() -> None:
    kind = np.random.default_rng(6).integers(0, 3, ROWS).astype(float)
    target = drawn(np.where(kind == 2.0, 2.0, -3.0))
    kind[-1] = 9.0
    found = world(target, kind, categorical=(0,)).probability()
    assert found[:-1].min() <= found[-1] <= found[:-1].max()


def test_that_a_value_is_missing_may_say_something() -> None:
    random = np.random.default_rng(7)
    gone = random.random(ROWS) < 0.3
    found = world(drawn(np.where(gone, 2.0, -3.0)), np.where(gone, np.nan, random.normal(size=ROWS)))
    assert found.skill() > 0.3


def test_columns_that_are_infinite_constant_or_never_known_do_no_harm() -> None:
    random = np.random.default_rng(8)
    values = random.normal(size=ROWS)
    target = drawn(2.0 * values - 1.0)
    odd = random.normal(size=ROWS)
    odd[::7], odd[1::7] = np.inf, -np.inf
    rounding = 50.0 + 1e-13 * random.normal(size=ROWS)
    late = np.where(np.arange(ROWS) < TRAINING, np.nan, 1e9)
    found = world(target, values, odd, rounding, late, np.full(ROWS, np.nan))
    assert found.skill() == pytest.approx(world(target, values).skill(), abs=0.01)


def test_rare_positives_are_all_learned_from_and_yet_not_believed_to_be_frequent() -> None:
    rows = 60_000
    values = np.random.default_rng(9).normal(size=rows)
    found = world(drawn(2.0 * values - 8.0), values, training=50_000)
    probability = found.probability()
    assert found.rate < 0.005
    assert probability.mean() == pytest.approx(found.target.mean(), rel=0.3)
    assert metrics.average_precision(probability, found.target) > 10 * found.rate


def test_few_rows_are_fitted_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    scaled = LinearInputs.__init__

    def counted(inputs: LinearInputs, features: Floats, categorical: tuple[int, ...]) -> None:
        fitted.append(len(features))
        scaled(inputs, features, categorical)

    monkeypatch.setattr(baseline.LinearInputs, "__init__", counted)
    rows = 60_000
    world(stretches(rows=rows), training=50_000).probability()
    assert fitted == [baseline.MOST_ROWS]


def test_the_same_rows_give_the_same_probabilities() -> None:
    values = np.random.default_rng(4).normal(size=ROWS)
    found = world(drawn(values), values)
    np.testing.assert_array_equal(found.probability(), found.probability())


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_class_nothing_is_learned(label: float) -> None:
    found = world(np.full(ROWS, label))
    assert logistic_baseline(found.blocks, np.arange(TRAINING), found.samples, found.held) is None


def test_without_one_known_value_nothing_is_learned() -> None:
    chosen = plan(sensors="a", lags=(), windows=())
    samples, blocks = feature_rows(series(np.full((100, 1), np.nan)), chosen)
    target = np.asarray(np.arange(100) % 2, np.float64)
    assert logistic_baseline(blocks, np.arange(50), replace(samples, target=target), np.arange(50, 100)) is None


def test_positives_in_one_stretch_of_the_time_alone_are_learned_from_with_a_strong_penalty() -> None:
    target = np.zeros(ROWS)
    target[1000:1040] = 1.0
    target[5000:5040] = 1.0
    found = world(target, np.arange(ROWS) / ROWS)
    assert found.skill() > -0.2


def test_across_folds_each_row_is_scored_by_the_fold_that_checks_it() -> None:
    values = np.random.default_rng(4).normal(size=ROWS)
    found = world(drawn(2.0 * values - 1.0), values)
    early = np.arange(ROWS) < ROWS // 2
    rows = np.arange(ROWS)
    across = logistic_across(found.blocks, found.samples, [(early, ~early), (~early, early)], rows)
    later = logistic_baseline(found.blocks, rows[early], found.samples, rows[~early])
    assert across is not None
    assert later is not None
    np.testing.assert_array_equal(across[~early], later)
    assert not np.isnan(across).any()
    nothing = np.zeros(ROWS, bool)
    nothing[np.flatnonzero(found.samples.target == 0.0)] = True
    assert logistic_across(found.blocks, found.samples, [(nothing, ~nothing)], rows) is None
