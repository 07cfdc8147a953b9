"""Advice on the threshold of the alarm: what another one would have cost less, or caught at fewer false alarms.

It is looked for on the training part alone, on probabilities that were given out of fold, and then judged beside the
configured threshold on the holdout. The alarm stays as the schedule has it: whoever reads the advice decides.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from eagle_trainer.evaluate import Scored, asset_months, caught, event_rows, false_alarms
from eagle_trainer.numbers import decimal
from eagle_trainer.series import Flags, Floats, Integers, spread
from eagle_trainer.split import FEWEST_EVENTS

_CANDIDATES = 80
_REACH = 1000
"""How many probabilities below the least of what is to be caught are looked at beyond as many as lie above."""
_NEVER = 1.0


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of a failure that no alarm announced, and of an alarm that no failure followed; in the same unit."""

    miss: float
    false_alarm: float


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What alarms come to on some rows. `cost` is None where the schedule names no costs."""

    events: int
    caught: int
    false_alarms: int
    asset_months: float
    cost: float | None

    @property
    def f1(self) -> float:
        """Of events: 2 * caught / (2 * caught + missed + false alarms); 0 where nothing is caught."""
        return 2 * self.caught / max(self.caught + self.events + self.false_alarms, 1)

    def wire(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        found: dict[str, Any] = {
            "events": self.events,
            "caught": self.caught,
            "falseAlarms": self.false_alarms,
            "falseAlarmsPerAssetMonth": decimal(self.false_alarms / self.asset_months) if self.asset_months else "0",
            "eventF1": decimal(self.f1),
        }
        if self.cost is not None:
            found["cost"] = decimal(self.cost)
        return found


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The advised threshold beside the configured one, on the rows it was found on and on those that judge it.

    `threshold` is the configured one where none does better. `found_advised` is what the same search comes to across
    folds, not on the very rows it was made on.
    """

    criterion: Literal["Cost", "EventF1"]
    configured: float
    threshold: float
    found_configured: Operation
    found_advised: Operation
    judged_configured: Operation
    judged_advised: Operation

    @property
    def differs(self) -> bool:
        """Whether another threshold than the configured one is advised."""
        return self.threshold != self.configured

    @property
    def sentence(self) -> str:
        """The advice for people."""
        if not self.differs:
            return f"No threshold surely does better than the configured {self.configured:g}."
        aim = "cost less" if self.criterion == "Cost" else "weighed missed events against false alarms better"
        return (
            f"Out of fold, a threshold of {self.threshold:g} {aim} than the configured {self.configured:g}."
            f" On the rows that judge the model it would have {_told(self.judged_advised)},"
            f" the configured one {_told(self.judged_configured)}."
        )

    def wire(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return {
            "criterion": self.criterion,
            "configuredThreshold": decimal(self.configured),
            "advisedThreshold": decimal(self.threshold),
            "trainingPart": {"configured": self.found_configured.wire(), "advised": self.found_advised.wire()},
            "judged": {"configured": self.judged_configured.wire(), "advised": self.judged_advised.wire()},
        }


def advise(
    training: Scored, fold: Integers, judged: Scored | None, *, configured: float, costs: Costs | None
) -> Advice | None:
    """The advice; None with fewer than eight events to find it on.

    `training` are rows of the training part with probabilities that were given out of fold, `fold` [N] by which one,
    `judged` the holdout; None with blocked folds, where all rows are both. A threshold is advised only if it holds
    across folds: each fold alarmed by the threshold that is best for the others must come out better than with the
    configured one. What fits the few events it was found on alone does not.
    """
    best = best_threshold(training, configured=configured, costs=costs)
    if best is None:
        return None
    alarm: Flags = np.zeros(len(fold), bool)
    for code in np.unique(fold):
        others = best_threshold(_part(training, fold != code), configured=configured, costs=costs, fewest=1)
        alarm[fold == code] = training.probability[fold == code] >= (configured if others is None else others)
    usual, across = operation(training, training.probability >= configured, costs), operation(training, alarm, costs)
    holds = _loss(across) < _loss(usual)
    threshold = best if holds else configured
    return Advice(
        criterion="Cost" if costs else "EventF1",
        configured=configured,
        threshold=threshold,
        found_configured=usual,
        found_advised=across if holds else usual,
        judged_configured=operation(judged, judged.probability >= configured, costs) if judged else usual,
        judged_advised=operation(judged, judged.probability >= threshold, costs)
        if judged
        else (across if holds else usual),
    )


def operation(scored: Scored, alarm: Flags, costs: Costs | None) -> Operation:
    """What these alarms come to; `alarm` [N] belongs to the rows of `scored`. Events without a row do not count."""
    first, last = event_rows(scored)
    seen = last > first
    hits = int(np.count_nonzero(caught(scored, alarm)[0] & seen))
    wrong, total = false_alarms(scored, alarm), int(seen.sum())
    return _operation(total, hits, wrong, asset_months(scored), costs)


def best_threshold(
    scored: Scored, *, configured: float, costs: Costs | None, fewest: int = FEWEST_EVENTS
) -> float | None:
    """The threshold with the lowest cost, or without costs the greatest F1 of events; None with too few of them.

    Of thresholds that are equally good the middle of the widest stretch is taken, and the configured one if it is
    among the best: the last row that decides between two of them is chance.
    """
    first, last = event_rows(scored)
    peaks = np.array([scored.probability[a:b].max() for a, b in zip(first, last, strict=True) if b > a])
    if len(peaks) < fewest:
        return None
    candidates = _candidates(scored, peaks, configured)
    few = _part(scored, scored.probability >= candidates[0])

    def loss(threshold: float) -> float:
        hits, wrong = int(np.count_nonzero(peaks >= threshold)), false_alarms(few, few.probability >= threshold)
        return _loss(_operation(len(peaks), hits, wrong, 0.0, costs))

    losses = np.array([loss(threshold) for threshold in candidates])
    if losses[candidates == configured][0] <= losses.min():
        return configured
    best = losses <= losses.min()
    opens = np.flatnonzero(best & ~np.append(False, best[:-1]))
    closes = np.flatnonzero(best & ~np.append(best[1:], False))
    below = _logit(np.append(0.0, candidates)[opens])
    above = _logit(candidates[closes])
    widest = int(np.argmax(above - below))
    middle = round(float(1.0 / (1.0 + np.exp(-(below[widest] + above[widest]) / 2))), 4)
    chosen = min(max(middle, 0.0001), 0.9999)
    exact = float(np.floor(candidates[closes[widest]] * 1e6) / 1e6)
    return chosen if chosen >= candidates[0] and loss(chosen) <= losses.min() else exact


def _candidates(scored: Scored, peaks: Floats, configured: float) -> Floats:
    """Where what is caught changes, probabilities in between, some below all of them, and to alarm never; rising."""
    given = np.unique(scored.probability)
    lower, upper = given[given < peaks.min()], given[given >= peaks.min()]
    reach = min(len(lower), _REACH + len(upper))
    doubling = len(lower) - 2 ** np.arange(int(np.log2(reach)) + 1) if reach else np.zeros(0, np.int64)
    between = (spread(upper, _CANDIDATES), spread(np.unique(peaks), _CANDIDATES))
    return np.unique(np.concatenate([lower[doubling], *between, [configured, _NEVER]]))


def _operation(events: int, hits: int, wrong: int, months: float, costs: Costs | None) -> Operation:
    cost = costs.miss * (events - hits) + costs.false_alarm * wrong if costs else None
    return Operation(events=events, caught=hits, false_alarms=wrong, asset_months=months, cost=cost)


def _loss(found: Operation) -> float:
    return found.cost if found.cost is not None else 1.0 - found.f1


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _part(scored: Scored, rows: Flags) -> Scored:
    return replace(scored, samples=scored.samples.take(rows), probability=scored.probability[rows])


def _told(found: Operation) -> str:
    wrong = "1 false alarm" if found.false_alarms == 1 else f"{found.false_alarms} false alarms"
    spent = f", at a cost of {found.cost:g}" if found.cost is not None else ""
    return f"caught {found.caught} of {found.events} events with {wrong}{spent}"
