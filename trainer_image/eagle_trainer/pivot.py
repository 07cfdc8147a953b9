"""Layout Long: from a row per measurement to a row per moment with a column per sensor."""

from dataclasses import dataclass

import numpy as np

from eagle_trainer.series import Flags, Floats, Integers, Telemetry
from eagle_trainer.sources.request import Coded, Codes, Rows


@dataclass(frozen=True, kw_only=True)
class Wide:
    """Rows sorted by asset and time: `values` [N,S], NaN where the moment has no measurement of the sensor.

    `repeated` is how many measurements were replaced by a later given one of the same asset, moment and sensor.
    """

    asset: Integers
    time: Integers
    values: Floats
    label: Floats | None
    repeated: int

    def telemetry(self, assets: tuple[str, ...], sensors: tuple[str, ...], timeless: int) -> Telemetry:
        """The same as telemetry of the named assets and sensors."""
        return Telemetry(
            assets=assets,
            sensors=sensors,
            asset=self.asset,
            time=self.time,
            values=self.values,
            label=self.label,
            repeated=self.repeated,
            timeless=timeless,
        )


def pivot(rows: Rows, asset: Codes, tags: Coded, columns: tuple[str, ...], label: str | None) -> Wide:
    """A row per asset and moment. `rows` has one column of numbers; `columns` and `label` are tags.

    Of measurements of the same asset, moment and tag the last given counts. Beside the rows this holds an order, a
    place and a copy of what it sorts: about 30 bytes a measurement.
    """
    assert rows.time is not None  # The telemetry always has a time column.
    order = np.lexsort((rows.time, asset))
    place, heads = _places(asset[order], rows.time[order])
    tag, value = tags.codes[order], rows.numbers[order, 0]
    size = int(heads.sum())
    first = order[heads]
    known = ~np.isnan(value)
    values = np.full((size, len(columns)), np.nan)
    answer = np.full(size, np.nan) if label else None
    replaced = 0
    for name, column in [*((name, values[:, i]) for i, name in enumerate(columns)), *_answer(label, answer)]:
        if name in tags.names:
            mine = np.flatnonzero((tag == tags.names.index(name)) & known)
            where = place[mine]
            replaced += int(np.count_nonzero(where[1:] == where[:-1]))
            column[where] = value[mine]
    return Wide(
        asset=asset[first].astype(np.int64), time=rows.time[first], values=values, label=answer, repeated=replaced
    )


def _answer(label: str | None, column: Floats | None) -> list[tuple[str, Floats]]:
    return [(label, column)] if label is not None and column is not None else []


def _places(asset: Codes, time: Integers) -> tuple[Codes, Flags]:
    """For sorted measurements the row that each goes to, and whether it is the first of its row."""
    heads = np.append(True, (asset[1:] != asset[:-1]) | (time[1:] != time[:-1]))
    return np.cumsum(heads, dtype=np.int32) - np.int32(1), heads
