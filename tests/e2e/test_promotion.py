"""Which version serves is a person's word where the policy says so, and a pin's where there is one."""

from collections.abc import Iterator

import pytest
from tests.e2e.lab.pair import Pair
from tests.e2e.lab.schedule import condition
from tests.support.cluster import wait_for


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
    version = begun.schedule.version(begun.schedule.train())
    assert condition(version, "Validated")["status"] == "True"
    name = version["metadata"]["name"]
    wait_for(lambda: condition(begun.schedule.version(name), "Serving")["reason"], "a word on the new version")
    serving = condition(begun.schedule.version(name), "Serving")
    assert (serving["status"], serving["reason"]) == ("False", "NotPromoted")
    assert "waits for an approval" in serving["message"]
    assert begun.active == begun.first

    begun.schedule.decide(name, "Approved", "it is good")
    status = begun.schedule.until_serving(name)["status"]
    assert status["servingHistory"][0]["reason"] == "Promoted"

    begun.schedule.decide(name, "Rejected", "it is not")
    begun.schedule.until_serving(begun.first)


def test_a_rejected_version_that_is_approved_after_all_goes_in(begun: Pair) -> None:
    begun.schedule.decide(begun.second, "Rejected", "no")
    wait_for(
        lambda: condition(begun.schedule.version(begun.second), "Serving")["reason"] == "Rejected",
        "the word to be seen",
    )
    begun.schedule.decide(begun.second, "Approved", "after all")
    begun.schedule.until_serving(begun.second)


def test_a_pin_holds_a_version_and_its_end_changes_nothing_at_once(begun: Pair) -> None:
    schedule = begun.schedule
    schedule.change(serving={"pin": {"version": begun.second, "reason": "held for the audit"}})
    status = schedule.until_serving(begun.second)["status"]
    assert status["servingHistory"][0]["reason"] == "Pinned"
    wait_for(
        lambda: condition(schedule.version(begun.second), "Serving")["reason"] == "Pinned", "the version to say so"
    )

    schedule.decide(begun.first, "Approved", "again, but there is a pin")
    schedule.until("Ready", "True")
    assert begun.active == begun.second

    models = _deployed(begun)
    schedule.change(serving={"pin": None})
    schedule.until("Serving", "True", "Serving")
    assert begun.active == begun.second
    assert _deployed(begun) == models


def test_a_pin_on_nothing_leaves_what_serves(begun: Pair) -> None:
    begun.schedule.change(serving={"pin": {"version": f"{begun.schedule.name}-m-none"}})
    begun.schedule.until("Ready", "True")
    begun.schedule.until("Serving", "True")
    assert begun.active == begun.first
