"""What Prometheus sees. Labels are bounded: models by the names that are ordered, codes by HTTP."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from eagle_serving.models import Model
from eagle_serving.state import ServingState

UNKNOWN_MODEL = "unknown"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The server's own registry."""

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "eagle_inference_requests", "Inference requests by answer.", ["model", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "eagle_inference_duration_seconds",
            "From the first byte of a request's body to its answer.",
            ["model"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._windows = Counter(
            "eagle_inference_windows", "Windows that were answered.", ["model"], registry=self._registry
        )
        self._alarms = Counter(
            "eagle_inference_alarms", "Windows that were answered with an alarm.", ["model"], registry=self._registry
        )
        self._ready = Gauge(
            "eagle_model_ready", "1 when the model may take traffic.", ["model"], registry=self._registry
        )
        self._info = Gauge(
            "eagle_model_info",
            "The version of a model that is served; always 1.",
            ["model", "version", "trained_through"],
            registry=self._registry,
        )

    def refused(self, name: str, code: int, seconds: float) -> None:
        """Counts a request that got no predictions."""
        self._count(name if name in self._state.names else UNKNOWN_MODEL, code, seconds)

    def answered(self, model: Model, *, windows: int, alarms: int, seconds: float) -> None:
        """Counts a request that got its predictions."""
        self._count(model.name, 200, seconds)
        self._windows.labels(model.name).inc(windows)
        self._alarms.labels(model.name).inc(alarms)

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        for name in self._state.names:
            self._ready.labels(name).set(self._state.why_not_ready(name) is None)
            model = self._state.loaded(name)
            if model is not None:
                trained_through = model.manifest.trained_through.isoformat()
                self._info.labels(name, model.version, trained_through).set(1)
        return generate_latest(self._registry)

    def _count(self, name: str, code: int, seconds: float) -> None:
        self._requests.labels(name, str(code)).inc()
        self._seconds.labels(name).observe(seconds)
