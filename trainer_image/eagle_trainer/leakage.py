"""Inputs that tell the label by themselves: mostly they were made from it, or written down after the failure.

What the program computes looks into the past alone; what the plant's tables hold may still come from the future: a
column that counts the hours to the next repair, a state that was corrected afterwards, a value smoothed in both
directions. A model learns such an input in no time and is of no use in service, where the input is not there yet.
"""

import numpy as np

from eagle_trainer import metrics
from eagle_trainer.dataset import Prepared
from eagle_trainer.issue import Issue
from eagle_trainer.series import Floats, Integers, spread

TELLS = 0.995
"""From this chance on, that the input alone ranks a positive row above a negative one (or below it: either way)."""
_MOST_ROWS = 20_000


def telling_inputs(prepared: Prepared, rows: Integers) -> tuple[Issue, ...]:
    """A Warning `TellsLabel` for every sensor and column of context that alone ranks the `rows` nearly without error.

    `rows` are sorted positions among the samples: those of the training part. At most 20,000 of them are looked at,
    evenly spread. Missing values count as a level of their own. A label that the plant itself derives from a sensor
    gives the same picture, so this is a warning, and the figures stay.
    """
    chosen = spread(rows, _MOST_ROWS)
    target = prepared.samples.target[chosen]
    names = (*prepared.plan.sensors, *prepared.plan.context)
    values = _inputs(prepared, chosen)
    found = []
    for position, name in enumerate(names):
        chance = separation(values[:, position], target)
        if chance >= TELLS:
            found.append(
                Issue(
                    column=name,
                    issue="TellsLabel",
                    severity="Warning",
                    count=len(rows),
                    share=chance,
                    advice=f"{name!r} alone tells positive from negative rows ({chance:.2%}); if it is entered after a"
                    " failure, or made from the label, leave it out (features.include, source.events): it will not be"
                    " known when the model has to answer",
                )
            )
    return tuple(found)


def separation(values: Floats, target: Floats) -> float:
    """The chance that a value alone ranks two rows of different classes rightly, in the better direction: 0.5 to 1.

    0.5 with one class. Missing values are tried below and above all others.
    """
    missing = np.isnan(values)
    chances = [0.5]
    for level in (-np.inf, np.inf):
        chance = metrics.roc_auc(np.where(missing, level, values), target)
        if np.isfinite(chance):
            chances += [chance, 1.0 - chance]
        if not missing.any():
            break
    return max(chances)


def _inputs(prepared: Prepared, rows: Integers) -> Floats:
    """[N, sensors + context]: what the model is given at the rows' own moments."""
    parts = []
    size = prepared.blocks.block_rows
    for start in range(0, len(rows), size):
        feed = prepared.windows.take(rows[start : start + size])
        newest = feed["window"][:, -1, :]
        parts.append(np.hstack([newest, feed["context"]]) if "context" in feed else newest)
    return np.concatenate(parts)
