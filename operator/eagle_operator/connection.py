"""The operator's connection to the API server: bounded, counted, and closed to writes while it is not its turn.

All requests pass here, whoever makes them. So this is where "only the holder of the Lease writes" and "nothing new
after SIGTERM" hold whatever the code above does.
"""

import asyncio
import time
from collections.abc import Callable

import httpx2
from lightkube import AsyncClient
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import KubeConfig, SingleConfig

from eagle_contract.api.names import OPERATOR_MANAGER
from eagle_operator import metrics
from eagle_operator.wire import Wire

_READS = ("GET", "HEAD", "OPTIONS")
_JSON = "application/json"


class NotOurTurnError(httpx2.TransportError):
    """The request was not sent: this operator may not write now."""


class NoAnswerError(httpx2.TransportError):
    """Something answered, but not as an API server does; or nothing did in time."""


class Connection(httpx2.AsyncBaseTransport):
    """A transport for lightkube's client. A write may take `write_seconds` as a whole: the Lease counts on it."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        *,
        may_write: Callable[[], bool],
        heard: Callable[[bool], None],
        write_seconds: float,
        read_seconds: float | None = None,
    ) -> None:
        self._inner, self._may_write, self._heard = inner, may_write, heard
        self._write_seconds, self._read_seconds = write_seconds, read_seconds
        self._writes = 0
        self._no_write = asyncio.Event()
        self._no_write.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer. Raises NotOurTurnError before anything was sent, NoAnswerError, or another TransportError."""
        if request.method in _READS:
            return await self._ask(request, self._read_seconds)
        if not self._may_write():
            raise NotOurTurnError("not sent: this operator does not hold the Lease, or it is stopping", request=request)
        self._writes += 1
        self._no_write.clear()
        try:
            return await self._ask(request, self._write_seconds)
        finally:
            self._writes -= 1
            if not self._writes:
                self._no_write.set()

    async def settled(self) -> None:
        """Returns when no write is under way."""
        await self._no_write.wait()

    async def aclose(self) -> None:
        """Close what is below."""
        await self._inner.aclose()

    async def _ask(self, request: httpx2.Request, seconds: float | None) -> httpx2.Response:
        began = time.monotonic()
        code = "<error>"
        answered = False
        try:
            async with asyncio.timeout(seconds):
                response = await self._inner.handle_async_request(request)
                code = str(response.status_code)
                answered = response.status_code < 500 and response.status_code not in (401, 403, 429)
                if response.is_error and response.status_code != 401 and response.headers.get("Content-Type") != _JSON:
                    # lightkube can read the API server's own errors only; flow control's and proxies' are plain text.
                    text = (await response.aread())[:200].decode(errors="replace").strip()
                    raise NoAnswerError(f"{code}: {text}", request=request)
                return response
        except TimeoutError as error:
            raise NoAnswerError(f"no answer within {seconds:g} s", request=request) from error
        finally:
            self._heard(answered)
            metrics.REQUESTS.labels(request.method, code).inc()
            metrics.REQUEST_SECONDS.labels(request.method).observe(time.monotonic() - began)


def cluster_config() -> SingleConfig:
    """Where the API server is, and who we are: in the cluster, else as KUBECONFIG says. Raises ValueError."""
    config = KubeConfig.from_env().get()
    if config is None:
        raise ValueError("neither in a cluster, nor is there a kubeconfig")
    return config


def below(config: SingleConfig) -> httpx2.AsyncBaseTransport:
    """The plain transport to that API server."""
    if config.user is None:
        raise ValueError("the kubeconfig names no user")
    return Wire(verify_cluster(config.cluster, config.user, config.abs_file))


def client_over(connection: Connection, config: SingleConfig) -> AsyncClient:
    """A client whose every request goes over the connection."""
    return AsyncClient(config, field_manager=OPERATOR_MANAGER, transport=connection)
