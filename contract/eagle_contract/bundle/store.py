"""Where bundles lie: an object store (`s3://`, `gs://`, `az://`) or a folder (`file://`), behind four verbs.

`create` never overwrites and `get` never reads more than it was told to expect; `files` and `delete` are for whoever
takes old bundles away. Options come as environment variables under obstore's own names; those of no meaning to the
store are ignored, because a pod has many.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store

from eagle_contract.bundle.errors import BundleMissing, DigestMismatch, StoreInvalid, StoreUnavailable
from eagle_contract.bundle.store_options import AZURE_OPTIONS, GCS_OPTIONS, S3_OPTIONS

_CLIENT: Any = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "300s"}
_RETRIES: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_REMOTE: dict[str, tuple[type[S3Store] | type[GCSStore] | type[AzureStore], frozenset[str]]] = {
    "s3": (S3Store, S3_OPTIONS),
    "gs": (GCSStore, GCS_OPTIONS),
    "az": (AzureStore, AZURE_OPTIONS),
}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the store lists it. `path` is as `get` takes it, `size` in bytes, `modified` in UTC."""

    path: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class ObjectStore:
    """An opened store. Paths are relative to `url`."""

    url: str
    _backend: "S3Store | GCSStore | AzureStore | LocalStore | MemoryStore" = field(repr=False)
    _root: str = ""

    def get(self, path: str, *, limit: int) -> bytes:
        """The content of a file of at most `limit` bytes.

        Raises BundleMissing, DigestMismatch when it is larger, StoreInvalid, StoreUnavailable.
        """
        with self._translated(path):
            try:
                answer = self._backend.get(self._root + path)
            except FileNotFoundError as cause:
                raise BundleMissing(
                    f"{self._address(path)} is not in the store; restore it from a backup or train again"
                ) from cause
            if answer.meta["size"] > limit:
                raise DigestMismatch(
                    f"{self._address(path)} has {answer.meta['size']} bytes where at most {limit} were published;"
                    " publish the model again"
                )
            return bytes(answer.bytes())

    def create(self, path: str, content: bytes) -> bool:
        """Writes a file that is not there yet; False when it is. Raises StoreInvalid, StoreUnavailable."""
        with self._translated(path):
            try:
                self._backend.put(self._root + path, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            except FileNotFoundError as cause:
                raise StoreInvalid(f"the bucket of {self.url} does not exist; make it or correct the URL") from cause
            except GenericError:
                # A store may refuse a large file before it has read it, and cut the connection: the answer is lost.
                if self._is_there(path):
                    return False
                raise
            return True

    def _is_there(self, path: str) -> bool:
        try:
            self._backend.head(self._root + path)
        except FileNotFoundError:
            return False
        return True

    def files(self, folder: str) -> list[StoredFile]:
        """All files below a folder, at any depth; none if it is not there. Raises StoreInvalid, StoreUnavailable."""
        with self._translated(folder):
            pages = self._backend.list(prefix=self._root + folder)
            return [
                StoredFile(found["path"].removeprefix(self._root), found["size"], found["last_modified"])
                for page in pages
                for found in page
            ]

    def delete(self, path: str) -> None:
        """Removes a file, if it is there. Raises StoreInvalid, StoreUnavailable."""
        with self._translated(path), suppress(FileNotFoundError):
            self._backend.delete(self._root + path)

    def relative(self, uri: str) -> str:
        """The path of a URI inside this store, without a trailing slash. Raises StoreInvalid when it is elsewhere."""
        if not (uri + "/").startswith(self.url + "/"):
            raise StoreInvalid(f"{uri} does not lie in {self.url}; open the store that it lies in")
        return uri[len(self.url) :].strip("/")

    def _address(self, path: str) -> str:
        return f"{self.url}/{path}".rstrip("/")

    @contextmanager
    def _translated(self, path: str) -> Iterator[None]:
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as cause:
            raise StoreInvalid(
                f"the store refuses these credentials for {self._address(path)} ({_line(cause)});"
                " correct the Secret eagle-store"
            ) from cause
        except (InvalidPathError, NotSupportedError, ValueError) as cause:
            raise StoreInvalid(f"the store cannot do this with {self._address(path)}: {_line(cause)}") from cause
        except (BaseError, OSError) as cause:
            raise StoreUnavailable(
                f"the store did not answer for {self._address(path)} ({_line(cause)});"
                " check that it runs and is reachable"
            ) from cause


def open_store(url: str, environment: Mapping[str, str]) -> ObjectStore:
    """The store that a URL names; nothing is sent to it yet. `memory:///` is a new, empty store each time.

    Raises StoreInvalid when the URL or the options cannot be right.
    """
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
        return ObjectStore(address, LocalStore(), unquote(parts.path).strip("/") + "/")
    if parts.scheme == "memory":
        return ObjectStore(address, MemoryStore())
    if parts.scheme not in _REMOTE or not parts.netloc:
        raise StoreInvalid(
            f"the store's URL is {url!r}; it must be"
            " s3://BUCKET, gs://BUCKET, az://CONTAINER or file:///FOLDER (EAGLE_STORE_URL)"
        )
    kind, known = _REMOTE[parts.scheme]
    options: Any = {name: value for name, value in environment.items() if name in known and value}
    client: Any = {**_CLIENT, "allow_http": _allows_plain_http(options, environment)}
    try:
        backend = kind.from_url(address, config=options, client_options=client, retry_config=_RETRIES)
    except (BaseError, ValueError) as cause:
        raise StoreInvalid(
            f"the store {url} cannot be opened ({_line(cause)}); correct the Secret eagle-store"
        ) from cause
    return ObjectStore(address, backend)


def _allows_plain_http(options: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    allowed = environment.get("AWS_ALLOW_HTTP", "").lower() == "true"
    endpoint = options.get("AWS_ENDPOINT") or options.get("AWS_ENDPOINT_URL") or ""
    if endpoint.startswith("http://") and not allowed:
        raise StoreInvalid(
            f"AWS_ENDPOINT is {endpoint}, without TLS;"
            " use https:// or set AWS_ALLOW_HTTP to true where the network is trusted"
        )
    return allowed


def _line(cause: BaseException) -> str:
    """The first line of what the store's client says; the rest is its own debugging."""
    return str(cause).strip().partition("\n")[0].rstrip(".")
