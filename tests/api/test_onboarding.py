"""Every organization gets a place in the embedded store that no other organization can read, list or write."""

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store
from tests.support.api import Api
from tests.support.cluster import kubeconfig, kubectl, local_images, program, wait_for
from tests.support.eagle import Installation, Organization, install_organization, onboarded

# As docs/install.md tells.
FORGET = (
    'versitygw admin --access "$ROOT_ACCESS_KEY" --secret "$ROOT_SECRET_KEY" --endpoint-url http://127.0.0.1:7071'
    " delete-user --access {place} && rm -r /data/buckets/{place}"
)


@pytest.fixture(scope="module")
def store_arguments(installation: Installation) -> tuple[str, ...]:
    """Values for onboarding with the store's image, once the store answers."""
    image = local_images().get("EAGLE_STORE_IMAGE")
    if image is None:
        pytest.skip("needs the images: make images")
    kubectl("rollout", "status", "deployment/eagle-store", "-n", installation.namespace, "--timeout=120s")
    return ("--set", f"store.onboarding.image.reference={image}")


@pytest.fixture(scope="module")
def two(installation: Installation, store_arguments: tuple[str, ...]) -> Iterator[tuple[Organization, Organization]]:
    with (
        onboarded("one", installation, *store_arguments) as one,
        onboarded("other", installation, *store_arguments) as other,
    ):
        yield one, other
    for organization in (one, other):
        in_store = ("exec", "-n", installation.namespace, "deployment/eagle-store", "--", "sh", "-c")
        kubectl(*in_store, FORGET.format(place=f"eagle-{organization.id}"))


@pytest.fixture(scope="module")
def endpoint(installation: Installation, store_arguments: tuple[str, ...]) -> Iterator[str]:
    """The embedded store's address on this machine."""
    with forwarded(installation.namespace, "service/eagle-store", 7070) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[int]:
    command = [program("kubectl"), "port-forward", "-n", namespace, target, f":{port}"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig())}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", said)
            assert found, said
            yield int(found[1])
        finally:
            process.terminate()


def environment_of(administrator: Api, organization: Organization) -> dict[str, str]:
    path = f"/api/v1/namespaces/{organization.namespace}/secrets/eagle-store"
    return {key: base64.b64decode(value).decode() for key, value in administrator.call("GET", path)["data"].items()}


def place(environment: dict[str, str], endpoint: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=endpoint,
        region=environment["AWS_REGION"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def names(store: S3Store) -> list[str]:
    return [item["path"] for batch in obstore.list(store) for item in batch]


def test_an_organization_writes_reads_and_lists_its_own_bucket(
    administrator: Api, two: tuple[Organization, Organization], endpoint: str
) -> None:
    environment = environment_of(administrator, two[0])
    assert environment["EAGLE_STORE_URL"] == f"s3://eagle-{two[0].id}"
    assert environment["AWS_ENDPOINT"] == "http://eagle-store.eagle-system.svc:7070"
    store = place(environment, endpoint, f"eagle-{two[0].id}")
    obstore.put(store, "a/manifest.json", b"{}", mode="create")
    assert bytes(obstore.get(store, "a/manifest.json").bytes()) == b"{}"
    assert names(store) == ["a/manifest.json"]


def test_another_organization_is_denied_reading_writing_listing_and_deleting(
    administrator: Api, two: tuple[Organization, Organization], endpoint: str
) -> None:
    mine = place(environment_of(administrator, two[1]), endpoint, f"eagle-{two[1].id}")
    obstore.put(mine, "secret", b"x")
    intruder = place(environment_of(administrator, two[0]), endpoint, f"eagle-{two[1].id}")
    for attempt in (
        lambda: obstore.get(intruder, "secret"),
        lambda: obstore.put(intruder, "planted", b"y"),
        lambda: names(intruder),
        lambda: obstore.delete(intruder, "secret"),
    ):
        with pytest.raises(BaseError, match="AccessDenied"):
            attempt()
    assert names(mine) == ["secret"]


def test_onboarding_again_changes_nothing(
    administrator: Api,
    installation: Installation,
    store_arguments: tuple[str, ...],
    two: tuple[Organization, Organization],
    endpoint: str,
) -> None:
    environment = environment_of(administrator, two[0])
    store = place(environment, endpoint, f"eagle-{two[0].id}")
    obstore.put(store, "kept", b"z")
    install_organization(two[0], installation, *store_arguments)
    assert environment_of(administrator, two[0]) == environment
    assert bytes(obstore.get(store, "kept").bytes()) == b"z"


def test_nothing_of_the_onboarding_stays_behind(
    installation: Installation, two: tuple[Organization, Organization]
) -> None:
    def gone() -> bool:
        left = kubectl("get", "jobs,secrets,pods", "-n", installation.namespace, "-o", "name")
        return not [name for name in left.splitlines() for one in two if f"/{one.release}-onboarding" in name]

    wait_for(gone, "the onboarding Jobs, their pods and Secrets to go")
