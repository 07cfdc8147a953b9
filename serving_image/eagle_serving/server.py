"""The life of the process: listen at once, load beside it, and leave without losing a request.

On SIGTERM the server says that it is not ready, and goes on answering for a settle period: until every proxy in the
cluster has heard, new requests still come. Then it closes the door, finishes what is in flight, and ends with 0.
"""

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType

import uvicorn

from eagle_serving.app import make_app
from eagle_serving.bodies import BodyReader
from eagle_serving.loading import load_all
from eagle_serving.metrics import Metrics
from eagle_serving.processors import processor_limit
from eagle_serving.settings import Settings
from eagle_serving.state import ServingState

_KEEP_ALIVE_SECONDS = 75
"""Longer than the minute in which a gateway comes again, so that its connection is still there."""


class DrainingServer(uvicorn.Server):
    """uvicorn, but a signal starts the settle period instead of the end."""

    def __init__(self, config: uvicorn.Config, state: ServingState, *, settle_seconds: float) -> None:
        super().__init__(config)
        self._state = state
        self._settle_seconds = settle_seconds
        self._leave_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, a second one ends it. A server that nobody was sent to leaves at once."""
        if self._leave_at is not None or not self._state.all_loaded:
            self.should_exit = True
        self._leave_at = time.monotonic() + self._settle_seconds
        self._state.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to close the door."""
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings) -> BaseException | None:
    """Serves until a signal comes, or until a model turns out to be unservable: then what is wrong with it."""
    threads = settings.threads or processor_limit()
    state = ServingState(model.name for model in settings.models)
    workers = ThreadPoolExecutor(max(2, threads), thread_name_prefix="inference")
    bodies = BodyReader(limit=settings.max_body_bytes, budget=settings.max_held_bytes)
    server = DrainingServer(
        uvicorn.Config(
            make_app(state, Metrics(state), bodies, workers),
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.drain_seconds),
        ),
        state,
        settle_seconds=settings.settle_seconds,
    )
    loading = _load_beside(settings, state, server, threads)
    asyncio.run(server.serve())
    return loading.exception() if loading.done() else None


def _load_beside(settings: Settings, state: ServingState, server: DrainingServer, threads: int) -> "Future[None]":
    """Loads in a thread that does not hold up the end of the process; a failure ends the server."""
    done: Future[None] = Future()

    def load() -> None:
        try:
            load_all(settings, state, threads=threads)
        except Exception as failure:  # noqa: BLE001  (handed to whoever reads the future)
            done.set_exception(failure)
            server.should_exit = True
        else:
            done.set_result(None)

    threading.Thread(target=load, name="loading", daemon=True).start()
    return done
