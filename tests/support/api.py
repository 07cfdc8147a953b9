"""Calls to the API server as whoever a test wants to be, with the server's answers as plain objects."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import kubernetes
from tests.support.cluster import kubeconfig

Object = dict[str, Any]

_PLURALS = {"networkpolicy": "networkpolicies"}
_CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}


class RefusedError(AssertionError):
    """The API server said no; `message` is what it told the user."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def resource_path(kind: str, api_version: str, namespace: str | None, name: str = "", subresource: str = "") -> str:
    """The path of an object, or of its collection when the name is empty."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    place = f"/namespaces/{namespace}" if namespace and kind not in _CLUSTER_WIDE else ""
    plural = _PLURALS.get(kind.lower(), f"{kind.lower()}s")
    return root + place + "".join(f"/{part}" for part in (plural, name, subresource) if part)


@dataclass(frozen=True)
class Api:
    """A caller of the API server: whoever the client's connection and the headers make it."""

    connection: httpx.Client
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def administrator(cls, config: Path | None = None) -> Iterator["Api"]:
        """The caller whose credentials the kubeconfig holds; the connection lives as long as the context."""
        settings = _settings(config)
        with _connect(settings, settings.cert_file, settings.key_file) as connection:
            bearer = settings.auth_settings().get("BearerToken", {}).get("value")
            yield cls(connection, {"Authorization": bearer} if bearer else {})

    def impersonate(self, user: str, *, group: str | None = None, extra: Mapping[str, str] | None = None) -> "Api":
        """Somebody else, by the administrator's right to act as anybody."""
        headers = {**self.headers, "Impersonate-User": user}
        if group:
            headers["Impersonate-Group"] = group
        for key, value in (extra or {}).items():
            headers[f"Impersonate-Extra-{quote(key, safe='')}"] = value
        return replace(self, headers=headers)

    def call(self, method: str, path: str, body: Any = None, content: str = "application/json", **query: Any) -> Object:
        """The server's answer. Raises RefusedError for any status that is not a success."""
        headers = {"Accept": "application/json", "Content-Type": content, **self.headers}
        text = json.dumps(body) if body is not None else None
        answer = self.connection.request(method, path, params=query, headers=headers, content=text)
        if answer.is_error:
            raise RefusedError(answer.status_code, _message(answer.text))
        return dict(answer.json())

    def create(self, resource: Object, subresource: str = "", **query: Any) -> Object:
        """The object as stored. `subresource` needs the object's name, as `token` does."""
        name = resource["metadata"].get("name", "") if subresource else ""
        return self.call("POST", _path(resource, name, subresource), resource, **query)

    def replace(self, resource: Object, subresource: str = "", **query: Any) -> Object:
        """The object as stored after a PUT of the whole."""
        return self.call("PUT", _path(resource, resource["metadata"]["name"], subresource), resource, **query)

    def merge(self, resource: Object, change: Object, subresource: str = "", **query: Any) -> Object:
        """The object after a JSON merge patch."""
        path = _path(resource, resource["metadata"]["name"], subresource)
        return self.call("PATCH", path, change, "application/merge-patch+json", **query)

    def apply(self, resource: Object, manager: str, subresource: str = "", **query: Any) -> Object:
        """The object after a server-side apply; `resource` holds only the fields that `manager` is to own."""
        path = _path(resource, resource["metadata"]["name"], subresource)
        return self.call("PATCH", path, resource, "application/apply-patch+yaml", fieldManager=manager, **query)

    def get(self, resource: Object) -> Object:
        """The object as it is now."""
        return self.call("GET", _path(resource, resource["metadata"]["name"]))

    def delete(self, resource: Object) -> None:
        """Asks for the object's end, in the background."""
        self.call("DELETE", _path(resource, resource["metadata"]["name"]), {"propagationPolicy": "Background"})

    def may(self, verb: str, group: str, resource: str, namespace: str, *, subresource: str = "") -> bool:
        """Whether this caller has the right, by the API server's own review."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        if subresource:
            attributes["subresource"] = subresource
        review: Object = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": attributes},
        }
        return bool(self.create(review)["status"]["allowed"])


def _path(resource: Object, name: str = "", subresource: str = "") -> str:
    namespace = resource["metadata"].get("namespace")
    return resource_path(resource["kind"], resource["apiVersion"], namespace, name, subresource)


def _settings(config: Path | None) -> Any:
    # The client's types are incomplete.
    client: Any = kubernetes
    settings = client.client.Configuration()
    client.config.load_kube_config(str(config or kubeconfig()), client_configuration=settings)
    return settings


def _connect(settings: Any, certificate: str | None, key: str | None) -> httpx.Client:
    trust = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if certificate:
        trust.load_cert_chain(certificate, key)
    return httpx.Client(base_url=settings.host, verify=trust, timeout=30)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text


@contextmanager
def bearer_of(token: str, config: Path | None = None) -> Iterator[Api]:
    """Whoever the token says, on a connection without any client certificate."""
    settings = _settings(config)
    with _connect(settings, None, None) as connection:
        yield Api(connection, {"Authorization": f"Bearer {token}"})
