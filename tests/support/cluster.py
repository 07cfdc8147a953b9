"""The cluster that tests run against: the one KUBECONFIG names, else the local one under EAGLE_HOME.

Nothing here knows Eagle's resources; it is what tests of the API server and of whole clusters share.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
EAGLE_HOME = Path(os.environ.get("EAGLE_HOME", Path.home() / ".cache" / "eagle"))

Found = TypeVar("Found")


class CommandError(AssertionError):
    """A program ended with an error; the text is what it said."""

    def __init__(self, arguments: list[str], code: int, output: str, error: str) -> None:
        super().__init__(f"{' '.join(arguments)} ended with {code}: {error or output}")
        self.code, self.output, self.error = code, output, error


def kubeconfig() -> Path:
    """The file with the cluster's address and an administrator's credentials."""
    given = os.environ.get("KUBECONFIG")
    return Path(given) if given else EAGLE_HOME / "cluster" / "admin.kubeconfig"


def program(name: str) -> str:
    """The path of a program: the local cluster's own, else the machine's. Raises FileNotFoundError."""
    own = EAGLE_HOME / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is neither in {own.parent} nor on PATH")
    return found


def run(arguments: list[str], *, stdin: str | None = None, config: Path | None = None, timeout: float = 300) -> str:
    """What a program printed. Raises CommandError when it ends with an error; `timeout` in seconds."""
    environment = {**os.environ, "KUBECONFIG": str(config or kubeconfig())}
    done = subprocess.run(arguments, input=stdin, env=environment, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise CommandError(arguments, done.returncode, done.stdout.strip(), done.stderr.strip())
    return done.stdout


def kubectl(*arguments: str, stdin: str | None = None, config: Path | None = None, timeout: float = 300) -> str:
    """What kubectl printed; `stdin` is for `-f -`."""
    return run([program("kubectl"), *arguments], stdin=stdin, config=config, timeout=timeout)


def helm(*arguments: str, config: Path | None = None, timeout: float = 600) -> str:
    """What helm printed. Waits while another helm works on the same release."""

    def attempt() -> tuple[str] | None:
        try:
            return (run([program("helm"), *arguments], config=config, timeout=timeout),)
        except CommandError as failure:
            if "another operation" in failure.error:
                return None
            raise

    return wait_for(attempt, "helm's turn on the release", timeout=timeout, interval=2)[0]


def wait_for(look: Callable[[], Found | None], what: str, *, timeout: float = 60, interval: float = 0.2) -> Found:
    """The first true thing that `look` returns; AssertionError naming `what` after `timeout` seconds without one."""
    end = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= end:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last seen: {found!r}")
        time.sleep(interval)


def unique(prefix: str) -> str:
    """A name nobody else uses: the prefix and six hexadecimal digits."""
    return f"{prefix}-{secrets.token_hex(3)}"


@contextmanager
def fresh_namespace(prefix: str, labels: dict[str, str] | None = None) -> Iterator[str]:
    """A namespace of a test's own, deleted afterwards without waiting for its end."""
    name = unique(prefix)
    kubectl("create", "namespace", name)
    try:
        if labels:
            kubectl("label", "namespace", name, *(f"{key}={value}" for key, value in labels.items()))
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def local_images() -> dict[str, str]:
    """The images built for the local cluster by variable name (EAGLE_OPERATOR_IMAGE …); empty before they are built."""
    file = EAGLE_HOME / "images.env"
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line and line[0] != "#")
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
