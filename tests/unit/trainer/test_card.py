"""The card can be read by anybody: valid HTML that needs nothing else, whatever names and data there are."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.unit.trainer.cards import card

from eagle_contract.api.schedule import Bound
from eagle_contract.api.version import ActiveComparison, Metric
from eagle_trainer.card import CardInput, render
from eagle_trainer.card.requirements import requirements
from eagle_trainer.card.timeline import chosen_assets

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
}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_well_formed_and_needs_nothing_from_outside(name: str) -> None:
    page = render(CARDS[name]).decode("utf-8")
    reader = read(CARDS[name])
    assert not {"script", "img", "link", "iframe", "object", "use", "image"} & set(reader.seen)
    assert not {"src", "href", "xlink:href", "srcset", "onerror", "onload"} & {key for key, _ in reader.attributes}
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
    assert "Does not meet what its schedule asks for It may not serve." in text.replace("forIt", "for It")
    assert "false_alarms_per_asset_month is 3.85325, but must be: at most 2" in text


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


def test_the_version_in_service_stands_beside_the_model() -> None:
    served = ActiveComparison(
        version="v2026-01-01T00-00-00-000Z_00000000",
        outcome="Similar",
        difference="0.01",
        difference_upper_bound="0.05",
        metrics=[Metric(name="average_precision", value="0.432")],
    )
    text = read(replace(CARDS["good"], comparison=served)).text
    assert "In service: v2026-01-01T00-00-00-000Z_00000000" in text
    assert "0.432" in text


def test_failures_are_marked_as_caught_or_missed() -> None:
    reader = read(CARDS["good"])
    titles = [value or "" for key, value in reader.attributes if key == "title"]
    assert sum("hours ahead" in title for title in titles) > 0
    assert sum(title.endswith("missed") for title in titles) > 0


def test_assets_with_failures_come_first_then_the_nearest_to_an_alarm() -> None:
    content = CARDS["good"]
    shown = chosen_assets(content.scored, content.assets)
    assert len(shown) == 6
    with_events = {int(asset) for asset in content.scored.events.asset}
    assert set(shown[:4]) <= with_events
    assert not set(shown[4:]) & with_events


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
