"""What the HTTP surface does when things go wrong behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from tests.support.bundles import manifest
from tests.support.graphs import tiny_graph

from eagle_serving.app import make_app
from eagle_serving.bodies import BodyReader
from eagle_serving.errors import RequestRefused
from eagle_serving.metrics import Metrics
from eagle_serving.models import load_model
from eagle_serving.state import ServingState

MODEL = load_model("press-failure", manifest(), tiny_graph(), threads=1)
INFER = "/v2/models/press-failure/infer"
REQUEST = {"inputs": [{"name": "window", "shape": [1, 2, 2], "datatype": "FP64", "data": [0, 0, 0, 0]}]}


@dataclass
class Gated:
    """A session that waits, or fails, before it answers."""

    gate: Event
    fault: Exception | None = None

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Any]) -> Any:
        assert self.gate.wait(20)
        if self.fault is not None:
            raise self.fault
        return MODEL.run(feeds, outputs)


@dataclass(frozen=True)
class Stage:
    client: httpx.AsyncClient
    session: Gated


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    session = Gated(Event())
    state = ServingState(["press-failure"])
    state.put(replace(MODEL, _session=session))
    with ThreadPoolExecutor(1) as workers:
        app = make_app(state, Metrics(state), BodyReader(limit=2**20, budget=150), workers)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield Stage(client, session)
        session.gate.set()


async def test_health_and_metrics_answer_while_all_workers_are_busy(stage: Stage) -> None:
    waiting = asyncio.create_task(stage.client.post(INFER, json=REQUEST))
    for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
        assert (await stage.client.get(path)).status_code == 200
    assert not waiting.done()
    stage.session.gate.set()
    assert (await waiting).status_code == 200


async def test_requests_beyond_what_can_be_held_are_asked_to_come_again(stage: Stage) -> None:
    both = [asyncio.create_task(stage.client.post(INFER, json=REQUEST)) for _ in range(2)]
    done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    refusal = done.pop().result()
    assert refusal.status_code == 503
    assert refusal.json()["error"] == "the server holds as many requests as it can; try again in a second"
    assert refusal.headers["retry-after"] == "1"
    stage.session.gate.set()
    assert (await waiting.pop()).status_code == 200
    assert (await stage.client.post(INFER, json=REQUEST)).status_code == 200


async def test_a_fault_is_a_500_that_tells_the_client_nothing_and_is_counted(stage: Stage) -> None:
    stage.session.gate.set()
    stage.session.fault = RuntimeError("secret of the graph")
    answer = await stage.client.post(INFER, json=REQUEST)
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server failed on this request; its log says why"}
    page = (await stage.client.get("/metrics")).text
    assert 'eagle_inference_requests_total{code="500",model="press-failure"} 1.0' in page


async def test_a_client_that_goes_away_is_not_a_fault() -> None:
    state = ServingState(["press-failure"])
    state.put(MODEL)
    metrics = Metrics(state)
    with ThreadPoolExecutor(1) as workers:
        app = make_app(state, metrics, BodyReader(limit=1000, budget=1000), workers)
        messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None: ...

        await app({"type": "http", "method": "POST", "path": INFER, "headers": [], "query_string": b""}, receive, send)
    assert b'eagle_inference_requests_total{code="499",model="press-failure"} 1.0' in metrics.render()


async def test_what_was_held_is_given_back_whatever_happens() -> None:
    reader = BodyReader(limit=10, budget=10)

    async def held(body: bytes) -> bytes:
        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async with reader.read(Request({"type": "http", "method": "POST", "headers": []}, receive)) as found:
            return found

    for _ in range(2):
        assert await held(b"x" * 10) == b"x" * 10
        for size in (11, 1000):
            with pytest.raises(RequestRefused) as refusal:
                await held(b"x" * size)
            assert refusal.value.status == 413
