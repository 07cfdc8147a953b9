"""What HTTP costs on top of ONNX Runtime, and how many requests a server answers; thresholds are ratios in one run."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.bundles import manifest
from tests.support.graphs import forest_graph
from tests.support.serving import MODEL, RunningServer, publish_tiny, running_server

from eagle_contract.bundle import Golden
from eagle_serving.models import Model, load_model

LENGTH, SENSORS = 11, 6
INFER = f"/v2/models/{MODEL}/infer"
NAMES = ["failure_probability", "alarm", "confident"]
PROBE_TIMEOUT_SECONDS = 3
Report = Callable[[str], None]


def windows(rows: int) -> Any:
    """Windows [rows, LENGTH, SENSORS], every one another: a benchmark that repeats one row lies."""
    return np.random.default_rng(rows).normal(size=(rows, LENGTH, SENSORS))


def body_of(window: Any) -> bytes:
    entry = {"name": "window", "datatype": "FP64", "shape": list(window.shape), "data": window.ravel().tolist()}
    return json.dumps({"inputs": [entry]}).encode()


@pytest.fixture(scope="module")
def model() -> Model:
    sensors = [f"sensor_{number}" for number in range(SENSORS)]
    described = manifest().model_copy(update={"window_length": LENGTH, "sensors": sensors})
    return load_model(MODEL, described, forest_graph(length=LENGTH, sensors=SENSORS), threads=1)


@pytest.fixture(scope="module")
def server(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    window = windows(64)
    bundle = publish_tiny(
        folder,
        graph=forest_graph(length=LENGTH, sensors=SENSORS),
        answers=Golden(window, *model.run({"window": window}, NAMES)),
        changes={"window_length": LENGTH, "sensors": model.manifest.sensors},
    )
    with running_server(folder, bundle.environment(EAGLE_LOG_LEVEL="WARNING")) as started:
        started.until_ready()
        yield started


@dataclass
class Client:
    """A connection that stays open, with as little of its own work as possible."""

    connection: http.client.HTTPConnection

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content


@contextmanager
def connected(server: RunningServer) -> Iterator[Client]:
    """A client that keeps its connection until the context ends."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        yield Client(connection)
    finally:
        connection.close()


def seconds_of(work: Callable[[int], object], *, times: int, warm_up: int = 20) -> Any:
    """How long each of `times` calls takes; the call is told its number."""
    for number in range(warm_up):
        work(number)
    found = np.empty(times)
    for number in range(times):
        started = time.perf_counter()
        work(number)
        found[number] = time.perf_counter() - started
    return found


def in_words(seconds: Any) -> str:
    return f"p50 {np.median(seconds) * 1e6:,.0f} µs, p99 {np.quantile(seconds, 0.99) * 1e6:,.0f} µs"


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with connected(server) as client:
        yield client


def test_one_window_costs_little_more_than_an_empty_answer(client: Client, model: Model, report: Report) -> None:
    all_windows = windows(512)
    bodies = [body_of(all_windows[row : row + 1]) for row in range(512)]
    bare = seconds_of(lambda number: model.run({"window": all_windows[number % 512][None]}, NAMES), times=3000)
    empty = seconds_of(lambda _: client.send("GET", "/v2/health/live"), times=3000)
    full = seconds_of(lambda number: client.send("POST", INFER, bodies[number % 512]), times=3000)
    report(f"1 window, ONNX Runtime alone: {in_words(bare)}")
    report(f"1 window, over HTTP: {in_words(full)}; an empty answer: {in_words(empty)}")
    report(f"1 window: HTTP / alone = {ratio(full, bare):.1f}, HTTP / empty = {ratio(full, empty):.2f}")
    assert ratio(full, empty) < 5


def test_the_cost_of_http_shrinks_with_the_batch(client: Client, model: Model, report: Report) -> None:
    ratios = {}
    for rows in (1, 32, 512):
        feeds = {"window": windows(rows)}
        body = body_of(feeds["window"])
        times = max(40, 1000 // rows)
        bare = seconds_of(lambda _, feeds=feeds: model.run(feeds, NAMES), times=times)  # type: ignore[misc]
        full = seconds_of(lambda _, body=body: client.send("POST", INFER, body), times=times)  # type: ignore[misc]
        ratios[rows] = ratio(full, bare)
        each = np.median(full) / rows * 1e6
        report(f"{rows} windows over HTTP: {in_words(full)}, {each:,.1f} µs each, HTTP / alone = {ratios[rows]:.1f}")
    assert ratios[512] < ratios[1]
    assert ratios[512] < 6


def test_several_clients_get_no_less_than_one_does(server: RunningServer, report: Report) -> None:
    bodies = [body_of(row[None]) for row in windows(256)]

    def requests_per_second(clients: int, seconds: float = 3.0) -> float:
        stop = time.perf_counter() + seconds

        def send(number: int) -> int:
            sent = 0
            with connected(server) as client:
                while time.perf_counter() < stop:
                    client.send("POST", INFER, bodies[(sent + number) % 256])
                    sent += 1
            return sent

        with ThreadPoolExecutor(clients) as pool:
            return sum(pool.map(send, range(clients))) / seconds

    requests_per_second(2, seconds=0.5)
    one, eight = requests_per_second(1), requests_per_second(8)
    report(f"throughput with keep-alive: 1 client {one:,.0f} requests/s, 8 clients {eight:,.0f} requests/s")
    assert eight > 0.8 * one


def test_health_answers_stay_quick_under_large_batches(server: RunningServer, client: Client, report: Report) -> None:
    body = body_of(windows(4096))
    stop = threading.Event()

    def load() -> None:
        with connected(server) as client:
            while not stop.is_set():
                client.send("POST", INFER, body)

    busy = [threading.Thread(target=load) for _ in range(4)]
    for thread in busy:
        thread.start()
    try:
        seconds = seconds_of(lambda _: client.send("GET", "/v2/health/ready"), times=100, warm_up=5)
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    report(f"health while 4 clients send {len(body) / 2**20:.1f} MiB in 4096 windows: {in_words(seconds)}")
    report(f"memory of the server after that: {peak_memory(server):.0f} MiB at most")
    assert seconds.max() < PROBE_TIMEOUT_SECONDS


def peak_memory(server: RunningServer) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def ratio(one: Any, other: Any) -> float:
    return float(np.median(one) / np.median(other))
