"""The top of the card: what the model is, how good it is against doing nothing, and whether it may serve."""

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.requirements import Requirement, requirements
from eagle_trainer.card.wording import counted, day, minute, number, percent, span


def headline(card: CardInput) -> Markup:
    """Name, purpose, verdict and the few figures that matter most."""
    found = requirements(card)
    return together(
        element(
            "header",
            element("p", f"{card.organization} / {card.schedule}", class_="path"),
            element("h1", card.resolved.model_name),
            element("p", card.description, class_="purpose") if card.description else None,
            element("p", purpose(card), class_="purpose"),
            element(
                "p",
                "Version ",
                element("code", card.version),
                f" · learned from data until {minute(card.trained_through)}",
            ),
        ),
        _verdict(card, found),
        element("p", _story(card), class_="story"),
        element("div", *(_tile(*tile) for tile in _tiles(card)), class_="tiles"),
    )


def purpose(card: CardInput) -> str:
    """What the model's probability means."""
    if card.horizon_seconds is not None:
        what = f"that an asset fails within {span(card.horizon_seconds)}"
    else:
        what = "that the label is 1 now"
    return f"Gives the probability {what}, and alarms from {card.resolved.failure_probability} on."


def _verdict(card: CardInput, found: list[Requirement]) -> Markup:
    objected = any(not requirement.met for requirement in found)
    if not objected:
        title = "Meets everything its schedule asks for"
        manual = card.resolved.promotion_policy == "Manual"
        more = "It serves once a person approves it." if manual else "It may serve."
    else:
        judged = card.evaluation.evaluable
        title = "Does not meet what its schedule asks for" if judged else "Cannot be judged on these data"
        more = "It may not serve."
    kind = "good" if not objected else "poor" if card.evaluation.evaluable else "open"
    return element(
        "section",
        element("h2", title),
        element("p", more),
        element("ul", *(element("li", item.text, class_="met" if item.met else "unmet") for item in found)),
        class_=f"verdict {kind}",
    )


def _story(card: CardInput) -> str:
    """The result in a few sentences."""
    values, evaluation = card.metrics, card.evaluation
    seen = "On data that it had not seen"
    if evaluation.holdout_from and evaluation.holdout_to:
        seconds = (evaluation.holdout_to - evaluation.holdout_from).total_seconds()
        seen = (
            f"On {span(seconds)} that it had not seen ({day(evaluation.holdout_from)} to {day(evaluation.holdout_to)})"
        )
    sentences = [f"{seen} it {_catches(card)}."]
    if card.by_failures and "median_lead_hours" in values:
        sentences.append(f"Half of the alarms came at least {span(3600 * values['median_lead_hours'])} ahead.")
    if "majority_accuracy" in card.baselines and "accuracy" in values:
        often = "Never alarming" if values.get("training_base_rate", 0.0) < 0.5 else "Always alarming"
        sentences.append(
            f"{often} would be right in {percent(card.baselines['majority_accuracy'])} of the rows;"
            f" this model is right in {percent(values['accuracy'])}."
        )
    return " ".join(sentences)


def _catches(card: CardInput) -> str:
    values = card.metrics
    wrong = counted(int(values.get("false_alarms", 0)), "false alarm")
    total = int(values.get("events", 0))
    kind = ("failure", "failures") if card.by_failures else ("positive stretch", "positive stretches")
    if not total:
        return f"met no {kind[0]} and raised {wrong}"
    hits = round(values.get("event_recall", 0.0) * total)
    return f"alarmed in time for {number(hits)} of {counted(total, *kind)}, with {wrong}"


def _tiles(card: CardInput) -> list[tuple[str, str, str]]:
    """(figure, name, what it is compared with)."""
    values = card.metrics
    tiles = []
    if "event_recall" in values:
        total = int(values["events"])
        name = "failures caught" if card.by_failures else "positive stretches caught"
        tiles.append((f"{round(values['event_recall'] * total)} of {number(total)}", name, "without the model: none"))
    if card.by_failures and "median_lead_hours" in values:
        tiles.append((span(3600 * values["median_lead_hours"]), "warning, in the middle case", "from alarm to failure"))
    if "false_alarms_per_asset_month" in values:
        rate = number(values["false_alarms_per_asset_month"])
        tiles.append(
            (rate, "false alarms per asset and month", f"{counted(int(values['false_alarms']), 'false alarm')} in all")
        )
    if "average_precision" in values:
        floor = card.baselines.get("base_rate_average_precision")
        against = f"by chance: {floor:.3f}" if floor is not None else "from 0 to 1"
        tiles.append((f"{values['average_precision']:.3f}", "average precision", against))
    return tiles


def _tile(figure: str, name: str, against: str) -> Markup:
    return element("div", element("strong", figure), element("span", name), element("small", against), class_="tile")
