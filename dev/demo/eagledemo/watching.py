"""Waiting for what an object is to become, by the API server's own watch rather than by asking again and again."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from localcluster.progress import StepError

from eagledemo.kube import Cluster, Object

_TICK_SECONDS = 1.0


def condition(resource: Object, kind: str) -> Object:
    """Return a condition of an object; an empty one (status Unknown) when it is not there yet."""
    found = [c for c in resource.get("status", {}).get("conditions", []) if c["type"] == kind]
    return dict(found[0]) if found else {"type": kind, "status": "Unknown", "reason": "", "message": ""}


def wait_for(
    cluster: Cluster,
    resource: str,
    name: str,
    namespace: str,
    arrived: Callable[[Object], bool],
    *,
    what: str,
    seconds: float,
    seen: Callable[[Object], None] = lambda _: None,
) -> Object:
    """Return the object as soon as it has `arrived`; `seen` is called about once a second with the newest state,
    which is empty for as long as there is no such object.

    Raises StepError naming `what`, with the object's conditions, after `seconds`. `arrived` may raise as well, when
    waiting has become pointless.
    """
    end = time.monotonic() + seconds
    latest: Object = {}
    while time.monotonic() < end:
        with _watched(cluster, resource, name, namespace) as states:
            for state in states:
                if state is not None:
                    latest = state
                    if arrived(latest):
                        return latest
                seen(latest)
                if time.monotonic() >= end:
                    break
    raise StepError(
        f"wait for {what}",
        f"not so after {seconds:.0f} s. {_conditions(latest)}\n  look at: {_look(resource, name, namespace)}",
    )


@contextmanager
def _watched(cluster: Cluster, resource: str, name: str, namespace: str) -> Iterator[Iterator[Object | None]]:
    """The states of an object as they come, and None for every second without one."""
    process = cluster.process(
        *("get", resource, "--namespace", namespace, "--field-selector", f"metadata.name={name}"),
        *("--watch", "--output", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None  # it is a pipe
    inbox: queue.Queue[Object | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, inbox), daemon=True)
    reader.start()
    try:
        yield _states(inbox, reader)
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()


def _states(inbox: queue.Queue[Object | None], reader: threading.Thread) -> Iterator[Object | None]:
    while True:
        try:
            yield inbox.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            if not reader.is_alive() and inbox.empty():
                # The API server ends a watch now and then; the caller opens another.
                time.sleep(_TICK_SECONDS)
                return
            yield None


def _read(stream: IO[str], inbox: queue.Queue[Object | None]) -> None:
    """Objects follow each other without any mark between them, each begun by a line of one brace."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line.rstrip("\n") == "}":
            inbox.put(json.loads("".join(lines)))
            lines.clear()


def _conditions(resource: Object) -> str:
    found = resource.get("status", {}).get("conditions", [])
    if not found:
        return "It has no conditions yet: does the operator run?"
    told = "; ".join(f"{c['type']}={c['status']} {c['reason']} {c.get('message', '')}".strip() for c in found)
    return f"Its conditions: {told}"


def _look(resource: str, name: str, namespace: str) -> str:
    return f"kubectl --namespace {namespace} describe {resource} {name}"
