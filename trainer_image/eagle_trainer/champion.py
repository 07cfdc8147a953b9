"""The version in service beside the new recipe, both on rows that neither was trained on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eagle_contract.api.version import ActiveComparison
from eagle_contract.bundle import Manifest, OpenedBundle
from eagle_trainer import evaluate
from eagle_trainer.dataset import Prepared
from eagle_trainer.features import session
from eagle_trainer.intervals import Bootstrap, Comparison
from eagle_trainer.numbers import decimal, metric_list
from eagle_trainer.series import SECOND, Floats, Integers, micros
from eagle_trainer.split import FEWEST_EVENTS

SIMILAR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version in service, opened."""

    label: str
    bundle: OpenedBundle


@dataclass(frozen=True)
class NotComparable:
    """The version in service, which cannot be compared, and why in one sentence."""

    label: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Duel:
    """How the comparison ended. `own` are the new recipe's figures on the very rows that both were scored on."""

    comparison: ActiveComparison
    own: dict[str, float]


def duel(
    champion: Champion | NotComparable | None,
    prepared: Prepared,
    scored: evaluate.Scored,
    rows: Integers,
    block: Integers,
    *,
    threshold: float,
    horizon_seconds: int,
    training_rate: float,
    seed: int,
) -> Duel | None:
    """The comparison on those of the judged rows that are later than the champion's `trainedThrough` and a horizon.

    `scored` are the judged rows with the new recipe's probabilities, `rows` [N] their positions among the samples,
    `block` [N] what of them is drawn together. None when nothing serves; NotCompared with fewer than eight events, or
    where the champion's inputs cannot be had from these data.
    """
    if champion is None:
        return None
    if isinstance(champion, NotComparable):
        return _not_compared(champion, champion.message)
    manifest = champion.bundle.manifest
    obstacle = _obstacle(manifest, prepared)
    if obstacle:
        return _not_compared(champion, obstacle)
    new = scored.samples.time > micros(manifest.trained_through) + horizon_seconds * SECOND
    if not new.any():
        return _not_compared(champion, "there is no row that it was not trained on")
    fresh = evaluate.Scored(
        samples=scored.samples.take(new),
        probability=scored.probability[new],
        events=evaluate.events_within(scored.events, int(scored.samples.time[new].min())),
        period_seconds=scored.period_seconds,
        by_failures=scored.by_failures,
    )
    events = len(fresh.events.start)
    if events < FEWEST_EVENTS:
        return _not_compared(champion, f"only {events} events are new to it, and {FEWEST_EVENTS} are needed")
    theirs = _scores(champion, prepared, rows[new])
    numbered = np.unique(block[new], return_inverse=True)[1].astype(np.int64)
    result = Bootstrap(fresh.samples, numbered, seed=seed).compare(fresh.probability, theirs)
    if result is None:
        return _not_compared(champion, "no row that is new to it is positive")
    if result.lower is None:
        return _not_compared(champion, "the rows that are new to it are too few stretches of time to tell")
    rival = evaluate.Scored(
        samples=fresh.samples,
        probability=theirs,
        events=fresh.events,
        period_seconds=fresh.period_seconds,
        by_failures=fresh.by_failures,
    )
    told = ActiveComparison(
        version=champion.label,
        outcome=_outcome(result),
        message=f"on {len(theirs)} rows and {events} events that are new to both",
        difference=decimal(result.difference),
        difference_upper_bound=decimal(result.upper) if result.upper is not None else None,
        metrics=metric_list(evaluate.holdout_metrics(rival, threshold=threshold, training_rate=training_rate)),
    )
    own = evaluate.holdout_metrics(fresh, threshold=threshold, training_rate=training_rate)
    return Duel(comparison=told, own=own)


def _obstacle(manifest: Manifest, prepared: Prepared) -> str | None:
    """Why the champion's inputs cannot be taken from this version's: they must all be among them, in one meaning."""
    plan = prepared.plan
    if missing := [sensor for sensor in manifest.sensors if sensor not in plan.sensors]:
        return f"it needs sensor {missing[0]!r}, which this version does not have"
    telemetry = manifest.schedule_spec.get("source", {}).get("telemetry", {})
    if telemetry.get("samplePeriodSeconds", plan.period_seconds) != plan.period_seconds:
        return "it was trained on another sample period"
    if manifest.window_length > plan.window_length:
        return "it looks back further than this version"
    here = {column.name: column.definition() for column in prepared.columns}
    for definition in manifest.context_definitions:
        if here.get(str(definition.get("name"))) != definition:
            return f"its context column {definition.get('name')!r} is not computed as this version's is"
    if manifest.context_columns and not manifest.context_definitions:
        return "it does not say how its context is computed"
    return None


def _scores(champion: Champion, prepared: Prepared, rows: Integers) -> Floats:
    manifest, plan = champion.bundle.manifest, prepared.plan
    graph = session(champion.bundle.model)
    sensors = [plan.sensors.index(sensor) for sensor in manifest.sensors]
    context = [plan.context.index(name) for name in manifest.context_columns]
    size = prepared.blocks.block_rows
    parts = []
    for start in range(0, len(rows), size):
        feed = prepared.windows.take(rows[start : start + size])
        theirs = {"window": np.ascontiguousarray(feed["window"][:, -manifest.window_length :, sensors])}
        if context:
            theirs["context"] = np.ascontiguousarray(feed["context"][:, context])
        parts.append(graph.run(["failure_probability"], theirs)[0])
    return np.concatenate(parts)


def _outcome(result: Comparison) -> Literal["Better", "Similar", "Worse"]:
    if result.upper is not None and result.upper < -SIMILAR:
        return "Worse"
    if result.lower is not None and result.lower > SIMILAR:
        return "Better"
    return "Similar"


def _not_compared(champion: Champion | NotComparable, why: str) -> Duel:
    return Duel(comparison=ActiveComparison(version=champion.label, outcome="NotCompared", message=why), own={})
