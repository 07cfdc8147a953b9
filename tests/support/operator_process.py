"""The operator as a process of its own on this machine, against whatever API server a kubeconfig names.

It can be killed and started again at any moment. Where a test does that often, `nursery` has a process that has done
the imports and forks one operator after the other: a restart then takes no longer than the operator itself needs.

The operator's image has no kubernetes client, and kopf uses it wherever there is one: so it is hidden here.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.support.cluster import Found, wait_for
from tests.support.ports import free_port
from tests.support.programs import Program

ENVIRONMENT = {
    "EAGLE_TRAINER_IMAGE": "example.invalid/trainer:1",
    "EAGLE_SERVING_IMAGE": "example.invalid/serving:1",
    "EAGLE_NAMESPACE": "default",
    "EAGLE_IDENTITY": "operator-1",
}
_AS_IN_THE_IMAGE = "import sys; sys.modules['kubernetes'] = None; import eagle_operator.__main__ as program"
_ONE = f"{_AS_IN_THE_IMAGE}; program.main()"
# 1 is PR_SET_PDEATHSIG: the operator ends when the nursery does.
_ONE_AFTER_THE_OTHER = f"""
{_AS_IN_THE_IMAGE}
import ctypes, os, signal
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        program.main()
        sys.exit()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_PAGE_BYTES = 4096
_TICKS_PER_SECOND = 100
_RESTING_SECONDS, _RESTING_SHARE = 2.0, 0.02


class _Forked(Program):
    """The operator that a nursery forked last, as if it were a program of its own."""

    def __init__(self, nursery: Program) -> None:
        super().__init__(nursery.command, nursery.log)
        self._nursery = nursery
        self._child = 0
        self._code: int | None = None

    @property
    def pid(self) -> int:
        return self._child

    @property
    def running(self) -> bool:
        return bool(self._child) and self.wait(0) is None

    def start(self) -> None:
        self._nursery.tell("next")
        self._child, self._code = int(self._nursery.hear()), None

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code; None if it has not ended within the time-out."""
        if self._code is None and self._child:
            heard = self._nursery.hear(timeout)
            self._code = int(heard) if heard else None
        return self._code


class OperatorProcess:
    """One operator after the other: each with the same settings, log and ports."""

    def __init__(self, config: Path, folder: Path, environment: Mapping[str, str], *, nursery: bool) -> None:
        identity = environment.get("EAGLE_IDENTITY", ENVIRONMENT["EAGLE_IDENTITY"])
        self.log = folder / f"{identity}.log"
        metrics, health = free_port(), free_port()
        self._metrics = f"http://127.0.0.1:{metrics}/metrics"
        self._health = f"http://127.0.0.1:{health}/healthz"
        settings = {
            **ENVIRONMENT,
            "EAGLE_METRICS_PORT": str(metrics),
            "EAGLE_HEALTH_ADDRESS": self._health,
            **environment,
            "KUBECONFIG": str(config),
        }
        command = [sys.executable, "-c", _ONE_AFTER_THE_OTHER if nursery else _ONE]
        first = Program(command, self.log, settings, talks=nursery)
        self._nursery = first if nursery else None
        self.program = _Forked(first) if nursery else first
        """The process that is the operator, or was last."""

    def start(self) -> None:
        """Begin; does not wait until it works."""
        if self._nursery and not self._nursery.running:
            self._nursery.start()
        self.program.start()

    def kill(self) -> None:
        """End it at once, as when its node dies."""
        self.program.kill()

    def stop(self, timeout: float = 30) -> int | None:
        """Ask it to end; its exit code."""
        return self.program.stop(timeout)

    def end(self) -> None:
        """Leave nothing behind."""
        self.program.kill()
        if self._nursery:
            self._nursery.kill()

    def until(
        self, look: Callable[[], Found | None], what: str, *, timeout: float = 60, interval: float = 0.2
    ) -> Found:
        """As `wait_for`; an AssertionError has the end of the operator's log."""
        try:
            return wait_for(look, what, timeout=timeout, interval=interval)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.said()}") from error

    def until_healthy(self, timeout: float = 60) -> None:
        """Waits until its health probe says that it works, or stands by."""
        wait_for(
            lambda: self._is_healthy("leading", "standby"),
            f"the operator to be healthy; {self.said()}",
            timeout=timeout,
            interval=0.1,
        )

    def until_looked_at(self, schedules: int, timeout: float = 60) -> None:
        """Waits until it has looked at so many schedules since it started, and none waits to be looked at."""
        self.until(lambda: self._is_done(schedules), "the operator's looks", timeout=timeout)

    def until_at_rest(self, timeout: float = 60) -> None:
        """Waits until it takes less than a fiftieth of a processor: after its first looks kopf tells of everything."""
        before = [0.0]

        def rests() -> bool:
            last, before[0] = before[0], self.cpu_seconds()
            return before[0] - last < _RESTING_SHARE * _RESTING_SECONDS

        self.until(rests, "the operator to be at rest", timeout=timeout, interval=_RESTING_SECONDS)

    def until_working(self, timeout: float = 60) -> None:
        """Waits until it holds the Lease and has seen everything."""
        self.until(lambda: self._is_healthy("leading"), "the operator to work", timeout=timeout)

    def health(self) -> httpx.Response:
        """What a probe is answered. Raises httpx.TransportError."""
        return httpx.get(self._health, timeout=10)

    def metrics(self) -> dict[str, float]:
        """The samples now, by name and labels (`name{label=value}`). Raises httpx.TransportError."""
        found = {}
        for family in text_string_to_metric_families(httpx.get(self._metrics, timeout=10).text):
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    def memory_bytes(self) -> int:
        """What it has in memory now."""
        return int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def most_memory_bytes(self) -> int:
        """The most that it ever had in memory since it started."""
        lines = Path(f"/proc/{self.program.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def cpu_seconds(self) -> float:
        """The processor time that it has taken since its start."""
        fields = Path(f"/proc/{self.program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def said(self, lines: int = 30) -> str:
        """The end of its log."""
        return f"the operator's log, {self.log}:\n{self.program.said(lines)}"

    def looks(self) -> float:
        """How often it has looked at a schedule since it started. Raises httpx.TransportError."""
        return sum(value for name, value in self.metrics().items() if name.startswith("eagle_reconcile_total"))

    def _is_done(self, schedules: int) -> bool:
        try:
            return self.metrics().get("eagle_workqueue_depth") == 0 and self.looks() >= schedules
        except httpx.TransportError:
            return False

    def _is_healthy(self, *words: str) -> bool:
        if not self.program.running:
            raise AssertionError(f"the operator ended with {self.program.wait()}; {self.said()}")
        try:
            said = self.health()
        except httpx.TransportError:
            return False
        return said.status_code == 200 and said.text.split(":")[0].strip() in words


@contextmanager
def operator_process(
    config: Path, folder: Path, *, nursery: bool = False, **environment: str
) -> Iterator[OperatorProcess]:
    """The operator, started; it ends with the context. `environment` changes its settings."""
    operator = OperatorProcess(config, folder, environment, nursery=nursery)
    operator.start()
    try:
        yield operator
    finally:
        operator.end()
