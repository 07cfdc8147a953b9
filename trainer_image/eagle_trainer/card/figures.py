"""The figures of a model: what they are called on the card, and what they mean."""

from collections.abc import Mapping, Sequence

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table, together
from eagle_trainer.card.wording import figure

FIGURES: Mapping[str, tuple[str, str]] = {
    "average_precision": ("Average precision", "how well dangerous rows are ranked above others; 1 is perfect"),
    "log_loss": ("Log loss", "how far the probabilities are off; 0 is perfect"),
    "log_loss_skill": (
        "Log loss skill",
        "the part of the log loss that the model takes away; 0 is no better than chance",
    ),
    "accuracy": ("Accuracy", "rows judged rightly at the alarm threshold"),
    "event_recall": ("Events caught", "events with an alarm in time"),
    "median_lead_hours": ("Warning in hours", "from the first alarm to the event, in the middle case"),
    "false_alarms": ("False alarms", "raised and cleared without an event"),
    "false_alarms_per_asset_month": ("False alarms per asset and month", "the same, for any length of time"),
    "precision": ("Precision", "alarmed rows that were dangerous"),
    "recall": ("Recall", "dangerous rows that were alarmed"),
    "f1": ("F1", "precision and recall in one"),
    "roc_auc": ("ROC AUC", "the chance that a dangerous row is ranked above another"),
    "brier": ("Brier score", "mean squared error of the probabilities; 0 is perfect"),
    "calibration_error": ("Calibration error", "mean distance between what was said and what happened"),
    "base_rate": ("Base rate, holdout", "dangerous rows among those it is judged on"),
    "training_base_rate": ("Base rate, training", "dangerous rows among those it learned from"),
}
"""Title and meaning, in the order in which they are shown."""

_BASELINES: Sequence[tuple[str, Mapping[str, str]]] = (
    ("Most frequent answer", {"accuracy": "majority_accuracy"}),
    ("Base rate", {"average_precision": "base_rate_average_precision", "log_loss": "base_rate_log_loss"}),
    (
        "Logistic regression",
        {
            "average_precision": "logistic_average_precision",
            "log_loss": "logistic_log_loss",
            "log_loss_skill": "logistic_log_loss_skill",
            "accuracy": "logistic_accuracy",
        },
    ),
)


def title(name: str) -> str:
    """What a figure is called; its public name where the card knows no other."""
    return FIGURES.get(name, (name, ""))[0]


def own_figures(card: CardInput) -> dict[str, float]:
    """The model's figures that make sense for its kind of label."""
    return {name: value for name, value in card.metrics.items() if card.by_failures or name != "median_lead_hours"}


def against_baselines(card: CardInput) -> Markup:
    """What doing nothing, a constant and a logistic regression would reach, beside the model."""
    own = own_figures(card)
    columns = [(name, keys) for name, keys in _BASELINES if any(key in card.baselines for key in keys.values())]
    shown = [name for name in FIGURES if name in own and any(keys.get(name) in card.baselines for _, keys in columns)]
    rows = [
        (
            name_cell(*FIGURES[name]),
            cell(_with_interval(card, name), of=name),
            *(_rival(card.baselines, keys.get(name)) for _, keys in columns),
        )
        for name in shown
    ]
    heads = ["Figure", "This model", *(name for name, _ in columns)]
    return table(heads, rows, kind="figures", caption="Figures of the model beside those of its baselines")


def all_figures(card: CardInput) -> Markup:
    """The figures that no baseline has."""
    own, compared = own_figures(card), {name for _, keys in _BASELINES for name in keys}
    shown = [name for name in FIGURES if name in own and name not in compared]
    items = (
        element(
            "div",
            element("dt", FIGURES[name][0], element("small", FIGURES[name][1])),
            element("dd", _with_interval(card, name), data_figure=name),
        )
        for name in shown
    )
    return element("dl", *items, class_="grid-facts")


def _with_interval(card: CardInput, name: str) -> Markup:
    bounds = card.intervals.get(name)
    told = None
    if bounds is not None:
        told = element("small", f"{figure(name, bounds[0])} to {figure(name, bounds[1])}", class_="interval")
    return together(figure(name, card.metrics[name]), told)


def _rival(baselines: Mapping[str, float], key: str | None) -> Markup:
    if key is None or key not in baselines:
        return cell("–", class_="none")
    return cell(figure(key, baselines[key]), of=key)
