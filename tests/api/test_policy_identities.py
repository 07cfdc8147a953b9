"""The ServiceAccounts eagle-trainer and eagle-serving are used along the operator's own chains, and nowhere else."""

from collections.abc import Callable

import pytest
from tests.support.api import Api, Object
from tests.support.cluster import fresh_namespace, kubectl, unique, wait_for
from tests.support.eagle import Installation, Organization
from tests.support.workloads import (
    CRON_JOB_CONTROLLER,
    DEPLOYMENT_CONTROLLER,
    JOB_CONTROLLER,
    REPLICA_SET_CONTROLLER,
    cron_job,
    job,
    kubelet_token,
    node_of,
    pod,
    pod_spec,
    replicated,
    request_token,
)

FOR_RUNS = "eagle-trainer is for runs that the operator starts; create a ModelVersion with trigger Manual instead"
FOR_SERVING = (
    "eagle-serving is for Deployments that the operator makes; set spec.serving of the TrainingSchedule instead"
)
TENANT = "tenant@example.com"


@pytest.fixture(scope="module")
def tenant(administrator: Api, organization: Organization) -> Api:
    """Somebody who was given the built-in role `edit` against all advice."""
    kubectl("create", "rolebinding", "edit", "--clusterrole=edit", f"--user={TENANT}", "-n", organization.namespace)
    caller = administrator.impersonate(TENANT)
    wait_for(lambda: caller.may("create", "batch", "jobs", organization.namespace), "the tenant's role")
    return caller


def test_the_chain_of_a_run_is_accepted_link_by_link(
    administrator: Api, operator: Api, organization: Organization
) -> None:
    namespace = organization.namespace
    operator.create(cron_job(namespace, "eagle-trainer"), dryRun="All")
    scheduled = job(namespace, "eagle-trainer", suspend=True)
    administrator.impersonate(CRON_JOB_CONTROLLER).create(scheduled, dryRun="All")
    operator.create(scheduled, dryRun="All")
    administrator.impersonate(JOB_CONTROLLER).create(pod(namespace, "eagle-trainer"), dryRun="All")


def test_the_chain_of_a_server_is_accepted_link_by_link(
    administrator: Api, operator: Api, organization: Organization
) -> None:
    namespace = organization.namespace
    operator.create(replicated("Deployment", namespace, "eagle-serving"), dryRun="All")
    replicas = replicated("ReplicaSet", namespace, "eagle-serving")
    administrator.impersonate(DEPLOYMENT_CONTROLLER).create(replicas, dryRun="All")
    serving = pod(namespace, "eagle-serving", restartPolicy="Always")
    administrator.impersonate(REPLICA_SET_CONTROLLER).create(serving, dryRun="All")


def every_workload(namespace: str, account: str) -> list[Object]:
    kinds = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"]
    return [
        pod(namespace, account),
        job(namespace, account, suspend=True),
        cron_job(namespace, account),
        *(replicated(kind, namespace, account) for kind in kinds),
    ]


@pytest.mark.parametrize(("account", "told"), [("eagle-trainer", FOR_RUNS), ("eagle-serving", FOR_SERVING)])
def test_a_tenant_makes_nothing_that_runs_as_either(
    tenant: Api, organization: Organization, account: str, told: str, refusal: Callable[..., str]
) -> None:
    for workload in every_workload(organization.namespace, account):
        if workload["kind"] == "Pod":
            del workload["spec"]["nodeName"]
        assert told in refusal(tenant.create, workload, dryRun="All"), workload["kind"]


def test_a_tenant_makes_what_runs_as_another_account(tenant: Api, organization: Organization) -> None:
    for workload in every_workload(organization.namespace, "default"):
        tenant.create(workload, dryRun="All")


def test_the_deprecated_field_of_a_pod_is_no_way_around(
    tenant: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    old = pod(organization.namespace, "eagle-trainer")
    old["spec"]["serviceAccount"] = old["spec"].pop("serviceAccountName")
    assert FOR_RUNS in refusal(tenant.create, old, dryRun="All")


def test_controllers_make_only_what_is_theirs(
    administrator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    namespace = organization.namespace
    replica_sets = administrator.impersonate(REPLICA_SET_CONTROLLER)
    assert FOR_RUNS in refusal(replica_sets.create, pod(namespace, "eagle-trainer"), dryRun="All")
    jobs = administrator.impersonate(JOB_CONTROLLER)
    assert FOR_SERVING in refusal(jobs.create, pod(namespace, "eagle-serving"), dryRun="All")


def test_a_workload_is_not_turned_into_a_run_afterwards(
    tenant: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    made = tenant.create(replicated("Deployment", organization.namespace, "default"))
    change = {"spec": {"template": {"spec": {"serviceAccountName": "eagle-trainer"}}}}
    assert FOR_RUNS in refusal(tenant.merge, made, change, dryRun="All")


def test_what_runs_as_a_trainer_is_not_changed_by_others(
    administrator: Api, tenant: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    made = administrator.impersonate(JOB_CONTROLLER).create(pod(organization.namespace, "eagle-trainer"))
    image = [{**made["spec"]["containers"][0], "image": "example.invalid/other"}]
    assert FOR_RUNS in refusal(tenant.merge, made, {"spec": {"containers": image}})
    debugger = {**pod_spec("")["containers"][0], "name": "debugger"}
    change = {"spec": {"ephemeralContainers": [debugger]}}
    assert FOR_RUNS in refusal(administrator.merge, made, change, "ephemeralcontainers")
    assert tenant.merge(made, {"metadata": {"labels": {"note": "seen"}}})["metadata"]["labels"]["note"] == "seen"


def test_a_servers_template_is_the_operators_but_its_replicas_are_an_autoscalers(
    tenant: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    made = operator.create(replicated("Deployment", organization.namespace, "eagle-serving"))
    change = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}}
    assert FOR_SERVING in refusal(tenant.merge, made, change)
    assert tenant.merge(made, {"spec": {"replicas": 0, "paused": True}})["spec"]["paused"]
    assert operator.merge(made, change)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 5


def test_an_administrator_makes_a_job_from_the_clock_but_no_pod(
    administrator: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    clock = operator.create(cron_job(organization.namespace, "eagle-trainer"))
    name = unique("by-hand")
    kubectl("create", "job", name, f"--from=cronjob/{clock['metadata']['name']}", "-n", organization.namespace)
    kubectl("delete", "job", name, "-n", organization.namespace)
    assert FOR_RUNS in refusal(administrator.create, pod(organization.namespace, "eagle-trainer"), dryRun="All")


def test_a_trainers_token_goes_to_the_node_of_its_pod(administrator: Api, organization: Organization) -> None:
    made = administrator.impersonate(JOB_CONTROLLER).create(pod(organization.namespace, "eagle-trainer"))
    node = node_of(administrator, made)
    assert wait_for(lambda: kubelet_token(node, made), "the node's right to a token")


@pytest.mark.parametrize("account", ["eagle-trainer", "eagle-serving"])
def test_nobody_else_gets_a_token_not_even_one_bound_to_the_pod(
    administrator: Api, tenant: Api, organization: Organization, account: str, refusal: Callable[..., str]
) -> None:
    controller = JOB_CONTROLLER if account == "eagle-trainer" else REPLICA_SET_CONTROLLER
    made = administrator.impersonate(controller).create(pod(organization.namespace, account))
    told = f"tokens of the ServiceAccount {account} are only for the node that runs its pod"
    for caller in (administrator, tenant):
        for bound_to in (None, made):
            assert told in refusal(request_token, caller, organization.namespace, account, bound_to)


def test_everybody_elses_tokens_are_not_eagles_business(tenant: Api, organization: Organization) -> None:
    assert request_token(tenant, organization.namespace, "default")["status"]["token"]


def test_no_token_of_either_is_kept_in_a_secret(
    administrator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    annotation = "kubernetes.io/service-account.name"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": unique("t"), "namespace": organization.namespace, "annotations": {annotation: "default"}},
        "type": "kubernetes.io/service-account-token",
    }
    made = administrator.create(secret)
    change = {"metadata": {"annotations": {annotation: "eagle-trainer"}}}
    assert "use a ServiceAccount of your own" in refusal(administrator.merge, made, change)
    secret["metadata"] = {**made["metadata"], "name": unique("t"), **change["metadata"]}
    assert "use a ServiceAccount of your own" in refusal(administrator.create, secret, dryRun="All")


def test_the_operator_makes_nothing_outside_organizations(
    operator: Api, installation: Installation, refusal: Callable[..., str]
) -> None:
    with fresh_namespace("charts-nobody") as namespace:
        workloads = [
            job(namespace, "eagle-trainer", suspend=True),
            cron_job(namespace, "eagle-trainer"),
            replicated("Deployment", namespace, "eagle-serving"),
            _service(namespace),
        ]
        for workload in workloads:
            message = refusal(operator.create, workload, dryRun="All")
            assert "the operator writes only in namespaces of organizations" in message, workload["kind"]


def test_the_operators_workloads_run_as_the_organizations_two_accounts(
    administrator: Api, operator: Api, organization: Organization, refusal: Callable[..., str]
) -> None:
    namespace = organization.namespace
    operator.create(_service(namespace), dryRun="All")
    for workload in (job(namespace, "default", suspend=True), replicated("Deployment", namespace, "default")):
        assert "must use the ServiceAccount eagle-trainer or eagle-serving" in refusal(
            operator.create, workload, dryRun="All"
        )
    own = administrator.create(replicated("Deployment", namespace, "default"))
    change: Object = {"spec": {"template": {"metadata": {"annotations": {"model": "v2"}}}}}
    assert operator.merge(own, change)["spec"]["template"]["metadata"]["annotations"] == {"model": "v2"}
    change = {"spec": {"template": {"spec": {"serviceAccountName": "builder"}}}}
    assert "must use the ServiceAccount" in refusal(operator.merge, own, change)


def _service(namespace: str) -> Object:
    metadata = {"name": unique("service"), "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
