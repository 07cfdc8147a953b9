"""A server leaves without losing a request."""

import itertools
import json
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.serving import MODEL, Published, RunningServer, publish_tiny, running_server

INFER = f"/v2/models/{MODEL}/infer"
BODY = json.dumps(
    {"inputs": [{"name": "window", "shape": [1, 2, 2], "datatype": "FP64", "data": [0, 0, 0, 0]}]}
).encode()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_tiny(tmp_path_factory.mktemp("bundle"))


class Load:
    """Clients that keep their connections and send as fast as they are answered, to whatever endpoints are listed."""

    def __init__(self, *servers: RunningServer) -> None:
        self.endpoints = [server.url for server in servers]
        self.failures: list[str] = []
        self.answered: Counter[str] = Counter()
        self.goodbyes = 0
        self._stop = threading.Event()

    @contextmanager
    def running(self, clients: int = 4) -> Iterator[None]:
        threads = [threading.Thread(target=self._send, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _send(self, number: int) -> None:
        with httpx.Client(timeout=20) as client:
            for turn in itertools.count(number):
                if self._stop.is_set():
                    return
                endpoint = self.endpoints[turn % len(self.endpoints)]
                try:
                    answer = client.post(endpoint + INFER, content=BODY)
                except httpx.HTTPError as failure:
                    self.failures.append(repr(failure))
                    continue
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                self.answered[endpoint] += 1
                self.goodbyes += answer.headers.get("connection") == "close"


def test_a_swap_under_load_loses_no_request(tmp_path: Path, published: Published) -> None:
    with ExitStack() as stack:
        environment = published.environment(EAGLE_SETTLE_SECONDS="3600")
        old, new = (stack.enter_context(running_server(tmp_path, environment)) for _ in range(2))
        for server in (old, new):
            server.until_ready()
        load = Load(old, new)
        with load.running():
            old.until(lambda: min(load.answered[old.url], load.answered[new.url]) > 50)
            old.process.terminate()
            old.until(lambda: httpx.get(f"{old.url}/v2/health/ready").status_code == 503)
            seen = load.answered[old.url]
            # Proxies hear of it late: requests go on to a server that is not ready any more.
            new.until(lambda: load.answered[old.url] > seen + 20)
            load.endpoints = [new.url]
            seen = load.answered[new.url]
            new.until(lambda: load.answered[new.url] > seen + 50)
            old.process.terminate()  # every proxy has heard; a second signal spares the rest of the settle period
            assert old.ended() == 0
    assert load.failures == []
    assert load.goodbyes > 0


def half_a_request(server: RunningServer) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY[:10])
    return connection


def door_is_closed(server: RunningServer) -> bool:
    try:
        httpx.get(f"{server.url}/v2/health/live")
    except httpx.TransportError:
        return True
    return False


def test_a_half_sent_request_is_finished_after_the_door_is_closed_but_not_waited_for_without_end(
    tmp_path: Path, published: Published
) -> None:
    environment = published.environment(EAGLE_SETTLE_SECONDS="0", EAGLE_DRAIN_SECONDS="3")
    with running_server(tmp_path, environment) as server:
        server.until_ready()
        with half_a_request(server) as connection, half_a_request(server):
            server.until(lambda: httpx.get(f"{server.url}/v2/health/live").status_code == 200)
            server.process.terminate()
            server.until(lambda: door_is_closed(server))
            connection.sendall(BODY[10:])
            answer = connection.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            assert server.ended() == 0


def test_a_draining_server_answers_until_a_second_signal(tmp_path: Path, published: Published) -> None:
    with running_server(tmp_path, published.environment(EAGLE_SETTLE_SECONDS="3600")) as server:
        server.until_ready()
        server.process.terminate()
        server.until(lambda: httpx.get(f"{server.url}/v2/health/ready").status_code == 503)
        assert httpx.get(f"{server.url}/v2/health/ready").json()["error"] == "the server is shutting down"
        assert httpx.get(f"{server.url}/v2/models/{MODEL}/ready").status_code == 503
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        answer = httpx.post(server.url + INFER, content=BODY)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        server.process.send_signal(signal.SIGINT)
        assert server.ended() == 0
        assert server.last_words == ""
