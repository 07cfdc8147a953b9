"""The whole page: one file that needs nothing else."""

from importlib.resources import files

from eagle_trainer.card import plots, tables, timeline
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.headline import headline
from eagle_trainer.card.markup import Child, Markup, element, together

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(card: CardInput) -> bytes:
    """The model card as one HTML file in UTF-8, for people who look after machines. The same input, the same bytes."""
    style = Markup(files("eagle_trainer.card").joinpath("style.css").read_text(encoding="utf-8"))
    head = together(
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{card.resolved.model_name} · {card.version}"),
        element("style", style),
    )
    page = element(
        "html", element("head", head), element("body", element("main", headline(card), _body(card))), lang="en"
    )
    return f"<!doctype html>\n{page}\n".encode()


def _body(card: CardInput) -> Markup:
    probability, target = card.scored.probability, card.scored.samples.target
    events = "failures" if card.by_failures else "positive stretches"
    return together(
        _section(
            "How good it is",
            element("p", _belongs(card), class_="hint"),
            tables.figures(card),
        ),
        element(
            "div",
            _section(
                "Precision and recall",
                plots.precision_recall(probability, target, threshold=card.threshold)
                if target.any()
                else _no_positives(),
                element("p", "Further up and to the right is better. The dot is the alarm threshold.", class_="hint"),
            ),
            _section(
                "Can the probabilities be believed?",
                plots.calibration(probability, target),
                element(
                    "p",
                    "On the dashed line what the model says is what happens. Larger dots are more rows.",
                    class_="hint",
                ),
            ),
            class_="pair",
        ),
        _section(
            "What it would have said",
            element("p", _legend(card, events), class_="hint"),
            timeline.strips(card),
        ),
        _section(
            "What it looks at",
            element("p", "The features that tell most, by their share of all gain in the trees.", class_="hint"),
            tables.importance(card),
        ),
        _section(
            "What it learned from", tables.data(card), element("h3", "Findings in the data"), tables.findings(card)
        ),
        element(
            "div",
            _section("How it was made", tables.recipe(card)),
            _section("Proof and programs", element("p", _PROOF, class_="hint"), tables.proof(card)),
            class_="pair",
        ),
    )


_PROOF = (
    "The published file was asked for every row it learned from, for odd inputs and on both sides of its own"
    " thresholds, and compared with LightGBM."
)


def _belongs(card: CardInput) -> str:
    text = (
        "The figures are those of the same recipe trained without the holdout;"
        " the published model then learned from all data."
    )
    return text + (f" Note: {card.evaluation.message}." if card.evaluation.message else "")


def _legend(card: CardInput, events: str) -> str:
    shaded = "in which an alarm is right" if card.by_failures else "in which the label is 1"
    text = (
        f"Probability over the holdout for the assets with most {events}, and for those without any that came nearest"
        f" to an alarm. Shaded: time {shaded}."
    )
    return text + (" ▼ failure with an alarm before it, ▽ failure that was missed." if card.by_failures else "")


def _no_positives() -> Markup:
    return element("p", "No row of the holdout is positive, so there is nothing to find.")


def _section(title: str, *children: Child) -> Markup:
    return element("section", element("h2", title), *children)
