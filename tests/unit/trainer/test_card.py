"""The card can be read by anybody: valid HTML that needs nothing else, whatever names and data there are."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import lightgbm as lgb
import numpy as np
import pytest
from tests.unit.trainer.cards import card, full_card

from eagle_contract.api.schedule import Bound
from eagle_contract.api.version import ActiveComparison
from eagle_trainer.card import CardInput, render
from eagle_trainer.card.alarms import alarms, events, false_rows
from eagle_trainer.card.explained import contributions
from eagle_trainer.card.requirements import requirements
from eagle_trainer.card.splits import over_assets, over_time
from eagle_trainer.card.timeline import chosen_assets
from eagle_trainer.card.wording import feature, number, score
from eagle_trainer.fit import margins_of

LARGEST = 300_000
EVIL = """<script>alert("x")</script><img src=https://evil.example/a.png onerror='x'>&amp; </style></title>"""
VOID = {"meta"}


class Reader(HTMLParser):
    """Reads HTML strictly: every element is closed in its turn; text, elements and attributes are kept."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def read(content: CardInput) -> Reader:
    reader = Reader()
    page = render(content).decode("utf-8")
    assert page.startswith('<!doctype html>\n<html lang="en">')
    reader.feed(page)
    reader.close()
    assert reader.open == []
    reader.text = re.sub(r"\s+", " ", reader.text)
    return reader


CARDS = {
    "good": card(),
    "poor": card(noise=2.6, seed=3),
    "not evaluable": card(evaluable=False, failures=3),
    "labels by column": card(by_failures=False),
    "no failure": card(failures=0),
    "one short asset": card(assets=1, hours=2, failures=0),
    "evil names": card(text=EVIL),
    "everything": full_card(),
    "everything evil": full_card(text=EVIL),
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_well_formed_and_needs_nothing_from_outside(name: str) -> None:
    page = render(CARDS[name]).decode("utf-8")
    reader = read(CARDS[name])
    assert not {"script", "img", "link", "iframe", "object", "use", "image"} & set(reader.seen)
    assert not {"src", "xlink:href", "srcset", "onerror", "onload"} & {key for key, _ in reader.attributes}
    targets = {value for key, value in reader.attributes if key == "id"}
    assert {str(value).removeprefix("#") for key, value in reader.attributes if key == "href"} <= targets
    assert "url(" not in page
    assert "@import" not in page
    assert "nan" not in re.findall(r"[a-z]+", " ".join(value or "" for _, value in reader.attributes))
    policies = [value for _, value in reader.attributes if "default-src" in str(value)]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_whatever_people_write_stays_text() -> None:
    reader = read(CARDS["evil names"])
    assert EVIL in reader.text
    assert "script" not in reader.seen


def test_the_headline_says_how_good_it_is_against_doing_nothing() -> None:
    text = read(CARDS["good"]).text
    assert "press-failure" in text
    assert "it alarmed in time for 7 of 9 failures, with 0 false alarms" in text
    assert "Never alarming would be right in 97.7 % of the rows" in text
    assert "Meets everything its schedule asks for" in text
    assert "It may serve." in text


def test_a_version_that_waits_for_a_person_says_so() -> None:
    good = CARDS["good"]
    manual = replace(good, resolved=replace(good.resolved, promotion_policy="Manual"))
    assert "It serves once a person approves it." in read(manual).text


def test_a_model_that_may_not_serve_says_why() -> None:
    text = read(CARDS["poor"]).text
    assert "Does not meet what its schedule asks for" in text
    assert "It may not serve." in text
    rate = number(CARDS["poor"].metrics["false_alarms_per_asset_month"])
    assert f"False alarms per asset and month: {rate}; at most 2 is asked for" in text


def test_a_figure_that_rounds_to_its_limit_is_told_exactly() -> None:
    good = CARDS["good"]
    bound = (Bound(metric="accuracy", value="0.75"),)
    nearly = replace(
        good, metrics={**good.metrics, "accuracy": 0.749999}, resolved=replace(good.resolved, minimums=bound)
    )
    assert "Accuracy: 0.749999; at least 0.75 is asked for" in read(nearly).text


def test_data_that_cannot_judge_are_told_apart_from_a_poor_model() -> None:
    text = read(CARDS["not evaluable"]).text
    assert "Cannot be judged on these data" in text
    assert "the data have 5 failures, and the holdout alone needs 8" in text


def test_requirements_follow_the_schedule() -> None:
    good = CARDS["good"]
    asked = replace(
        good.resolved,
        minimums=(Bound(metric="accuracy", value="0.999"), Bound(metric="event_recal", value="0.5")),
        maximums=(Bound(metric="brier", value="0.5"),),
        must_beat_baseline=False,
        max_regression="0.05",
    )
    worse = ActiveComparison(
        version="v1", outcome="Worse", difference="-0.08", difference_upper_bound="-0.01", metrics=[]
    )
    found = requirements(replace(good, resolved=asked, comparison=worse))
    assert [requirement.met for requirement in found] == [True, False, False, True, False]
    slightly = replace(good, resolved=asked, comparison=worse.model_copy(update={"difference": "-0.04"}))
    assert requirements(slightly)[-1].met


def test_the_version_in_service_stands_beside_the_model_on_the_same_rows() -> None:
    text = read(CARDS["everything"]).text
    assert "In service: v2026-03-01T02-00-00-000Z_0badcafe" in text
    assert "This version and the one in service cannot be told apart." in text
    assert "Average precision0.5120.500" in text
    whole = replace(CARDS["everything"], compared={})
    assert "This version, whole holdout" in read(whole).text


def test_failures_are_marked_as_caught_or_missed() -> None:
    reader = read(CARDS["good"])
    titles = [value or "" for key, value in reader.attributes if key == "title"]
    assert sum("first alarm" in title for title in titles) > 0
    assert sum(title.endswith("missed") for title in titles) > 0


def test_missed_failures_are_looked_at_first_and_an_asset_without_any_is_among_them() -> None:
    content = CARDS["good"]
    shown = chosen_assets(content)
    assert len(shown) == 4
    missed = {event.asset for event in events(content.scored, content.threshold) if event.alarm is None}
    with_events = {int(asset) for asset in content.scored.events.asset}
    assert shown[0] in missed
    assert set(shown[:3]) <= with_events
    assert shown[3] not in with_events


def test_alarms_and_events_of_the_pictures_are_those_of_the_figures() -> None:
    for content in CARDS.values():
        met = events(content.scored, content.threshold)
        assert len(met) == content.metrics["events"]
        if met:
            hits = sum(event.alarm is not None for event in met)
            assert hits / len(met) == pytest.approx(content.metrics["event_recall"])
        assert len(false_rows(content.scored, content.threshold)) == content.metrics["false_alarms"]
        rows = sum(alarm.last - alarm.first + 1 for alarm in alarms(content.scored, content.threshold))
        assert rows == int((content.scored.probability >= content.threshold).sum())


@pytest.mark.parametrize("name", ["good", "poor", "labels by column", "everything"])
def test_the_parts_of_a_split_add_up_to_the_whole(name: str) -> None:
    content = CARDS[name]
    total = int(content.metrics["events"])
    hits = round(content.metrics.get("event_recall", 0.0) * total)
    for part in (over_time(content), over_assets(content)):
        rows = re.findall(r"<td[^>]*>([^<]*)</td>" * 3, str(part))
        caught = [row[1].split(" of ") for row in rows if " of " in row[1]]
        assert sum(int(row[0].replace("\u2009", "")) for row in rows) == len(content.scored.samples)
        assert sum(int(of) for _, of in caught) == total
        assert sum(int(found) for found, _ in caught) == hits
        assert sum(int(row[2]) for row in rows) == content.metrics["false_alarms"]


def test_the_threshold_in_use_and_the_advised_one_are_marked() -> None:
    text = read(CARDS["everything"]).text
    assert "0.85in use" in text
    assert "0.35advised" in text
    assert "advised" not in read(CARDS["good"]).text


def test_every_finding_says_what_to_do() -> None:
    text = read(CARDS["everything"]).text
    assert "check the sensor, or take it out of source.continuousColumns" in text
    assert "Unheard" in text
    assert "Look at these rows in the source." in text


def test_the_parameters_that_were_taken_come_first_among_the_trials() -> None:
    text = read(CARDS["everything"]).text
    assert "3 trials, 1 given up early" in text
    assert text.index("#2taken") < text.index("#1")


def test_a_part_that_a_training_does_not_have_is_left_out() -> None:
    text = read(CARDS["good"]).text
    for title in ("Why it alarmed", "Against the version in service", "Search of the parameters"):
        assert title not in text
        assert title in read(CARDS["everything"]).text


def test_contributions_of_an_answer_add_up_to_its_log_odds() -> None:
    random = np.random.default_rng(5)
    features = random.normal(size=(400, 5))
    target = (features[:, 1] + features[:, 3] + random.normal(size=400) > 0).astype(float)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": 7}
    boosters = [lgb.train({**settings, "seed": seed}, lgb.Dataset(features, target), 20) for seed in (1, 2, 3)]
    pushes = contributions(boosters, features, slope=0.9, offset=-0.3)
    np.testing.assert_allclose(
        pushes.sum(axis=1), margins_of(boosters, features, slope=0.9, offset=-0.3), rtol=0, atol=1e-9
    )
    assert set(np.argsort(-np.abs(pushes[:, :5]).mean(axis=0))[:2]) == {1, 3}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.000"), (0.99996, "0.99996"), (0.0, "0.000"), (0.00004, "0.00004"), (0.5, "0.500"), (-2.75, "−2.750")],
)
def test_a_score_is_never_rounded_to_perfect(value: float, text: str) -> None:
    assert score(value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "temperature"),
        ("temperature__lag_7200s", "temperature, 2 hours before"),
        ("temperature__mean_24", "temperature, mean of 1 day"),
        ("temperature__std_3", "temperature, spread of 3 hours"),
        ("error_e1__count_7d", "error_e1, count in 7 days"),
        ("error_e1__hours_since", "error_e1, hours since the last"),
        ("attribute_age", "age"),
        ("odd__name", "odd__name"),
    ],
)
def test_features_are_told_in_words(name: str, text: str) -> None:
    assert feature(name, 3600) == text


def test_a_card_of_a_large_fleet_stays_small() -> None:
    content = card(assets=30, hours=5000, failures=250, noise=3.0)
    long = replace(
        content,
        importance=tuple((f"sensor_{i}__mean_5" * 9, float(i)) for i in range(3000)),
        parameters={f"parameter_{i}": "x" * 256 for i in range(80)},
    )
    assert len(render(long)) < LARGEST


def test_rows_that_come_and_go_do_not_blow_up_the_timeline() -> None:
    content = card(assets=6, hours=6000, failures=40, noise=3.0)
    scored = content.scored
    kept = scored.samples.row % 2 == 0
    holes = replace(scored, samples=scored.samples.take(kept), probability=scored.probability[kept])
    assert len(render(replace(content, scored=holes))) < LARGEST


def test_the_same_training_gives_the_same_card() -> None:
    assert render(card()) == render(card())


def test_the_number_of_cpus_changes_no_card() -> None:
    content = CARDS["good"]
    cards = [render(replace(content, parameters={**content.parameters, "num_threads": n})) for n in (1, 8)]
    assert cards[0] == cards[1]
