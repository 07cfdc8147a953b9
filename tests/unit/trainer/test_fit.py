"""Rounds are chosen where rows are new; the same data and seed give the same trees, on any number of CPUs."""

import lightgbm as lgb
import numpy as np
import pytest
from tests.unit.trainer.arrays import feature_rows, plan, series
from tests.unit.trainer.models import fitted

from eagle_trainer import fit
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.features import FeatureBlocks
from eagle_trainer.parameters import checked_parameters
from eagle_trainer.series import Flags, Floats


def model_bytes(*, threads: int = 1, seed: int = 7) -> bytes:
    return (
        fitted(threads=threads, seed=seed, parameters={"bagging_fraction": "0.7", "extra_trees": "true"})
        .candidate()
        .model
    )


def test_the_same_data_and_seed_give_the_same_bytes() -> None:
    assert model_bytes() == model_bytes()


def test_more_threads_give_the_same_bytes() -> None:
    assert model_bytes(threads=1) == model_bytes(threads=2)


def test_another_seed_gives_another_model() -> None:
    assert model_bytes(seed=7) != model_bytes(seed=8)


def test_the_seeds_of_one_model_differ_from_each_other() -> None:
    texts = [booster.model_to_string() for booster in fitted().boosters]
    assert len(texts) == fit.SEEDS
    assert len(set(texts)) == fit.SEEDS


@pytest.mark.parametrize("rounds", [None, 5], ids=["all trees", "so many"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kept_bytes", [0, 10**9], ids=["computed", "kept"])
def test_margins_are_lightgbms_own(threads: int, kept_bytes: int, rounds: int | None) -> None:
    model = fitted(threads=threads)
    blocks = FeatureBlocks(model.plan, model.windows, threads=threads, kept_bytes=kept_bytes)
    rows = np.arange(3, blocks.rows, 2)
    features = model.blocks.matrix(rows)
    own = [booster.predict(features, raw_score=True, num_iteration=rounds) for booster in model.boosters]
    given = fit.margins(model.boosters, blocks, rows, slope=0.5, offset=0.1, rounds=rounds)
    np.testing.assert_allclose(given, 0.5 * np.mean(own, axis=0) + 0.1, atol=1e-13, rtol=0)


def test_a_sequence_of_blocks_gives_the_trees_of_a_matrix() -> None:
    model = fitted()
    parameters = checked_parameters({"num_iterations": "5"})
    settings = fit.lightgbm_parameters(parameters, seed=7, threads=1)
    matrix = lgb.Dataset(model.blocks.matrix(np.arange(model.blocks.rows)), label=model.target, params=settings)
    everything = np.arange(model.blocks.rows)
    sequence = fit.dataset(model.blocks, everything, model.target, parameters, seed=7, threads=1)
    trees = [lgb.train(settings, data, num_boost_round=5).trees_to_dataframe() for data in (matrix, sequence)]
    np.testing.assert_array_equal(trees[0]["threshold"], trees[1]["threshold"])
    np.testing.assert_array_equal(trees[0]["value"], trees[1]["value"])


def test_bins_are_made_of_as_many_rows_as_the_parameters_say() -> None:
    values = np.random.default_rng(5).normal(size=(3000, 3))
    _, blocks = feature_rows(series(values), plan(lags=(), windows=()))

    def thresholds(**given: str) -> list[float]:
        parameters = checked_parameters({"num_iterations": "5", **given})
        data = fit.dataset(blocks, np.arange(3000), (values[:, 0] > 0.3).astype(float), parameters, seed=7, threads=1)
        settings = fit.lightgbm_parameters(parameters, seed=7, threads=1)
        return lgb.train(settings, data, 5).trees_to_dataframe()["threshold"].dropna().tolist()

    assert thresholds(bin_construct_sample_cnt="3000") == thresholds()
    assert thresholds(bin_construct_sample_cnt="1000") != thresholds()


@pytest.mark.parametrize("given", ["true", "false"])
def test_what_only_makes_lightgbm_faster_is_accepted_and_changes_no_tree(given: str) -> None:
    def trees(parameters: dict[str, str]) -> list[object]:
        return [booster.dump_model()["tree_info"] for booster in fitted(parameters=parameters).boosters]

    assert trees({"feature_pre_filter": given}) == trees({})


@pytest.fixture(scope="module")
def noisy() -> tuple[Floats, Floats, list[tuple[Flags, Flags]]]:
    """A target that only the newest value of the first sensor tells, with noise, and folds over its rows."""
    random = np.random.default_rng(3)
    values = random.normal(size=(1200, 3))
    target = (values[:, 0] + random.normal(0, 0.7, 1200) > 1.0).astype(float)
    owner = np.repeat(np.arange(3), 400)
    return values, target, [(owner != fold, owner == fold) for fold in range(3)]


def chosen(noisy: tuple[Floats, Floats, list[tuple[Flags, Flags]]], **given: str) -> fit.RoundsChoice:
    values, target, folds = noisy
    parameters = checked_parameters({"num_leaves": "7", **given})
    _, blocks = feature_rows(series(values), plan(lags=(), windows=()))
    rows = np.arange(1200)
    data = fit.dataset(blocks, rows, target, parameters, seed=7, threads=1)
    return fit.choose_rounds(data, blocks, rows, target, folds, parameters, seed=7, threads=1, pulse=lambda share: None)


def test_rounds_are_those_of_the_lowest_loss_on_rows_of_other_folds(
    noisy: tuple[Floats, Floats, list[tuple[Flags, Flags]]],
) -> None:
    choice = chosen(noisy, learning_rate="0.3")
    assert choice.rounds == int(np.median(np.argmin(choice.losses, axis=0))) + 1
    assert len(choice.losses) < 60, "it stops once the loss rises"
    assert sorted(choice.checked.tolist()) == list(range(1200))


def test_out_of_fold_margins_know_the_truth_but_not_by_heart(
    noisy: tuple[Floats, Floats, list[tuple[Flags, Flags]]],
) -> None:
    choice = chosen(noisy)
    target = noisy[1][choice.checked]
    assert 0.7 < np.mean((choice.margins > 0) == (target == 1.0)) < 0.95


def test_rows_that_are_not_learned_from_are_scored_as_well(
    noisy: tuple[Floats, Floats, list[tuple[Flags, Flags]]],
) -> None:
    values, target, folds = noisy
    parameters = checked_parameters({"num_leaves": "7", "min_data_in_leaf": "20"})
    _, blocks = feature_rows(series(values), plan(lags=(), windows=()))
    rows = np.arange(0, 1200, 2)
    data = fit.dataset(blocks, rows, target[rows], parameters, seed=7, threads=1)
    choice = fit.choose_rounds(
        data, blocks, rows, target, folds, parameters, seed=7, threads=1, pulse=lambda share: None
    )
    assert sorted(choice.checked.tolist()) == list(range(1200))
    np.testing.assert_array_equal(choice.fold, choice.checked // 400)


def test_a_device_that_is_not_there_is_named_by_its_parameter() -> None:
    with pytest.raises(
        InvalidConfiguration, match=r"^model\.parameters\.device_type is 'gpu', which cannot be used here"
    ):
        fitted(parameters={"device_type": "gpu"})


def test_what_lightgbm_refuses_is_said_in_its_words() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^model\.parameters are refused by LightGBM: "):
        fitted(parameters={"data_sample_strategy": "goss", "top_rate": "0.9", "other_rate": "0.9"})


def test_folds_of_one_class_are_passed_over(noisy: tuple[Floats, Floats, list[tuple[Flags, Flags]]]) -> None:
    values, target, folds = noisy
    nothing = [(fit_rows & (target == 0.0), check) for fit_rows, check in folds]
    choice = chosen((values, target, nothing), num_iterations="30")
    assert choice.rounds == 30
    assert len(choice.checked) == 0


def test_the_pulse_tells_how_much_is_done_and_may_end_the_work() -> None:
    class Enough(Exception):
        pass

    model, shares = fitted(), list[float]()

    def pulse(share: float) -> None:
        shares.append(share)
        if share > 0.5:
            raise Enough

    parameters = checked_parameters({"num_iterations": "6"})
    rows = np.arange(model.blocks.rows)
    data = fit.dataset(model.blocks, rows, model.target, parameters, seed=7, threads=1)
    with pytest.raises(Enough):
        fit.fit_seeds(data, parameters, rounds=6, seed=7, threads=1, pulse=pulse)
    assert shares == pytest.approx([(done + 1) / 18 for done in range(10)])
