"""The whole run, from a source to a proven model with its figures. The same in a pod and on a laptop."""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime

import lightgbm as lgb
import numpy as np

from eagle_contract.api import Resolved, TrainingScheduleSpec
from eagle_contract.api.version import OnnxProof
from eagle_contract.bundle import Golden
from eagle_trainer import fit
from eagle_trainer.calibrate import Calibration, platt, sigmoid
from eagle_trainer.dataset import Prepared, prepare
from eagle_trainer.errors import InsufficientData
from eagle_trainer.extract import extract
from eagle_trainer.features import session
from eagle_trainer.graph import OPSET, model_graph
from eagle_trainer.judge import Champion, Judgement, NotComparable, judge
from eagle_trainer.parameters import Parameters, checked_parameters
from eagle_trainer.progress import Stopwatch
from eagle_trainer.prove import Candidate, prove
from eagle_trainer.series import Floats, Integers, LabelEvents, micros, moment
from eagle_trainer.sources.request import Source
from eagle_trainer.split import Split, holdout_split, time_folds
from eagle_trainer.trees import tree_table

log = logging.getLogger(__name__)

FOLDS = 4
GOLDEN_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be trained. `threads` is how many CPUs may be used."""

    spec: TrainingScheduleSpec
    resolved: Resolved
    now: datetime
    threads: int
    champion: Champion | NotComparable | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A proven model and all that is known of it. `model` is the ONNX file."""

    prepared: Prepared
    split: Split
    judgement: Judgement
    rounds: int
    calibration: Calibration
    model: bytes
    golden: Golden
    proof: OnnxProof
    trained_through: datetime
    importance: tuple[tuple[str, float], ...]
    """Feature names with their share of the gain, the greatest first."""
    schema_digest: str


def train(source: Source, task: Task, watch: Stopwatch) -> Trained:
    """Trains, judges, fits anew on everything, exports and proves. Raises TrainingEnded in one of its kinds."""
    parameters = checked_parameters(task.resolved.parameters)
    with watch.step("extract") as facts:
        data = extract(source, task.spec, task.resolved, now=task.now)
        facts |= {"rows": len(data.telemetry.time), "events": sum(len(table.time) for table in data.events)}
    prepared = prepare(data, task.spec, task.resolved, known_until=micros(task.now), threads=task.threads, watch=watch)
    with watch.step("split") as facts:
        split = _split(prepared, task.spec)
        facts |= {"training": int(split.training.sum()), "holdout": int(split.holdout.sum()), "events": split.events}
    recipe, judgement = _evaluated(prepared, split, task, parameters, watch)
    with watch.step("refit"):
        everything = np.arange(len(prepared.samples))
        boosters = _fit(prepared, everything, task, parameters, recipe.rounds, watch, "refit")
    with watch.step("export") as facts:
        trees = tree_table(boosters, slope=recipe.calibration.slope, offset=recipe.calibration.offset)
        model = model_graph(
            prepared.plan,
            trees,
            failure_probability=float(task.resolved.failure_probability),
            confidence=float(task.resolved.confidence),
        ).SerializeToString(deterministic=True)
        facts |= {"bytes": len(model), "trees": len(trees.roots)}
    with watch.step("prove") as facts:
        candidate = Candidate(
            plan=prepared.plan,
            boosters=boosters,
            calibration=recipe.calibration,
            trees=trees,
            model=model,
            failure_probability=float(task.resolved.failure_probability),
            confidence=float(task.resolved.confidence),
        )
        proof = prove(candidate, prepared.blocks, prepared.windows, threads=task.threads, seed=task.resolved.seed)
        facts |= {"max_abs_diff": proof.max_abs_diff, "rows": proof.rows_compared}
    return Trained(
        prepared=prepared,
        split=split,
        judgement=judgement,
        rounds=recipe.rounds,
        calibration=recipe.calibration,
        model=model,
        golden=_golden(prepared, model),
        proof=OnnxProof(opset=OPSET, max_abs_diff=f"{proof.max_abs_diff:.3e}", rows_compared=proof.rows_compared),
        trained_through=moment(int(prepared.samples.time.max())),
        importance=_importance(prepared, boosters),
        schema_digest=schema_digest(prepared),
    )


@dataclass(frozen=True)
class _Recipe:
    rounds: int
    calibration: Calibration


def _split(prepared: Prepared, spec: TrainingScheduleSpec) -> Split:
    kind = "failures" if spec.label.failures else "runs of the label"
    split = holdout_split(prepared.samples, prepared.events, purge=prepared.span, kind=kind)
    for part, rows in (("training part", split.training), ("holdout", split.holdout)):
        if not rows.any():
            raise InsufficientData(
                f"nothing is left for the {part} once the data are split by time; raise source.dataRangeDays"
            )
    if not 0.0 < float(prepared.samples.target[split.training].mean()) < 1.0:
        raise InsufficientData(
            f"the older part of the data, from which the model is to learn, has no {kind} (or nothing else);"
            " raise source.dataRangeDays"
        )
    return split


def _evaluated(
    prepared: Prepared, split: Split, task: Task, parameters: Parameters, watch: Stopwatch
) -> tuple[_Recipe, Judgement]:
    """The recipe, chosen and fitted on the older part alone, and its judgement on the holdout."""
    training, holdout = np.flatnonzero(split.training), np.flatnonzero(split.holdout)
    target = prepared.samples.target[training]
    with watch.step("fit") as facts:
        pulse = watch.pulse("fit")
        data = fit.dataset(prepared.blocks, training, target, parameters, seed=task.resolved.seed, threads=task.threads)
        folds = time_folds(prepared.samples, split.training, folds=FOLDS, margin=prepared.span)
        choice = fit.choose_rounds(
            data,
            lambda rows: prepared.blocks.matrix(training[rows]),
            target,
            [(inside[training], checked[training]) for inside, checked in folds],
            parameters,
            seed=task.resolved.seed,
            threads=task.threads,
            pulse=lambda share: pulse(share * 0.6),
        )
        calibration = platt(choice.margins, target[choice.checked]) if len(choice.checked) else Calibration()
        boosters = fit.fit_seeds(
            data,
            parameters,
            rounds=choice.rounds,
            seed=task.resolved.seed,
            threads=task.threads,
            pulse=lambda share: pulse(0.6 + share * 0.4),
        )
        facts |= {"rounds": choice.rounds, "folds": len(folds), "calibrated": calibration.fitted}
    with watch.step("evaluate") as facts:
        margins = fit.margins(boosters, prepared.blocks, holdout, slope=calibration.slope, offset=calibration.offset)
        judgement = judge(
            prepared,
            split,
            sigmoid(margins),
            threshold=float(task.resolved.failure_probability),
            horizon_seconds=task.spec.label.horizon_seconds or 0,
            champion=task.champion,
            seed=task.resolved.seed,
        )
        facts |= {
            name: round(judgement.metrics[name], 6)
            for name in ("average_precision", "accuracy")
            if name in judgement.metrics
        }
    return _Recipe(choice.rounds, calibration), judgement


def _fit(
    prepared: Prepared,
    rows: Integers,
    task: Task,
    parameters: Parameters,
    rounds: int,
    watch: Stopwatch,
    step: str,
) -> list[lgb.Booster]:
    data = fit.dataset(
        prepared.blocks,
        rows,
        prepared.samples.target[rows],
        parameters,
        seed=task.resolved.seed,
        threads=task.threads,
    )
    return fit.fit_seeds(
        data, parameters, rounds=rounds, seed=task.resolved.seed, threads=task.threads, pulse=watch.pulse(step)
    )


def _golden(prepared: Prepared, model: bytes) -> Golden:
    """Windows spread over all time and over both labels, and the graph's answers to them."""
    positive = np.flatnonzero(prepared.samples.target == 1.0)
    negative = np.flatnonzero(prepared.samples.target == 0.0)
    half = GOLDEN_ROWS // 2
    rows = np.unique(np.concatenate([_spread(positive, half), _spread(negative, GOLDEN_ROWS - half)]))
    feed = prepared.windows.take(rows)
    probability, alarm, confident = session(model).run(["failure_probability", "alarm", "confident"], feed)
    return Golden(
        window=feed["window"],
        context=feed.get("context"),
        failure_probability=probability,
        alarm=alarm,
        confident=confident,
    )


def _spread(rows: Integers, count: int) -> Integers:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64))]


def _importance(prepared: Prepared, boosters: list[lgb.Booster]) -> tuple[tuple[str, float], ...]:
    gain: Floats = np.sum([booster.feature_importance("gain") for booster in boosters], axis=0)
    share = gain / max(float(gain.sum()), 1e-12)
    order = np.argsort(-share, kind="stable")
    return tuple((prepared.plan.names[i], float(share[i])) for i in order)


def schema_digest(prepared: Prepared) -> str:
    """`sha256:…` of what a client has to send: sensors, period, window length and the columns of the context."""
    plan = prepared.plan
    parts = {
        "sensors": plan.sensors,
        "periodSeconds": plan.period_seconds,
        "windowLength": plan.window_length,
        "context": [column.definition() for column in prepared.columns],
    }
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def events_in(events: LabelEvents) -> int:
    """How many positive events there are."""
    return int(np.count_nonzero(events.positive))
