"""What lies in a store is recognised as bundles, and one that goes is believed by nobody from the first moment on."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bundles import IDENTITY, contents, organization_keys

from eagle_contract.bundle import (
    BundleError,
    BundleIdentity,
    BundleMissing,
    DigestMismatch,
    ObjectStore,
    PublishedArtifact,
    SchemaUnsupported,
    StoreUnavailable,
    fetch,
    open_store,
    publish,
)
from eagle_contract.bundle.manifest import sha256_digest
from eagle_contract.bundle.sweeping import StoredBundle, folders_in, read_manifest, remove, stored_bundles

KEYS = organization_keys()
OLDER = BundleIdentity("acme", IDENTITY.schedule_uid, "v2026-11-15T01-00-00-000Z_ffffffff")
HEX = "0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store((tmp_path / "store").as_uri(), {})


def published(store: ObjectStore, identity: BundleIdentity = IDENTITY) -> PublishedArtifact:
    content = contents(identity=identity)
    return publish(store, store.url, identity, content, keyring=KEYS.keyring, signer=KEYS.signer)


def only(store: ObjectStore) -> StoredBundle:
    (bundle,) = stored_bundles(store, "acme")
    return bundle


def test_what_was_published_is_found_the_oldest_run_first(store: ObjectStore) -> None:
    newer, older = published(store), published(store, OLDER)
    found = stored_bundles(store, "acme")
    assert [f"{store.url}/{bundle.folder}/" for bundle in found] == [older.uri, newer.uri]
    assert [bundle.identity for bundle in found] == [OLDER, IDENTITY]
    assert [bundle.size_bytes for bundle in found] == [older.size_bytes, newer.size_bytes]
    assert all(bundle.has_manifest for bundle in found)


def test_another_organizations_bundles_and_other_files_are_none_of_ours(store: ObjectStore) -> None:
    published(store, BundleIdentity("acme2", "u", "v"))
    a, b = "a" * 64, "b" * 64
    for path in (
        "note.txt",
        "u/note.txt",
        f"u/v/{a}",
        f"u/v/{a[1:]}/x",
        f"u/v/{b}/deep/x",
        f"t/u/v/{b}/x",
        "u/v/w/x/y",
    ):
        store.create(f"acme/{path}", b"mine")
    assert stored_bundles(store, "acme") == []


def test_an_empty_store_has_no_bundles(store: ObjectStore) -> None:
    assert stored_bundles(store, "acme") == []


def test_a_bundle_is_known_by_its_address_in_any_text(store: ObjectStore) -> None:
    artifact, bundle = published(store), only(store)
    text = f'[{{"uri": "{artifact.uri}"}}, "s3://acme/acme/{bundle.folder}/manifest.json", {bundle.folder}]'
    assert set(folders_in(text)) == {bundle.folder}
    assert set(folders_in(artifact.uri.rstrip("/"))) == {bundle.folder}
    assert not set(folders_in(artifact.uri.replace(bundle.digest, bundle.digest[:63])))


@given(
    st.text(HEX, min_size=64, max_size=64),
    st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), min_size=3, max_size=3),
    st.sampled_from(["s3://bucket/", "s3://bucket/pre/fix/", "file:///some%20where/", "", '"', " ", "(", "=", "\\n/"]),
    st.sampled_from(["/", "", '"', "/manifest.json", ")", ", ", "\\"]),
)
def test_an_address_is_found_whatever_stands_around_it(digest: str, parts: list[str], before: str, after: str) -> None:
    folder = f"{'/'.join(parts)}/{digest}"
    assert folder in set(folders_in(f"{before}{folder}{after}"))


def test_a_manifest_says_what_was_published_and_whether_it_is_the_one(store: ObjectStore, tmp_path: Path) -> None:
    published(store)
    bundle = only(store)
    assert read_manifest(store, bundle).schedule_spec == contents().manifest.schedule_spec
    file = tmp_path / "store" / bundle.folder / "manifest.json"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(DigestMismatch):
        read_manifest(store, bundle)
    file.unlink()
    with pytest.raises(BundleMissing, match="has no manifest"):
        read_manifest(store, only(store))


def test_a_manifest_in_anothers_place_or_of_another_form_is_refused(store: ObjectStore) -> None:
    foreign = contents(identity=OLDER).manifest.to_bytes()
    store.create(f"{IDENTITY.folder(foreign)}/manifest.json", foreign)
    with pytest.raises(DigestMismatch, match="says that it is"):
        read_manifest(store, only(store))
    store.delete(only(store).files[0].path)
    store.create(f"{IDENTITY.folder(b'{}')}/manifest.json", b"{}")
    with pytest.raises(SchemaUnsupported):
        read_manifest(store, only(store))


def test_a_bundle_goes_whole_and_no_other(store: ObjectStore) -> None:
    published(store)
    kept = published(store, OLDER)
    bundle = stored_bundles(store, "acme")[-1]
    assert f"{bundle.folder}/judged.onnx.enc" in {file.path for file in bundle.files}
    remove(store, bundle)
    assert [f"{store.url}/{left.folder}/" for left in stored_bundles(store, "acme")] == [kept.uri]
    fetch(store, kept.uri, kept.digest, keyring=KEYS.keyring, verifier=KEYS.signer.verifier())
    remove(store, bundle)


@pytest.mark.parametrize("deletions", range(1, 6))
def test_a_removal_that_was_cut_off_leaves_what_nobody_believes_and_the_next_one_completes(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    artifact = published(store)
    delete, answers = ObjectStore.delete, iter(range(deletions))

    def answering_for_a_while(store: ObjectStore, path: str) -> None:
        if next(answers, None) is None:
            raise StoreUnavailable("gone")
        delete(store, path)

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete", answering_for_a_while)
        with pytest.raises(StoreUnavailable):
            remove(store, only(store))
    with pytest.raises(BundleError):
        fetch(store, artifact.uri, artifact.digest, keyring=KEYS.keyring, verifier=KEYS.signer.verifier())
    assert read_manifest(store, only(store)).schedule_uid == IDENTITY.schedule_uid
    remove(store, only(store))
    assert stored_bundles(store, "acme") == []


@pytest.mark.parametrize("deletions", range(1, 6))
def test_a_bundle_that_was_half_removed_can_be_published_again(store: ObjectStore, deletions: int) -> None:
    published(store)
    for file in list(only(store).files)[:deletions]:
        store.delete(file.path)
    artifact = published(store)
    fetch(store, artifact.uri, artifact.digest, keyring=KEYS.keyring, verifier=KEYS.signer.verifier())
    assert artifact.digest == sha256_digest(store.get(f"{only(store).folder}/manifest.json", limit=10**6))


def test_a_bundle_is_as_young_as_its_youngest_file(store: ObjectStore, tmp_path: Path) -> None:
    published(store)
    file = tmp_path / "store" / only(store).folder / "card.html"
    os.utime(file, (4_000_000_000, 4_000_000_000))
    assert only(store).modified == datetime.fromtimestamp(4_000_000_000, UTC)
