"""The gate: each check by itself, and that the first objection is the verdict."""

from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import resolve
from eagle_operator.domain.gate import CHECKS, Evidence, Verdict, judge


def verdict(
    promotion: dict[str, Any] | None = None, *, served_schema: str | None = None, **result: Any
) -> tuple[str, str]:
    resolved = resolve(b.spec(promotion=promotion or {}), b.DEFAULTS)
    said = judge(Evidence(b.result(**result), resolved, served_schema))
    return said.reason, said.message


def metrics(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def comparison(**changes: Any) -> dict[str, Any]:
    return {"version": b.label("b"), "outcome": "Worse", **changes}


def test_a_good_model_passes_every_check() -> None:
    assert verdict() == ("AllChecksPassed", f"passed {len(CHECKS)} checks")
    assert Verdict("AllChecksPassed", "").passed


@pytest.mark.parametrize("told", [{"message": "no failure in the holdout"}, {}])
def test_a_holdout_that_cannot_judge_is_told_first(told: dict[str, str]) -> None:
    reason, message = verdict(evaluation={"evaluable": False, **told}, metrics=metrics(accuracy="0.1"))
    assert reason == "NotEvaluable"
    assert message == told.get("message", "the holdout cannot judge the model")


@pytest.mark.parametrize(("accuracy", "passes"), [("0.7499", False), ("0.75", True), ("0.750", True), ("1", True)])
def test_without_bounds_of_its_own_a_schedule_asks_for_the_installations_accuracy(accuracy: str, passes: bool) -> None:
    reason, _ = verdict(metrics=metrics(accuracy=accuracy))
    assert reason == ("AllChecksPassed" if passes else "BelowMinimum")


def test_an_empty_list_of_minimums_asks_for_nothing() -> None:
    assert verdict({"minimums": []}, metrics=metrics(accuracy="0.01"))[0] == "AllChecksPassed"


def test_a_minimum_says_what_is_and_what_must_be() -> None:
    bounds = {"minimums": [{"metric": "event_recall", "value": "0.6"}]}
    said = verdict(bounds, metrics=metrics(event_recall="0.5"))
    assert said == ("BelowMinimum", "event_recall is 0.5, below the minimum of 0.6")


@pytest.mark.parametrize(("value", "passes"), [("0.9", True), ("1", True), ("1.0", True), ("1.01", False)])
def test_a_maximum_holds(value: str, passes: bool) -> None:
    bounds = {"minimums": [], "maximums": [{"metric": "false_alarms_per_asset_month", "value": "1"}]}
    reason, message = verdict(bounds, metrics=metrics(false_alarms_per_asset_month=value))
    assert reason == ("AllChecksPassed" if passes else "AboveMaximum")
    if not passes:
        assert message == "false_alarms_per_asset_month is 1.01, above the maximum of 1"


@pytest.mark.parametrize(("kind", "reason"), [("minimums", "BelowMinimum"), ("maximums", "AboveMaximum")])
def test_a_bound_on_a_metric_that_is_not_there_names_those_that_are(kind: str, reason: str) -> None:
    said, message = verdict({"minimums": [], kind: [{"metric": "recal", "value": "1"}]})
    assert said == reason
    assert message == "recal is not among the metrics of this model: accuracy"


def test_numbers_are_compared_as_numbers() -> None:
    bounds = {"minimums": [{"metric": "skill", "value": "9e-2"}]}
    assert verdict(bounds, metrics=metrics(skill="0.10"))[0] == "AllChecksPassed"


@pytest.mark.parametrize("beats", [False, None])
def test_a_model_that_does_not_beat_its_baselines_stays_out(beats: bool | None) -> None:
    reason, message = verdict(evaluation={"evaluable": True, "beatsBaseline": beats, "baselineGain": "-0.01"})
    assert (reason, "-0.01" in message) == ("WorseThanBaseline", True)
    assert verdict({"mustBeatBaseline": False}, evaluation={"evaluable": True, "beatsBaseline": beats})[0] == (
        "AllChecksPassed"
    )


@pytest.mark.parametrize(
    ("difference", "upper", "passes"),
    [
        ("-0.05", "-0.01", False),
        ("-0.05", "0.01", True),  # it may be chance
        ("-0.02", "-0.01", True),  # as much as is allowed
        ("-0.020001", "-0.01", False),
        ("0.05", "0.09", True),
        ("-0.05", "0", True),
    ],
)
def test_worse_than_the_active_version_is_more_than_allowed_and_not_chance(
    difference: str, upper: str, passes: bool
) -> None:
    active = comparison(difference=difference, differenceUpperBound=upper)
    reason, message = verdict({"maxRegression": "0.02"}, activeVersionMetrics=active)
    assert reason == ("AllChecksPassed" if passes else "WorseThanActive")
    if not passes:
        assert b.label("b") in message
        assert difference in message


@pytest.mark.parametrize(
    "active",
    [
        None,
        comparison(outcome="NotCompared", difference="-1", differenceUpperBound="-1"),
        comparison(),
        comparison(difference="-1"),
    ],
    ids=["nothing serves", "not compared", "no numbers", "no bound"],
)
def test_what_was_not_compared_is_not_held_against_a_model(active: dict[str, Any] | None) -> None:
    assert verdict({"maxRegression": "0.02"}, activeVersionMetrics=active)[0] == "AllChecksPassed"


def test_without_max_regression_nothing_is_compared() -> None:
    active = comparison(difference="-1", differenceUpperBound="-1")
    assert verdict(activeVersionMetrics=active)[0] == "AllChecksPassed"


def test_other_inputs_than_those_in_service_need_a_word_from_somebody() -> None:
    assert verdict(served_schema=b.digest("2"))[0] == "AllChecksPassed"
    reason, message = verdict(served_schema=b.digest("9"))
    assert (reason, "approve" in message) == ("SchemaChanged", True)


def test_every_other_objection_comes_before_the_one_that_an_approval_overrules() -> None:
    said = verdict({"minimums": [{"metric": "accuracy", "value": "0.99"}]}, served_schema=b.digest("9"))
    assert said[0] == "BelowMinimum"
