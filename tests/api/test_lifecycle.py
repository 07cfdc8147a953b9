"""The operator's chart from its first installation to its end, on an API server of its own.

Uninstalling must cost nobody a schedule, a model or a key, and whoever has to break the glass can.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import helm, kubectl, wait_for
from tests.support.eagle import OPERATOR_CHART, Installation, Organization, install_operator, manual_order, schedule
from tests.support.private_api_server import private_api_server

ACME = Organization(id="acme", namespace="org-acme", release="org-acme")
RELEASE = Installation()


@contextmanager
def api_server(folder: Path, *arguments: str) -> Iterator[Path]:
    """An API server with one organization's namespace; skips the test where its programs are not installed."""
    try:
        with private_api_server(folder, *arguments) as config:
            kubectl("create", "namespace", ACME.namespace, config=config)
            label = f"training.eagle-notifier.io/organization={ACME.id}"
            kubectl("label", "namespace", ACME.namespace, label, config=config)
            yield config
    except FileNotFoundError as missing:
        pytest.skip(f"needs an API server of its own: {missing}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with api_server(tmp_path_factory.mktemp("api-server")) as config:
        yield config


@pytest.fixture
def older(tmp_path: Path) -> Iterator[tuple[Path, Api]]:
    """An API server that cannot change requests by policy: its kubeconfig and its administrator."""
    with api_server(tmp_path, "--emulated-version=1.33") as config, Api.administrator(config) as api:
        yield config, api


@pytest.fixture(scope="module")
def private(config: Path) -> Iterator[Api]:
    with Api.administrator(config) as api:
        yield api


@pytest.fixture
def fresh(config: Path, private: Api) -> Iterator[Path]:
    """The API server without the chart, before and after."""
    yield config
    helm("uninstall", RELEASE.name, "--namespace", RELEASE.namespace, "--ignore-not-found", config=config)
    kubectl("delete", "crd", "--all", "--wait=false", config=config)


def accepted(private: Api, resource: Object) -> Object:
    """Creates the object as soon as its definition is served."""

    def attempt() -> Object | None:
        try:
            return private.create(resource)
        except RefusedError as no:
            if no.code in (404, 429, 503):
                return None
            raise

    return wait_for(attempt, "the definitions to be served")


def short_names(private: Api) -> list[str]:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modelversions.training.eagle-notifier.io"
    return list(private.call("GET", path)["spec"]["names"]["shortNames"])


def test_an_upgrade_brings_the_new_definitions_and_keeps_objects_and_credentials(
    fresh: Path, private: Api, tmp_path: Path
) -> None:
    older = tmp_path / "eagle-training"
    shutil.copytree(OPERATOR_CHART, older)
    definition = older / "templates" / "crds" / "modelversions.yaml"
    definition.write_text(definition.read_text().replace("    - mv\n", "    - formerly\n"))
    helm("install", RELEASE.name, str(older), "-n", RELEASE.namespace, "--create-namespace", config=fresh)
    assert short_names(private) == ["formerly"]
    accepted(private, schedule(ACME, "press"))
    root = _root_secret(private)

    install_operator(RELEASE, config=fresh)

    assert short_names(private) == ["mv"]
    assert private.get(schedule(ACME, "press"))["spec"]["organizationId"] == "acme"
    assert _root_secret(private) == root


def test_uninstalling_keeps_definitions_objects_and_credentials_and_installing_takes_them_over(
    fresh: Path, private: Api
) -> None:
    install_operator(RELEASE, "--set", "store.persistence.enabled=true", config=fresh)
    made = accepted(private, schedule(ACME, "press"))
    root = _root_secret(private)

    helm("uninstall", RELEASE.name, "--namespace", RELEASE.namespace, config=fresh)

    assert private.get(made)["metadata"]["uid"] == made["metadata"]["uid"]
    assert _root_secret(private) == root
    assert "eagle-store" in kubectl("get", "pvc", "-n", RELEASE.namespace, "-o", "name", config=fresh)
    for kind in ("validatingadmissionpolicies", "mutatingadmissionpolicies", "clusterroles"):
        names = kubectl("get", kind, "-o", "name", config=fresh)
        assert "eagle" not in names
    assert not kubectl("get", "deployments", "-n", RELEASE.namespace, "-o", "name", config=fresh)

    install_operator(RELEASE, config=fresh)
    assert private.get(made)["metadata"]["uid"] == made["metadata"]["uid"]
    assert _root_secret(private) == root


def test_deleting_a_binding_breaks_the_glass(fresh: Path, private: Api) -> None:
    install_operator(RELEASE, config=fresh)
    made = accepted(private, manual_order(ACME, "press"))
    state = {"status": {"state": "Failed"}}
    wait_for(lambda: not _merges(private, made, state), "the policy on status")

    kubectl("delete", "validatingadmissionpolicybinding", "eagle-status", config=fresh)

    wait_for(lambda: _merges(private, made, state), "the policy on status to be gone")


def test_where_the_api_server_does_not_stamp_names_wrong_ones_are_refused(
    older: tuple[Path, Api], refusal: Callable[..., str]
) -> None:
    config, private = older
    install_operator(RELEASE, config=config)
    wait_for(lambda: _enforced(private, manual_order(ACME, "press", requestedBy="mallory")), "the policies")
    assert "mutatingadmissionpolicies" not in kubectl("api-resources", "-o", "name", config=config)

    assert 'spec.requestedBy must be "admin", who you are' in refusal(private.create, manual_order(ACME, "press"))
    made = private.create(manual_order(ACME, "press", requestedBy="admin"))
    told = refusal(private.merge, made, {"spec": {"requestedBy": "mallory"}})
    assert "must not change" in told
    told = refusal(private.merge, made, {"spec": {"cancellation": {"by": "mallory"}}})
    assert 'spec.cancellation.by must be "admin", who cancels' in told
    told = refusal(private.merge, made, {"spec": {"approval": {"decision": "Approved"}}})
    assert 'spec.approval.by must be "admin", who decides' in told
    change = {"cancellation": {"by": "admin"}, "approval": {"decision": "Approved", "by": "admin"}}
    assert private.merge(made, {"spec": change})["spec"]["approval"]["by"] == "admin"


def _enforced(private: Api, wrong: Object) -> bool:
    try:
        private.create(wrong, dryRun="All")
    except RefusedError as no:
        return "ValidatingAdmissionPolicy" in no.message
    return False


def _merges(private: Api, made: Object, change: Object) -> bool:
    try:
        private.merge(made, change, "status", dryRun="All")
    except RefusedError:
        return False
    return True


def _root_secret(private: Api) -> Object:
    path = f"/api/v1/namespaces/{RELEASE.namespace}/secrets/eagle-store-root"
    return dict(private.call("GET", path)["data"])
