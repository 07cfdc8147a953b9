"""The context of samples, computed when it is asked for.

Kept for all samples it would take more memory than the telemetry: a column per kind of event and statistic.
"""

from collections.abc import Mapping

import numpy as np

from eagle_trainer.context import ContextColumn, context_values
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
        self._by_asset: dict[int, dict[str, Events]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(N, C)."""
        return len(self._asset), len(self._columns)

    def __getitem__(self, chosen: Integers | slice) -> Floats:
        asset, time = self._asset[chosen], self._time[chosen]
        values = np.empty((len(asset), len(self._columns)))
        for code in np.unique(asset):
            mine = asset == code
            values[mine] = context_values(
                self._columns, self._events_of(int(code)), self._attributes, asset[mine], time[mine]
            )
        return values

    def _events_of(self, code: int) -> dict[str, Events]:
        """The tables with the events of one asset alone."""
        if code not in self._by_asset:
            self._by_asset[code] = {name: _only(table, code) for name, table in self._events.items()}
        return self._by_asset[code]


def _only(table: Events, code: int) -> Events:
    mine = slice(*np.searchsorted(table.asset, [code, code + 1]))
    return Events(
        name=table.name,
        kinds=table.kinds,
        asset=table.asset[mine],
        time=table.time[mine],
        kind=table.kind[mine],
        latency_seconds=table.latency_seconds,
    )
