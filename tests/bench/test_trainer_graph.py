"""What features in the graph cost: a request beside the bare trees, and a training beside LightGBM's own work."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pytest

from eagle_serving.models import open_session
from eagle_trainer import fit
from eagle_trainer.features import FeatureBlocks, Windows
from eagle_trainer.graph import model_graph, tree_graph
from eagle_trainer.labels import complete_rows
from eagle_trainer.parameters import checked_parameters
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.resample import resample
from eagle_trainer.series import SECOND, Floats, Samples, Telemetry
from eagle_trainer.trees import TreeTable, tree_table

ROWS, SENSORS, PERIOD = 60_000, 6, 60
PLAN = FeaturePlan(
    sensors=tuple(f"sensor_{number}" for number in range(SENSORS)), period_seconds=PERIOD, lags=(1, 5), windows=(5, 10)
)
PARAMETERS = checked_parameters({"num_iterations": "67", "num_leaves": "63"})
"""With three seeds about 200 trees of 63 leaves."""
TURNS = 512
ROUNDS = 7
Report = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """A model, and how long its parts took, in seconds."""

    windows: Windows
    features: Floats
    trees: TreeTable
    feature_seconds: float
    fit_seconds: float


@pytest.fixture(scope="module")
def trained() -> Trained:
    windows, target = _data()
    blocks = FeatureBlocks(PLAN, windows, threads=1, kept_bytes=0)
    everything = np.arange(len(windows))
    started = time.perf_counter()
    for start in range(0, len(windows), blocks.block_rows):
        blocks.block(start // blocks.block_rows)
    feature_seconds = time.perf_counter() - started
    started = time.perf_counter()
    boosters = _fitted(blocks, everything, target)
    fit_seconds = time.perf_counter() - started
    return Trained(
        windows=windows,
        features=blocks.matrix(everything[:: len(everything) // TURNS][:TURNS]),
        trees=tree_table(boosters, slope=1.0, offset=0.0),
        feature_seconds=feature_seconds,
        fit_seconds=fit_seconds,
    )


def _data() -> tuple[Windows, Floats]:
    random = np.random.default_rng(5)
    values = np.cumsum(random.normal(size=(ROWS, SENSORS)), axis=0) * 0.02 + random.normal(size=(ROWS, SENSORS))
    time_stamps = 1_700_000_000 * SECOND + np.arange(ROWS) * PERIOD * SECOND
    found = resample(
        Telemetry(
            assets=("machine",), sensors=PLAN.sensors, asset=np.zeros(ROWS, np.int64), time=time_stamps, values=values
        ),
        period_seconds=PERIOD,
        longest_gap=PLAN.window_length,
    )
    rows = complete_rows(found, PLAN.window_length)
    level = np.convolve(values[:, 0] + values[:, 1], np.ones(10) / 10, mode="full")[rows]
    target = (level + random.normal(0, 0.3, len(rows)) > np.quantile(level, 0.95)).astype(float)
    moments = found.time[rows]
    samples = Samples(row=rows, asset=found.asset[rows], time=moments, until=moments, target=target)
    return Windows(found, samples, np.zeros((len(rows), 0)), PLAN.window_length), target


def _fitted(blocks: FeatureBlocks, rows: np.ndarray, target: Floats) -> list[lgb.Booster]:
    data = fit.dataset(blocks, rows, target, PARAMETERS, seed=7, threads=1)
    return fit.fit_seeds(data, PARAMETERS, rounds=PARAMETERS.rounds, seed=7, threads=1, pulse=lambda share: None)


def seconds_of(call: Callable[[int], object], turns: int) -> float:
    """Seconds of one call in the fastest of some rounds: others on the machine can only make a round slower."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for turn in range(turns):
            call(turn % TURNS)
        rounds.append((time.perf_counter() - started) / turns)
    return min(rounds)


@pytest.mark.parametrize(("batch", "most"), [(1, 3.2), (64, 2.4)])
def test_a_request_costs_little_more_than_its_trees(trained: Trained, report: Report, batch: int, most: float) -> None:
    graph = model_graph(PLAN, trained.trees, failure_probability=0.85, confidence=0.7)
    fused = open_session(graph.SerializeToString(), 1)
    bare = open_session(tree_graph(trained.trees, len(PLAN.names)).SerializeToString(), 1)
    step = len(trained.windows) // TURNS
    windows = [
        trained.windows.take(np.arange(turn, turn + batch) * step % len(trained.windows)) for turn in range(TURNS)
    ]
    rows = [{"features": trained.features[np.arange(turn, turn + batch) % TURNS]} for turn in range(TURNS)]
    names = ["failure_probability", "alarm", "confident"]
    turns = TURNS // batch + 32
    whole = seconds_of(lambda turn: fused.run(names, windows[turn]), turns)
    alone = seconds_of(lambda turn: bare.run(["margin"], rows[turn]), turns)
    report(
        f"{len(trained.trees.roots)} trees, batch {batch}: trees {alone * 1e6:.1f} µs,"
        f" whole graph {whole * 1e6:.1f} µs, ratio {whole / alone:.2f}"
    )
    assert whole / alone < most


def test_features_are_a_small_part_of_a_training(trained: Trained, report: Report) -> None:
    share = trained.feature_seconds / trained.fit_seconds
    each = trained.feature_seconds / len(trained.windows) * 1e6
    report(
        f"{len(trained.windows):,} rows x {len(PLAN.names)} features: {trained.feature_seconds:.2f} s once"
        f" ({each:.1f} µs a row); binning and {len(trained.trees.roots)} trees {trained.fit_seconds:.1f} s;"
        f" features once are {share:.1%}"
    )
    assert share < 0.25
