"""The top of the card: what the model is, how good it is against doing nothing, and whether it may serve."""

from eagle_trainer.card.content import CardInput
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.requirements import Requirement, requirements
from eagle_trainer.card.wording import between, counted, figure, minute, number, percent, score, span
from eagle_trainer.evaluate import MONTH
from eagle_trainer.series import SECOND

_NEARLY_ALL = 0.95
"""A warning this near to the whole horizon came as early as it can."""


def headline(card: CardInput) -> Markup:
    """Name, purpose, verdict and the few figures that matter most."""
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
                class_="version",
            ),
        ),
        _verdict(card, requirements(card)),
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
        element(
            "ul",
            *(
                element(
                    "li",
                    element("span", "Met: " if item.met else "Not met: ", class_="spoken"),
                    item.text,
                    class_="met" if item.met else "unmet",
                )
                for item in found
            ),
        ),
        class_=f"verdict {kind}",
    )


def _story(card: CardInput) -> str:
    """The result in a few sentences."""
    values, evaluation = card.metrics, card.evaluation
    seen = "On data that it had not seen"
    if evaluation.holdout_from and evaluation.holdout_to:
        seconds = (evaluation.holdout_to - evaluation.holdout_from).total_seconds()
        seen = f"On {span(seconds)} that it had not seen ({between(evaluation.holdout_from, evaluation.holdout_to)})"
    sentences = [f"{seen} it {_catches(card)}."]
    if card.horizon_seconds and "median_lead_hours" in values:
        lead = 3600 * values["median_lead_hours"]
        all_there_is = ", which is as early as it can" if lead >= _NEARLY_ALL * card.horizon_seconds else ""
        sentences.append(f"In the middle case the first alarm came {span(lead)} ahead{all_there_is}.")
    if "majority_accuracy" in card.baselines and "accuracy" in values:
        often = "Never alarming" if values.get("training_base_rate", 0.0) < 0.5 else "Always alarming"
        worse = " only" if values["accuracy"] < card.baselines["majority_accuracy"] else ""
        sentences.append(
            f"{often} would be right in {percent(card.baselines['majority_accuracy'])} of the rows;"
            f" this model is right in{worse} {percent(values['accuracy'])}."
        )
    return " ".join(sentences)


def _catches(card: CardInput) -> str:
    values = card.metrics
    wrong = counted(int(values.get("false_alarms", 0)), "false alarm")
    total = int(values.get("events", 0))
    if not total:
        return f"met no {card.event[0]} and raised {wrong}"
    hits = round(values.get("event_recall", 0.0) * total)
    return f"alarmed in time for {number(hits)} of {counted(total, *card.event)}, with {wrong}"


def _tiles(card: CardInput) -> list[tuple[str, str, str]]:
    """(figure, name, what it is compared with)."""
    values = card.metrics
    tiles = []
    if "event_recall" in values:
        total = int(values["events"])
        caught = f"{round(values['event_recall'] * total)} of {number(total)}"
        tiles.append((caught, f"{card.event[1]} caught", "without the model: none"))
    if card.horizon_seconds and "median_lead_hours" in values:
        most = f"from alarm to failure; {span(card.horizon_seconds)} at most"
        tiles.append((span(3600 * values["median_lead_hours"]), "warning, in the middle case", most))
    if "false_alarms_per_asset_month" in values:
        tiles.append(_false_alarms(card))
    if "average_precision" in values:
        floor = card.baselines.get("base_rate_average_precision")
        against = f"by chance: {score(floor)}" if floor is not None else "from 0 to 1"
        tiles.append((figure("average_precision", values["average_precision"]), "average precision", against))
    if not card.by_failures and "accuracy" in values:
        often = card.baselines.get("majority_accuracy")
        against = f"always the same answer: {percent(often)}" if often is not None else "at the threshold"
        tiles.append((percent(values["accuracy"]), "of the rows judged rightly", against))
    return tiles


def _false_alarms(card: CardInput) -> tuple[str, str, str]:
    """The rate; the count alone where so little was watched that a rate would be a guess."""
    count, rate = int(card.metrics["false_alarms"]), card.metrics["false_alarms_per_asset_month"]
    watched = len(card.scored.samples) * card.scored.period_seconds
    if watched * SECOND < MONTH:
        return number(count), "false alarm" if count == 1 else "false alarms", f"in {span(watched)} watched"
    return number(rate), "false alarms per asset and month", f"{counted(count, 'false alarm')} in all"


def _tile(big: str, name: str, against: str) -> Markup:
    return element("div", element("strong", big), element("span", name), element("small", against), class_="tile")
