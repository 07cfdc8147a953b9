"""Brings telemetry to a regular grid per asset, so that "five samples ago" is a time.

Nothing is looked up in the future and nothing is invented: a cell takes, of each sensor, the last value that falls into
it, as a gateway that polls current values would; where there is none, it is missing. A row keeps the time stamp of the
last row in its cell.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eagle_trainer.errors import InsufficientData
from eagle_trainer.series import SECOND, Flags, Floats, Integers, Series, Telemetry

_STEADY = 0.2
"""From this concentration of the phases on (0 to 1) the rows have a phase of their own within the period."""
_CHUNK_ROWS = 65_536
_EMPTIEST = 20
"""A grid with so many times as many cells as there are rows …"""
_SMALL = 1_000_000
"""… is too empty to be made, unless it has no more cells than that."""


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Where the rows of `order` go: `place` [rows in order]; `starts` are the grid's rows that open a segment."""

    order: Integers
    place: Integers
    asset: Integers
    starts: Integers

    @property
    def size(self) -> int:
        return len(self.asset)

    @property
    def is_the_same(self) -> bool:
        """Whether the telemetry already is what the grid would be."""
        rows = len(self.order)
        return rows == self.size and _counts_up(self.order) and _counts_up(self.place)


def resample(telemetry: Telemetry, *, period_seconds: int, longest_gap: int) -> Series:
    """The telemetry on a grid of `period_seconds`; more than `longest_gap` empty cells in a row break the series.

    Rows may come in any order; of values of the same asset, sensor and cell the later (for equal time stamps: the last
    given) counts. Rows without an asset are left out. Where the telemetry is such a grid already, the series shares
    its arrays. Raises InsufficientData when there is no row, or when the grid would be empty but for a few rows: memory
    follows the rows, whatever the period.
    """
    if not len(telemetry.time):
        raise InsufficientData("source.telemetry has no row in the data range; check timeColumn and dataRangeDays.")
    if not np.any(telemetry.asset >= 0):
        raise InsufficientData(
            f"none of the {len(telemetry.time)} rows of source.telemetry names an asset; check assetColumn"
        )
    period = period_seconds * SECOND
    grid = _grid(telemetry, period, longest_gap)
    observed: Flags = np.zeros(grid.size, bool)
    observed[grid.place] = True
    segment_start = np.zeros(grid.size, np.int64)
    segment_start[grid.starts] = grid.starts
    np.maximum.accumulate(segment_start, out=segment_start)
    label = None
    if telemetry.label is not None:
        label = np.full(grid.size, np.nan)
        _fill(label[:, None], telemetry.label[:, None], grid)
    return Series(
        assets=telemetry.assets,
        sensors=telemetry.sensors,
        period_seconds=period_seconds,
        asset=grid.asset,
        time=_moments(telemetry.time, grid, observed, period),
        values=_values(telemetry, grid),
        label=label,
        observed=observed,
        segment_start=segment_start,
    )


def in_order(telemetry: Telemetry) -> Integers:
    """The positions of the rows that have an asset, sorted by asset and time; equal ones as they were given."""
    asset, time = telemetry.asset, telemetry.time
    rows = np.arange(len(time))
    if asset[0] < 0 or not _sorted(asset, time):
        rows = np.lexsort((time, asset))
        rows = rows[np.searchsorted(asset, 0, sorter=rows) :]
    return rows


def cells(time: Integers, period: int) -> tuple[Integers, int]:
    """The cell of every moment and the phase of the cells' centres, both for a period in microseconds.

    Rows that come regularly lie in the middle of their cells, so jitter does not move them into the next.
    """
    sines = cosines = 0.0
    for start in range(0, len(time), _CHUNK_ROWS):
        angle = (time[start : start + _CHUNK_ROWS] % period) * (2 * np.pi / period)
        cosines, sines = cosines + float(np.cos(angle).sum()), sines + float(np.sin(angle).sum())
    mean = complex(cosines, sines) / len(time)
    phase = round(np.angle(mean) / (2 * np.pi) * period) % period if abs(mean) > _STEADY else period // 2
    return (time - (phase - period // 2)) // period, phase


def _grid(telemetry: Telemetry, period: int, longest_gap: int) -> _Grid:
    order = in_order(telemetry)
    bounds = np.searchsorted(telemetry.asset[order], np.arange(len(telemetry.assets) + 1))
    place = np.empty(len(order), np.int64)
    sizes, starts, size = np.zeros(len(telemetry.assets), np.int64), [], 0
    for code, (first, end) in enumerate(pairwise(bounds)):
        if first == end:
            continue
        cell, _ = cells(telemetry.time[order[first:end]], period)
        step = np.diff(cell, prepend=cell[0])
        broken = step > longest_gap + 1
        step[broken] = 1
        own = place[first:end]
        np.cumsum(step, out=own)
        own += size
        starts += [np.array([size]), own[broken]]
        sizes[code] = own[-1] + 1 - size
        size += int(sizes[code])
    if size > max(_EMPTIEST * len(order), _SMALL):
        raise InsufficientData(_too_empty(telemetry.time[order], place, size, period))
    return _Grid(
        order=order,
        place=place,
        asset=np.repeat(np.arange(len(telemetry.assets)), sizes),
        starts=np.concatenate(starts),
    )


def _too_empty(time: Integers, place: Integers, size: int, period: int) -> str:
    """`place` is that of the rows at `time`, both sorted by asset and time."""
    steps = np.diff(time)[np.diff(place) > 0]
    usual = float(np.median(steps[steps > 0])) / SECOND
    return (
        f"source.telemetry has {len(time)} rows, of which samplePeriodSeconds {period // SECOND} would make {size}"
        " samples, nearly all of them missing; set source.telemetry.samplePeriodSeconds to how often rows come (mostly"
        f" every {usual:g} s), or shorten features.rollingWindows and features.lagSeconds, so that long gaps stay empty"
    )


def _values(telemetry: Telemetry, grid: _Grid) -> Floats:
    if grid.is_the_same:
        return telemetry.values
    values: Floats = np.full((grid.size, len(telemetry.sensors)), np.nan)
    _fill(values, telemetry.values, grid)
    return values


def _fill(values: Floats, given: Floats, grid: _Grid) -> None:
    """Write the given rows to their places, in their order, so that the last known value of a cell is what stays."""
    for start in range(0, len(grid.order), _CHUNK_ROWS):
        part = given[grid.order[start : start + _CHUNK_ROWS]]
        place = grid.place[start : start + _CHUNK_ROWS]
        known = ~np.isnan(part)
        if known.all():
            values[place] = part
            continue
        for column in range(part.shape[1]):
            mine = known[:, column]
            values[place[mine], column] = part[mine, column]


def _moments(time: Integers, grid: _Grid, observed: Flags, period: int) -> Integers:
    """The time of every row: its own, or for an empty cell that of the row before plus whole periods."""
    moments = np.zeros(grid.size, np.int64)
    moments[grid.place] = time[grid.order]
    if observed.all():
        return moments
    rows = np.arange(grid.size)
    before = np.maximum.accumulate(np.where(observed, rows, 0))
    return np.asarray(moments[before] + (rows - before) * period, np.int64)


def _sorted(asset: Integers, time: Integers) -> bool:
    same = asset[1:] == asset[:-1]
    return bool(np.all((asset[1:] > asset[:-1]) | (same & (time[1:] >= time[:-1]))))


def _counts_up(values: Integers) -> bool:
    return bool(len(values)) and int(values[0]) == 0 and bool(np.all(np.diff(values) == 1))
