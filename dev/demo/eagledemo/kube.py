"""kubectl and helm on the cluster that the user has, or on the local one where no other is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.paths import Paths
from localcluster.progress import StepError

Object = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A cluster by its kubeconfig, and the programs to speak to it with."""

    kubeconfig: Path
    programs: Path
    """The folder with kubectl and helm of the local cluster; what is not there comes from PATH."""

    def kubectl(self, *words: str, step: str, stdin: str | None = None, seconds: float = 300) -> str:
        """Return what kubectl printed. Raises StepError with its own words."""
        return self._run("kubectl", words, step, stdin, seconds)

    def helm(self, *words: str, step: str, seconds: float = 600) -> str:
        """Return what helm printed. Raises StepError with its own words."""
        return self._run("helm", words, step, None, seconds)

    def get(self, resource: str, name: str, namespace: str, *, step: str) -> Object | None:
        """Return an object as it is now, or None when there is none."""
        words = ("get", resource, name, "--namespace", namespace, "--ignore-not-found", "--output", "json")
        text = self.kubectl(*words, step=step)
        return dict(json.loads(text)) if text.strip() else None

    def list(self, resource: str, namespace: str, *, step: str, selector: str = "") -> list[Object]:
        """Return the objects of a namespace."""
        words = ("get", resource, "--namespace", namespace, "--selector", selector, "--output", "json")
        return list(json.loads(self.kubectl(*words, step=step))["items"])

    def apply(self, *objects: Object, step: str) -> None:
        """Make the objects be as given."""
        self.kubectl("apply", "--filename", "-", step=step, stdin=json.dumps(_list(objects)))

    def create(self, resource: Object, *, step: str) -> Object:
        """Make a new object, which may have only a `generateName`; return it as stored."""
        words = ("create", "--filename", "-", "--output", "json")
        return dict(json.loads(self.kubectl(*words, step=step, stdin=json.dumps(resource))))

    def merge(self, resource: str, name: str, namespace: str, change: Object, *, step: str) -> None:
        """Change an object by a JSON merge patch."""
        words = ("patch", resource, name, "--namespace", namespace, "--type", "merge", "--patch", json.dumps(change))
        self.kubectl(*words, step=step)

    def process(self, *words: str, **pipes: Any) -> subprocess.Popen[str]:
        """Start kubectl and leave it running; the caller ends it."""
        return subprocess.Popen([self.program("kubectl"), *words], env=self.environment(), text=True, **pipes)

    def environment(self) -> dict[str, str]:
        """Return the environment in which programs find this cluster."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def program(self, name: str) -> str:
        """Return the path of a program; raises StepError when it is nowhere."""
        own = self.programs / name
        found = str(own) if own.exists() else shutil.which(name)
        if found is None:
            raise StepError(
                f"find {name}", f"it is neither in {self.programs} nor on PATH: dev/cluster/cluster tool {name}"
            )
        return found

    def _run(self, name: str, words: tuple[str, ...], step: str, stdin: str | None, seconds: float) -> str:
        command = [self.program(name), *words]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise StepError(step, f"`{name} {' '.join(words)}` took longer than {seconds:.0f} s") from late
        if done.returncode:
            said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
            raise StepError(step, f"`{name} {' '.join(words)}` said: {said}")
        return done.stdout


def names_own_cluster(environment: Mapping[str, str], paths: Paths) -> bool:
    """Tell whether KUBECONFIG names a cluster of the user's rather than the local one."""
    given = environment.get("KUBECONFIG")
    return bool(given) and Path(os.path.realpath(str(given))) != paths.admin_kubeconfig.resolve()


def chosen_cluster(environment: Mapping[str, str], paths: Paths) -> Cluster:
    """Return the cluster that KUBECONFIG names, else the local one."""
    if names_own_cluster(environment, paths):
        return Cluster(Path(environment["KUBECONFIG"]), paths.bin)
    return Cluster(paths.admin_kubeconfig, paths.bin)


def _list(objects: tuple[Object, ...]) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}
