"""Just enough of a Kubernetes client to wait for things: GET with the admin certificate."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from localcluster.paths import Paths
from localcluster.settings import API_PORT, NODE_ADDRESS

_TIMEOUT_SECONDS = 5.0


class ApiClient:
    """Reads from the API server of the local cluster; never through a proxy."""

    def __init__(self, paths: Paths) -> None:
        self._tls = ssl.create_default_context(cafile=paths.pki / "ca.crt")
        self._tls.load_cert_chain(paths.pki / "admin.crt", paths.pki / "admin.key")

    def ready(self) -> bool:
        """Tell whether the API server calls itself ready; False while it cannot be reached."""
        status, _ = self._get("/readyz")
        return status == http.HTTPStatus.OK

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the object at an API path, or None while it cannot be read."""
        status, body = self._get(path)
        if status != http.HTTPStatus.OK:
            return None
        content = json.loads(body)
        return content if isinstance(content, dict) else None

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            str(NODE_ADDRESS), API_PORT, context=self._tls, timeout=_TIMEOUT_SECONDS
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            # Not reachable yet is the ordinary case while a cluster starts: the caller waits.
            return 0, b""
        finally:
            connection.close()
