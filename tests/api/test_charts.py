"""The charts render what was meant, the API server takes all of it, and wrong values are refused beforehand."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import REPOSITORY, CommandError, fresh_namespace, helm, kubectl, unique
from tests.support.eagle import OPERATOR_CHART, ORGANIZATION_CHART, Installation

from eagle_contract.api import names

ACME = ("--set", "organization=acme")
SWEPT = ("--set", "sweep.image.reference=trainer:1")
LABEL = "training.eagle-notifier.io/organization"


def render(chart: Path, *arguments: str, release: str = "variant", namespace: str = "eagle-system") -> list[Object]:
    """The objects that a chart makes, hooks included."""
    text = helm("template", release, str(chart), "--namespace", namespace, *arguments)
    return [document for document in yaml.safe_load_all(text) if document]


def kinds(objects: list[Object]) -> set[str]:
    return {f"{item['kind']}/{item['metadata']['name']}" for item in objects}


def pod_templates(objects: list[Object]) -> list[tuple[str, Object]]:
    found = [(item, item["spec"]["template"]) for item in objects if item["kind"] in ("Deployment", "Job")]
    found += [(item, item["spec"]["jobTemplate"]["spec"]["template"]) for item in objects if item["kind"] == "CronJob"]
    return [(item["metadata"]["name"], template) for item, template in found]


@pytest.mark.parametrize(("chart", "values"), [(OPERATOR_CHART, ()), (ORGANIZATION_CHART, ACME)], ids=["op", "org"])
def test_lint_finds_nothing(chart: Path, values: tuple[str, ...]) -> None:
    helm("lint", "--strict", str(chart), *values)


OPERATOR_VARIANTS = [
    (),
    ("--set", "artifacts.url=s3://bundles"),
    ("--set", "store.persistence.enabled=false", "--set", "networkPolicy.enabled=false"),
    ("--set", "admissionPolicies.stamps=Mutate", "--set", "store.persistence.storageClassName=fast"),
    ("--set", "operator.nodeSelector.pool=system", "--set", "images.pullSecrets[0].name=pull"),
    ("--set-json", 'operator.extraEnv=[{"name":"TZ","value":"UTC"}]', "--set", "operator.priorityClassName="),
    (
        "--set-json",
        'operator.tolerations=[{"operator":"Exists"}]',
        "--set-json",
        'operator.affinity={"nodeAffinity":{}}',
    ),
]
ORGANIZATION_VARIANTS = [
    (),
    ("--set", "store.url=s3://bundles/acme", "--set", "store.environment.AWS_REGION=eu-central-1"),
    ("--set", "access.admins.groups={engineers}", "--set", "access.viewers.users={auditor@example.com}"),
    ("--set-json", 'access.admins.serviceAccounts=[{"name":"flux","namespace":"flux-system"}]'),
    ("--set", "resourceQuota.requests\\.cpu=8", "--set-json", 'limitRange=[{"type":"Container","max":{"cpu":"8"}}]'),
    ("--set-json", 'networkPolicy.databases=[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}],"ports":[{"port":5432}]}]'),
    ("--set", "keys.create=false,signing.create=false,store.create=false,store.onboarding.userSecret=acme-user"),
    ("--set", "imagePullSecrets[0].name=pull", "--set", "serviceAccountAnnotations.role=acme", *SWEPT),
    (*SWEPT, "--set", "sweep.schedule=0 4 * * 6,sweep.minimumAgeHours=48"),
]


@pytest.mark.parametrize("values", OPERATOR_VARIANTS, ids=str)
def test_the_api_server_takes_all_of_the_operators_chart(installation: Installation, values: tuple[str, ...]) -> None:
    objects = render(OPERATOR_CHART, "--set", "crds.install=false", *values, namespace=installation.namespace)
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects))


@pytest.fixture(scope="module")
def labelled_namespace(installation: Installation) -> Iterator[str]:
    with fresh_namespace("charts-variants", {LABEL: "acme"}) as namespace:
        yield namespace


@pytest.mark.parametrize("values", ORGANIZATION_VARIANTS, ids=str)
def test_the_api_server_takes_all_of_the_organizations_chart(
    installation: Installation, labelled_namespace: str, values: tuple[str, ...]
) -> None:
    place = ("--set", f"namespace.create=false,namespace.name={labelled_namespace}")
    objects = render(ORGANIZATION_CHART, *ACME, *place, *values, namespace=installation.namespace)
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects))


def test_restricted_pod_security_admits_every_pod(administrator: Api) -> None:
    templates = pod_templates(render(OPERATOR_CHART)) + pod_templates(render(ORGANIZATION_CHART, *ACME, *SWEPT))
    names = {"variant-operator", "variant-store", "variant-onboarding", "eagle-sweep"}
    assert {name for name, _ in templates} == names
    with fresh_namespace("charts-restricted", {"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        for name, template in templates:
            metadata = {"name": name, "namespace": namespace}
            spec = {**template["spec"], "serviceAccountName": "default"}
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
            spec["securityContext"] = {}
            with pytest.raises(RefusedError, match="restricted"):
                administrator.create(body, dryRun="All")


def test_every_container_is_read_only_bounded_and_probed() -> None:
    for name, template in pod_templates(render(OPERATOR_CHART) + render(ORGANIZATION_CHART, *ACME, *SWEPT)):
        (container,) = template["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["resources"]["limits"]["memory"], name
        ends = name in ("variant-onboarding", "eagle-sweep")
        assert ends or {"livenessProbe", "readinessProbe"} <= container.keys(), name


def test_an_own_object_store_leaves_the_embedded_one_out() -> None:
    objects = kinds(render(OPERATOR_CHART, "--set", "artifacts.url=s3://bundles"))
    assert not {item for item in objects if "store" in item}
    objects = kinds(render(ORGANIZATION_CHART, *ACME, "--set", "store.url=s3://bundles/acme"))
    assert not {item for item in objects if "onboarding" in item}


def test_trainers_are_asked_by_trainers_of_their_namespace_alone() -> None:
    policies = [item for item in render(ORGANIZATION_CHART, *ACME) if item["kind"] == "NetworkPolicy"]
    (policy,) = (item["spec"] for item in policies if item["metadata"]["name"] == "eagle-trainer")
    (asked,) = policy["ingress"]
    assert asked["from"] == [{"podSelector": {"matchLabels": {names.NAME_LABEL: "eagle-trainer"}}}]
    assert [port["port"] for port in asked["ports"]] == [names.WORKERS_PORT, names.LEARNING_PORT]
    assert {"to": asked["from"], "ports": asked["ports"]} in policy["egress"]


def sweep_of(*arguments: str) -> list[Object]:
    """All that the organization's chart makes for the sweep."""
    objects = render(ORGANIZATION_CHART, *ACME, *arguments)
    return [item for item in objects if item["metadata"]["name"].startswith("eagle-sweep")]


def test_the_sweep_reads_three_kinds_and_has_the_stores_credentials_and_no_key() -> None:
    found = {item["kind"]: item for item in sweep_of(*SWEPT)}
    verbs = {verb for rule in found["Role"]["rules"] for verb in rule["verbs"]}
    resources = {resource for rule in found["Role"]["rules"] for resource in rule["resources"]}
    assert (verbs, resources) == ({"get", "list"}, {"modelversions", "trainingschedules", "deployments"})
    ((_, template),) = pod_templates([found["CronJob"]])
    (container,) = template["spec"]["containers"]
    assert (container["image"], container["args"]) == ("trainer:1", ["sweep", "--minimum-age-hours", "24"])
    assert container["envFrom"] == [{"secretRef": {"name": "eagle-store"}}]
    assert {entry["name"]: entry.get("value") for entry in container["env"]} == {
        "EAGLE_NAMESPACE": None,
        "EAGLE_ORGANIZATION": "acme",
    }
    assert "volumes" not in template["spec"]
    policy = found["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert policy["ingress"] == []
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 6443, 7070}


def test_many_organizations_are_swept_at_as_many_minutes_of_the_day() -> None:
    def minute(organization: str) -> int:
        (clock,) = (
            item for item in sweep_of(*SWEPT, "--set", f"organization={organization}") if item["kind"] == "CronJob"
        )
        assert clock["spec"]["concurrencyPolicy"] == "Forbid"
        minute, hour, *rest = clock["spec"]["schedule"].split()
        assert rest == ["*", "*", "*"]
        assert 0 <= int(hour) < 24
        return int(hour) * 60 + int(minute)

    minutes = [minute(f"plant{number}") for number in range(12)]
    assert len(set(minutes)) == len(minutes)
    assert all(0 <= moment < 24 * 60 for moment in minutes)


def test_without_an_image_or_when_it_is_not_wanted_there_is_no_sweep() -> None:
    assert sweep_of() == []
    assert sweep_of(*SWEPT, "--set", "sweep.enabled=false") == []


def test_the_operator_gets_its_settings_under_the_names_users_know() -> None:
    (operator,) = (t for name, t in pod_templates(render(OPERATOR_CHART)) if name == "variant-operator")
    environment = {entry["name"]: entry.get("value") for entry in operator["spec"]["containers"][0]["env"]}
    assert environment["TRAINING_SCHEDULE_ENABLED"] == "true"
    assert environment["MAX_CONCURRENT_RUNS"] == "5"
    assert environment["MAX_CONCURRENT_RUNS_PER_ORGANIZATION"] == "1"
    assert environment["MAX_WAITING_MANUAL_RUNS"] == "5"
    assert environment["TRAINING_RETRY_ATTEMPTS"] == "3"
    assert json.loads(environment["EAGLE_TRAINER_RESOURCES"])["limits"]["memory"] == "4Gi"


def test_the_operator_has_the_time_to_finish_what_it_writes_and_gives_way_only_to_one_that_is_ready() -> None:
    (deployment,) = (x for x in render(OPERATOR_CHART) if kinds([x]) == {"Deployment/variant-operator"})
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 30
    (container,) = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (identity,) = (entry for entry in container["env"] if entry["name"] == "EAGLE_IDENTITY")
    assert identity["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_the_operator_may_use_its_own_lease_and_no_other(
    operator: Api, administrator: Api, installation: Installation
) -> None:
    def lease(name: str, namespace: str = installation.namespace) -> Object:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}

    def refused(call: Callable[..., Object], *arguments: Object, **query: Any) -> bool:
        try:
            call(*arguments, **query)
        except RefusedError as no:
            return no.code == 403
        return False

    theirs = administrator.create(lease(unique("theirs")))
    try:
        assert not refused(operator.create, lease("eagle-operator"), dryRun="All")
        assert not refused(operator.get, lease("eagle-operator"))
        assert not refused(operator.replace, lease("eagle-operator"), dryRun="All")
        assert refused(operator.get, theirs)
        assert refused(operator.replace, theirs, dryRun="All")
        assert refused(operator.create, lease("eagle-operator", "default"), dryRun="All")
        assert refused(operator.get, lease("kube-scheduler", "kube-system"))
    finally:
        administrator.delete(theirs)


@pytest.mark.parametrize(
    ("chart", "value", "told"),
    [
        (OPERATOR_CHART, "training.retryAttempts=11", "at '/training/retryAttempts'"),
        (OPERATOR_CHART, "training.maxConcurrentRuns=0", "at '/training/maxConcurrentRuns'"),
        (OPERATOR_CHART, "training.maxWaitingManualRuns=0", "at '/training/maxWaitingManualRuns'"),
        (OPERATOR_CHART, "training.accuracyThreshold=75%", "at '/training/accuracyThreshold'"),
        (OPERATOR_CHART, "training.timeoutHours=0", "at '/training/timeoutHours'"),
        (OPERATOR_CHART, "trainer.maxMemory=lots", "at '/trainer/maxMemory'"),
        (OPERATOR_CHART, "artifacts.url=https://bundles", "at '/artifacts/url'"),
        (OPERATOR_CHART, "admissionPolicies.stamps=Never", "at '/admissionPolicies/stamps'"),
        (OPERATOR_CHART, "operator.replicas=2", "additional properties 'replicas' not allowed"),
        (ORGANIZATION_CHART, "organization=", "at '/organization'"),
        (ORGANIZATION_CHART, "organization=Acme", "at '/organization'"),
        (ORGANIZATION_CHART, "organization=" + "a" * 49, "at '/organization'"),
        (ORGANIZATION_CHART, "keys.rotation=0", "at '/keys/rotation'"),
        (ORGANIZATION_CHART, "store.url=bundles", "at '/store/url'"),
        (ORGANIZATION_CHART, "sweep.schedule=daily", "at '/sweep/schedule'"),
        (ORGANIZATION_CHART, "sweep.minimumAgeHours=-1", "at '/sweep/minimumAgeHours'"),
        (ORGANIZATION_CHART, "sweep.resources.limits.memory=much", "at '/sweep/resources/limits/memory'"),
        (ORGANIZATION_CHART, "store.environment.region=eu", "at '/store/environment'"),
        (ORGANIZATION_CHART, "acess.admins.users={a}", "additional properties 'acess' not allowed"),
    ],
)
def test_wrong_values_are_refused_by_name(chart: Path, value: str, told: str) -> None:
    with pytest.raises(CommandError) as refused:
        render(chart, *ACME if chart == ORGANIZATION_CHART else (), "--set", value)
    assert told in refused.value.error


@pytest.mark.parametrize("chart", [OPERATOR_CHART, ORGANIZATION_CHART], ids=["operator", "organization"])
def test_the_readme_explains_every_value_and_no_other(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text())
    rows = [line for line in (chart / "README.md").read_text().splitlines() if line.startswith("| `")]
    explained: set[str] = set()
    for row in rows:
        names = [name.strip("` ") for name in row.split("|")[1].split("`, `")]
        explained |= {_resolved(name, names[0]) for name in names}
    assert all(_has(values, name) for name in explained), [name for name in explained if not _has(values, name)]
    missing = [leaf for leaf in _leaves(values) if not any(leaf == e or leaf.startswith(f"{e}.") for e in explained)]
    assert not missing


def test_the_charts_definitions_are_the_generated_ones_kept_on_uninstall() -> None:
    subprocess.run([sys.executable, str(REPOSITORY / "helm" / "sync-crds"), "--check"], check=True)
    rendered = {item["metadata"]["name"]: item for item in render(OPERATOR_CHART) if "Definition" in item["kind"]}
    for file in (REPOSITORY / "crds").glob("*.yaml"):
        definition = yaml.safe_load(file.read_text())
        copy = rendered.pop(definition["metadata"]["name"])
        assert copy["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert copy == definition
    assert not rendered


def test_a_changed_definition_is_noticed_and_copied_as_it_stands(tmp_path: Path) -> None:
    for part in ("crds", "helm"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    source = tmp_path / "crds" / "modelversions.yaml"
    changed = yaml.safe_load(source.read_text())
    changed["spec"]["names"]["singular"] = "{{ .Values }} }} {{"
    head = source.read_text().partition("spec:\n")[0]
    source.write_text(head + yaml.safe_dump({"spec": changed["spec"]}))
    sync = [sys.executable, str(tmp_path / "helm" / "sync-crds")]
    told = subprocess.run([*sync, "--check"], capture_output=True, text=True)
    assert told.returncode == 1
    assert "run helm/sync-crds" in told.stderr
    subprocess.run(sync, check=True)
    subprocess.run([*sync, "--check"], check=True)
    copies = [item for item in render(tmp_path / "helm" / "eagle-training") if "Definition" in item["kind"]]
    assert changed["spec"] in [copy["spec"] for copy in copies]


def test_names_of_cluster_wide_objects_derive_from_the_release() -> None:
    objects = render(OPERATOR_CHART, "--set", "crds.install=false", release="second")
    wide = [item for item in objects if "namespace" not in item["metadata"]]
    assert wide
    assert all(item["metadata"]["name"].startswith("second-") for item in wide)


def _leaves(values: Any, path: str = "") -> list[str]:
    if not isinstance(values, dict) or not values:
        return [path]
    return [leaf for key, value in values.items() for leaf in _leaves(value, f"{path}.{key}".lstrip("."))]


def _has(values: Any, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _resolved(name: str, first: str) -> str:
    """`.cronJob` beside `a.b.job` stands for `a.b.cronJob`."""
    return first.rpartition(".")[0] + name if name.startswith(".") else name
