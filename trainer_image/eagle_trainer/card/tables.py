"""What the model learned from and how it was made, as lists of facts."""

from collections.abc import Mapping

from eagle_trainer.card.content import CardInput, Trial
from eagle_trainer.card.markup import Child, Markup, cell, element, facts, name_cell, table, together
from eagle_trainer.card.wording import between, counted, minute, number, percent, score, short, span

_OF_THE_RUN = ("metric", "num_threads", "seed", "verbosity")
"""Parameters that say nothing of the model: the same model has the same card wherever it was trained."""
_MOST_TRIALS = 10
_NARROWEST_LABEL = 0.12


def data(card: CardInput) -> Markup:
    """What the model learned from."""
    found = card.data
    share = percent(found.positives / found.rows) if found.rows else "none"
    told: list[tuple[str, Child]] = [
        ("Time", f"{minute(found.from_)} to {minute(found.to)}"),
        ("Assets", number(found.assets)),
        ("Rows", f"{number(found.rows)}, of which {number(found.positives)} positive ({share})"),
        ("Sample period", span(card.scored.period_seconds)),
        ("Sensors", short(", ".join(card.resolved.sensors), 400)),
    ]
    if found.failures is not None:
        told.append((card.event[1].capitalize(), number(found.failures)))
    if card.evaluation.holdout_from and card.evaluation.holdout_to:
        kept = f"{minute(card.evaluation.holdout_from)} to {minute(card.evaluation.holdout_to)}"
        count = counted(card.evaluation.holdout_events or 0, "event")
        told.append(
            (
                "Judged by" if card.by_folds else "Kept back to judge",
                f"{kept}, {count}" + ("" if card.by_failures else " of either kind"),
            )
        )
    return together(_split(card), facts(told))


def recipe(card: CardInput) -> Markup:
    """Features, thresholds and the numbers LightGBM was given."""
    resolved = card.resolved
    lags = ", ".join(span(lag) for lag in resolved.lag_seconds) or "none"
    period = card.scored.period_seconds
    windows = ", ".join(f"{window} samples ({span(window * period)})" for window in resolved.rolling_windows) or "none"
    told: list[tuple[str, Child]] = [
        ("Lags", lags),
        ("Rolling windows", windows),
        ("A request holds", f"the newest {counted(card.window_length, 'sample')} of every sensor"),
        ("Missing samples", "make their windows missing" if resolved.missing == "Propagate" else "are left out"),
        ("Alarm from", resolved.failure_probability),
        ("Confident from", resolved.confidence),
        ("Seed", str(resolved.seed)),
    ]
    parameters = {name: value for name, value in card.parameters.items() if name not in _OF_THE_RUN}
    return facts(told + [(short(name), short(str(value))) for name, value in sorted(parameters.items())])


def learning(card: CardInput) -> Markup | None:
    """How the learning was planned, and the best trials of a search; None where there is nothing to tell."""
    lines, trials = card.learning.lines, card.learning.trials
    if not lines and not trials:
        return None
    return together(
        element("ul", *(element("li", short(line, 400)) for line in lines), class_="lines") if lines else None,
        _trials(trials) if trials else None,
    )


def proof(card: CardInput) -> Markup:
    """How exactly the published graph is the model, and which programs made it."""
    told: list[tuple[str, Child]] = [
        ("Largest difference", f"{card.onnx.max_abs_diff} in probability"),
        ("Rows compared", number(card.onnx.rows_compared)),
        ("ONNX opset", str(card.onnx.opset)),
    ]
    return facts(told + [(short(name), short(value)) for name, value in sorted(card.environment.items())])


def _split(card: CardInput) -> Markup | None:
    """Where the time it learned from ends and the time it is judged by begins."""
    evaluation, found = card.evaluation, card.data
    if evaluation.holdout_from is None or evaluation.holdout_to is None or evaluation.holdout_from <= found.from_:
        return None
    whole = (evaluation.holdout_to - found.from_).total_seconds()
    judged = (evaluation.holdout_to - evaluation.holdout_from).total_seconds() / max(whole, 1.0)
    return element(
        "div",
        element("span", "learned from", class_="learned", style=f"width:{100 * (1 - judged):.1f}%"),
        element(
            "span",
            "judged by" if judged > _NARROWEST_LABEL else "",
            class_="judged",
            style=f"width:{100 * judged:.1f}%",
        ),
        class_="split",
        role="img",
        aria_label=f"Learned from the older {percent(1 - judged)} of the time and judged by the newest"
        f" {percent(judged)} ({between(evaluation.holdout_from, evaluation.holdout_to)})",
    )


def _trials(trials: tuple[Trial, ...]) -> Markup:
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    best = [trial for _, trial in sorted(scored, key=lambda item: (not item[1].chosen, item[0], item[1].number))]
    given_up = len(trials) - len(scored)
    caption = f"{counted(len(trials), 'trial')}, {number(given_up)} given up early; the best of them"
    rows = [
        (
            name_cell(
                together(f"#{trial.number}", element("span", "taken", class_="tag fine") if trial.chosen else None)
            ),
            cell(score(trial.score or 0.0)),
            cell(_parameters(trial.parameters), class_="text"),
        )
        for trial in best[:_MOST_TRIALS]
    ]
    return together(
        element("h3", "Search of the parameters"),
        element("p", f"{caption}, by log loss on rows that were not fitted.", class_="hint"),
        table(["Trial", "Log loss", "Parameters"], rows, kind="numbers trials", caption=caption),
    )


def _parameters(values: Mapping[str, object]) -> str:
    return short(
        ", ".join(
            f"{name} {number(value) if isinstance(value, int | float) else value}" for name, value in values.items()
        ),
        300,
    )
