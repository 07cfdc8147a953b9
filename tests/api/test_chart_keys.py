"""The keys that onboarding makes are keys that trainers and servers can use."""

import base64
from pathlib import Path
from typing import Any

import yaml
from tests.support.bundles import IDENTITY, contents
from tests.support.cluster import REPOSITORY, program, run

from eagle_contract.bundle import KeyRing, Signer, Verifier, fetch, open_store, publish

CHART = REPOSITORY / "helm" / "eagle-organization"


def rendered(kind: str, name: str, documents: list[dict[str, Any]]) -> dict[str, str]:
    return next(part["data"] for part in documents if part["kind"] == kind and part["metadata"]["name"] == name)


def mount(folder: Path, data: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in data.items():
        (folder / name).write_bytes(content)
    return folder


def test_what_the_chart_generates_publishes_and_opens_a_bundle(tmp_path: Path) -> None:
    text = run([program("helm"), "template", "org-acme", str(CHART), "--set", "organization=acme"])
    documents = [part for part in yaml.safe_load_all(text) if part]
    secrets = {
        name: {key: base64.b64decode(value) for key, value in rendered("Secret", name, documents).items()}
        for name in ("eagle-keys", "eagle-signing")
    }
    trusted = {key: value.encode() for key, value in rendered("ConfigMap", "eagle-verification", documents).items()}
    keyring = KeyRing.from_folder(mount(tmp_path / "keys", secrets["eagle-keys"]))
    signer = Signer.from_pem(secrets["eagle-signing"]["signing.pem"])
    verifier = Verifier.from_folder(mount(tmp_path / "verification", trusted))
    store = open_store((tmp_path / "store").as_uri(), {})
    artifact = publish(store, store.url, IDENTITY, contents(), keyring=keyring, signer=signer)
    assert artifact.key_id == keyring.current_id
    assert fetch(store, artifact.uri, artifact.digest, keyring=keyring, verifier=verifier).model == contents().model
