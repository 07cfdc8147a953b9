"""Manifests as a whole, for people to read: `EAGLE_REGENERATE_GOLDEN=1 pytest …/test_golden.py` writes them anew."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.operator import builders as b

from eagle_contract.api import resolve
from eagle_operator.domain import workers
from eagle_operator.domain.serving_deployment import managed, service
from eagle_operator.domain.training_job import cron_job, ordered_job, slot_job
from eagle_operator.domain.world import Installation, Manifest

FOLDER = Path(__file__).parent / "golden"
RICH: dict[str, Any] = {
    "schedule": "30 4 * * 1-5",
    "timeZone": "Europe/Berlin",
    "suspend": True,
    "timeoutSeconds": 1800,
    "startingDeadlineSeconds": 900,
    "concurrencyPolicy": "Replace",
    "trainer": {
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "3Gi"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "training", "operator": "Exists", "effect": "NoSchedule"}],
        "queueName": "batch",
    },
    "serving": {"replicas": 2, "progressDeadlineSeconds": 120},
}
SETTLED = replace(
    b.INSTALLATION,
    image_pull_policy="Always",
    image_pull_secrets=("registry",),
    trainer_resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}},
    serving_resources={"limits": {"memory": "1Gi"}},
)


def a_cron_job(installation: Installation, spec: dict[str, Any]) -> Manifest:
    of = b.schedule(**spec)
    return cron_job(of, resolve(of.spec, b.DEFAULTS), installation)


def an_ordered_job(installation: Installation, spec: dict[str, Any]) -> Manifest:
    of, order = b.schedule(**spec), b.version(f"{b.NAME}-m-1", trigger="Manual", slot=None)
    return ordered_job(of, order, resolve(of.spec, b.DEFAULTS), installation)


def a_retrys_job(installation: Installation, spec: dict[str, Any]) -> Manifest:
    of, order = b.schedule(**spec), b.version()
    resolved = resolve(of.spec, b.DEFAULTS)
    return ordered_job(of, order, resolved, installation, attempt=2, memory="4608Mi")


def a_slots_job(installation: Installation, spec: dict[str, Any]) -> Manifest:
    of = b.schedule(**spec)
    return slot_job(of, b.SLOT, resolve(of.spec, b.DEFAULTS), installation)


def a_deployment(installation: Installation, spec: dict[str, Any]) -> Manifest:
    of = b.schedule(**spec)
    return managed(
        of,
        resolve(of.spec, b.DEFAULTS),
        installation,
        models=b.models("a"),
        image="serving:1",
        version=b.SERVED_AS["a"],
    )


def a_service(_: Installation, spec: dict[str, Any]) -> Manifest:
    return service(b.schedule(**spec))


def a_workers_service(_: Installation, spec: dict[str, Any]) -> Manifest:
    return workers.service(b.schedule(**spec))


CASES = {
    "cron_job_plain": (a_cron_job, b.INSTALLATION, {}),
    "cron_job_rich": (a_cron_job, SETTLED, RICH),
    "ordered_job_plain": (an_ordered_job, b.INSTALLATION, {}),
    "ordered_job_rich": (an_ordered_job, SETTLED, RICH),
    "retry_job": (a_retrys_job, SETTLED, RICH),
    "slot_job": (a_slots_job, SETTLED, RICH),
    "deployment_plain": (a_deployment, b.INSTALLATION, {}),
    "deployment_rich": (a_deployment, SETTLED, RICH),
    "service": (a_service, b.INSTALLATION, {}),
    "slot_job_workers": (a_slots_job, b.INSTALLATION, {"trainer": {"workers": 3}}),
    "workers_service": (a_workers_service, b.INSTALLATION, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_manifest_is_as_it_was_agreed(name: str) -> None:
    build, installation, spec = CASES[name]
    text = yaml.safe_dump(build(installation, spec), sort_keys=False)
    file = FOLDER / f"{name}.yaml"
    if os.environ.get("EAGLE_REGENERATE_GOLDEN") == "1":
        file.write_text(text)
    assert yaml.safe_load(text) == yaml.safe_load(file.read_text())


def test_no_golden_file_is_left_over() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.yaml")) == sorted(CASES)


@pytest.mark.parametrize("build", [a_cron_job, an_ordered_job, a_retrys_job, a_slots_job])
def test_every_run_waits_until_it_is_admitted(build: Any) -> None:
    spec = build(SETTLED, RICH)["spec"]
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    assert (spec["suspend"], spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (True, 0, 1800)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_a_slots_job_of_the_operators_is_as_the_one_that_kubernetes_makes_of_the_cron_job() -> None:
    template, made = a_cron_job(SETTLED, RICH)["spec"]["jobTemplate"], a_slots_job(SETTLED, RICH)
    assert (made["metadata"]["labels"], made["spec"]) == (template["metadata"]["labels"], template["spec"])


def test_manifests_do_not_share_what_one_of_them_might_change() -> None:
    first, second = a_cron_job(b.INSTALLATION, {}), a_cron_job(b.INSTALLATION, {})
    first["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"].append("changed")
    assert second == a_cron_job(b.INSTALLATION, {})
