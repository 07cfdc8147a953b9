"""What the server can do at this moment: which models are proved, why others are not, and whether it is on its way out.

The loading thread writes, the event loop reads; each write is one assignment.
"""

from collections.abc import Iterable

from eagle_serving.errors import RequestRefused
from eagle_serving.models import Model


class ServingState:
    """Readiness by model, for people and probes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._models: dict[str, Model] = {}
        self._waiting = {name: f"model {name} is being fetched and checked" for name in names}
        self.draining = False

    @property
    def names(self) -> tuple[str, ...]:
        """The models that are ordered."""
        return tuple(self._waiting)

    def put(self, model: Model) -> None:
        """From now on the model is served."""
        self._models[model.name] = model

    def wait(self, name: str, sentence: str) -> None:
        """Says why a model is not served yet."""
        self._waiting[name] = sentence

    def loaded(self, name: str) -> Model | None:
        """The model, when it is proved."""
        return self._models.get(name)

    @property
    def all_loaded(self) -> bool:
        """Whether every ordered model is proved."""
        return len(self._models) == len(self._waiting)

    def why_not_ready(self, name: str | None = None) -> str | None:
        """Why traffic must not come, as a sentence; None when it may. Without a name: for any model."""
        if self.draining:
            return "the server is shutting down"
        for candidate in self.names if name is None else (name,):
            if candidate not in self._models:
                return self._waiting[candidate]
        return None

    def find(self, name: str, version: str | None = None) -> Model:
        """The model to answer with. Raises RequestRefused: 404 when it is unknown, 503 when it is not ready yet."""
        if name not in self._waiting:
            raise RequestRefused(404, f"model {name[:64]!r} is not served here; served: {', '.join(self.names)}")
        model = self._models.get(name)
        if model is None:
            raise RequestRefused(503, self._waiting[name])
        if version is not None and version != model.version:
            raise RequestRefused(404, f"model {name!r} has version {model.version}, not {version[:64]!r}")
        return model
