"""Everything that happened to some objects, also what was over before anybody looked: a watch, written down."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from eagledemo.kube import Cluster
from tests.support.cluster import wait_for


@contextmanager
def watched(cluster: Cluster, namespace: str, kind: str, selector: str, fields: str) -> Iterator[list[str]]:
    """The lines of a watch that has begun: for each event its type (ADDED, …) and the `fields`, as JSONPath has them.

    The list grows while the context lasts.
    """
    words = ("get", kind, "--namespace", namespace, "--selector", selector, "--watch", "--output-watch-events")
    template = f'{{.type}} {fields}{{"\\n"}}'
    process = cluster.process(*words, "--output", f"jsonpath={template}", "-v=6", stdout=-1, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    noise: list[str] = []
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, lines), daemon=True),
        threading.Thread(target=_collect, args=(process.stderr, noise), daemon=True),
    ]
    with process:
        for reader in readers:
            reader.start()
        try:
            wait_for(lambda: any("watch=true" in line for line in noise), "the watch to begin", timeout=30)
            yield lines
            assert process.poll() is None, f"the watch ended: {noise[-3:]}"
        finally:
            process.terminate()
            for reader in readers:
                reader.join()


def _collect(stream: IO[str], lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))
