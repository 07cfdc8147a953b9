"""Brings telemetry to a regular grid per asset, so that "five samples ago" is a time.

Nothing is looked up in the future and nothing is invented: a cell takes the last row that falls into it, as a gateway
that polls current values would; an empty cell is missing. A row keeps its own time stamp.
"""

import numpy as np

from eagle_trainer.errors import InsufficientData
from eagle_trainer.series import SECOND, Flags, Floats, Integers, Series, Telemetry

_STEADY = 0.2
"""From this concentration of the phases on (0 to 1) the rows have a phase of their own within the period."""


def resample(telemetry: Telemetry, *, period_seconds: int, longest_gap: int) -> Series:
    """The telemetry on a grid of `period_seconds`; more than `longest_gap` empty cells in a row break the series.

    Rows may come in any order; of rows with the same asset and cell the later (for equal time stamps: the last
    given) counts. Raises InsufficientData when there is no row.
    """
    if not len(telemetry.time):
        raise InsufficientData("source.telemetry has no row in the data range; check timeColumn and dataRangeDays.")
    order = np.lexsort((telemetry.time, telemetry.asset))
    bounds = np.searchsorted(telemetry.asset[order], np.arange(len(telemetry.assets) + 1))
    parts, start = [], 0
    for code in range(len(telemetry.assets)):
        chosen = order[bounds[code] : bounds[code + 1]]
        if len(chosen):
            parts.append(_asset(telemetry, chosen, period_seconds * SECOND, longest_gap, start))
            start += len(parts[-1].time)
    labels = [part.label for part in parts if part.label is not None]
    return Series(
        assets=telemetry.assets,
        sensors=telemetry.sensors,
        period_seconds=period_seconds,
        asset=np.concatenate([part.asset for part in parts]),
        time=np.concatenate([part.time for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        label=np.concatenate(labels) if labels else None,
        observed=np.concatenate([part.observed for part in parts]),
        segment_start=np.concatenate([part.segment_start for part in parts]),
    )


def cells(time: Integers, period: int) -> tuple[Integers, int]:
    """The cell of every moment and the phase of the cells' centres, both for a period in microseconds.

    Rows that come regularly lie in the middle of their cells, so jitter does not move them into the next.
    """
    angle = (time % period) * (2 * np.pi / period)
    mean = complex(np.cos(angle).mean(), np.sin(angle).mean())
    phase = round(np.angle(mean) / (2 * np.pi) * period) % period if abs(mean) > _STEADY else period // 2
    return (time - phase + period // 2) // period, phase


def _asset(telemetry: Telemetry, chosen: Integers, period: int, longest_gap: int, start: int) -> Series:
    time = telemetry.time[chosen]
    cell, _ = cells(time, period)
    last = np.append(cell[1:] != cell[:-1], True)
    chosen, time, cell = chosen[last], time[last], cell[last]
    step = np.diff(cell, prepend=cell[0])
    broken = step > longest_gap + 1
    advance = np.where(broken, 1, step)
    position = np.cumsum(advance)
    size = int(position[-1]) + 1
    observed: Flags = np.zeros(size, bool)
    observed[position] = True
    values: Floats = np.full((size, len(telemetry.sensors)), np.nan)
    values[position] = telemetry.values[chosen]
    moments = _moments(time, position, size, period)
    label = None
    if telemetry.label is not None:
        label = np.full(size, np.nan)
        label[position] = telemetry.label[chosen]
    opening = np.zeros(size, np.int64)
    opening[position[broken]] = position[broken]
    return Series(
        assets=telemetry.assets,
        sensors=telemetry.sensors,
        period_seconds=period // SECOND,
        asset=np.full(size, telemetry.asset[chosen[0]], np.int64),
        time=moments,
        values=values,
        label=label,
        observed=observed,
        segment_start=np.maximum.accumulate(opening) + start,
    )


def _moments(time: Integers, position: Integers, size: int, period: int) -> Integers:
    """The time of every row: its own, or for an empty cell that of the row before plus whole periods."""
    index = np.zeros(size, np.int64)
    index[position] = np.arange(len(position))
    index = np.maximum.accumulate(index)
    return np.asarray(time[index] + (np.arange(size) - position[index]) * period, np.int64)
