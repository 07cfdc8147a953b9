"""What the operator's template tells a trainer, and what is missing in an environment that is no trainer's pod."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_contract.api import resolve
from eagle_operator.domain.training_job import ordered_job, slot_job
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.in_pod import Pod

SECRET = {"uri": "postgresql://reader@scada/plant", "ca.crt": "-----BEGIN CERTIFICATE-----"}
FIELDS = {
    "metadata.namespace": b.NAMESPACE,
    "metadata.name": "press-line-29924231-x7k2p",
    "metadata.uid": "6f1c3f0e",
    "metadata.labels['batch.kubernetes.io/job-name']": "press-line-29924231",
}
STORE = {"EAGLE_STORE_URL": "s3://acme"}


def environment(job: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What the kubelet makes of a container's env. Raises KeyError where it would not start the container."""
    template = job["spec"]["template"]
    (container,) = template["spec"]["containers"]
    labels = {f"metadata.labels['{key}']": value for key, value in template["metadata"]["labels"].items()}
    found = dict(STORE)
    for entry in container["env"]:
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            values = secrets[reference["name"]]
            if reference["key"] not in values and reference.get("optional"):
                continue
            found[entry["name"]] = values[reference["key"]]
        elif "fieldRef" in source:
            found[entry["name"]] = {**labels, **FIELDS}.get(source["fieldRef"]["fieldPath"], "")
        else:
            found[entry["name"]] = entry["value"]
    return found


def slots_job() -> Mapping[str, Any]:
    of = b.schedule()
    return slot_job(of, b.SLOT, resolve(of.spec, b.DEFAULTS), b.INSTALLATION)


def secrets(*keys: str) -> dict[str, dict[str, str]]:
    """The organization's Secrets, where that of its database has these keys."""
    return {b.schedule().spec.source.connection.secret_name: {key: SECRET[key] for key in keys}}


def test_a_pod_is_told_what_it_needs_by_its_template() -> None:
    pod = Pod.from_environment(environment(slots_job(), secrets("uri", "ca.crt")))
    assert (pod.namespace, pod.uid, pod.version, pod.attempt) == (b.NAMESPACE, "6f1c3f0e", "press-line-29924231", 1)
    assert (pod.store_url, pod.image) == ("s3://acme", b.INSTALLATION.trainer_image)
    assert (pod.source_uri, pod.source_authority) == (SECRET["uri"], SECRET["ca.crt"])


@pytest.mark.parametrize("given", [("uri",), ("uri", "ca.crt")])
def test_a_secret_without_an_authority_lets_the_pod_start(given: tuple[str, ...]) -> None:
    pod = Pod.from_environment(environment(slots_job(), secrets(*given)))
    assert (pod.source_authority is None) == ("ca.crt" not in given)


def test_a_secret_without_an_address_does_not() -> None:
    with pytest.raises(KeyError):
        environment(slots_job(), secrets("ca.crt"))


def test_an_authority_that_is_empty_is_none() -> None:
    told = {**environment(slots_job(), secrets("uri")), "EAGLE_SOURCE_CA": ""}
    assert Pod.from_environment(told).source_authority is None


def test_the_database_is_verified_against_the_authority_that_was_given() -> None:
    told = environment(slots_job(), secrets("uri"))
    Pod.from_environment(told).database().close()
    with pytest.raises(InvalidConfiguration, match=r"ca\.crt of the Secret"):
        Pod.from_environment({**told, "EAGLE_SOURCE_CA": "no certificate"}).database()


def test_a_retry_knows_the_run_that_it_is_of() -> None:
    of = b.schedule()
    job = ordered_job(of, b.version(), resolve(of.spec, b.DEFAULTS), b.INSTALLATION, attempt=3)
    told = environment(job, secrets("uri"))
    pod = Pod.from_environment({**told, "EAGLE_JOB_NAME": job["metadata"]["name"]})
    assert (pod.version, pod.attempt) == (b.version().meta.name, 3)


@pytest.mark.parametrize(
    "missing", ["EAGLE_NAMESPACE", "EAGLE_POD_UID", "EAGLE_JOB_NAME", "EAGLE_SOURCE_URI", "EAGLE_STORE_URL"]
)
def test_elsewhere_the_variable_that_is_missing_is_named(missing: str) -> None:
    told = environment(slots_job(), secrets("uri"))
    del told[missing]
    told.pop("EAGLE_MODEL_VERSION", None)
    with pytest.raises(InvalidConfiguration, match=f"{missing} is not set"):
        Pod.from_environment(told)
