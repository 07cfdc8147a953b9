"""What is known about an asset besides its telemetry at a moment: what happened to it lately, and what it is.

The columns are defined as data, so that whoever asks the model can compute the same from the manifest alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import SECOND, Attributes, Events, Extracted, Floats, Integers

MOST_KINDS = 16
"""Kinds of one event table that get columns of their own: the most frequent ones."""

LOOKBACK_SECONDS = 400 * 86_400
"""An event longer ago than this counts as none: training does not read further back either."""

_COUNTED = ((86_400, "1d"), (604_800, "7d"))

Moments = Mapping[tuple[str, str | None], Integers]
"""When events of one asset were, sorted, by source and kind."""


@dataclass(frozen=True, kw_only=True)
class ContextColumn:
    """One column of the `context` input.

    `statistic` is `count` (events of the kind in (t - window, t - latency]), `hours_since` (hours from the newest such
    event to t; missing if there is none within the window) or `attribute` (the asset's value; text as its position in
    `categories`, missing if it is not among them).
    """

    name: str
    source: str
    statistic: str
    kind: str | None = None
    window_seconds: int | None = None
    latency_seconds: int = 0
    categories: tuple[str, ...] | None = None

    def definition(self) -> dict[str, Any]:
        """The column as it stands in the manifest."""
        definition: dict[str, Any] = {"name": self.name, "source": self.source, "statistic": self.statistic}
        if self.kind is not None:
            definition["kind"] = self.kind
        if self.window_seconds is not None:
            definition |= {"windowSeconds": self.window_seconds, "latencySeconds": self.latency_seconds}
        if self.categories is not None:
            definition["categories"] = list(self.categories)
        return definition


def context_columns(data: Extracted) -> tuple[ContextColumn, ...]:
    """All columns of the context: per event table and kind, then the attributes.

    Raises InvalidConfiguration where two would have the same name.
    """
    columns: list[ContextColumn] = []
    for table in data.events:
        for kind in _frequent_kinds(table):
            columns += _event_columns(table, kind)
    if data.attributes is not None:
        for name in data.attributes.columns:
            known = data.attributes.categories.get(name)
            columns.append(
                ContextColumn(name=f"attribute_{name}", source=name, statistic="attribute", categories=known)
            )
    _refuse_same_names(columns)
    return tuple(columns)


def context_values(
    columns: tuple[ContextColumn, ...],
    events: Mapping[str, Events],
    attributes: Attributes | None,
    asset: Integers,
    time: Integers,
) -> Floats:
    """[N,C]: the context of each (asset, moment), from what was known at that moment."""
    return values_at(columns, lambda code: moments_of(columns, events, code), attributes, asset, time)


def moments_of(columns: tuple[ContextColumn, ...], events: Mapping[str, Events], asset: int) -> Moments:
    """When the events of one asset were that the columns tell of."""
    found: dict[tuple[str, str | None], Integers] = {}
    for column in columns:
        if column.statistic != "attribute":
            table = events[column.source]
            mine = slice(*np.searchsorted(table.asset, [asset, asset + 1]))
            code = table.kinds.index(column.kind) if column.kind in table.kinds else -1
            found[column.source, column.kind] = table.time[mine][table.kind[mine] == code]
    return found


def values_at(
    columns: tuple[ContextColumn, ...],
    moments: Callable[[int], Moments],
    attributes: Attributes | None,
    asset: Integers,
    time: Integers,
) -> Floats:
    """The same as `context_values`; `moments` gives those of an asset, as `moments_of` does."""
    values = np.empty((len(time), len(columns)))
    for code in np.unique(asset).tolist():
        mine = asset == code
        values[mine] = _of_asset(columns, moments(code), attributes, code, time[mine])
    return values


def _refuse_same_names(columns: list[ContextColumn]) -> None:
    """`error` with the kind `pump_hot` and `error_pump` with the kind `hot` cannot be told apart by their names."""
    known: dict[str, ContextColumn] = {}
    for column in columns:
        other = known.setdefault(column.name, column)
        if other is not column:
            raise InvalidConfiguration(
                f"source.events {other.source!r} (kind {other.kind!r}) and {column.source!r} (kind {column.kind!r})"
                f" would both have a column {column.name!r}; give one of them another name"
            )


def _frequent_kinds(table: Events) -> list[str]:
    counts = np.bincount(table.kind, minlength=len(table.kinds))
    frequent = sorted(range(len(table.kinds)), key=lambda code: (-counts[code], table.kinds[code]))[:MOST_KINDS]
    return sorted(table.kinds[code] for code in frequent)


def _event_columns(table: Events, kind: str) -> list[ContextColumn]:
    stem = f"{table.name}_{kind}" if kind else table.name
    counted = [
        ContextColumn(
            name=f"{stem}__count_{short}",
            source=table.name,
            statistic="count",
            kind=kind,
            window_seconds=seconds,
            latency_seconds=table.latency_seconds,
        )
        for seconds, short in _COUNTED
    ]
    since = ContextColumn(
        name=f"{stem}__hours_since",
        source=table.name,
        statistic="hours_since",
        kind=kind,
        window_seconds=LOOKBACK_SECONDS,
        latency_seconds=table.latency_seconds,
    )
    return [*counted, since]


def _of_asset(
    columns: tuple[ContextColumn, ...], moments: Moments, attributes: Attributes | None, asset: int, time: Integers
) -> Floats:
    values = np.empty((len(time), len(columns)))
    for position, column in enumerate(columns):
        if column.statistic == "attribute":
            assert attributes is not None  # Only a table of attributes gives such columns.
            values[:, position] = attributes.values[asset, attributes.columns.index(column.source)]
        else:
            values[:, position] = _event_values(column, moments[column.source, column.kind], time)
    return values


def _event_values(column: ContextColumn, moments: Integers, time: Integers) -> Floats:
    assert column.window_seconds is not None
    known = np.searchsorted(moments, time - column.latency_seconds * SECOND, side="right")
    opening = time - column.window_seconds * SECOND
    if column.statistic == "count":
        return np.asarray(np.maximum(known - np.searchsorted(moments, opening, side="right"), 0), np.float64)
    if not len(moments):
        return np.full(len(time), np.nan)
    newest = moments[np.maximum(known - 1, 0)]
    present = (known > 0) & (newest > opening)
    return np.asarray(np.where(present, (time - newest) / (3600 * SECOND), np.nan))
