"""A store is opened by what its URL and options say, writes once, and tells lasting from passing trouble."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.ports import free_port

from eagle_contract.bundle import BundleMissing, DigestMismatch, StoreInvalid, StoreUnavailable, open_store

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}


@pytest.mark.parametrize("url", ["memory:///", "file://{folder}/deep/er", "file://{folder}/with%20space/"])
def test_a_file_is_written_once_and_read_back(url: str, tmp_path: Path) -> None:
    store = open_store(url.format(folder=tmp_path), {})
    assert store.create("a/b.bin", b"first")
    assert not store.create("a/b.bin", b"second")
    assert store.get("a/b.bin", limit=5) == b"first"


def test_a_folder_is_where_its_url_says(tmp_path: Path) -> None:
    open_store(f"{tmp_path.as_uri()}/new/", {}).create("a.bin", b"x")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"x"


def test_no_more_is_read_than_expected(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri(), {})
    store.create("a.bin", b"12345")
    with pytest.raises(DigestMismatch, match="has 5 bytes where at most 4"):
        store.get("a.bin", limit=4)


@pytest.mark.parametrize("url", ["memory:///", "file://{folder}/deep/er", "file://{folder}/with%20space/"])
def test_files_below_a_folder_are_listed_and_can_be_deleted(url: str, tmp_path: Path) -> None:
    store = open_store(url.format(folder=tmp_path), {})
    assert store.files("a") == []
    before = datetime.now(UTC)
    for path in ("a/x.bin", "a/b/y.bin", "ab/z.bin", "other"):
        store.create(path, b"12345")
    found = {file.path: file for file in store.files("a")}
    assert found.keys() == {"a/x.bin", "a/b/y.bin"}
    assert {file.size for file in found.values()} == {5}
    assert all(abs(file.modified - before) < timedelta(minutes=1) for file in found.values())
    store.delete("a/x.bin")
    store.delete("a/x.bin")
    assert [file.path for file in store.files("a")] == ["a/b/y.bin"]
    assert store.create("a/x.bin", b"again")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing, match=rf"{tmp_path}/none/a\.bin is not in the store"):
        open_store(f"{tmp_path.as_uri()}/none", {}).get("a.bin", limit=1)


@pytest.mark.parametrize("url", ["", "bucket", "http://host/x", "ftp://x/y", "s3://", "file://", "file://x/y"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(StoreInvalid, match=r"it must be s3://BUCKET"):
        open_store(url, {})


@pytest.mark.parametrize(
    ("url", "environment", "message"),
    [
        ("s3://b", {"AWS_ACCESS_KEY_ID": "a"}, "Missing SecretAccessKey"),
        ("gs://b", {"GOOGLE_SERVICE_ACCOUNT_KEY": "x"}, "service account"),
        ("az://b", {}, "ccount"),
        ("s3://b", {**CREDENTIALS, "AWS_ENDPOINT": "http://store:7070"}, "without TLS; use https"),
        ("s3://b", {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://store:7070", "AWS_ALLOW_HTTP": "no"}, "without TLS"),
    ],
)
def test_options_that_cannot_be_are_refused(url: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(StoreInvalid, match=message) as refusal:
        open_store(url, environment)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("s3://bucket/prefix/", {**CREDENTIALS, "AWS_ENDPOINT": "http://store:7070", "AWS_ALLOW_HTTP": "true"}),
        ("s3://bucket", {**CREDENTIALS, "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true", "PATH": "/bin"}),
        ("gs://bucket", {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_SKIP_SIGNATURE": "true"}),
        ("az://container", {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_SUBSCRIPTION_ID": "s"}),
    ],
)
def test_variables_that_are_no_options_are_ignored(url: str, environment: dict[str, str]) -> None:
    assert open_store(url, environment).url == url.rstrip("/")


def test_a_store_that_does_not_answer_is_worth_another_try() -> None:
    endpoint = {"AWS_ENDPOINT": f"http://127.0.0.1:{free_port()}", "AWS_ALLOW_HTTP": "true"}
    store = open_store("s3://bucket", {**CREDENTIALS, **endpoint})
    calls: list[Callable[[], object]] = [lambda: store.get("a.bin", limit=1), lambda: store.files("a")]
    for call in [*calls, lambda: store.delete("a.bin")]:
        with pytest.raises(StoreUnavailable, match="check that it runs") as trouble:
            call()
        assert "\n" not in str(trouble.value)


def test_what_lies_elsewhere_is_not_looked_for_here() -> None:
    store = open_store("s3://bucket/prefix", CREDENTIALS)
    assert store.relative("s3://bucket/prefix/acme/1/") == "acme/1"
    for uri in ("s3://other/prefix/acme", "s3://bucket/prefix2/acme", "gs://bucket/prefix/acme"):
        with pytest.raises(StoreInvalid, match="does not lie in"):
            store.relative(uri)
