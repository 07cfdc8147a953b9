"""Starting and ending the components.

A start is level-based: what already runs as wanted is left alone, what runs with another
command line or configuration is ended and started again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from localcluster.components import Component
from localcluster.paths import Paths
from localcluster.process_records import (
    ProcessRecord,
    boot_id,
    end_process,
    facts_of,
    is_running,
    load_record,
)
from localcluster.progress import StepError
from localcluster.settings import SYSTEM_PATH

# All of them stand being killed; the wait is for what they would still write to their logs.
_PATIENCE_SECONDS = 5.0
STOP_ORDER = (
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "containerd",
)


class Supervisor:
    """Knows the processes of one cluster by their records."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # Started by this very command; the others have another parent by now.
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def ensure_running(self, component: Component) -> bool:
        """Start the component unless it already runs as wanted; return whether it was started."""
        record = self.record(component.name)
        if record is not None and is_running(record):
            if record.fingerprint == component.fingerprint():
                return False
            self.stop(component.name)
        self._start(component)
        return True

    def record(self, name: str) -> ProcessRecord | None:
        return load_record(self._record_file(name))

    def running(self, name: str) -> bool:
        return is_running(self.record(name))

    def require_alive(self, names: Sequence[str]) -> None:
        """Raise StepError, with the log, for a component that has ended by itself."""
        for name in names:
            if not self.running(name):
                raise StepError(f"run {name}", "the process has ended", log=self.log_file(name))

    def stop(self, name: str) -> bool:
        """End the component if it is the process that was recorded; return whether it ran."""
        record = self.record(name)
        ran = is_running(record)
        if record is not None and ran:
            end_process(record, patience_seconds=_PATIENCE_SECONDS)
        self._record_file(name).unlink(missing_ok=True)
        child = self._children.pop(name, None)
        if child is not None:
            child.wait()
        return ran

    def log_file(self, name: str) -> Path:
        return self._paths.logs / f"{name}.log"

    def _record_file(self, name: str) -> Path:
        return self._paths.run / f"{name}.process"

    def _start(self, component: Component) -> None:
        self._paths.run.mkdir(parents=True, exist_ok=True)
        self._paths.logs.mkdir(parents=True, exist_ok=True)
        log = self.log_file(component.name)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        # A clean environment: a proxy that the user has set would take the calls to the
        # API server off the machine.
        environment = {"PATH": SYSTEM_PATH, "HOME": str(self._paths.cluster)}
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    component.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=self._paths.cluster,
                    start_new_session=True,
                )
            except OSError as error:
                raise StepError(f"start {component.name}", str(error)) from error
        self._children[component.name] = process
        facts = facts_of(process.pid)
        if facts is None or facts.dead:
            raise StepError(f"start {component.name}", "it ended at once", log=log)
        ProcessRecord(
            pid=process.pid,
            start_ticks=facts.start_ticks,
            boot_id=boot_id(),
            program=component.command[0],
            fingerprint=component.fingerprint(),
        ).save(self._record_file(component.name))
