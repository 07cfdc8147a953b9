"""What really happened in a cluster, seen by the test's own watch and not by the program that it tests."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import httpx
from tests.support.api import Object
from tests.support.loop_thread import LoopThread
from tests.support.private_api_server import ApiServer

Key = tuple[str, str]
_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Change:
    """One event of a watch and when it came, in seconds of time.monotonic."""

    kind: str
    """ADDED, MODIFIED or DELETED."""
    object: Object
    at: float

    @property
    def key(self) -> Key:
        """Namespace and name."""
        metadata = self.object["metadata"]
        return metadata.get("namespace", ""), metadata["name"]


@dataclass
class Watch:
    """A collection as it is now, and all its changes so far. Goes on through a restart of the API server."""

    path: str
    labels: str = ""
    keep: bool = True
    """Whether changes are kept; a long watch only tells its listeners."""
    changes: list[Change] = field(default_factory=list)
    now: dict[Key, Object] = field(default_factory=dict)
    listeners: list[Callable[[Change], None]] = field(default_factory=list)
    """Called on the loop's thread, after `now` has changed."""
    _lock: Lock = field(default_factory=Lock)

    def all(self) -> list[Change]:
        """All changes, in their order."""
        with self._lock:
            return list(self.changes)

    def of(self, namespace: str) -> list[Change]:
        """The changes in a namespace, in their order."""
        with self._lock:
            return [change for change in self.changes if change.key[0] == namespace]

    def objects(self, namespace: str | None = None) -> list[Object]:
        """The objects that are there now."""
        with self._lock:
            return [found for key, found in self.now.items() if namespace in (None, key[0])]

    async def run(self, client: httpx.AsyncClient) -> None:
        """List once, then watch on from there for ever."""
        version = ""
        while True:
            try:
                version = version or await self._list(client)
                version = await self._stream(client, version)
            except (httpx.TransportError, httpx.HTTPStatusError):
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _list(self, client: httpx.AsyncClient) -> str:
        answer = await client.get(self.path, params={"labelSelector": self.labels})
        answer.raise_for_status()
        body = answer.json()
        present = set()
        for found in body["items"]:
            present.add((found["metadata"].get("namespace", ""), found["metadata"]["name"]))
            self._take("ADDED", found)
        for key in self.now.keys() - present:
            self._take("DELETED", self.now[key])
        return str(body["metadata"]["resourceVersion"])

    async def _stream(self, client: httpx.AsyncClient, version: str) -> str:
        """The version up to which everything was seen; '' when that is too long ago."""
        query = {"watch": "1", "resourceVersion": version, "labelSelector": self.labels, "allowWatchBookmarks": "true"}
        async with client.stream("GET", self.path, params=query, timeout=None) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["type"], event["object"])
        return version

    def _take(self, kind: str, found: Object) -> None:
        change = Change(kind, found, time.monotonic())
        with self._lock:
            if kind == "DELETED":
                self.now.pop(change.key, None)
            else:
                self.now[change.key] = found
            if self.keep:
                self.changes.append(change)
        for listener in self.listeners:
            listener(change)


def client_of(server: ApiServer) -> httpx.AsyncClient:
    """An administrator's asynchronous connections to the API server; for use on one loop."""
    return httpx.AsyncClient(
        base_url=server.url,
        verify=ssl.create_default_context(cafile=str(server.certificate)),
        headers={"Authorization": f"Bearer {server.token}", "Accept": "application/json"},
        timeout=30,
        limits=httpx.Limits(max_connections=None),
    )


def begin_watch(loop: LoopThread, client: httpx.AsyncClient, watch: Watch) -> Watch:
    """Begin the watch on the loop."""
    loop.begin(watch.run(client))
    return watch
