"""A client that asks a model again and again and counts what it gets. It runs in a pod: nothing but Python is there.

    python3 asker.py URL BODY_FILE [SECONDS_BETWEEN_QUESTIONS]

Half of the workers keep their connection, as a gateway does, the others connect for every question. Every answer but
200 counts as failed, and so does every broken or refused connection, also of a connection that was kept: nothing is
asked twice. Once a second it prints what it has counted so far as a line of JSON, the last time when it ends (SIGTERM).
"""

import http.client
import json
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from types import FrameType
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 10.0
_FAILURES_KEPT = 5
_REPORT_SECONDS = 1.0
WORKERS = 4


@dataclass
class Tally:
    """What has been counted."""

    asked: int = 0
    failed: int = 0
    slowest_seconds: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)
    """Answers by the version that gave them."""
    failures: list[str] = field(default_factory=list)
    """The first failures, each with its time (UTC)."""


class Asker:
    """Asks from several threads."""

    def __init__(self, url: str, body: bytes, pause_seconds: float) -> None:
        parts = urlsplit(url)
        self._address, self._path = (parts.hostname or "", parts.port or 80), parts.path
        self._body, self._pause = body, pause_seconds
        self._tally = Tally()
        self._lock = threading.Lock()
        self.over = threading.Event()

    @property
    def asked(self) -> int:
        """How many questions have been asked so far."""
        with self._lock:
            return self._tally.asked

    def run(self) -> None:
        """Ask until `over` is set, and tell how it goes."""
        workers = [threading.Thread(target=self._work, args=(number % 2 == 0,)) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        while not self.over.wait(_REPORT_SECONDS):
            self._report()
        for worker in workers:
            worker.join()
        self._report()

    def _work(self, keep: bool) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT_SECONDS)
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self._count(self._ask(connection), None, time.monotonic() - began)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as failure:
                connection.close()
                self._count(None, f"{type(failure).__name__}: {failure}", time.monotonic() - began)
            if not keep:
                connection.close()
            self.over.wait(self._pause)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> str:
        connection.request("POST", self._path, self._body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(f"status {answer.status}: {text[:200].decode(errors='replace')}")
        return str(json.loads(text)["model_version"])

    def _count(self, version: str | None, failure: str | None, seconds: float) -> None:
        with self._lock:
            tally = self._tally
            tally.asked += 1
            tally.slowest_seconds = max(tally.slowest_seconds, round(seconds, 3))
            if version is not None:
                tally.versions[version] = tally.versions.get(version, 0) + 1
            if failure is not None:
                tally.failed += 1
                if len(tally.failures) < _FAILURES_KEPT:
                    tally.failures.append(f"{time.strftime('%H:%M:%SZ', time.gmtime())} {failure}")

    def _report(self) -> None:
        with self._lock:
            line = json.dumps(asdict(self._tally))
        print(line, flush=True)


def main() -> None:
    """Ask until SIGTERM."""
    url, body_file, *rest = sys.argv[1:]
    with open(body_file, "rb") as file:
        asker = Asker(url, file.read(), float(rest[0]) if rest else 0.1)

    def stop(number: int, frame: FrameType | None) -> None:
        asker.over.set()

    signal.signal(signal.SIGTERM, stop)
    asker.run()


if __name__ == "__main__":
    main()
