"""The whole run, from a source to a proven model with its figures. The same in a pod and on a laptop."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import lightgbm as lgb
import numpy as np

from eagle_contract.api import Resolved, TrainingScheduleSpec
from eagle_contract.api.version import OnnxProof
from eagle_contract.bundle import Golden
from eagle_trainer.blocked import blocked_split
from eagle_trainer.calibrate import Calibration
from eagle_trainer.card.content import Explained
from eagle_trainer.card.explained import latest_alarms
from eagle_trainer.dataset import Prepared, prepare
from eagle_trainer.errors import InsufficientData, InvalidConfiguration
from eagle_trainer.extract import extract
from eagle_trainer.features import session
from eagle_trainer.graph import OPSET, model_graph
from eagle_trainer.issue import sorted_issues
from eagle_trainer.judge import Champion, Judgement, NotComparable, judge
from eagle_trainer.leakage import telling_inputs
from eagle_trainer.learn import Learned, Recipe, fit_to, learn
from eagle_trainer.numbers import decimal
from eagle_trainer.parameters import Parameters, checked_parameters
from eagle_trainer.progress import Stopwatch
from eagle_trainer.prove import Candidate, Proof, prove
from eagle_trainer.series import Floats, micros, moment, spread
from eagle_trainer.sources.request import Source
from eagle_trainer.split import Split, holdout_split
from eagle_trainer.team.alone import ALONE, Team
from eagle_trainer.trees import TreeTable, tree_table

GOLDEN_ROWS = 64
_MOST_GOLDEN_VALUES = 2_000_000
"""In all golden windows together: where each is very large there are fewer of them."""
MOST_PROVED_ROWS = 100_000
"""Rows on which graph and LightGBM are compared, spread evenly, beside all odd inputs."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be trained. `threads` is how many CPUs may be used, by each of the workers of `team`.

    With `portable` the boosters are kept, to be exported once more.
    """

    spec: TrainingScheduleSpec
    resolved: Resolved
    now: datetime
    threads: int
    champion: Champion | NotComparable | None = None
    team: Team = ALONE
    portable: bool = False


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A proven model and all that is known of it. `model` is the ONNX file.

    `judged` is the ONNX file of the model that the judgement is of, which has not seen the holdout; None with blocked
    folds, where several models share the judgement.
    """

    prepared: Prepared
    split: Split
    judgement: Judgement
    recipe: Recipe
    explained: tuple[Explained, ...]
    judged: bytes | None
    model: bytes
    golden: Golden
    proof: OnnxProof
    trained_through: datetime
    importance: tuple[tuple[str, float], ...]
    """Feature names with their share of the gain, the greatest first."""
    schema_digest: str
    boosters: tuple[lgb.Booster, ...] = ()
    """Whose calibrated mean the model is, where the task wants them kept."""

    @property
    def rounds(self) -> int:
        """How many trees each of the model's boosters has."""
        return self.recipe.rounds


def train(source: Source, task: Task, watch: Stopwatch) -> Trained:
    """Trains, judges, fits anew on everything, exports and proves. Raises TrainingEnded in one of its kinds."""
    parameters = _parameters(task)
    prepared = _prepared(source, task, watch)
    with watch.step("split") as facts:
        split = _split(prepared, task)
        found = telling_inputs(prepared, np.flatnonzero(split.training))
        prepared = replace(prepared, issues=sorted_issues([*prepared.issues, *found]))
        facts |= {"training": int(split.training.sum()), "holdout": int(split.holdout.sum()), "events": split.events}
    with watch.step("fit") as facts:
        learned = learn(
            prepared,
            split,
            task.resolved,
            parameters,
            threads=task.threads,
            pulse=watch.pulse("fit"),
            team=task.team,
        )
        recipe = learned.recipe
        facts |= {"rounds": recipe.rounds, "calibrated": recipe.calibration.fitted, "plan": " ".join(recipe.lines)}
    with watch.step("evaluate") as facts:
        judgement, explained, judged = _judged(prepared, split, task, learned)
        facts |= {
            name: round(judgement.metrics[name], 6)
            for name in ("average_precision", "accuracy")
            if name in judgement.metrics
        }
    with watch.step("refit"):
        everything = np.arange(len(prepared.samples))
        boosters = fit_to(
            prepared,
            everything,
            recipe,
            seed=task.resolved.seed,
            threads=task.threads,
            pulse=watch.pulse("refit"),
            team=task.team,
        )
    with watch.step("export") as facts:
        trees, model = _exported(prepared, boosters, recipe.calibration, task.resolved)
        facts |= {"bytes": len(model), "trees": len(trees.roots)}
    with watch.step("prove") as facts:
        proof = _proved(prepared, boosters, recipe.calibration, trees, model, task)
        facts |= {"max_abs_diff": proof.max_abs_diff, "rows": proof.rows_compared}
    return Trained(
        prepared=prepared,
        split=split,
        judgement=judgement,
        recipe=recipe,
        explained=explained,
        judged=judged,
        model=model,
        golden=_golden(prepared, model),
        proof=OnnxProof(opset=OPSET, max_abs_diff=decimal(proof.max_abs_diff), rows_compared=proof.rows_compared),
        trained_through=moment(int(prepared.samples.time.max())),
        importance=_importance(prepared, boosters),
        schema_digest=schema_digest(prepared),
        boosters=tuple(boosters) if task.portable else (),
    )


def _parameters(task: Task) -> Parameters:
    parameters = checked_parameters(task.resolved.parameters)
    if task.team.size > 1 and parameters.device != "cpu":
        raise InvalidConfiguration(
            "several workers learn on CPUs; set spec.trainer.workers to 1 or remove model.parameters.device_type"
        )
    return parameters


def _prepared(source: Source, task: Task, watch: Stopwatch) -> Prepared:
    """What was read is let go of with the end of this function: from here on the series has it."""
    with watch.step("extract") as facts:
        data = extract(source, task.spec, task.resolved, now=task.now)
        facts |= {"rows": len(data.telemetry.time), "events": sum(len(table.time) for table in data.events)}
    return prepare(data, task.spec, task.resolved, known_until=micros(task.now), threads=task.threads, watch=watch)


def _split(prepared: Prepared, task: Task) -> Split:
    kind = "failures" if task.spec.label.failures else "runs of the label"
    if task.resolved.validation == "BlockedFolds":
        split = blocked_split(prepared.samples, prepared.events, margin=prepared.span, kind=kind)
    else:
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


def _judged(
    prepared: Prepared, split: Split, task: Task, learned: Learned
) -> tuple[Judgement, tuple[Explained, ...], bytes | None]:
    """The judgement, why the newest alarms were given, and the model that was judged."""
    judgement = judge(
        prepared,
        split,
        learned.probability,
        resolved=task.resolved,
        horizon_seconds=task.spec.label.horizon_seconds,
        out_of_fold=learned.out_of_fold,
        champion=task.champion,
    )
    if not learned.boosters:
        return judgement, (), None
    calibration = learned.recipe.calibration
    explained = latest_alarms(
        learned.boosters,
        calibration,
        prepared,
        np.flatnonzero(split.holdout),
        judgement.scored,
        threshold=float(task.resolved.failure_probability),
    )
    return judgement, explained, _exported(prepared, learned.boosters, calibration, task.resolved)[1]


def _exported(
    prepared: Prepared, boosters: Sequence[lgb.Booster], calibration: Calibration, resolved: Resolved
) -> tuple[TreeTable, bytes]:
    trees = tree_table(boosters, slope=calibration.slope, offset=calibration.offset)
    graph = model_graph(
        prepared.plan,
        trees,
        failure_probability=float(resolved.failure_probability),
        confidence=float(resolved.confidence),
    )
    return trees, graph.SerializeToString(deterministic=True)


def _proved(
    prepared: Prepared,
    boosters: Sequence[lgb.Booster],
    calibration: Calibration,
    trees: TreeTable,
    model: bytes,
    task: Task,
) -> Proof:
    candidate = Candidate(
        plan=prepared.plan,
        boosters=boosters,
        calibration=calibration,
        trees=trees,
        model=model,
        failure_probability=float(task.resolved.failure_probability),
        confidence=float(task.resolved.confidence),
    )
    return prove(
        candidate,
        prepared.blocks,
        prepared.windows,
        seed=task.resolved.seed,
        rows=spread(np.arange(len(prepared.samples)), MOST_PROVED_ROWS),
    )


def _golden(prepared: Prepared, model: bytes) -> Golden:
    """Windows spread over all time and over both labels, and the graph's answers to them."""
    positive = np.flatnonzero(prepared.samples.target == 1.0)
    negative = np.flatnonzero(prepared.samples.target == 0.0)
    values = prepared.plan.window_length * len(prepared.plan.sensors)
    count = int(np.clip(_MOST_GOLDEN_VALUES // values, 2, GOLDEN_ROWS))
    rows = np.unique(np.concatenate([spread(positive, count // 2), spread(negative, count - count // 2)]))
    feed = prepared.windows.take(rows)
    probability, alarm, confident = session(model).run(["failure_probability", "alarm", "confident"], feed)
    return Golden(
        window=feed["window"],
        context=feed.get("context"),
        failure_probability=probability,
        alarm=alarm,
        confident=confident,
    )


def _importance(prepared: Prepared, boosters: Sequence[lgb.Booster]) -> tuple[tuple[str, float], ...]:
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
