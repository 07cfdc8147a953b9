"""The context of samples, computed when it is asked for.

Kept for all samples it would take more memory than the telemetry: a column per kind of event and statistic.
"""

from collections.abc import Mapping

from eagle_trainer.context import ContextColumn, Moments, moments_of, values_at
from eagle_trainer.series import Attributes, Events, Floats, Integers


class ContextRows:
    """Rows of context [N,C], indexed as an array is by rows: `rows[chosen]` is [B,C]."""

    def __init__(
        self,
        columns: tuple[ContextColumn, ...],
        events: Mapping[str, Events],
        attributes: Attributes | None,
        asset: Integers,
        time: Integers,
    ) -> None:
        self._columns, self._attributes = columns, attributes
        self._events = events
        self._asset, self._time = asset, time
        self._moments: dict[int, Moments] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(N, C)."""
        return len(self._asset), len(self._columns)

    def __getitem__(self, chosen: Integers | slice) -> Floats:
        asset, time = self._asset[chosen], self._time[chosen]
        return values_at(self._columns, self._moments_of, self._attributes, asset, time)

    def _moments_of(self, code: int) -> Moments:
        if code not in self._moments:
            self._moments[code] = moments_of(self._columns, self._events, code)
        return self._moments[code]
