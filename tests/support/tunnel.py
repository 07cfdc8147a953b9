"""A way from this machine to one port of one pod, on any cluster.

For what talks to a single pod that stays. A tunnel ends with its pod, so it is not for traffic that must outlive one.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster import kubeconfig, program


@contextmanager
def tunnel(namespace: str, target: str, port: int) -> Iterator[int]:
    """The local port that leads to `port` of `target` (as kubectl names it: pod/x, service/x)."""
    command = [program("kubectl"), "port-forward", "-n", namespace, target, f":{port}"]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig())}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", said)
            assert found, f"kubectl port-forward {target}: {said}"
            yield int(found[1])
        finally:
            process.terminate()
