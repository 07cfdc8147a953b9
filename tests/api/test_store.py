"""Bundles in a real S3 store: written once, kept apart by organization, swept at last, waited for while it is away."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.support.bundles import IDENTITY, contents, organization_keys
from tests.support.graphs import tiny_golden, tiny_graph
from tests.support.s3 import S3, running_s3
from tests.support.serving import MODEL, publish_tiny, running_server

from eagle_contract.api import names
from eagle_contract.bundle import (
    BundleConflict,
    BundleIdentity,
    BundleMissing,
    DigestMismatch,
    ObjectStore,
    PublishedArtifact,
    StoreInvalid,
    StoreUnavailable,
    fetch,
    open_store,
    publish,
)
from eagle_trainer.sweep import sweep

KEYS = organization_keys()
MIB = 2**20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="module")
def acme(s3: S3) -> dict[str, str]:
    return s3.onboard("eagle-acme")


@pytest.fixture
def store(acme: dict[str, str], request: pytest.FixtureRequest) -> ObjectStore:
    """A prefix of each test's own in the organization's bucket."""
    return open_store(f"{acme['EAGLE_STORE_URL']}/{request.node.name}", acme)


def published(store: ObjectStore, model: bytes = b"onnx", identity: BundleIdentity = IDENTITY) -> PublishedArtifact:
    content = contents(model=model, identity=identity)
    return publish(store, store.url, identity, content, keyring=KEYS.keyring, signer=KEYS.signer)


def opened_model(store: ObjectStore, artifact: PublishedArtifact) -> bytes:
    verifier = KEYS.signer.verifier()
    return fetch(store, artifact.uri, artifact.digest, keyring=KEYS.keyring, verifier=verifier).model


def test_a_bundle_comes_out_as_it_went_in(store: ObjectStore, acme: dict[str, str]) -> None:
    artifact = published(store)
    assert opened_model(store, artifact) == b"onnx"
    assert opened_model(open_store(artifact.uri, acme), artifact) == b"onnx"


def test_a_large_model_is_still_one_write(store: ObjectStore) -> None:
    model = bytes(range(256)) * (40 * MIB // 256)
    assert opened_model(store, published(store, model)) == model


def test_publishing_twice_and_at_once_is_publishing_once(store: ObjectStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        artifacts = list(pool.map(lambda _: published(store), range(4)))
    assert len(set(artifacts)) == 1
    assert opened_model(store, artifacts[0]) == b"onnx"


def test_what_is_there_already_is_told_however_large_it_is(store: ObjectStore) -> None:
    """A store may refuse a file before it has read all of it, and cut the connection."""
    for size in (300_000, MIB, 8 * MIB):
        content = bytes(size)
        assert store.create(f"{size}", content)
        assert [store.create(f"{size}", content) for _ in range(40)] == [False] * 40


def test_another_content_is_never_overwritten(store: ObjectStore, acme: dict[str, str]) -> None:
    folder = published(store).uri.removeprefix(store.url + "/")
    other = open_store(f"{store.url}/elsewhere", acme)
    other.create(f"{folder}card.html", b"somebody else's")
    with pytest.raises(BundleConflict):
        published(other)
    assert other.get(f"{folder}card.html", limit=100) == b"somebody else's"


def test_what_is_not_there_or_too_large_is_told_apart(store: ObjectStore) -> None:
    artifact = published(store)
    with pytest.raises(BundleMissing):
        opened_model(store, replace(artifact, uri=artifact.uri.replace("/acme/", "/nobody/")))
    path = artifact.uri.removeprefix(store.url + "/") + "manifest.json"
    with pytest.raises(DigestMismatch, match="where at most 10"):
        store.get(path, limit=10)


def test_another_organization_can_neither_read_nor_write_nor_look(s3: S3, store: ObjectStore) -> None:
    artifact = published(store)
    rival = s3.onboard("eagle-rival")
    foreign = open_store(store.url, rival)
    with pytest.raises(StoreInvalid, match="refuses these credentials"):
        opened_model(foreign, artifact)
    with pytest.raises(StoreInvalid, match="refuses these credentials"):
        foreign.create("planted", b"x")
    with pytest.raises(StoreInvalid, match="refuses these credentials"):
        foreign.get("absent", limit=1)


def test_what_is_not_referred_to_is_swept_and_the_rest_can_still_be_opened(
    store: ObjectStore, acme: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    older = replace(IDENTITY, version="v2026-11-15T01-00-00-000Z_00000000")
    forgotten = [published(store, model=b"onnx %d" % number, identity=older) for number in range(2)]
    kept = published(store)
    schedule = {
        "metadata": {"name": "press", "uid": IDENTITY.schedule_uid},
        "status": {"observedGeneration": 1, "activeVersion": {"uri": kept.uri}},
    }

    def lists(group: str, version: str, plural: str) -> list[dict[str, object]]:
        return [schedule] if plural == names.SCHEDULES else []

    def swept(age: timedelta, *, dry_run: bool = False) -> dict[str, object]:
        sweep(store, "acme", lists, now=datetime.now(UTC), minimum_age=age, dry_run=dry_run)
        total: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return {name: total[name] for name in ("kept", "removed", "bytes")}

    size = sum(artifact.size_bytes for artifact in forgotten)
    assert swept(timedelta(days=1)) == {"kept": 3, "removed": 0, "bytes": 0}
    assert swept(timedelta(), dry_run=True) == {"kept": 1, "removed": 2, "bytes": size}
    assert swept(timedelta()) == {"kept": 1, "removed": 2, "bytes": size}
    assert opened_model(store, kept) == b"onnx"
    assert {file.path.rpartition("/")[0] for file in store.files("acme")} == {store.relative(kept.uri)}
    for artifact in forgotten:
        with pytest.raises(BundleMissing):
            opened_model(store, artifact)


def test_more_files_than_fit_into_one_answer_are_all_listed(store: ObjectStore) -> None:
    paths = {f"acme/{number:04}/x" for number in range(1005)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: store.create(path, b"x"), paths))
    assert {file.path for file in store.files("acme")} == paths


def test_another_organization_can_neither_list_nor_delete(s3: S3, store: ObjectStore) -> None:
    artifact = published(store)
    foreign = open_store(store.url, s3.onboard("eagle-thief"))
    path = f"{store.relative(artifact.uri)}/manifest.json"
    with pytest.raises(StoreInvalid, match="refuses these credentials"):
        foreign.delete(path)
    with pytest.raises((StoreInvalid, StoreUnavailable), match="403"):
        foreign.files("acme")
    assert opened_model(store, artifact) == b"onnx"


def test_a_wrong_secret_and_a_missing_bucket_are_not_passing_trouble(s3: S3, acme: dict[str, str]) -> None:
    wrong = open_store("s3://eagle-acme", {**acme, "AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(StoreInvalid, match="correct the Secret eagle-store"):
        wrong.create("x", b"x")
    nowhere = open_store("s3://eagle-nowhere", acme)
    with pytest.raises(StoreInvalid):
        nowhere.create("x", b"x")
    with pytest.raises((BundleMissing, StoreInvalid)):
        nowhere.get("x", limit=1)


def test_a_server_waits_for_a_store_that_is_away_and_serves_when_it_is_back(tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    with running_s3(tmp_path / "s3") as s3:
        organization = s3.onboard("eagle-acme")
        bucket = open_store(organization["EAGLE_STORE_URL"], organization)
        bundle = publish_tiny(tmp_path, store=bucket, graph=tiny_graph(), answers=tiny_golden())
        s3.stop()
        with pytest.raises(StoreUnavailable):
            bucket.get("x", limit=1)
        with running_server(tmp_path, {**bundle.environment(), **organization}) as server:
            ready = f"{server.url}/v2/health/ready"
            server.until(lambda: "waits for the store" in httpx.get(ready).text)
            assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
            s3.start()
            server.until_ready()
            assert httpx.get(f"{server.url}/v2/models/{MODEL}").json()["versions"] == [IDENTITY.version]
