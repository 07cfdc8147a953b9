"""Who ordered, cancelled or approved is what the API server knows, not what the client writes."""

from collections.abc import Callable

import pytest
from tests.support.api import Api, Object
from tests.support.cluster import kubectl, unique, wait_for
from tests.support.eagle import Organization, manual_order

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module")
def people(administrator: Api, organization: Organization) -> tuple[Api, Api]:
    """Alice and Bob, both administrators of the organization."""
    kubectl("create", "rolebinding", unique("admins"), "--clusterrole=eagle-organization-admin", "--user=alice",
            "--user=bob", "-n", organization.namespace)  # fmt: skip
    alice, bob = administrator.impersonate("alice"), administrator.impersonate("bob")
    group = "training.eagle-notifier.io"
    wait_for(lambda: bob.may("create", group, "modelversions", organization.namespace), "the roles of people")
    return alice, bob


def test_an_order_bears_the_name_of_who_makes_it(people: tuple[Api, Api], organization: Organization) -> None:
    alice, _ = people
    assert alice.create(manual_order(organization, "press"))["spec"]["requestedBy"] == "alice"
    forged = manual_order(organization, "press", requestedBy="mallory")
    assert alice.create(forged)["spec"]["requestedBy"] == "alice"


def test_an_order_keeps_that_name(people: tuple[Api, Api], organization: Organization) -> None:
    alice, bob = people
    made = alice.create(manual_order(organization, "press"))
    forged = bob.merge(made, {"spec": {"requestedBy": "bob"}})
    assert forged["spec"]["requestedBy"] == "alice"
    del forged["spec"]["requestedBy"]
    assert bob.replace(forged)["spec"]["requestedBy"] == "alice"


def test_a_cancellation_bears_the_name_of_who_cancels_for_good(
    people: tuple[Api, Api], organization: Organization
) -> None:
    alice, bob = people
    made = alice.create(manual_order(organization, "press"))
    forged = {"spec": {"cancellation": {"reason": "wrong data", "by": "alice"}}}
    cancelled = bob.merge(made, forged)
    assert cancelled["spec"]["cancellation"] == {"reason": "wrong data", "by": "bob"}
    del cancelled["spec"]["cancellation"]["by"]
    assert alice.replace(cancelled)["spec"]["cancellation"]["by"] == "bob"


def test_an_approval_bears_the_name_of_who_last_decided(people: tuple[Api, Api], organization: Organization) -> None:
    alice, bob = people
    made = alice.create(manual_order(organization, "press"))

    def decide(who: Api, **approval: str) -> Object:
        return dict(who.merge(made, {"spec": {"approval": approval}})["spec"]["approval"])

    assert decide(alice, decision="Approved", by="bob") == {"decision": "Approved", "by": "alice"}
    assert decide(bob, decision="Approved", by="bob") == {"decision": "Approved", "by": "alice"}
    assert decide(bob, decision="Rejected")["by"] == "bob"
    assert decide(alice, decision="Rejected", reason="false alarms")["by"] == "alice"


def test_names_survive_kubectl_apply(people: tuple[Api, Api], organization: Organization) -> None:
    alice, bob = people
    made = manual_order(organization, "press", approval={"decision": "Approved"})
    alice.apply(made, "kubectl")
    made["spec"]["cancellation"] = {"reason": "holiday"}
    spec = bob.apply(made, "kubectl")["spec"]
    assert (spec["requestedBy"], spec["approval"]["by"], spec["cancellation"]["by"]) == ("alice", "alice", "bob")


@pytest.mark.parametrize("trigger", ["Schedule", "Drift", "Import"])
def test_people_order_with_trigger_manual(
    people: tuple[Api, Api], administrator: Api, organization: Organization, trigger: str, refusal: Callable[..., str]
) -> None:
    needed: dict[str, Object] = {
        "Schedule": {"scheduledTime": "2026-11-22T01:00:00Z"},
        "Import": {"artifact": {"uri": "s3://eagle-acme/acme/1/v1/", "digest": DIGEST}},
    }
    order = manual_order(organization, "press", trigger=trigger, **needed.get(trigger, {}))
    for caller in (people[0], administrator):
        assert "spec.trigger must be Manual" in refusal(caller.create, order)


def test_the_operator_orders_with_any_trigger_and_nobodys_name(operator: Api, organization: Organization) -> None:
    order = manual_order(organization, "press", trigger="Schedule", scheduledTime="2026-11-22T01:00:00Z")
    made = operator.create(order)
    assert "requestedBy" not in made["spec"]
    approved = {"spec": {"approval": {"decision": "Rejected", "by": "alice"}}}
    assert operator.merge(made, approved)["spec"]["approval"]["by"] == "alice"


def test_a_run_of_the_operators_stays_nobodys(
    people: tuple[Api, Api], operator: Api, organization: Organization
) -> None:
    made = operator.create(manual_order(organization, "press", trigger="Drift"))
    after = people[0].merge(made, {"spec": {"requestedBy": "alice", "cancellation": {"reason": "no"}}})
    assert "requestedBy" not in after["spec"]
    assert after["spec"]["cancellation"]["by"] == "alice"
