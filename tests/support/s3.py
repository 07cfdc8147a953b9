"""A real S3 store on loopback: versitygw over a folder, with a user and a bucket per organization as onboarding makes
them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.support.cluster import program, wait_for
from tests.support.ports import free_port

_ROOT = {"ROOT_ACCESS_KEY": "root", "ROOT_SECRET_KEY": "root-secret"}


@dataclass
class S3:
    """A store that can be stopped and started again with its content."""

    folder: Path
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Returns when the store answers."""
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "iam").mkdir(exist_ok=True)
        arguments = ["--port", f"127.0.0.1:{self.port}", "--admin-port", f"127.0.0.1:{self.admin_port}", "--quiet"]
        arguments += ["--iam-dir", str(self.folder / "iam"), "posix", str(self.folder / "data")]
        with (self.folder / "versitygw.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("versitygw"), *arguments], env={**os.environ, **_ROOT}, stdout=log, stderr=log
            )
        wait_for(self._answers, "versitygw to answer")

    def stop(self) -> None:
        """Ends the store; its content stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def onboard(self, name: str) -> dict[str, str]:
        """The environment of pods of a new organization: its own user, which owns a bucket of its own."""
        secret = f"secret-of-{name}"
        self._admin("create-user", "--access", name, "--secret", secret, "--role", "user")
        self._admin("create-bucket", "--bucket", name, "--owner", name)
        return self.environment(name, secret)

    def environment(self, name: str, secret: str) -> dict[str, str]:
        """What the Secret eagle-store holds for an organization."""
        return {
            "EAGLE_STORE_URL": f"s3://{name}",
            "AWS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": name,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        }

    def _admin(self, *arguments: str) -> None:
        environment = {
            **os.environ,
            "ADMIN_ACCESS_KEY": _ROOT["ROOT_ACCESS_KEY"],
            "ADMIN_SECRET_KEY": _ROOT["ROOT_SECRET_KEY"],
            "ADMIN_ENDPOINT_URL": f"http://127.0.0.1:{self.admin_port}",
        }
        subprocess.run([program("versitygw"), "admin", *arguments], env=environment, check=True, capture_output=True)

    def _answers(self) -> bool:
        try:
            return all(httpx.get(f"http://127.0.0.1:{port}/") is not None for port in (self.port, self.admin_port))
        except httpx.TransportError:
            return False


@contextmanager
def running_s3(folder: Path) -> Iterator[S3]:
    """A store over `folder`, stopped in the end."""
    store = S3(folder)
    store.start()
    try:
        yield store
    finally:
        store.stop()
