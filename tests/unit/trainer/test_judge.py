"""The recipe is judged beside doing nothing, a simple model and the version in service, on rows new to all of them."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pytest
from tests.unit.trainer.arrays import PERIOD, START, STEP, telemetry

from eagle_contract.api import Resolved, TrainingScheduleSpec, resolve
from eagle_contract.bundle import Golden, Manifest, OpenedBundle
from eagle_contract.bundle.manifest import DecisionThresholds
from eagle_trainer import fit
from eagle_trainer.blocked import blocked_split
from eagle_trainer.calibrate import sigmoid
from eagle_trainer.dataset import Prepared, prepare
from eagle_trainer.graph import model_graph
from eagle_trainer.judge import Champion, Judgement, NotComparable, OutOfFold, judge
from eagle_trainer.parameters import checked_parameters
from eagle_trainer.progress import Stopwatch
from eagle_trainer.series import SECOND, Extracted, Floats, moment
from eagle_trainer.split import Split, holdout_split
from eagle_trainer.trees import tree_table

HORIZON = 20
ROWS = 4000
FAILURES = np.arange(60, ROWS, 100)


@dataclass(frozen=True)
class Case:
    """A fleet of one machine, whose temperature rises before each of its forty failures."""

    spec: TrainingScheduleSpec
    resolved: Resolved
    prepared: Prepared
    split: Split


@pytest.fixture(scope="module")
def case() -> Case:
    return a_case()


def a_case(**model: object) -> Case:
    random = np.random.default_rng(4)
    values = random.normal(size=(ROWS, 2))
    for row in FAILURES:
        values[row - HORIZON : row, 0] += 2.0
    spec = TrainingScheduleSpec.model_validate(
        {
            "organizationId": "acme",
            "source": {
                "connection": {"secretName": "scada"},
                "telemetry": {"table": "t", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": PERIOD},
                "continuousColumns": ["a", "b"],
            },
            "label": {"failures": {"table": "f", "timeColumn": "ts"}, "horizonSeconds": HORIZON * PERIOD},
            "features": {"rollingWindows": [3]},
            "model": {"name": "press", "thresholds": {"failureProbability": "0.5"}, **model},
        }
    )
    resolved = resolve(spec)
    data = Extracted(
        telemetry=telemetry(values),
        failure_asset=np.zeros(len(FAILURES), np.int64),
        failure_time=START + FAILURES * STEP,
    )
    known_until = START + 2 * ROWS * STEP
    prepared = prepare(data, spec, resolved, known_until=known_until, threads=1, watch=Stopwatch(()))
    split = holdout_split(prepared.samples, prepared.events, purge=prepared.span, kind="failures")
    return Case(spec, resolved, prepared, split)


def knowing(case: Case, rows: np.ndarray, strength: float, seed: int = 1) -> Floats:
    """Probabilities that know so much of the truth."""
    random = np.random.default_rng(seed)
    target = case.prepared.samples.target[rows]
    return np.asarray(sigmoid(strength * (2 * target - 1) + random.normal(size=len(rows)) - 1.0))


def judged(case: Case, strength: float, champion: Champion | NotComparable | None = None) -> Judgement:
    holdout, training = np.flatnonzero(case.split.holdout), np.flatnonzero(case.split.training)
    return judge(
        case.prepared,
        case.split,
        knowing(case, holdout, strength),
        resolved=case.resolved,
        horizon_seconds=case.spec.label.horizon_seconds,
        out_of_fold=OutOfFold(
            rows=training[::-1],
            fold=(np.arange(len(training)) * 4 // len(training))[::-1],
            probability=knowing(case, training, strength, seed=2)[::-1],
        ),
        champion=champion,
    )


def in_service(case: Case, *, through: int, sensors: tuple[str, ...] = ("a", "b"), **changes: object) -> Champion:
    """A version that was trained until a row, on the very features of this one."""
    prepared = case.prepared
    parameters = checked_parameters({"num_iterations": "10", "num_leaves": "7", "min_data_in_leaf": "20"})
    rows = np.flatnonzero(prepared.samples.time <= START + through * STEP)
    data = fit.dataset(prepared.blocks, rows, prepared.samples.target[rows], parameters, seed=7, threads=1)
    boosters = fit.fit_seeds(data, parameters, rounds=10, seed=7, threads=1, pulse=lambda share: None)
    graph = model_graph(
        prepared.plan, tree_table(boosters, slope=1.0, offset=0.0), failure_probability=0.5, confidence=0.7
    )
    manifest = Manifest(
        organization="acme",
        schedule_uid="uid",
        model_name="press",
        version="v1",
        sensors=list(sensors),
        window_length=prepared.plan.window_length,
        thresholds=DecisionThresholds(failure_probability="0.5", confidence="0.7"),
        trained_through=moment(START + through * STEP),
        schedule_spec=case.spec.wire(),
    )
    nothing = np.zeros(1)
    golden = Golden(
        window=np.zeros((1, 3, 2)),
        context=None,
        failure_probability=nothing,
        alarm=nothing.astype(bool),
        confident=nothing.astype(bool),
    )
    return Champion(
        label="v1", bundle=OpenedBundle(manifest.model_copy(update=changes), graph.SerializeToString(), golden)
    )


def test_a_model_that_knows_the_truth_beats_its_baselines(case: Case) -> None:
    found = judged(case, 6.0)
    assert found.evaluation.evaluable
    assert found.evaluation.beats_baseline
    assert float(found.evaluation.baseline_gain_lower_bound or 0) > 0
    assert {"average_precision", "event_recall", "accuracy"} <= set(found.intervals)
    assert found.comparison is None
    assert found.compared == {}


def test_noise_does_not_beat_its_baselines(case: Case) -> None:
    assert not judged(case, 0.0).evaluation.beats_baseline


def test_a_model_that_ranks_well_but_says_wrong_probabilities_does_not_beat_its_baselines(case: Case) -> None:
    holdout = np.flatnonzero(case.split.holdout)
    found = judge(
        case.prepared,
        case.split,
        np.clip(knowing(case, holdout, 6.0), 0.0, 1.0) * 1e-9,
        resolved=case.resolved,
        horizon_seconds=case.spec.label.horizon_seconds,
        out_of_fold=OutOfFold(rows=np.zeros(0, np.int64), fold=np.zeros(0, np.int64), probability=np.zeros(0)),
        champion=None,
    )
    assert found.metrics["average_precision"] > 0.9
    assert found.metrics["log_loss_skill"] < 0
    assert not found.evaluation.beats_baseline
    assert found.advice is None


def test_the_shift_of_the_base_rate_between_training_and_holdout_is_told(case: Case) -> None:
    metrics = judged(case, 6.0).metrics
    assert metrics["base_rate_shift"] == pytest.approx(metrics["base_rate"] - metrics["training_base_rate"])


def test_costs_of_the_schedule_decide_the_advice() -> None:
    dear = a_case(costs={"miss": "1000", "falseAlarm": "1"})
    found = judged(dear, 2.0).advice
    assert found is not None
    assert found.criterion == "Cost"
    plain = judged(replace(dear, resolved=replace(dear.resolved, miss_cost=None, false_alarm_cost=None)), 2.0).advice
    assert plain is not None
    assert plain.criterion == "EventF1"
    assert found.threshold <= plain.threshold


def test_the_advised_threshold_is_in_status_only_where_it_differs(case: Case) -> None:
    good = judged(case, 8.0)
    assert good.advice is not None
    assert not good.advice.differs
    assert good.evaluation.advised_threshold is None
    strict = replace(case, resolved=replace(case.resolved, failure_probability="0.9999"))
    found = judged(strict, 4.0)
    assert found.advice is not None
    assert found.advice.differs
    assert float(found.evaluation.advised_threshold or 0) == found.advice.threshold < 0.9999


def test_with_blocked_folds_all_rows_are_judged(case: Case) -> None:
    split = blocked_split(case.prepared.samples, case.prepared.events, margin=case.prepared.span, kind="failures")
    rows = np.arange(len(case.prepared.samples))
    fold = np.zeros(len(rows), np.int64)
    for number, (_, check) in enumerate(split.folds):
        fold[check] = number
    probability = knowing(case, rows, 6.0)
    found = judge(
        case.prepared,
        split,
        probability,
        resolved=case.resolved,
        horizon_seconds=case.spec.label.horizon_seconds,
        out_of_fold=OutOfFold(rows=rows, fold=fold, probability=probability),
        champion=None,
    )
    assert found.evaluation.evaluable
    assert found.evaluation.beats_baseline
    assert found.metrics["events"] == len(FAILURES)
    assert found.baselines["logistic_average_precision"] > found.metrics["base_rate"]


# --- the version in service


def test_both_are_scored_on_rows_that_are_later_than_what_the_champion_knows(case: Case) -> None:
    """The holdout here is the newer half, and the champion has seen the older half of that."""
    samples = case.prepared.samples
    boundary = START + 2000 * STEP
    newer = Split(
        boundary=boundary,
        training=samples.until + case.prepared.span < boundary,
        holdout=samples.time >= boundary,
        events=20,
        evaluable=True,
    )
    found = judged(replace(case, split=newer), 6.0, in_service(case, through=3000))
    assert found.comparison is not None
    assert found.comparison.outcome == "Better"
    later = samples.time > START + (3000 + HORIZON) * STEP
    assert found.comparison.message is not None
    assert found.comparison.message.startswith(f"on {later.sum()} rows and ")
    assert found.compared["positives"] == samples.target[later].sum() < found.metrics["positives"]


def test_a_challenger_that_knows_less_is_worse(case: Case) -> None:
    found = judged(case, 0.0, in_service(case, through=3000)).comparison
    assert found is not None
    assert found.outcome == "Worse"
    assert float(found.difference or 0) < 0
    assert float(found.difference_upper_bound or 0) < 0


def test_few_new_events_are_not_compared(case: Case) -> None:
    found = judged(case, 0.0, in_service(case, through=ROWS - 500)).comparison
    assert found is not None
    assert found.outcome == "NotCompared"
    assert found.message is not None
    assert "events are new to it, and 8 are needed" in found.message


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sensors": ["a", "humidity"]}, "needs sensor 'humidity'"),
        ({"window_length": 50}, "looks back further"),
        ({"schedule_spec": {"source": {"telemetry": {"samplePeriodSeconds": 10}}}}, "another sample period"),
        ({"context_columns": ["x"]}, "does not say how its context is computed"),
        (
            {"context_columns": ["x"], "context_definitions": [{"name": "x", "statistic": "attribute"}]},
            "its context column 'x'",
        ),
        ({"trained_through": datetime.fromisoformat("2030-01-01T00:00:00+00:00")}, "no row that it was not trained on"),
    ],
)
def test_a_champion_whose_inputs_cannot_be_had_is_not_compared(case: Case, change: dict[str, object], why: str) -> None:
    found = judged(case, 6.0, in_service(case, through=3000, **change)).comparison
    assert found is not None
    assert found.outcome == "NotCompared"
    assert found.message is not None
    assert why in found.message


def test_a_champion_gets_its_sensors_in_its_own_order(case: Case) -> None:
    """Learned with the sensors the other way round it is another model, but on its own inputs as good as before."""
    usual = judged(case, 6.0, in_service(case, through=3000)).comparison
    turned = judged(case, 6.0, in_service(case, through=3000, sensors=("b", "a"))).comparison
    assert usual is not None
    assert turned is not None
    assert float(turned.difference or 0) > float(usual.difference or 0)


def test_what_could_not_be_opened_is_named_with_its_reason(case: Case) -> None:
    found = judged(case, 6.0, NotComparable("v1", "its bundle is gone")).comparison
    assert found is not None
    assert (found.version, found.outcome, found.message) == ("v1", "NotCompared", "its bundle is gone")


def test_the_samples_of_the_case_are_settled_a_horizon_later(case: Case) -> None:
    samples = case.prepared.samples
    assert (samples.until - samples.time == HORIZON * PERIOD * SECOND).all()
