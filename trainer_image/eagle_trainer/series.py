"""The data between the steps, as arrays.

Moments are microseconds since 1970 (UTC) in int64, so that comparing, subtracting and adding are exact. Assets are
positions in a sorted list of names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Values = TypeVar("Values", Floats, Integers)

SECOND = 1_000_000
DAY = 86_400 * SECOND


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of a moment with a time zone."""
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def spread(values: Values, count: int) -> Values:
    """At most `count` of the values [N], evenly spread, the first and the last among them; in their order."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(np.int64))]


def moment(value: int) -> datetime:
    """The moment of microseconds since 1970, in UTC."""
    return datetime.fromtimestamp(int(value) // SECOND, tz=UTC).replace(microsecond=int(value) % SECOND)


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Rows as the source gave them, in its order: `asset` and `time` [N], `values` [N,S], `label` [N] or absent.

    A row whose asset is not given has -1. `repeated` is how many values were given more than once for their moment
    (layout Long), `timeless` how many rows had no time; neither are among the rows.
    """

    assets: tuple[str, ...]
    sensors: tuple[str, ...]
    asset: Integers
    time: Integers
    values: Floats
    label: Floats | None = None
    repeated: int = 0
    timeless: int = 0


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """Rows of a table whose assets are not in the telemetry: how many of how many, and some of the assets' names.

    `place` is the table's place in the schedule with its asset column.
    """

    place: str
    count: int
    rows: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Events:
    """One table of events, sorted by asset and time; `kind` points into `kinds`."""

    name: str
    kinds: tuple[str, ...]
    asset: Integers
    time: Integers
    kind: Integers
    latency_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Per asset what it is: `values` [A,C]; text columns are codes into `categories[column]`."""

    columns: tuple[str, ...]
    values: Floats
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Everything that was read, before any judgement. `failure_asset` and `failure_time` are unique and sorted.

    `failures_known_until` (microseconds) is until when failures are certainly entered. `strangers` are rows that were
    left out because nothing is measured of their assets.
    """

    telemetry: Telemetry
    events: tuple[Events, ...] = ()
    attributes: Attributes | None = None
    failure_asset: Integers | None = None
    failure_time: Integers | None = None
    failures_known_until: int | None = None
    strangers: tuple[Strangers, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Series:
    """Telemetry on a regular grid: asset by asset, a row per period, without gaps inside a segment.

    `segment_start` [N] is the row at which the row's segment begins; `observed` [N] is False for rows that the grid
    has and the data has not (their values are NaN).
    """

    assets: tuple[str, ...]
    sensors: tuple[str, ...]
    period_seconds: int
    asset: Integers
    time: Integers
    values: Floats
    label: Floats | None
    observed: Flags
    segment_start: Integers


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The rows a model may learn from or be judged by: `row` points into the series; sorted by asset and time.

    `until` is when the label of the row is settled: the end of its horizon.
    """

    row: Integers
    asset: Integers
    time: Integers
    until: Integers
    target: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: Flags | Integers) -> "Samples":
        """Some of the samples, in the same order."""
        return Samples(
            row=self.row[chosen],
            asset=self.asset[chosen],
            time=self.time[chosen],
            until=self.until[chosen],
            target=self.target[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class LabelEvents:
    """What is to be caught: per event its asset, its failure (or last) moment and the stretch in which rows are 1.

    Rows of the asset with start <= time < end are positive. For labels by column, `start` and `end` bound the run of
    equal labels and `positive` says which value it has; for failures every event is positive.
    """

    asset: Integers
    start: Integers
    end: Integers
    positive: Flags
