"""The whole page: one file that needs nothing else."""

from importlib.resources import files

from eagle_trainer.card import figures, lanes, operating, plots, quality, splits, tables, timeline, why
from eagle_trainer.card.content import CardInput
from eagle_trainer.card.headline import headline
from eagle_trainer.card.markup import Markup, element, section, together
from eagle_trainer.card.rival import rival

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
    parts = [(id_, title, part) for id_, title, part in _parts(card) if part is not None]
    index = element(
        "nav",
        *(element("a", title, href=f"#{id_}") for id_, title, _ in parts),
        aria_label="Parts of this card",
    )
    main = element("main", headline(card), index, *(part for _, _, part in parts))
    page = element("html", element("head", head), element("body", main), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _parts(card: CardInput) -> list[tuple[str, str, Markup | None]]:
    """(id, name in the index, part) in the order of the page."""
    return [
        ("alarms", "Alarms", _alarms(card)),
        ("reasons", "Reasons", _reasons(card)),
        ("threshold", "Threshold", _threshold(card)),
        ("figures", "Figures", _figures(card)),
        ("splits", "Time and assets", _splits(card)),
        ("rival", "In service", _rival(card)),
        ("signals", "Signals", _signals(card)),
        ("data", "Data", _data(card)),
        ("recipe", "Recipe", _recipe(card)),
    ]


def _alarms(card: CardInput) -> Markup:
    right = "in which an alarm is right" if card.by_failures else "in which the label is 1"
    key = [
        element("span", element("i", class_="k horizon"), f"time {right}"),
        element("span", element("i", class_="k right"), "alarm that was right"),
        element("span", element("i", class_="k wrong"), "false alarm"),
    ]
    if card.by_failures:
        key += [
            element("span", element("i", "▼", class_="g"), "failure with an alarm before it"),
            element("span", element("i", "▽", class_="g"), "missed failure"),
        ]
    return section(
        f"Which alarms would have come before which {card.event[1]}" if card.by_failures else "What it would have said",
        element("p", *key, class_="key"),
        lanes.lanes(card),
        element("h3", "A closer look"),
        element("p", "The probability itself, and the threshold (dashed) from which it alarms.", class_="hint"),
        timeline.strips(card),
        element("h3", f"The newest {card.event[1]}") if card.scored.events.positive.any() else None,
        lanes.event_list(card),
        id_="alarms",
        hint="Each stretch of time was judged by a model that had not seen it."
        if card.by_folds
        else "On the holdout: the newest data, which the judged model had not seen.",
    )


def _reasons(card: CardInput) -> Markup | None:
    if not card.explained:
        return None
    return section("Why it alarmed", why.reasons(card), id_="reasons", hint=why.legend())


def _threshold(card: CardInput) -> Markup:
    return section(
        "What another threshold would do",
        operating.operating_points(card),
        id_="threshold",
        hint="On the same rows. A lower threshold catches more and cries wolf more often. It is a hint and no"
        " promise: a threshold that is picked because it did best here will do a little worse on new data.",
    )


def _figures(card: CardInput) -> Markup:
    probability, target = card.scored.probability, card.scored.samples.target
    judged = "without the time it is judged by" if card.by_folds else "without the holdout"
    told = f"The figures are those of the same recipe trained {judged}; the published model then learned from all data."
    if card.evaluation.message:
        told += f" Note: {card.evaluation.message}."
    curve = (
        plots.precision_recall(probability, target, threshold=card.threshold)
        if target.any()
        else element("p", "No row of the holdout is positive, so there is nothing to find.")
    )
    return section(
        "How good it is against doing nothing",
        figures.against_baselines(card),
        element(
            "div",
            element(
                "figure",
                element("h3", "Precision and recall"),
                curve,
                element("figcaption", "Further up and to the right is better. The dot is the alarm threshold."),
            ),
            element(
                "figure",
                element("h3", "Can the probabilities be believed?"),
                plots.calibration(probability, target),
                element(
                    "figcaption",
                    "On the dashed line what the model says is what happens. The bars below say how many rows there"
                    " are; hollow dots have so few that they say little.",
                ),
            ),
            class_="pair",
        ),
        element("h3", "All figures"),
        figures.all_figures(card),
        id_="figures",
        hint=told,
    )


def _splits(card: CardInput) -> Markup:
    by_asset = splits.over_assets(card)
    return section(
        "Where and when it is good",
        splits.over_time(card),
        element("h3", "By asset") if by_asset else None,
        by_asset,
        id_="splits",
        hint="A good mean may hide a bad month, or a machine of its own kind.",
    )


def _rival(card: CardInput) -> Markup | None:
    told = rival(card)
    return section("Against the version in service", told, id_="rival") if told is not None else None


def _signals(card: CardInput) -> Markup:
    return section(
        "What it looks at",
        element(
            "div",
            element("div", element("h3", "By signal"), why.by_signal(card)),
            element("div", element("h3", "By feature"), why.by_feature(card)),
            class_="pair",
        ),
        id_="signals",
        hint="By their share of all gain in the trees. It says what the model uses, not what causes failures.",
    )


def _data(card: CardInput) -> Markup:
    return section(
        "What it learned from",
        tables.data(card),
        element("h3", "Findings in the data"),
        quality.findings(card),
        id_="data",
    )


def _recipe(card: CardInput) -> Markup:
    return section(
        "How it was made",
        tables.learning(card),
        element(
            "div",
            element("div", element("h3", "Recipe"), tables.recipe(card)),
            element(
                "div",
                element("h3", "Proof and programs"),
                element("p", _PROOF, class_="hint"),
                tables.proof(card),
            ),
            class_="pair",
        ),
        id_="recipe",
    )


_PROOF = (
    "The published file was asked for every row that was compared, for odd inputs and on both sides of its own"
    " thresholds, and its answers held against LightGBM's."
)
