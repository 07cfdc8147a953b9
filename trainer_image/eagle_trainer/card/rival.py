"""The version in service beside this one, on rows that are new to both."""

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.figures import FIGURES
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table, together
from eagle_trainer.card.wording import figure, score

_OUTCOMES = {
    "Better": "This version is better than the one in service, by more than chance.",
    "Similar": "This version and the one in service cannot be told apart.",
    "Worse": "This version is worse than the one in service, by more than chance.",
    "NotCompared": "This version was not compared with the one in service.",
}


def rival(card: CardInput) -> Markup | None:
    """The outcome and the figures of both; None where nothing serves."""
    comparison = card.comparison
    if comparison is None:
        return None
    told = [_OUTCOMES[comparison.outcome]]
    if comparison.difference is not None:
        told.append(f"Average precision differs by {score(float(comparison.difference))}")
        if comparison.difference_upper_bound is not None:
            told[-1] += f" (with 90 % certainty at most {score(float(comparison.difference_upper_bound))})"
        told[-1] += "."
    if comparison.message:
        told.append(f"{comparison.message[:1].upper()}{comparison.message[1:]}.")
    return together(
        element("p", "In service: ", element("code", comparison.version)), element("p", " ".join(told)), _figures(card)
    )


def _figures(card: CardInput) -> Markup | None:
    assert card.comparison is not None
    theirs = {metric.name: float(metric.value) for metric in card.comparison.metrics}
    names = [name for name in FIGURES if name in theirs and (card.by_failures or name != "median_lead_hours")]
    if not names:
        return None
    fair = bool(card.compared)
    mine = card.compared if fair else card.metrics
    rows = [
        (
            name_cell(FIGURES[name][0]),
            cell(figure(name, mine[name]) if name in mine else "–"),
            cell(figure(name, theirs[name])),
        )
        for name in names
    ]
    heads = ["Figure", "This version" if fair else "This version, whole holdout", "In service"]
    return table(heads, rows, kind="figures", caption="Figures of this version and of the one in service")
