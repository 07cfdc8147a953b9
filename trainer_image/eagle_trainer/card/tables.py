"""The tables of the card: figures against baselines, the data, the recipe."""

from collections.abc import Iterable, Mapping, Sequence

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Child, Markup, element, together
from eagle_trainer.card.wording import counted, minute, number, percent, short, span

_SHARES = ("accuracy", "precision", "recall", "f1", "event_recall", "base_rate", "training_base_rate")
_FIGURES: Sequence[tuple[str, str, str]] = (
    ("average_precision", "Average precision", "how well dangerous rows are ranked above others; 1 is perfect"),
    ("roc_auc", "ROC AUC", "the chance that a dangerous row is ranked above another"),
    ("log_loss", "Log loss", "how far the probabilities are off; 0 is perfect"),
    (
        "log_loss_skill",
        "Log loss skill",
        "the part of the log loss that the model takes away; 0 is no better than chance",
    ),
    ("brier", "Brier score", "mean squared error of the probabilities; 0 is perfect"),
    ("calibration_error", "Calibration error", "mean distance between what was said and what happened"),
    ("accuracy", "Accuracy", "rows judged rightly at the alarm threshold"),
    ("precision", "Precision", "alarmed rows that were dangerous"),
    ("recall", "Recall", "dangerous rows that were alarmed"),
    ("f1", "F1", "precision and recall in one"),
    ("event_recall", "Events caught", "events with an alarm in time"),
    ("median_lead_hours", "Warning in hours", "from the first alarm to the event, in the middle case"),
    ("false_alarms_per_asset_month", "False alarms", "per asset and month"),
    ("training_base_rate", "Base rate, training", "dangerous rows among those it learned from"),
    ("base_rate", "Base rate, holdout", "dangerous rows among those it is judged on"),
)
_OF_THE_RUN = ("metric", "num_threads", "seed", "verbosity")
"""Parameters that say nothing of the model: the same model has the same card wherever it was trained."""
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


_Column = tuple[str, Mapping[str, float]]
"""A title, and figures by name."""


def figures(card: CardInput) -> Markup:
    """What baselines can be measured by, beside them; then the other figures of the model.

    Where the version in service was compared, its figures stand in both tables.
    """
    own = {name: value for name, value in card.metrics.items() if card.by_failures or name != "median_lead_hours"}
    mine: list[_Column] = [("This model", own)]
    if card.comparison and card.comparison.metrics:
        served = {metric.name: float(metric.value) for metric in card.comparison.metrics}
        mine.append((f"In service: {card.comparison.version}", served))
    baselines: list[_Column] = [
        (title, {name: card.baselines[key] for name, key in names.items() if key in card.baselines})
        for title, names in _BASELINES
    ]
    compared = {name for _, values in baselines for name in values}
    return together(
        _figure_table(mine + baselines, [figure for figure in _FIGURES if figure[0] in compared]),
        _figure_table(mine, [figure for figure in _FIGURES if figure[0] not in compared]),
    )


def _figure_table(columns: Sequence[_Column], wanted: Sequence[tuple[str, str, str]]) -> Markup | None:
    filled = [(title, values) for title, values in columns if values]
    rows = [
        (
            element("th", title, element("small", meaning), scope="row"),
            *(element("td", _value(name, values)) for _, values in filled),
        )
        for name, title, meaning in wanted
        if any(name in values for _, values in filled)
    ]
    return _table(["Figure", *(title for title, _ in filled)], rows, kind="figures") if rows else None


def importance(card: CardInput) -> Markup:
    """The features that gave the trees most, as bars."""
    total = sum(gain for _, gain in card.importance) or 1.0
    first = sorted(card.importance, key=lambda item: (-item[1], item[0]))[:15]
    most = max((gain for _, gain in first), default=0.0) or 1.0
    rows = [
        element(
            "li",
            element("span", short(name), class_="name"),
            element("span", element("i", style=f"width:{100 * gain / most:.1f}%"), class_="bar"),
            element("span", percent(gain / total), class_="share"),
        )
        for name, gain in first
        if gain > 0
    ]
    return element("ol", *rows, class_="bars")


def data(card: CardInput) -> Markup:
    """What the model learned from."""
    found = card.data
    share = percent(found.positives / found.rows) if found.rows else "none"
    facts: list[tuple[str, Child]] = [
        ("Time", f"{minute(found.from_)} to {minute(found.to)}"),
        ("Assets", number(found.assets)),
        ("Rows", f"{number(found.rows)}, of which {number(found.positives)} positive ({share})"),
        ("Sample period", span(card.scored.period_seconds)),
    ]
    if found.failures is not None:
        facts.append(("Failures", number(found.failures)))
    if card.evaluation.holdout_from and card.evaluation.holdout_to:
        kept = f"{minute(card.evaluation.holdout_from)} to {minute(card.evaluation.holdout_to)}"
        facts.append(("Kept back to judge", f"{kept}, {counted(card.evaluation.holdout_events or 0, 'event')}"))
    return _facts(facts)


def findings(card: CardInput) -> Markup:
    """What is wrong with the data."""
    issues = card.data.quality_issues
    if not issues:
        return element("p", "No column has missing, stuck, infinite or outlying values worth a note.")
    rows = [
        (
            element("th", short(issue.column), scope="row"),
            element("td", issue.issue),
            element("td", element("span", issue.severity, class_=f"tag {issue.severity.lower()}")),
            element("td", number(issue.count)),
        )
        for issue in issues
    ]
    return _table(["Column", "Finding", "Severity", "Rows"], rows, kind="plain")


def recipe(card: CardInput) -> Markup:
    """Features, thresholds and the numbers LightGBM was given."""
    resolved = card.resolved
    lags = ", ".join(span(lag) for lag in resolved.lag_seconds) or "none"
    windows = ", ".join(f"{window} samples" for window in resolved.rolling_windows) or "none"
    facts: list[tuple[str, Child]] = [
        ("Sensors", short(", ".join(resolved.sensors))),
        ("Lags", lags),
        ("Rolling windows", windows),
        ("A request holds", f"the newest {counted(card.window_length, 'sample')} of every sensor"),
        ("Missing samples", "make their windows missing" if resolved.missing == "Propagate" else "are left out"),
        ("Alarm from", resolved.failure_probability),
        ("Confident from", resolved.confidence),
        ("Seed", str(resolved.seed)),
    ]
    told = {name: value for name, value in card.parameters.items() if name not in _OF_THE_RUN}
    return _facts(facts + [(short(name), short(str(value))) for name, value in sorted(told.items())])


def proof(card: CardInput) -> Markup:
    """How exactly the published graph is the model, and which programs made it."""
    facts: list[tuple[str, Child]] = [
        ("Largest difference", f"{card.onnx.max_abs_diff} in probability"),
        ("Rows compared", number(card.onnx.rows_compared)),
        ("ONNX opset", str(card.onnx.opset)),
    ]
    return _facts(facts + [(short(name), short(value)) for name, value in sorted(card.environment.items())])


def _value(name: str, values: Mapping[str, float]) -> str:
    if name not in values:
        return "–"
    return percent(values[name]) if name in _SHARES else number(values[name])


def _facts(facts: Iterable[tuple[str, Child]]) -> Markup:
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts), class_="facts"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[Markup]], *, kind: str) -> Markup:
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
            element("tbody", *(element("tr", *row) for row in rows)),
            class_=kind,
        ),
        class_="wide",
    )
