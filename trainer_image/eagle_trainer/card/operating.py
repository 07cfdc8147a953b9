"""What other alarm thresholds would have done on the holdout."""

import numpy as np

from eagle_trainer.card.alarms import events, false_rows
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table, together
from eagle_trainer.card.wording import number, percent, span
from eagle_trainer.evaluate import MONTH
from eagle_trainer.metrics import at_threshold
from eagle_trainer.series import SECOND

_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def operating_points(card: CardInput) -> Markup:
    """A row for each of some thresholds, those in use and advised marked."""
    wanted = {*_THRESHOLDS, card.threshold} | ({card.advice.threshold} if card.advice else set())
    # From the first threshold on that nothing reaches, all rows are alike.
    reached = float(card.scored.probability.max())
    unreached = min((threshold for threshold in wanted if threshold > reached), default=1.0)
    asked = {card.threshold} | ({card.advice.threshold} if card.advice else set())
    thresholds = sorted(threshold for threshold in wanted if threshold <= unreached or threshold in asked)
    marked = [i for i, threshold in enumerate(thresholds) if threshold == card.threshold]
    heads = ["Alarm from", f"{card.event[1].capitalize()} caught"]
    heads += ["Warning, middle case"] if card.by_failures else []
    heads += ["False alarms", "per asset and month", "Alarmed rows that were right", "Accuracy"]
    told = table(
        heads,
        [_row(card, threshold) for threshold in thresholds],
        kind="numbers",
        caption="What other alarm thresholds would have done",
        marked=marked,
    )
    return together(element("p", card.advice.sentence, class_="advice") if card.advice else None, told)


def _row(card: CardInput, threshold: float) -> tuple[Markup, ...]:
    scored = card.scored
    met, wrong = events(scored, threshold), len(false_rows(scored, threshold))
    alarm = scored.probability >= threshold
    leads = [event.lead for event in met if event.alarm is not None]
    months = len(scored.samples) * scored.period_seconds * SECOND / MONTH
    by_row = at_threshold(alarm, scored.samples.target)
    note = "in use" if threshold == card.threshold else None
    if card.advice and threshold == card.advice.threshold and note is None:
        note = "advised"
    cells = [
        name_cell(together(f"{threshold:g}", element("span", note, class_="tag info") if note else None)),
        cell(f"{len(leads)} of {number(len(met))}" if met else "–"),
    ]
    if card.by_failures:
        cells.append(cell(span(float(np.median(leads)) / SECOND) if leads else "–"))
    cells += [
        cell(number(wrong)),
        cell(number(wrong / months)),
        cell(percent(by_row["precision"]) if alarm.any() else "–"),
        cell(percent(by_row["accuracy"])),
    ]
    return tuple(cells)
