"""A schedule belongs to the organization whose namespace it is in."""

from collections.abc import Callable, Iterator

import pytest
from tests.support.api import Api, Object
from tests.support.cluster import fresh_namespace, kubectl, unique, wait_for
from tests.support.eagle import Installation, Organization, schedule

LABEL = "training.eagle-notifier.io/organization"


@pytest.fixture
def unlabelled(installation: Installation) -> Iterator[Organization]:
    with fresh_namespace("charts-nobody") as namespace:
        yield Organization(id="nobody", namespace=namespace, release="none")


def test_a_schedule_of_the_namespaces_organization_is_accepted(administrator: Api, organization: Organization) -> None:
    made = administrator.create(schedule(organization, unique("press")))
    assert made["spec"]["organizationId"] == organization.id


def test_a_schedule_of_another_organization_is_told_which_to_write(
    administrator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    message = refusal(administrator.create, schedule(organization, unique("press"), organizationId="globex"))
    assert f'spec.organizationId must be "{organization.id}"' in message
    assert organization.namespace in message


def test_a_namespace_of_no_organization_takes_no_schedule_and_says_what_to_do(
    administrator: Api, unlabelled: Organization, refusal: Callable[..., str]
) -> None:
    message = refusal(administrator.create, schedule(unlabelled, unique("press")))
    assert f"onboard {unlabelled.namespace} with the chart eagle-organization" in message


def test_not_even_the_operator_makes_a_schedule_for_another_organization(
    administrator: Api, unlabelled: Organization, installation: Installation, refusal: Callable[..., str]
) -> None:
    kubectl("create", "rolebinding", "any", "--clusterrole=cluster-admin", f"--namespace={unlabelled.namespace}",
            f"--serviceaccount={installation.operator.removeprefix('system:serviceaccount:')}")  # fmt: skip
    operator = administrator.impersonate(installation.operator)
    assert "onboard" in refusal(operator.create, schedule(unlabelled, unique("press")))


def test_a_schedule_whose_namespace_lost_its_organization_can_only_be_deleted(
    administrator: Api, unlabelled: Organization, refusal: Callable[..., str]
) -> None:
    kubectl("label", "namespace", unlabelled.namespace, f"{LABEL}=nobody")
    made = schedule(unlabelled, unique("press"))
    wait_for(lambda: _accepted(administrator, made), "the label to be seen")
    administrator.merge(made, {"metadata": {"finalizers": ["example.com/hold"]}})
    kubectl("label", "namespace", unlabelled.namespace, f"{LABEL}-")

    change = {"spec": {"description": "changed"}}
    wait_for(lambda: _refused(administrator, made, change), "the label's end to be seen")
    administrator.delete(made)
    administrator.merge(made, {"metadata": {"finalizers": None}})
    assert "not found" in refusal(administrator.get, made)


def _accepted(api: Api, resource: Object) -> bool:
    try:
        api.create(resource)
    except AssertionError:
        return False
    return True


def _refused(api: Api, resource: Object, change: Object) -> bool:
    try:
        api.merge(resource, change, dryRun="All")
    except AssertionError:
        return True
    return False
