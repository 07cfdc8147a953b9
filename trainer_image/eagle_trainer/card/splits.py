"""How the score splits over time and over assets: a good mean may hide a bad month, or a machine of its own kind."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from eagle_trainer import metrics
from eagle_trainer.card.alarms import Event, events, false_by_asset, false_rows, of_rows, rows_by_asset
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table, together
from eagle_trainer.card.timeline import summary
from eagle_trainer.card.wording import between, counted, number, percent, score, short
from eagle_trainer.evaluate import Scored
from eagle_trainer.series import moment

STRETCHES = 6
MOST_ASSETS = 15


def over_time(card: CardInput) -> Markup:
    """The holdout in six stretches of equal length. An event belongs to the stretch in which it ends."""
    time, ends = card.scored.samples.time, card.scored.events.end
    edges = np.linspace(time.min(), time.max() + 1, STRETCHES + 1).astype(np.int64)
    # The first and the last stretch take what ends before and after all rows.
    stretch = np.clip(np.searchsorted(edges, ends, side="left") - 1, 0, STRETCHES - 1)
    everywhere = np.ones(len(time), bool)
    raised = time[false_rows(card.scored, card.threshold)]
    rows = []
    for number_, (start, end) in enumerate(pairwise(edges.tolist())):
        mine = (time >= start) & (time < end)
        if mine.any():
            inside = stretch == number_
            part = of_rows(card.scored, mine, events=inside)
            # The rows of an event may begin in an earlier stretch, so they are looked for in the whole.
            met = events(of_rows(card.scored, everywhere, events=inside), card.threshold)
            wrong = int(np.count_nonzero((raised >= start) & (raised < end)))
            rows.append(_row(card, between(moment(start), moment(end - 1)), part, met, wrong))
    return table(_heads(card, "Time"), rows, kind="numbers", caption="The score over time")


def over_assets(card: CardInput) -> Markup | None:
    """The assets with most to look at: missed events first, then false alarms. None where there is one asset."""
    owners = rows_by_asset(card.scored)
    if len(owners) < 2:
        return None
    parts = {code: of_rows(card.scored, rows, events=card.scored.events.asset == code) for code, rows in owners.items()}
    met = {code: events(part, card.threshold) for code, part in parts.items()}
    wrong = false_by_asset(card.scored, card.threshold)
    missed = {code: sum(event.alarm is None for event in met[code]) for code in parts}
    ranked = sorted(parts, key=lambda code: (-missed[code], -wrong[code], -len(met[code]), card.assets[code]))
    rows = [
        _row(card, short(card.assets[code], 40), parts[code], met[code], wrong[code]) for code in ranked[:MOST_ASSETS]
    ]
    told = table(_heads(card, "Asset"), rows, kind="numbers", caption="The score over assets")
    rest = ranked[MOST_ASSETS:]
    if not rest:
        return told
    others = summary(card, [event for code in rest for event in met[code]], sum(wrong[code] for code in rest))
    return together(told, element("p", f"{counted(len(rest), 'other asset')}: {others}.", class_="hint"))


def _heads(card: CardInput, first: str) -> Sequence[str]:
    return [first, "Rows", f"{card.event[1].capitalize()} caught", "False alarms", "Average precision", "Accuracy"]


def _row(card: CardInput, name: str, part: Scored, met: list[Event], wrong: int) -> tuple[Markup, ...]:
    hits = sum(event.alarm is not None for event in met)
    target = part.samples.target
    ranked = score(metrics.average_precision(part.probability, target)) if target.any() else "–"
    right = float(((part.probability >= card.threshold) == (target == 1.0)).mean())
    return (
        name_cell(name),
        cell(number(len(target))),
        cell(f"{hits} of {number(len(met))}" if met else "–", class_="poor" if hits < len(met) else None),
        cell(number(wrong), class_="poor" if wrong else None),
        cell(ranked),
        cell(percent(right)),
    )
