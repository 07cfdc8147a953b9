"""Somebody else's Job has the name of a slot: it is left alone, the slot is told to be lost, and the next one runs."""

from datetime import UTC, datetime, timedelta

from tests.support.cluster import wait_for
from tests.support.lab import BeginOperator, Lab, condition

from eagle_contract.api import names

SCHEDULE = "press"


def next_slot(at_least_seconds: int) -> datetime:
    """The first full minute that is so far away."""
    return (datetime.now(UTC) + timedelta(seconds=60 + at_least_seconds)).replace(second=0, microsecond=0)


def test_a_strangers_job_on_a_slots_name_costs_that_slot_and_no_other(lab: Lab, begin_operator: BeginOperator) -> None:
    place = lab.organization()
    operator = begin_operator(lab.plane.config)
    slot = next_slot(at_least_seconds=5)
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    stranger = lab.api.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": names.slot_name(SCHEDULE, slot), "namespace": place.namespace},
            "spec": {"suspend": True, "template": {"spec": pod}},
        }
    )
    wait_for(lambda: lab.api.get(stranger).get("status"), "Kubernetes to be done with the stranger's Job")
    settled = lab.api.get(stranger)
    lab.schedule(place, schedule="* * * * *")

    operator.until(
        lambda: condition(lab.status(place), "Ready") == ("False", "NameConflict"),
        "the schedule to say that a slot is lost",
        timeout=90,
    )
    missed = lab.status(place)["missedSlots"]
    assert (missed["count"], missed["lastReason"]) == (1, "NameConflict")
    events = lab.api.call("GET", f"/api/v1/namespaces/{place.namespace}/events")["items"]
    assert [event["type"] for event in events if event["reason"] == "NameConflict"] == ["Warning"]

    following = lab.until_made(place, names.slot_name(SCHEDULE, slot + timedelta(minutes=1)), timeout=90)
    operator.until(lambda: lab.version(following).get("state") == "Succeeded", "the next slot's run")
    assert condition(lab.status(place), "Ready")[0] == "True"
    untouched = lab.api.get(stranger)
    assert untouched["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
