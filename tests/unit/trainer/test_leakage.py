"""A feature knows its own past, as far as its window reaches, and nothing else."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from tests.unit.trainer.arrays import PERIOD, START, STEP, all_features, feature_rows, plan, series, telemetry
from tests.unit.trainer.models import fitted

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.context import ContextColumn, context_columns, context_values
from eagle_trainer.dataset import Prepared, prepare
from eagle_trainer.graph import feature_graph
from eagle_trainer.labels import complete_rows
from eagle_trainer.leakage import separation, telling_inputs
from eagle_trainer.progress import Stopwatch
from eagle_trainer.resample import resample
from eagle_trainer.series import SECOND, Attributes, Events, Extracted, Floats, Integers

NOW = 120


@pytest.fixture
def values() -> Floats:
    return np.random.default_rng(3).normal(size=(200, 3))


@pytest.mark.parametrize("missing", ["Propagate", "Skip"])
def test_changing_the_future_changes_no_feature_of_the_past(values: Floats, missing: str) -> None:
    chosen = plan(missing=missing)
    samples, before = all_features(series(values), chosen)
    values[NOW + 1 :] = np.nan
    _, after = all_features(series(values), chosen)
    past = samples.row <= NOW
    assert past.sum() > 100
    np.testing.assert_array_equal(before[past], after[past])


def test_shuffling_the_past_beyond_the_window_changes_nothing(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values), chosen)
    oldest = NOW - chosen.window_length + 1
    values[:oldest] = np.random.default_rng(4).permutation(values[:oldest])
    _, after = all_features(series(values), chosen)
    present = samples.row >= NOW
    np.testing.assert_array_equal(before[present], after[present])


def test_every_sample_of_the_window_counts(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values), chosen)
    row = int(np.flatnonzero(samples.row == NOW)[0])
    for position in range(NOW - chosen.window_length + 1, NOW + 1):
        changed = values.copy()
        changed[position] += 1.0
        _, after = all_features(series(changed), chosen)
        assert (after[row] != before[row]).any(), position


def test_a_window_does_not_reach_into_another_asset(values: Floats) -> None:
    chosen = plan()
    samples, before = all_features(series(values, assets=2), chosen)
    values[:100] = 0.0
    _, after = all_features(series(values, assets=2), chosen)
    second = samples.asset == 1
    np.testing.assert_array_equal(before[second], after[second])
    assert samples.row[second].min() == 100 + chosen.window_length - 1


# --- what was known at a moment gives the same features as all that was known later

LATENCY = 30 * PERIOD
PLANT_ROWS = 150


def plant() -> Extracted:
    """Two machines with a little jitter, errors that are entered half an hour late, and an attribute."""
    random = np.random.default_rng(12)
    found = telemetry(random.normal(size=(2 * PLANT_ROWS, 3)), assets=2)
    jitter = np.rint(random.uniform(-0.05, 0.05, 2 * PLANT_ROWS) * STEP).astype(np.int64)
    order = np.sort(random.integers(0, PLANT_ROWS, 60))
    errors = Events(
        name="errors",
        kinds=("hot", "loud"),
        asset=np.repeat([0, 1], 30),
        time=START + np.concatenate([order[::2], order[1::2]]) * STEP,
        kind=random.integers(0, 2, 60),
        latency_seconds=LATENCY,
    )
    return Extracted(
        telemetry=replace(found, time=found.time + jitter),
        events=(errors,),
        attributes=Attributes(columns=("age",), values=np.array([[3.0], [8.0]])),
    )


def known_at(data: Extracted, moment: int) -> Extracted:
    """What the tables held at that moment: an event is in them only its latency later."""
    rows = data.telemetry.time <= moment
    then = replace(
        data.telemetry,
        asset=data.telemetry.asset[rows],
        time=data.telemetry.time[rows],
        values=data.telemetry.values[rows],
    )
    tables = []
    for table in data.events:
        entered = table.time + table.latency_seconds * SECOND <= moment
        tables.append(replace(table, asset=table.asset[entered], time=table.time[entered], kind=table.kind[entered]))
    return replace(data, telemetry=then, events=tuple(tables))


def features_of(
    data: Extracted, columns: tuple[ContextColumn, ...], *, ahead: int = 0
) -> dict[tuple[int, int], Floats]:
    """Features by asset and moment, through the product's own steps; `ahead`: sensors come from so many rows later."""
    grid = resample(data.telemetry, period_seconds=PERIOD, longest_gap=20)
    if ahead:
        grid = replace(grid, values=np.roll(grid.values, -ahead, axis=0))
    chosen = plan(context=[column.name for column in columns])
    rows = complete_rows(grid, chosen.window_length)
    asset, time = grid.asset[rows], grid.time[rows]
    context = context_values(columns, {table.name: table for table in data.events}, data.attributes, asset, time)
    samples, blocks = feature_rows(grid, chosen, context)
    matrix = blocks.matrix(np.arange(len(samples)))
    return {(int(a), int(t)): row for a, t, row in zip(asset, time, matrix, strict=True)}


def differing(*, ahead: int = 0, hide_latency: bool = False) -> int:
    """At how many of some moments a machine's features differ from what they would have been at that moment."""
    data = plant()
    columns = context_columns(data)
    if hide_latency:
        columns = tuple(replace(column, latency_seconds=0) for column in columns)
    whole = features_of(data, columns, ahead=ahead)
    moments = sorted(whole)[10::17]
    then = [features_of(known_at(data, time), columns, ahead=ahead).get((asset, time)) for asset, time in moments]
    return sum(
        row is None or not np.array_equal(row, whole[at], equal_nan=True) for at, row in zip(moments, then, strict=True)
    )


def test_features_are_those_that_could_be_computed_at_their_moment() -> None:
    assert differing() == 0


def test_a_feature_made_from_the_future_is_caught() -> None:
    assert differing(ahead=1) > 0


def test_an_event_that_is_used_before_it_is_entered_is_caught() -> None:
    assert differing(hide_latency=True) > 0


def computed(model: onnx.ModelProto) -> set[tuple[object, ...]]:
    """Every node with its inputs and attributes, and every constant with its values."""
    nodes = {
        (node.op_type, *node.input, *(part.SerializeToString() for part in node.attribute)) for node in model.graph.node
    }
    return nodes | {("constant", part.SerializeToString()) for part in model.graph.initializer}


def test_training_has_no_feature_code_of_its_own() -> None:
    """The nodes and constants that compute the training's features stand in the published graph, one by one."""
    found = fitted()
    training = computed(feature_graph(found.plan))
    assert len(training) > 20
    assert training <= computed(onnx.load_from_string(found.candidate().model))


# --- what the tables themselves bring from the future


def given_inputs(values: Floats, target: Floats) -> Prepared:
    """Rows whose sensors are these values."""
    spec = spec_of(values.shape[1])
    grid = series(values, label=target)
    data = Extracted(telemetry=telemetry(values, label=target))
    assert len(grid.time) == len(values)
    return prepare(data, spec, resolve(spec), known_until=int(grid.time.max()), threads=1, watch=Stopwatch(()))


def spec_of(sensors: int) -> TrainingScheduleSpec:
    return TrainingScheduleSpec.model_validate(
        {
            "organizationId": "acme",
            "source": {
                "connection": {"secretName": "scada"},
                "telemetry": {"table": "t", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": PERIOD},
                "continuousColumns": list("abcdefgh"[:sensors]),
            },
            "label": {"column": "fault"},
            "features": {"rollingWindows": [3]},
            "model": {"name": "press"},
        }
    )


def told(values: Floats, target: Floats) -> list[str]:
    prepared = given_inputs(values, target)
    return [issue.column for issue in telling_inputs(prepared, np.arange(len(prepared.samples)))]


def test_a_column_that_counts_down_to_the_failure_is_named_and_honest_ones_are_not() -> None:
    random = np.random.default_rng(5)
    rows = np.arange(2000)
    target = (rows % 200 >= 180).astype(float)
    honest = target + random.normal(size=2000)
    hours_left = 200.0 - rows % 200
    assert told(np.column_stack([honest, hours_left]), target) == ["b"]


def test_a_value_that_is_missing_only_before_failures_is_named() -> None:
    random = np.random.default_rng(6)
    target = (np.arange(2000) % 200 >= 180).astype(float)
    entered = np.where(target == 1.0, np.nan, random.normal(size=2000))
    assert told(np.column_stack([random.normal(size=2000), entered]), target) == ["b"]


def test_a_good_sensor_is_no_suspect() -> None:
    random = np.random.default_rng(7)
    target = (np.arange(2000) % 200 >= 180).astype(float)
    strong = 2.5 * target + random.normal(size=2000)
    assert told(strong[:, None], target) == []


@pytest.mark.parametrize(("target", "chance"), [(np.zeros(4), 0.5), (np.array([0.0, 0.0, 1.0, 1.0]), 1.0)])
def test_separation_is_the_better_direction_and_a_half_for_one_class(target: Floats, chance: float) -> None:
    assert separation(np.array([4.0, 3.0, 2.0, 1.0]), target) == chance


def test_inputs_are_looked_at_in_blocks_that_long_windows_make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = given_inputs(
        np.random.default_rng(8).normal(size=(2000, 2)), (np.arange(2000) % 200 >= 180).astype(float)
    )
    prepared.blocks.block_rows = 7
    taken: list[int] = []
    take = prepared.windows.take

    def counted(rows: Integers) -> dict[str, Floats]:
        taken.append(len(rows))
        return take(rows)

    monkeypatch.setattr(prepared.windows, "take", counted)
    telling_inputs(prepared, np.arange(len(prepared.samples)))
    assert max(taken) == 7
    assert sum(taken) == len(prepared.samples)
