"""A program that a test starts, kills and starts again; what it says goes to a file."""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

_PATIENCE_SECONDS = 15.0


def _ends_with_its_parent() -> list[str]:
    """What to put before a command so that nothing goes on when the tests themselves are killed; where that exists."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


class Program:
    """One program, running or not. As a context it runs from the beginning to the end."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        talks: bool = False,
    ) -> None:
        self.command, self.log, self._talks = list(command), log, talks
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Program":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """The program's name, without its folder."""
        return Path(self.command[0]).name

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError if it does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Begin; what it says is added to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_ends_with_its_parent(), *self.command],
                stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._talks else output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )

    def tell(self, line: str) -> None:
        """Write a line to the standard input of a program that talks."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self, timeout: float | None = None) -> str:
        """The next line of its standard output; '' if none comes within `timeout` seconds, or ever."""
        assert self._process is not None
        assert self._process.stdout is not None
        if timeout is not None and not select.select([self._process.stdout], [], [], timeout)[0]:
            return ""
        return self._process.stdout.readline().decode().strip()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as the kernel does when memory is short: at once."""
        if self.running:
            self.send(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = _PATIENCE_SECONDS) -> int | None:
        """Ask it to end, and kill it after the time-out in seconds; its exit code, None if it never ran."""
        if self.running:
            self.send(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, once it has ended; None if it never ran. Raises subprocess.TimeoutExpired."""
        if self._process is None:
            return None
        code = self._process.wait(timeout)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        return code

    def said(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
