"""The real server as a process of its own, with a bundle published for it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
from tests.support.bundles import IDENTITY, OrganizationKeys, manifest, organization_keys
from tests.support.graphs import tiny_golden, tiny_graph
from tests.support.ports import free_port

from eagle_contract.bundle import Golden, Manifest, ObjectStore, PublishedArtifact, open_store, publish
from eagle_contract.bundle.layout import BundleIdentity
from eagle_contract.bundle.publishing import BundleContents

MODEL = "press-failure"


@dataclass(frozen=True)
class Published:
    """A bundle in a store, and the organization's folders as a pod has them mounted."""

    artifact: PublishedArtifact
    version: str
    keys_folder: Path
    verification_folder: Path

    def order(self, name: str = MODEL, **changes: str) -> dict[str, str]:
        """One entry of EAGLE_MODELS."""
        order = {"name": name, "version": self.version, "uri": self.artifact.uri, "digest": self.artifact.digest}
        return {**order, **changes}

    def environment(self, *orders: dict[str, str], **more: str) -> dict[str, str]:
        """The variables of a pod that serves this bundle, or what `orders` say."""
        return {
            "EAGLE_MODELS": json.dumps(list(orders) or [self.order()]),
            "EAGLE_KEYS_FOLDER": str(self.keys_folder),
            "EAGLE_VERIFICATION_FOLDER": str(self.verification_folder),
            **more,
        }


def publish_tiny(
    folder: Path,
    *,
    store: ObjectStore | None = None,
    keys: OrganizationKeys | None = None,
    identity: BundleIdentity = IDENTITY,
    graph: bytes | None = None,
    answers: Golden | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Published:
    """Publishes a tiny model below `folder` (or to `store`) and mounts the organization's keys beside it.

    `changes` are fields of the manifest.
    """
    keys = keys or organization_keys()
    store = store or open_store((folder / "store").as_uri(), {})
    mounted = folder / f"keys-of-{keys.keyring.current_id}"
    if not mounted.exists():
        keys.write(mounted)
    described: Manifest = manifest(identity).model_copy(update=dict(changes or {}))
    contents = BundleContents(described, graph or tiny_graph(), answers or tiny_golden(), b"<!doctype html>")
    artifact = publish(store, store.url, identity, contents, keyring=keys.keyring, signer=keys.signer)
    return Published(artifact, identity.version, mounted / "keys", mounted / "verification")


@dataclass
class RunningServer:
    """A server process and what it said."""

    process: "subprocess.Popen[str]"
    url: str
    last_words_file: Path
    lines: list[str] = field(default_factory=list)

    def ended(self, timeout: float = 30) -> int:
        """The exit code, once the process has ended."""
        return self.process.wait(timeout)

    def until_ready(self, timeout: float = 30) -> None:
        """Returns when the server is ready; AssertionError when it ends or does not become ready in time."""
        self.until(lambda: httpx.get(f"{self.url}/v2/health/ready").status_code == 200, timeout)

    def until(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Returns when the condition holds; a server that does not listen yet does not meet it."""
        end = time.monotonic() + timeout
        while True:
            try:
                if condition():
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "\n".join(self.lines)
            assert time.monotonic() < end, "\n".join(["waited in vain; the log:", *self.lines])
            time.sleep(0.02)

    def log(self) -> list[dict[str, Any]]:
        """What was logged so far, line by line."""
        return [json.loads(line) for line in self.lines]

    def until_logged(self, message: str) -> None:
        """Returns when a line with this message was logged; also after the end of the process."""
        end = time.monotonic() + 10
        while not any(line["message"] == message for line in self.log()):
            assert time.monotonic() < end, "\n".join(self.lines)
            time.sleep(0.01)

    @property
    def last_words(self) -> str:
        """The termination message."""
        return self.last_words_file.read_text()


@contextmanager
def running_server(folder: Path, environment: Mapping[str, str]) -> Iterator[RunningServer]:
    """Starts `python -m eagle_serving` on a free port of loopback, and ends it in the end."""
    port = free_port()
    last_words = folder / f"termination-log-{port}"
    last_words.touch()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EAGLE_", "AWS_"))}
    own = {"EAGLE_HOST": "127.0.0.1", "EAGLE_PORT": str(port), "EAGLE_TERMINATION_LOG": str(last_words)}
    process = subprocess.Popen(
        [sys.executable, "-m", "eagle_serving"],
        env={**inherited, **own, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    server = RunningServer(process, f"http://127.0.0.1:{port}", last_words)
    assert process.stderr is not None
    reader = threading.Thread(target=_collect, args=(process.stderr, server.lines))
    reader.start()
    try:
        yield server
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def _collect(stream: IO[str], lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))
