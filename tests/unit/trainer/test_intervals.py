"""How sure a figure is: drawn over assets and stretches of time, the same draws for all that is compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trainer.arrays import START, STEP, events, samples_at

from eagle_trainer import metrics
from eagle_trainer.intervals import (
    FEWEST_BLOCKS,
    MOST_BLOCKS,
    REPLICATES,
    Bootstrap,
    Comparison,
    run_blocks,
    time_blocks,
)
from eagle_trainer.series import Floats, Samples

ROWS = 2000
HORIZON = 10


def fleet(rows: int = ROWS, *, assets: int = 1, every: int = 100) -> Samples:
    """Rows of a minute, on each asset a failure every so many rows, announced ten rows before."""
    time = START + np.arange(rows) * STEP
    target = (np.arange(rows) % every >= every - HORIZON).astype(float)
    return samples_at(np.tile(time, assets), np.tile(target, assets), asset=np.repeat(np.arange(assets), rows))


def ranking(samples: Samples, seed: int, strength: float) -> Floats:
    """Probabilities; `strength` says how much they know."""
    random = np.random.default_rng(seed)
    return np.clip(0.5 * random.random(len(samples)) + strength * samples.target, 0, 1)


def bootstrap(samples: Samples, *, seed: int = 1, length: int = 20 * STEP) -> Bootstrap:
    return Bootstrap(samples, time_blocks(samples, length), seed=seed)


def compared(first: Floats, second: Floats | None) -> Comparison:
    found = bootstrap(fleet()).compare(first, second)
    assert found is not None
    return found


def test_a_model_that_knows_something_surely_beats_a_constant() -> None:
    found = compared(ranking(fleet(), 1, 0.3), None)
    assert found.lower is not None
    assert 0 < found.lower < found.difference


def test_two_models_of_the_same_worth_are_not_told_apart() -> None:
    found = compared(ranking(fleet(), 1, 0.2), ranking(fleet(), 2, 0.2))
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 0 < found.upper


def test_a_comparison_turned_round_is_its_negative() -> None:
    one, two = ranking(fleet(), 1, 0.3), ranking(fleet(), 2, 0.1)
    there, back = compared(one, two), compared(two, one)
    assert there.difference == -back.difference
    assert there.lower == pytest.approx(-float(back.upper or 0))


def test_few_blocks_give_no_bounds_and_no_positive_row_gives_no_comparison() -> None:
    samples = fleet(100)
    few = bootstrap(samples, length=50 * STEP)
    assert few.blocks < FEWEST_BLOCKS
    found = few.compare(ranking(samples, 1, 0.3), None)
    assert found is not None
    assert found.lower is found.upper is None
    nothing = samples_at(samples.time, np.zeros(100))
    assert bootstrap(nothing, length=STEP).compare(np.zeros(100), None) is None


def test_the_same_seed_draws_the_same() -> None:
    samples = fleet(assets=9)
    one, two, other = (bootstrap(samples, seed=seed).times for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_every_draw_has_as_many_blocks_as_there_are() -> None:
    for assets in (1, 9):
        found = bootstrap(fleet(assets=assets))
        assert found.times.shape == (REPLICATES, found.blocks)
        assert (found.times.sum(axis=1) == found.blocks).all()


def test_many_assets_are_drawn_whole_and_few_are_not() -> None:
    """With nine assets some draw lacks one altogether; with two no draw of a hundred blocks each does."""
    for assets, lacks in ((9, True), (2, False)):
        samples = fleet(assets=assets)
        found = bootstrap(samples)
        drawn = [found.totals((samples.asset == code).astype(float)) for code in range(assets)]
        assert bool((np.min(drawn, axis=0) == 0).any()) is lacks


def test_assets_that_differ_make_the_interval_wider() -> None:
    """Nine machines, of which the model knows some well and some not at all: a tenth could be either."""
    samples = fleet(assets=9)
    alike = ranking(samples, 1, 0.15)
    uneven = np.where(samples.asset % 3 == 0, ranking(samples, 1, 0.5), ranking(samples, 1, 0.02))
    width = {}
    for name, probability in (("alike", alike), ("uneven", uneven)):
        found = bootstrap(samples)
        interval = found.interval(found.average_precision(probability))
        assert interval is not None
        width[name] = interval.upper - interval.lower
    assert width["uneven"] > 2 * width["alike"]


@given(
    rows=st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans()), min_size=6, max_size=40),
    length=st.integers(1, 4),
)
def test_a_draws_average_precision_is_that_of_its_weights(rows: list[tuple[float, bool]], length: int) -> None:
    probability = np.array([p for p, _ in rows])
    target = np.array([float(t) for _, t in rows])
    samples = samples_at(START + np.arange(len(rows)) * STEP, target)
    found = Bootstrap(samples, time_blocks(samples, length * STEP), seed=5)
    drawn = found.average_precision(probability)
    ranked = metrics.Ranking(probability, target)
    for times, value in zip(found.times[:20], drawn[:20], strict=True):
        weight = times[found.block]
        expected = ranked.average_precision(weight) if (weight * target).any() else np.nan
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_blocks_are_stretches_of_one_asset() -> None:
    samples = samples_at(np.tile(START + np.arange(60) * STEP, 2), np.zeros(120), asset=np.repeat([0, 1], 60))
    assert time_blocks(samples, 20 * STEP).tolist() == list(np.repeat(range(6), 20))


def test_a_run_of_the_label_is_one_block_and_what_lies_between_is_cut_into_as_long_ones() -> None:
    time = START + np.arange(100) * STEP
    target = np.repeat([0.0, 1.0, 0.0, 1.0], [25, 10, 45, 20])
    starts = np.array([0, 25, 35, 80])
    runs = events(
        *((0, int(START + a * STEP), int(START + b * STEP)) for a, b in zip(starts, [25, 35, 80, 100], strict=True)),
        positive=[False, True, False, True],
    )
    block = run_blocks(samples_at(time, target), runs, 2 * STEP)
    cuts = np.flatnonzero(np.diff(block)) + 1
    assert cuts.tolist() == [15, 25, 35, 50, 65, 80]
    assert (np.diff(block) >= 0).all()


def test_runs_of_one_asset_are_no_blocks_of_another() -> None:
    time = np.tile(START + np.arange(50) * STEP, 2)
    samples = samples_at(time, np.zeros(100), asset=np.repeat([0, 1], 50))
    runs = events((0, START + 10 * STEP, START + 40 * STEP))
    block = run_blocks(samples, runs, STEP)
    assert not set(block[:50]) & set(block[50:])


def test_a_label_that_flickers_gives_blocks_of_time() -> None:
    time = START + np.arange(60) * STEP
    runs = events(*((0, int(at), int(at) + STEP) for at in time[::3]))
    samples = samples_at(time, (np.arange(60) % 3 == 0).astype(float))
    np.testing.assert_array_equal(run_blocks(samples, runs, 20 * STEP), time_blocks(samples, 20 * STEP))


@pytest.mark.parametrize("assets", [1, 40])
def test_rows_that_are_far_apart_give_no_more_blocks_than_are_of_use(assets: int) -> None:
    """Each row would be a block of its own, and every draw has a number for each block."""
    rows = 60_000 // assets
    time = np.tile(START + np.arange(rows) * 1000 * STEP, assets)
    samples = samples_at(time, np.zeros(len(time)), asset=np.repeat(np.arange(assets), rows))
    block = time_blocks(samples, 2 * STEP)
    assert MOST_BLOCKS / 2 < block.max() < 2 * MOST_BLOCKS + assets
    runs = events(*((0, int(at), int(at) + 3 * STEP) for at in time[:20]))
    assert run_blocks(samples, runs, 2 * STEP).max() < 2 * MOST_BLOCKS + assets
