"""Onboarding: one command makes the namespace and everything in it, and no later command loses a key."""

import base64
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kubernetes import client, config
from tests.support.api import Api, Object
from tests.support.cluster import CommandError, fresh_namespace, helm, kubeconfig, kubectl
from tests.support.eagle import (
    ORGANIZATION_CHART,
    Installation,
    Organization,
    install_organization,
    new_organization,
    onboarded,
    remove_organization,
    schedule,
)

from eagle_trainer.sweep import cluster_lists, referred_by

NO_STORE = ("--set", "store.onboarding.enabled=false")
LABEL = "training.eagle-notifier.io/organization"


@pytest.fixture
def own(installation: Installation) -> Iterator[Organization]:
    with onboarded("own", installation) as organization:
        yield organization


def secret(api: Api, organization: Organization, name: str) -> dict[str, str]:
    """The data of a Secret, as text."""
    path = f"/api/v1/namespaces/{organization.namespace}/secrets/{name}"
    return {key: base64.b64decode(value).decode() for key, value in api.call("GET", path)["data"].items()}


def trusted(api: Api, organization: Organization) -> dict[str, str]:
    path = f"/api/v1/namespaces/{organization.namespace}/configmaps/eagle-verification"
    return dict(api.call("GET", path)["data"])


def everything(api: Api, organization: Organization) -> list[Object]:
    return [
        *(secret(api, organization, name) for name in ("eagle-keys", "eagle-signing", "eagle-store")),
        trusted(api, organization),
    ]


def test_one_command_makes_a_namespace_that_takes_schedules_and_is_restricted(
    administrator: Api, own: Organization
) -> None:
    labels = administrator.call("GET", f"/api/v1/namespaces/{own.namespace}")["metadata"]["labels"]
    assert labels[LABEL] == own.id
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    administrator.create(schedule(own, "press"))


def test_the_encryption_key_is_32_random_bytes_under_its_id(administrator: Api, own: Organization) -> None:
    keys = secret(administrator, own, "eagle-keys")
    assert keys.keys() == {"current", f"{keys['current']}.key"}
    assert len(base64.b64decode(keys[f"{keys['current']}.key"], validate=True)) == 32


def test_the_trusted_certificate_is_of_the_signing_key(administrator: Api, own: Organization) -> None:
    private = serialization.load_pem_private_key(
        secret(administrator, own, "eagle-signing")["signing.pem"].encode(), password=None
    )
    (certificate,) = trusted(administrator, own).values()
    assert x509.load_pem_x509_certificate(certificate.encode()).public_key() == private.public_key()


def test_the_servers_account_has_no_token_and_the_trainers_has(administrator: Api, own: Organization) -> None:
    for name, automount in (("eagle-trainer", True), ("eagle-serving", False)):
        account = administrator.call("GET", f"/api/v1/namespaces/{own.namespace}/serviceaccounts/{name}")
        assert account["automountServiceAccountToken"] is automount


def test_upgrading_uninstalling_and_installing_again_keep_every_key(
    administrator: Api, own: Organization, installation: Installation
) -> None:
    before = everything(administrator, own)
    install_organization(own, installation, *NO_STORE)
    assert everything(administrator, own) == before
    helm("uninstall", own.release, "--namespace", installation.namespace)
    assert everything(administrator, own) == before
    install_organization(own, installation, *NO_STORE)
    assert everything(administrator, own) == before


def test_rotation_adds_a_key_and_keeps_the_old_ones_readable(
    administrator: Api, own: Organization, installation: Installation
) -> None:
    keys, signing = secret(administrator, own, "eagle-keys"), secret(administrator, own, "eagle-signing")
    certificates = trusted(administrator, own)
    rotation = ("--set", "keys.rotation=2,signing.rotation=2")
    install_organization(own, installation, *NO_STORE, *rotation)
    new_keys = secret(administrator, own, "eagle-keys")
    assert new_keys["current"] != keys["current"]
    assert len(new_keys) == 3
    assert new_keys[f"{keys['current']}.key"] == keys[f"{keys['current']}.key"]
    assert secret(administrator, own, "eagle-signing") != signing
    assert len(trusted(administrator, own)) == 2
    assert certificates.items() <= trusted(administrator, own).items()
    after = everything(administrator, own)
    install_organization(own, installation, *NO_STORE, *rotation)
    assert everything(administrator, own) == after


def test_an_organization_lives_in_one_namespace(own: Organization, installation: Installation) -> None:
    twin = Organization(id=own.id, namespace=f"{own.namespace}-2", release=f"{own.release}-2")
    with pytest.raises(CommandError, match=f"{own.id} already lives in the namespace {own.namespace}"):
        install_organization(twin, installation, *NO_STORE)


def test_the_release_is_not_put_into_the_organizations_namespace(installation: Installation) -> None:
    with pytest.raises(CommandError, match="install this release in the namespace of the operator"):
        helm("install", "x", str(ORGANIZATION_CHART), "-n", "org-x", "--dry-run=server", "--set", "organization=x")


def test_a_namespace_that_exists_is_labelled_by_taking_it_over(administrator: Api, installation: Installation) -> None:
    organization = new_organization("taken")
    try:
        kubectl("create", "namespace", organization.namespace)
        with pytest.raises(CommandError, match="exists and cannot be imported"):
            install_organization(organization, installation, *NO_STORE)
        install_organization(organization, installation, *NO_STORE, "--take-ownership")
        administrator.create(schedule(organization, "press"))
    finally:
        remove_organization(organization, installation)


def test_a_namespace_that_somebody_else_makes_must_bear_the_label(installation: Installation) -> None:
    with fresh_namespace("charts-made") as namespace:
        organization = Organization(id=namespace, namespace=namespace, release=namespace)
        made = (*NO_STORE, "--set", "namespace.create=false")
        with pytest.raises(CommandError, match=f"kubectl label namespace {namespace} {LABEL}={namespace}"):
            install_organization(organization, installation, *made)
        kubectl("label", "namespace", namespace, f"{LABEL}={namespace}")
        install_organization(organization, installation, *made)
        remove_organization(organization, installation)


def test_secrets_that_others_bring_are_left_alone(administrator: Api, installation: Installation) -> None:
    with fresh_namespace("charts-gitops", {LABEL: "gitops"}) as namespace:
        kubectl("create", "secret", "generic", "eagle-keys", "-n", namespace, "--from-literal=current=mine")
        organization = Organization(id="gitops", namespace=namespace, release=namespace)
        brought = "namespace.create=false,keys.create=false,signing.create=false,store.create=false"
        install_organization(organization, installation, *NO_STORE, "--set", brought)
        assert secret(administrator, organization, "eagle-keys") == {"current": "mine"}
        assert "eagle-store" not in kubectl("get", "secrets", "-n", namespace, "-o", "name")
        remove_organization(organization, installation)


def test_an_own_store_is_reached_with_what_the_values_say(administrator: Api, installation: Installation) -> None:
    own_store = ("--set", "store.url=s3://bundles/acme,store.environment.AWS_REGION=eu-central-1")
    with onboarded("store", installation, *own_store) as organization:
        environment = secret(administrator, organization, "eagle-store")
        assert environment == {"EAGLE_STORE_URL": "s3://bundles/acme", "AWS_REGION": "eu-central-1"}


def test_the_sweep_runs_the_installed_operators_trainer_with_no_more_rights_than_to_look(
    administrator: Api, own: Organization, installation: Installation
) -> None:
    def environment(kind: str, path: str) -> Object:
        found = administrator.call("GET", path)["spec"]
        template = (found["jobTemplate"]["spec"] if kind == "CronJob" else found)["template"]
        return dict(template["spec"]["containers"][0])

    operator = environment(
        "Deployment", f"/apis/apps/v1/namespaces/{installation.namespace}/deployments/{installation.name}-operator"
    )
    trainer = next(entry["value"] for entry in operator["env"] if entry["name"] == "EAGLE_TRAINER_IMAGE")
    sweep = environment("CronJob", f"/apis/batch/v1/namespaces/{own.namespace}/cronjobs/eagle-sweep")
    assert sweep["image"] == trainer

    sweeper = administrator.impersonate(f"system:serviceaccount:{own.namespace}:eagle-sweeper")
    group = "training.eagle-notifier.io"
    for kind in ((group, "modelversions"), (group, "trainingschedules"), ("apps", "deployments")):
        assert sweeper.may("list", *kind, own.namespace)
        assert not any(sweeper.may(verb, *kind, own.namespace) for verb in ("create", "update", "patch", "delete"))
        assert not sweeper.may("list", *kind, installation.namespace)
    for kind in (("", "secrets"), ("", "pods"), ("batch", "jobs")):
        assert not any(sweeper.may(verb, *kind, own.namespace) for verb in ("get", "list", "create", "delete"))


def test_a_sweep_can_be_made_of_its_clock_at_once(administrator: Api, own: Organization) -> None:
    kubectl("create", "job", "sweep-now", "--from=cronjob/eagle-sweep", "--namespace", own.namespace)
    job = administrator.call("GET", f"/apis/batch/v1/namespaces/{own.namespace}/jobs/sweep-now")
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "eagle-sweeper"
    assert not job["spec"].get("suspend")


def test_what_the_sweep_asks_of_the_api_server_it_may_ask(administrator: Api, own: Organization) -> None:
    administrator.create(schedule(own, "press"))
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig()), client_configuration=settings)
    user = f"system:serviceaccount:{own.namespace}:eagle-sweeper"
    sweeper = client.ApiClient(settings, header_name="Impersonate-User", header_value=user)
    referred = referred_by(cluster_lists(sweeper, own.namespace))
    uid = administrator.get(schedule(own, "press"))["metadata"]["uid"]
    assert referred.schedules == {uid}
    assert referred.folders == frozenset()
