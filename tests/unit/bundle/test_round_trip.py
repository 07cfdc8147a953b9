"""A bundle comes out as it went in, and nothing else is ever believed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.bundles import IDENTITY, OrganizationKeys, contents, organization_keys

from eagle_contract.bundle import (
    BundleConflict,
    BundleError,
    BundleIdentity,
    BundleMissing,
    BundleTooLarge,
    DecryptionFailed,
    DigestMismatch,
    KeyRing,
    ObjectStore,
    PublishedArtifact,
    SignatureInvalid,
    fetch,
    fetch_judged,
    open_store,
    publish,
)
from eagle_contract.bundle.layout import LIMITS
from eagle_contract.bundle.manifest import sha256_digest

KEYS = organization_keys()
OTHERS = organization_keys(2)
SERVED = ["manifest.json", "manifest.sig", "model.onnx.enc", "golden.npz.enc"]
FILES = [*SERVED, "judged.onnx.enc", "card.html"]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store((tmp_path / "store").as_uri(), {})


@pytest.fixture
def published(store: ObjectStore) -> PublishedArtifact:
    return publish(store, store.url, IDENTITY, contents(), keyring=KEYS.keyring, signer=KEYS.signer)


def folder_of(artifact: PublishedArtifact) -> Path:
    return Path(artifact.uri.removeprefix("file://"))


def open_again(
    store: ObjectStore, artifact: PublishedArtifact, keys: OrganizationKeys = KEYS, signed_by: OrganizationKeys = KEYS
) -> None:
    fetch(store, artifact.uri, artifact.digest, keyring=keys.keyring, verifier=signed_by.signer.verifier())


def test_a_bundle_comes_out_as_it_went_in(store: ObjectStore, published: PublishedArtifact) -> None:
    opened = fetch(store, published.uri, published.digest, keyring=KEYS.keyring, verifier=KEYS.signer.verifier())
    assert opened.model == contents().model
    assert np.array_equal(opened.golden.window, contents().golden.window)
    assert np.array_equal(opened.golden.alarm, contents().golden.alarm)
    assert opened.manifest.result == contents().manifest.result
    assert opened.manifest.key_id == published.key_id == "k1"
    assert opened.manifest.files["model.onnx"].digest == published.model_digest == sha256_digest(contents().model)


def test_a_bundle_lies_where_its_identity_and_digest_say(published: PublishedArtifact) -> None:
    folder = folder_of(published)
    assert folder.parts[-4:] == (*str(IDENTITY).split("/"), published.digest.removeprefix("sha256:"))
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    assert published.size_bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert published.signature == sha256_digest((folder / "manifest.sig").read_bytes())
    assert published.uri.endswith("/")


def test_a_bundle_may_lie_below_the_root_of_a_store(store: ObjectStore) -> None:
    artifact = publish(store, f"{store.url}/models/", IDENTITY, contents(), keyring=KEYS.keyring, signer=KEYS.signer)
    assert artifact.uri.startswith(f"{store.url}/models/acme/")
    open_again(store, artifact)


def test_the_store_may_be_opened_at_the_bundle_itself(published: PublishedArtifact) -> None:
    open_again(open_store(published.uri, {}), published)


def test_the_model_and_the_windows_are_nowhere_in_the_clear(store: ObjectStore) -> None:
    secret = b"a graph that nobody else may see"
    given = contents(model=secret, judged=secret)
    artifact = publish(store, store.url, IDENTITY, given, keyring=KEYS.keyring, signer=KEYS.signer)
    window = contents().golden.window.tobytes()
    for file in folder_of(artifact).iterdir():
        assert secret not in file.read_bytes()
        assert window not in file.read_bytes()


def test_publishing_twice_changes_nothing(store: ObjectStore, published: PublishedArtifact) -> None:
    before = {file.name: file.read_bytes() for file in folder_of(published).iterdir()}
    again = publish(store, store.url, IDENTITY, contents(), keyring=KEYS.keyring, signer=KEYS.signer)
    assert again == published
    assert {file.name: file.read_bytes() for file in folder_of(published).iterdir()} == before


@pytest.mark.parametrize("lost", FILES)
def test_a_publication_that_was_cut_off_is_completed(
    store: ObjectStore, published: PublishedArtifact, lost: str
) -> None:
    (folder_of(published) / lost).unlink()
    publish(store, store.url, IDENTITY, contents(), keyring=KEYS.keyring, signer=KEYS.signer)
    open_again(store, published)


@pytest.mark.parametrize("name", FILES)
def test_another_content_is_never_overwritten(store: ObjectStore, published: PublishedArtifact, name: str) -> None:
    file = folder_of(published) / name
    file.write_bytes(b"somebody else's")
    with pytest.raises(BundleConflict, match=r"exists with another content; remove"):
        publish(store, store.url, IDENTITY, contents(), keyring=KEYS.keyring, signer=KEYS.signer)
    assert file.read_bytes() == b"somebody else's"


def test_a_manifest_of_another_identity_is_not_published(store: ObjectStore) -> None:
    other = replace(IDENTITY, version="v2026-11-29T01-00-00-000Z_00000000")
    with pytest.raises(ValueError, match="is to be published"):
        publish(store, store.url, other, contents(), keyring=KEYS.keyring, signer=KEYS.signer)


def test_a_model_that_servers_would_refuse_is_not_published(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "model.onnx.enc", 100)
    with pytest.raises(BundleTooLarge, match="at most 100"):
        publish(store, store.url, IDENTITY, contents(model=bytes(100)), keyring=KEYS.keyring, signer=KEYS.signer)


def _flip(position: int) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[position] ^= 1
        return bytes(changed)

    return change


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "first byte": _flip(0),
    "wrapped key": _flip(20),
    "nonce": _flip(55),
    "middle": lambda data: _flip(len(data) // 2)(data),
    "last byte": _flip(-1),
    "cut off": lambda data: data[:-1],
    "cut to nothing": lambda data: b"",
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("manifest.json", DigestMismatch),
        ("manifest.sig", SignatureInvalid),
        ("model.onnx.enc", DecryptionFailed),
        ("golden.npz.enc", DecryptionFailed),
    ],
)
def test_a_changed_file_is_refused(
    store: ObjectStore, published: PublishedArtifact, name: str, error: type[BundleError], change: str
) -> None:
    file = folder_of(published) / name
    file.write_bytes(CHANGES[change](file.read_bytes()))
    expected = DigestMismatch if change == "longer" and name.endswith(".enc") else error
    with pytest.raises(expected) as refusal:
        open_again(store, published)
    assert_one_sentence(refusal.value)


@pytest.mark.parametrize("name", SERVED)
def test_a_missing_file_is_said_to_be_missing(store: ObjectStore, published: PublishedArtifact, name: str) -> None:
    (folder_of(published) / name).unlink()
    with pytest.raises(BundleMissing, match=name) as refusal:
        open_again(store, published)
    assert_one_sentence(refusal.value)


def test_another_organizations_key_opens_nothing(store: ObjectStore, published: PublishedArtifact) -> None:
    with pytest.raises(DecryptionFailed, match="restore the key") as refusal:
        open_again(store, published, keys=OTHERS)
    assert_one_sentence(refusal.value)


def test_another_signers_bundle_is_not_believed(store: ObjectStore) -> None:
    artifact = publish(store, store.url, IDENTITY, contents(), keyring=KEYS.keyring, signer=OTHERS.signer)
    with pytest.raises(SignatureInvalid, match="no trusted key") as refusal:
        open_again(store, artifact)
    assert_one_sentence(refusal.value)


def test_a_signature_of_another_manifest_is_not_believed(store: ObjectStore, published: PublishedArtifact) -> None:
    other = publish(store, store.url, IDENTITY, contents(model=b"other"), keyring=KEYS.keyring, signer=KEYS.signer)
    shutil.copy(folder_of(other) / "manifest.sig", folder_of(published) / "manifest.sig")
    with pytest.raises(SignatureInvalid, match="for another manifest"):
        open_again(store, published)


@pytest.mark.parametrize(
    "identity",
    [
        replace(IDENTITY, organization="rival"),
        replace(IDENTITY, schedule_uid="6f1c3f0e-0002"),
        replace(IDENTITY, version="v2026-11-29T01-00-00-000Z_00000000"),
    ],
    ids=["organization", "schedule", "version"],
)
def test_a_bundle_in_anothers_place_is_refused(
    store: ObjectStore, published: PublishedArtifact, identity: BundleIdentity
) -> None:
    source = folder_of(published)
    target = source.parents[3] / str(identity) / source.name
    shutil.copytree(source, target)
    with pytest.raises(SignatureInvalid) as refusal:
        open_again(store, replace(published, uri=f"{target.as_uri()}/"))
    assert_one_sentence(refusal.value)


@pytest.mark.parametrize("given", [b"judged onnx", None])
def test_what_serves_needs_nothing_of_the_judged_model_whether_there_is_one_or_not(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, given: bytes | None
) -> None:
    artifact = publish(store, store.url, IDENTITY, contents(judged=given), keyring=KEYS.keyring, signer=KEYS.signer)
    (folder_of(artifact) / "judged.onnx.enc").unlink(missing_ok=given is None)
    read: list[str] = []
    get = ObjectStore.get

    def noted(store: ObjectStore, path: str, *, limit: int) -> bytes:
        read.append(path.rpartition("/")[2])
        return get(store, path, limit=limit)

    monkeypatch.setattr(ObjectStore, "get", noted)
    open_again(store, artifact)
    assert sorted(read) == sorted(SERVED)


def judged_model(store: ObjectStore, artifact: PublishedArtifact, keys: OrganizationKeys = KEYS) -> bytes:
    return fetch_judged(
        store, artifact.uri, artifact.digest, keyring=keys.keyring, verifier=KEYS.signer.verifier()
    ).model


def test_the_judged_model_comes_out_as_it_went_in(store: ObjectStore, published: PublishedArtifact) -> None:
    assert judged_model(store, published) == contents().judged


def test_a_bundle_without_a_judged_model_says_why_there_is_none(store: ObjectStore) -> None:
    artifact = publish(store, store.url, IDENTITY, contents(judged=None), keyring=KEYS.keyring, signer=KEYS.signer)
    assert sorted(file.name for file in folder_of(artifact).iterdir()) == sorted([*SERVED, "card.html"])
    with pytest.raises(BundleMissing, match=r"has no judged\.onnx: its figures are of several models") as refusal:
        judged_model(store, artifact)
    assert_one_sentence(refusal.value)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_judged_model_is_refused(store: ObjectStore, published: PublishedArtifact, change: str) -> None:
    file = folder_of(published) / "judged.onnx.enc"
    file.write_bytes(CHANGES[change](file.read_bytes()))
    with pytest.raises(DigestMismatch if change == "longer" else DecryptionFailed):
        judged_model(store, published)


def test_the_model_that_serves_cannot_stand_in_for_the_judged_one(
    store: ObjectStore, published: PublishedArtifact
) -> None:
    shutil.copy(folder_of(published) / "model.onnx.enc", folder_of(published) / "judged.onnx.enc")
    with pytest.raises(DecryptionFailed, match="belongs to another bundle"):
        judged_model(store, published)


def test_another_organizations_key_opens_no_judged_model(store: ObjectStore, published: PublishedArtifact) -> None:
    with pytest.raises(DecryptionFailed, match="restore the key"):
        judged_model(store, published, keys=OTHERS)


@pytest.mark.parametrize("name", ["model.onnx.enc", "golden.npz.enc"])
def test_a_file_of_an_older_version_cannot_stand_in(
    store: ObjectStore, published: PublishedArtifact, name: str
) -> None:
    older = replace(IDENTITY, version="v2026-11-15T01-00-00-000Z_00000000")
    artifact = publish(store, store.url, older, contents(identity=older), keyring=KEYS.keyring, signer=KEYS.signer)
    shutil.copy(folder_of(artifact) / name, folder_of(published) / name)
    with pytest.raises(DecryptionFailed, match="belongs to another bundle"):
        open_again(store, published)


def test_another_manifest_than_the_ordered_one_is_refused(store: ObjectStore, published: PublishedArtifact) -> None:
    with pytest.raises(DigestMismatch, match="is to be served"):
        open_again(store, replace(published, digest="sha256:" + "0" * 64))


def test_files_larger_than_published_are_not_read(store: ObjectStore, published: PublishedArtifact) -> None:
    with (folder_of(published) / "model.onnx.enc").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(DigestMismatch, match="where at most"):
        open_again(store, published)


def test_bundles_of_an_old_key_stay_readable_while_it_is_kept(store: ObjectStore, published: PublishedArtifact) -> None:
    rotated = KeyRing("k2", {**KEYS.keyring.keys, "k2": bytes(range(32))})
    opened = fetch(store, published.uri, published.digest, keyring=rotated, verifier=KEYS.signer.verifier())
    assert opened.manifest.key_id == "k1"
    without = KeyRing("k2", {"k2": bytes(range(32))})
    with pytest.raises(DecryptionFailed, match=r"'k1'.*put k1\.key back"):
        fetch(store, published.uri, published.digest, keyring=without, verifier=KEYS.signer.verifier())


def assert_one_sentence(error: Exception) -> None:
    text = str(error)
    assert "\n" not in text
    assert not text.endswith(".")
    assert len(text) < 1000
