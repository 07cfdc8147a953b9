"""Why the model gave its newest alarms: exact contributions of the features (SHAP values of trees, by LightGBM)."""

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np

from eagle_trainer.calibrate import Calibration
from eagle_trainer.card.alarms import Alarm, alarms
from eagle_trainer.card.content import Explained, Part
from eagle_trainer.card.wording import number
from eagle_trainer.context import ContextColumn
from eagle_trainer.dataset import Prepared
from eagle_trainer.evaluate import Scored
from eagle_trainer.series import Floats, Integers

MOST_ALARMS = 4
MOST_PARTS = 6


def latest_alarms(
    boosters: Sequence[lgb.Booster],
    calibration: Calibration,
    prepared: Prepared,
    holdout: Integers,
    scored: Scored,
    *,
    threshold: float,
) -> tuple[Explained, ...]:
    """The moments at which the newest alarms of the holdout were raised, the newest first, at most four.

    `scored` belongs to the rows `holdout` of the samples, `boosters` and `calibration` gave its probabilities. The
    newest false alarm is among them if there is one; without any alarm the row that came nearest to one is explained.
    """
    chosen = _chosen(scored, threshold)
    rows = np.array([row for row, _ in chosen], np.int64)
    order = np.argsort(holdout[rows], kind="stable")
    features = np.empty((len(rows), len(prepared.plan.names)))
    features[order] = prepared.blocks.matrix(holdout[rows][order])
    pushes = contributions(boosters, features, slope=calibration.slope, offset=calibration.offset)
    columns = {column.name: column for column in prepared.columns}
    found = []
    for (row, alarm), values, push in zip(chosen, features, pushes, strict=True):
        parts = _parts(prepared.plan.names, values, push[:-1], columns)
        found.append(
            Explained(
                asset=int(scored.samples.asset[row]),
                time=int(scored.samples.time[row]),
                probability=float(scored.probability[row]),
                kind="none" if alarm is None else "right" if alarm.right else "false",
                usual=float(push[-1]),
                parts=parts,
                rest=float(push[:-1].sum()) - sum(part.push for part in parts),
            )
        )
    return tuple(found)


def contributions(boosters: Sequence[lgb.Booster], features: Floats, *, slope: float, offset: float) -> Floats:
    """[N,F+1]: what each feature adds to the calibrated log odds; the last column is what they add to.

    A row's sum is the calibrated margin of the row.
    """
    total = np.zeros((len(features), features.shape[1] + 1))
    for booster in boosters:
        total += np.asarray(booster.predict(features, pred_contrib=True))
    total *= slope / len(boosters)
    total[:, -1] += offset
    return total


def _chosen(scored: Scored, threshold: float) -> list[tuple[int, Alarm | None]]:
    raised = sorted(alarms(scored, threshold), key=lambda alarm: (-int(scored.samples.time[alarm.first]), alarm.asset))
    if not raised:
        return [(int(np.argmax(scored.probability)), None)]
    newest = raised[:MOST_ALARMS]
    wrong = next((alarm for alarm in raised if not alarm.right), None)
    if wrong is not None and wrong not in newest:
        newest[-1] = wrong
    return [(alarm.first, alarm) for alarm in newest]


def _parts(names: Sequence[str], values: Floats, push: Floats, columns: dict[str, ContextColumn]) -> tuple[Part, ...]:
    first = np.argsort(-np.abs(push), kind="stable")[:MOST_PARTS]
    return tuple(
        Part(feature=names[i], value=_written(float(values[i]), columns.get(names[i])), push=float(push[i]))
        for i in first
        if push[i] != 0.0
    )


def _written(value: float, column: ContextColumn | None) -> str:
    if not np.isfinite(value):
        return "missing"
    if column is not None and column.categories is not None:
        return column.categories[int(value)]
    return number(value)
