"""Which version serves is a person's word where the policy says so, and a pin's where there is one."""

from collections.abc import Iterator

import pytest
from tests.e2e.lab.pair import Pair
from tests.e2e.lab.schedule import condition


@pytest.fixture
def begun(pair: Pair) -> Iterator[Pair]:
    pair.begin()
    yield pair
    pair.schedule.change(serving={"pin": None})


def _deployed(pair: Pair) -> str:
    """What the Deployment's pods are told to serve."""
    containers = pair.schedule.deployment["spec"]["template"]["spec"]["containers"]
    return str(next(v["value"] for v in containers[0]["env"] if v["name"] == "EAGLE_MODELS"))


def test_with_the_policy_manual_a_version_that_passed_waits_for_a_word(begun: Pair) -> None:
    name = begun.schedule.train()
    version = begun.schedule.until_reason(name, "Serving", "NotPromoted")
    assert condition(version, "Validated")["status"] == "True"
    assert "waits for an approval" in condition(version, "Serving")["message"]
    assert begun.active == begun.first

    begun.schedule.decide(name, "Approved", "it is good")
    status = begun.schedule.until_serving(name)["status"]
    assert status["servingHistory"][0]["reason"] == "Promoted"

    begun.schedule.decide(name, "Rejected", "it is not")
    begun.schedule.until_serving(begun.first)


def test_a_rejected_version_that_is_approved_after_all_goes_in(begun: Pair) -> None:
    begun.schedule.decide(begun.second, "Rejected", "no")
    begun.schedule.until_reason(begun.second, "Serving", "Rejected")
    begun.schedule.decide(begun.second, "Approved", "after all")
    begun.schedule.until_serving(begun.second)


def test_a_pin_holds_a_version_and_its_end_changes_nothing_at_once(begun: Pair) -> None:
    schedule = begun.schedule
    schedule.decide(begun.second, "Approved", "in service, until there is a pin")
    schedule.until_serving(begun.second)
    schedule.change(serving={"pin": {"version": begun.first, "reason": "held for the audit"}})
    status = schedule.until_serving(begun.first)["status"]
    assert status["servingHistory"][0]["reason"] == "Pinned"
    schedule.until_reason(begun.first, "Serving", "Pinned")

    schedule.decide(begun.second, "Approved", "again, but there is a pin")
    schedule.until("Ready", "True")
    assert begun.active == begun.first

    models = _deployed(begun)
    schedule.change(serving={"pin": None})
    schedule.until("Serving", "True", "Serving")
    assert begun.active == begun.first
    assert _deployed(begun) == models


def test_a_pin_on_nothing_leaves_what_serves(begun: Pair) -> None:
    begun.schedule.change(serving={"pin": {"version": f"{begun.schedule.name}-m-none"}})
    begun.schedule.until("Ready", "True")
    begun.schedule.until("Serving", "True")
    assert begun.active == begun.first
