"""An organization's place in the store, opened with its own credentials and keys: to look, and to tamper."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store
from tests.e2e.lab.plant import Plant
from tests.support.api import Object
from tests.support.tunnel import tunnel

from eagle_contract.api import names
from eagle_contract.bundle import KeyRing, ObjectStore, OpenedBundle, Signer, Verifier, fetch, open_store


@dataclass(frozen=True)
class Vault:
    """The organization's bundles, and the keys to them."""

    store: ObjectStore
    raw: S3Store
    keyring: KeyRing
    verifier: Verifier
    signer: Signer

    def open(self, version: Object) -> OpenedBundle:
        """The published bundle of a ModelVersion."""
        artifact = version["status"]["result"]["artifact"]
        return fetch(self.store, artifact["uri"], artifact["digest"], keyring=self.keyring, verifier=self.verifier)

    def read(self, version: Object, file: str) -> bytes:
        """A file of the bundle as stored."""
        return bytes(obstore.get(self.raw, self._path(version, file)).bytes())

    def overwrite(self, version: Object, file: str, content: bytes) -> None:
        """Put other bytes in the place of a file, as nobody should."""
        obstore.put(self.raw, self._path(version, file), content)

    def _path(self, version: Object, file: str) -> str:
        return f"{self.store.relative(version['status']['result']['artifact']['uri'])}/{file}"


@contextmanager
def opened_vault(plant: Plant, folder: Path) -> Iterator[Vault]:
    """The organization's place in the store; its keys are written below `folder`."""
    environment = _decoded(plant, names.STORE_SECRET)
    keys, verification = folder / "keys", folder / "verification"
    for path, data in (
        (keys, _decoded(plant, names.KEYS_SECRET)),
        (verification, plant.get("v1", "ConfigMap", names.VERIFICATION_CONFIG_MAP)["data"]),
    ):
        path.mkdir()
        for name, content in data.items():
            (path / name).write_text(content)
    service, namespace = str(urlsplit(environment["AWS_ENDPOINT"]).hostname).split(".")[:2]
    with tunnel(namespace, f"service/{service}", urlsplit(environment["AWS_ENDPOINT"]).port or 80) as port:
        near = {**environment, "AWS_ENDPOINT": f"http://127.0.0.1:{port}"}
        url = environment["EAGLE_STORE_URL"]
        yield Vault(
            store=open_store(url, near),
            raw=_raw(url, near),
            keyring=KeyRing.from_folder(keys),
            verifier=Verifier.from_folder(verification),
            signer=Signer.from_pem(_decoded(plant, names.SIGNING_SECRET)["signing.pem"].encode()),
        )


def _decoded(plant: Plant, secret: str) -> dict[str, str]:
    data = plant.get("v1", "Secret", secret)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def _raw(url: str, environment: dict[str, str]) -> S3Store:
    return S3Store(
        urlsplit(url).netloc,
        prefix=urlsplit(url).path.strip("/") or None,
        endpoint=environment["AWS_ENDPOINT"],
        region=environment["AWS_REGION"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
