"""Who may do what: the operator, the programs of a run, and the people of an organization."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.support.api import Api, RefusedError
from tests.support.cluster import fresh_namespace, unique, wait_for
from tests.support.eagle import Installation, Organization, manual_order, onboarded, schedule

GROUP = "training.eagle-notifier.io"
READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")

ADMIN, VIEWER = "alice@acme.example", "auditors"

# What each may do in the organization's namespace: (group, resource, subresource) -> verbs. All else is to be refused.
RESOURCES = {
    (GROUP, "trainingschedules", ""),
    (GROUP, "trainingschedules", "status"),
    (GROUP, "modelversions", ""),
    (GROUP, "modelversions", "status"),
    ("batch", "jobs", ""),
    ("batch", "cronjobs", ""),
    ("apps", "deployments", ""),
    ("apps", "statefulsets", ""),
    ("", "pods", ""),
    ("", "pods", "log"),
    ("", "pods", "exec"),
    ("", "services", ""),
    ("", "events", ""),
    ("", "secrets", ""),
    ("", "configmaps", ""),
    ("", "serviceaccounts", ""),
    ("", "serviceaccounts", "token"),
    ("rbac.authorization.k8s.io", "roles", ""),
    ("rbac.authorization.k8s.io", "rolebindings", ""),
    ("rbac.authorization.k8s.io", "clusterroles", ""),
}
SCHEDULES, VERSIONS = (GROUP, "trainingschedules", ""), (GROUP, "modelversions", "")
SCHEDULE_STATUS, VERSION_STATUS = (GROUP, "trainingschedules", "status"), (GROUP, "modelversions", "status")
JOBS, CLOCKS, DEPLOYMENTS = ("batch", "jobs", ""), ("batch", "cronjobs", ""), ("apps", "deployments", "")
PODS, LOGS, SERVICES, EVENTS = ("", "pods", ""), ("", "pods", "log"), ("", "services", ""), ("", "events", "")
Rights = dict[tuple[str, str, str], tuple[str, ...]]
RIGHTS: dict[str, Rights] = {
    "operator": {
        SCHEDULES: READ,
        VERSIONS: (*READ, "create", "patch", "delete"),
        SCHEDULE_STATUS: ("patch",),
        VERSION_STATUS: ("patch",),
        JOBS: (*READ, "create", "patch", "delete"),
        CLOCKS: (*READ, "create", "patch", "delete"),
        DEPLOYMENTS: (*READ, "create", "patch"),
        SERVICES: (*READ, "create", "patch"),
        PODS: READ,
        LOGS: ("get",),
        EVENTS: ("create",),
    },
    "trainer": {SCHEDULES: ("get",), VERSIONS: ("get",), VERSION_STATUS: ("patch",)},
    "server": {},
    "viewer": {SCHEDULES: READ, VERSIONS: READ, EVENTS: READ},
    "admin": {SCHEDULES: (*READ, *WRITE), VERSIONS: (*READ, "create", "update", "patch"), EVENTS: READ},
    "super-admin": {
        SCHEDULES: (*READ, *WRITE),
        VERSIONS: (*READ, "create", "update", "patch"),
        EVENTS: READ,
        JOBS: READ,
        CLOCKS: READ,
        DEPLOYMENTS: READ,
        PODS: READ,
        LOGS: READ,
        SERVICES: READ,
    },
}


@pytest.fixture(scope="module")
def peopled(installation: Installation) -> Iterator[Organization]:
    """An organization with an administrator and a group of viewers."""
    people = ("--set", f"access.admins.users={{{ADMIN}}}", "--set", f"access.viewers.groups={{{VIEWER}}}")
    with onboarded("people", installation, "--set", "store.onboarding.enabled=false", *people) as organization:
        yield organization


@pytest.fixture(scope="module")
def callers(
    administrator: Api, operator: Api, peopled: Organization, installation: Installation
) -> Iterator[dict[str, Api]]:
    """Everybody by their part."""
    account = f"system:serviceaccount:{peopled.namespace}:eagle-"
    name, overseer = unique("overseer"), "olga@example.com"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": f"{installation.name}-super-admin",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": overseer}],
    }
    administrator.create(binding)
    everybody = {
        "operator": operator,
        "trainer": administrator.impersonate(f"{account}trainer"),
        "server": administrator.impersonate(f"{account}serving"),
        "viewer": administrator.impersonate("victor@acme.example", group=VIEWER),
        "admin": administrator.impersonate(ADMIN),
        "super-admin": administrator.impersonate(overseer),
    }
    for who in ("trainer", "viewer", "admin", "super-admin"):
        may = partial(everybody[who].may, "get", GROUP, "modelversions", peopled.namespace)
        wait_for(may, f"the rights of {who}")
    yield everybody
    administrator.delete(binding)


@pytest.mark.parametrize("who", RIGHTS)
def test_everybody_has_exactly_their_rights(callers: dict[str, Api], peopled: Organization, who: str) -> None:
    rights = RIGHTS[who]
    for group, resource, subresource in sorted(RESOURCES):
        allowed = {
            verb
            for verb in (*READ, *WRITE, "deletecollection")
            if callers[who].may(verb, group, resource, peopled.namespace, subresource=subresource)
        }
        assert allowed == set(rights.get((group, resource, subresource), ())), f"{group}/{resource}/{subresource}"


def test_the_operator_sees_namespaces_and_definitions_and_no_more_of_the_cluster(callers: dict[str, Api]) -> None:
    operator = callers["operator"]
    for group, resource in (("", "namespaces"), ("apiextensions.k8s.io", "customresourcedefinitions")):
        assert [verb for verb in (*READ, *WRITE) if operator.may(verb, group, resource, "")] == list(READ)
    for group, resource in (("", "nodes"), ("", "secrets"), ("rbac.authorization.k8s.io", "clusterroles")):
        assert not [verb for verb in (*READ, *WRITE, "bind", "escalate") if operator.may(verb, group, resource, "")]
    assert not operator.may("impersonate", "", "users", "")


def test_nobody_may_use_the_trainers_account_by_a_role_of_eagles(
    callers: dict[str, Api], peopled: Organization
) -> None:
    for caller in callers.values():
        assert not caller.may("use", "", "serviceaccounts", peopled.namespace)
        assert not caller.may("impersonate", "", "serviceaccounts", peopled.namespace)


def test_an_organizations_administrator_schedules_orders_cancels_and_approves(
    callers: dict[str, Api], peopled: Organization
) -> None:
    admin = callers["admin"]
    made = admin.create(schedule(peopled, unique("press")))
    admin.merge(made, {"spec": {"description": "Presses of hall 3"}})
    order = admin.create(manual_order(peopled, "press"))
    admin.merge(order, {"spec": {"approval": {"decision": "Rejected", "reason": "false alarms"}}})
    assert admin.merge(order, {"spec": {"cancellation": {}}})["spec"]["cancellation"]["by"] == ADMIN
    admin.delete(made)


def test_an_organizations_administrator_is_nobody_elsewhere(
    callers: dict[str, Api], organization: Organization
) -> None:
    with pytest.raises(RefusedError, match="forbidden"):
        callers["admin"].create(schedule(organization, unique("press")))
    with fresh_namespace("charts-elsewhere") as namespace:
        assert not callers["admin"].may("get", GROUP, "modelversions", namespace)


def test_a_viewer_looks_and_leaves_alone(callers: dict[str, Api], administrator: Api, peopled: Organization) -> None:
    made = administrator.create(schedule(peopled, unique("press")))
    viewer = callers["viewer"]
    assert viewer.get(made)["metadata"]["name"] == made["metadata"]["name"]
    with pytest.raises(RefusedError, match="forbidden"):
        viewer.merge(made, {"spec": {"suspend": False}})


def test_the_super_administrator_acts_in_every_organization(
    callers: dict[str, Api], peopled: Organization, organization: Organization
) -> None:
    for place in (peopled, organization):
        made = callers["super-admin"].create(schedule(place, unique("press")))
        callers["super-admin"].delete(made)


def test_the_built_in_view_role_shows_schedules(administrator: Api) -> None:
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"
    rules = wait_for(
        lambda: [rule for rule in administrator.call("GET", role)["rules"] if GROUP in rule["apiGroups"]],
        "the aggregation into the role view",
    )
    assert {verb for rule in rules for verb in rule["verbs"]} == set(READ)
