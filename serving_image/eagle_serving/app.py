"""The HTTP surface: Open Inference Protocol v2, health and metrics."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eagle_contract.api.names import API_VERSION
from eagle_serving.bodies import BodyReader
from eagle_serving.errors import RequestRefused
from eagle_serving.metrics import CONTENT_TYPE, Metrics
from eagle_serving.models import Model
from eagle_serving.protocol import decode, encode
from eagle_serving.state import ServingState

_LOG = logging.getLogger(__name__)
_CLIENT_GONE = 499


@dataclass(frozen=True)
class Answer:
    """A body, and what it holds."""

    body: bytes
    windows: int
    alarms: int


class Endpoints:
    """The handlers, and what they share."""

    def __init__(self, state: ServingState, metrics: Metrics, bodies: BodyReader, workers: ThreadPoolExecutor) -> None:
        self._state = state
        self._metrics = metrics
        self._bodies = bodies
        self._workers = workers

    async def server(self, request: Request) -> Response:
        """GET /v2"""
        return JSONResponse({"name": "eagle-serving", "version": API_VERSION, "extensions": []})

    async def live(self, request: Request) -> Response:
        """GET /v2/health/live"""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """GET /v2/health/ready: 503 says why not."""
        return _readiness(self._state.why_not_ready())

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/{name}/ready"""
        name = request.path_params["name"]
        if name in self._state.names and self._state.loaded(name) is None:
            return _readiness(self._state.why_not_ready(name), name=name)
        self._state.find(name, request.path_params.get("version"))
        return _readiness(self._state.why_not_ready(name), name=name)

    async def model(self, request: Request) -> Response:
        """GET /v2/models/{name}: what a client must know to fill a window."""
        model = self._state.find(request.path_params["name"], request.path_params.get("version"))
        return JSONResponse(describe(model))

    async def metrics(self, request: Request) -> Response:
        """GET /metrics"""
        return Response(self._metrics.render(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/{name}/infer"""
        started = time.perf_counter()
        name = request.path_params["name"]
        try:
            model = self._state.find(name, request.path_params.get("version"))
            async with self._bodies.read(request) as body:
                answer = await asyncio.get_running_loop().run_in_executor(self._workers, _answer, model, body)
        except RequestRefused as refusal:
            self._metrics.refused(name, refusal.status, time.perf_counter() - started)
            _LOG.info(
                "request refused", extra={"fields": {"model": name[:64], "code": refusal.status, "why": str(refusal)}}
            )
            raise
        except ClientDisconnect:
            self._metrics.refused(name, _CLIENT_GONE, time.perf_counter() - started)
            return Response(status_code=400)
        except Exception:
            self._metrics.refused(name, 500, time.perf_counter() - started)
            raise
        seconds = time.perf_counter() - started
        self._metrics.answered(model, windows=answer.windows, alarms=answer.alarms, seconds=seconds)
        return Response(answer.body, media_type="application/json")


def make_app(state: ServingState, metrics: Metrics, bodies: BodyReader, workers: ThreadPoolExecutor) -> ASGIApp:
    """The application; inference runs in `workers`, all else is quick."""
    ends = Endpoints(state, metrics, bodies, workers)
    routes = [
        _route("/v2", ends.server),
        _route("/v2/health/live", ends.live),
        _route("/v2/health/ready", ends.ready),
        _route("/metrics", ends.metrics),
    ]
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            _route(prefix, ends.model),
            _route(prefix + "/ready", ends.model_ready),
            _route(prefix + "/infer", ends.infer, method="POST"),
        ]
    handlers: Any = {RequestRefused: _refusal, HTTPException: _http_error, Exception: _fault}
    return PoliteGoodbye(Starlette(routes=routes, exception_handlers=handlers), state)


class PoliteGoodbye:
    """While the server drains, every answer asks its client to connect anew, which then reaches another pod."""

    def __init__(self, app: ASGIApp, state: ServingState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def send_goodbye(message: Message) -> None:
            if message["type"] == "http.response.start" and self._state.draining:
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_goodbye)


def describe(model: Model) -> dict[str, Any]:
    """The protocol's model metadata; `parameters` says in which order sensors come and what the answers mean."""
    manifest = model.manifest
    period = manifest.schedule_spec.get("source", {}).get("telemetry", {}).get("samplePeriodSeconds")
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in model.inputs],
        "outputs": [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in model.outputs],
        "parameters": {
            "sensors": manifest.sensors,
            "windowLength": manifest.window_length,
            "contextColumns": manifest.context_columns,
            "contextDefinitions": manifest.context_definitions,
            "thresholds": manifest.thresholds.wire(),
            "trainedThrough": manifest.wire()["trainedThrough"],
            **({"samplePeriodSeconds": period} if isinstance(period, int) else {}),
        },
    }


def _answer(model: Model, body: bytes) -> Answer:
    inference = decode(body, model)
    answers = model.run(inference.feeds, inference.outputs)
    windows = len(inference.feeds["window"])
    alarms = answers[inference.outputs.index("alarm")] if "alarm" in inference.outputs else np.zeros(0, np.bool_)
    return Answer(encode(model, inference, answers), windows, int(alarms.sum()))


def _route(path: str, endpoint: Callable[[Request], Awaitable[Response]], *, method: str = "GET") -> Route:
    return Route(path, endpoint, methods=[method])


def _readiness(reason: str | None, **more: object) -> Response:
    if reason is None:
        return JSONResponse({**more, "ready": True})
    return JSONResponse({**more, "ready": False, "error": reason}, status_code=503)


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


async def _refusal(request: Request, refusal: RequestRefused) -> Response:
    headers = {"connection": "close"} if refusal.status == 413 else None
    return _error(refusal.status, str(refusal), {"retry-after": "1"} if refusal.status == 503 else headers)


async def _http_error(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers) if error.headers else None
    return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail.lower()}", headers)


async def _fault(request: Request, error: Exception) -> Response:
    return _error(500, "the server failed on this request; its log says why")
