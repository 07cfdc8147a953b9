"""What each row is to be answered with, and which rows have no answer yet.

A row is positive when a failure of its asset begins in (t, t + horizon]. Rows whose horizon reaches beyond what is
known are left out, never taken for negative; so are rows in the time of recovery after a failure.
"""

import numpy as np

from eagle_trainer.errors import InsufficientData
from eagle_trainer.series import SECOND, Floats, Integers, LabelEvents, Samples, Series


def complete_rows(series: Series, window_length: int) -> Integers:
    """The rows that were observed and have a whole window of their own segment behind them."""
    position = np.arange(len(series.time))
    return np.flatnonzero(series.observed & (position - series.segment_start >= window_length - 1))


def label_by_failures(
    series: Series,
    rows: Integers,
    failure_asset: Integers,
    failure_time: Integers,
    *,
    horizon_seconds: int,
    recovery_seconds: int,
    known_until: int,
) -> tuple[Samples, LabelEvents]:
    """Samples and failure events.

    `failure_asset` and `failure_time` are sorted, without repetition. `known_until` (microseconds) is until when
    failures are certainly recorded. An asset whose data end with a failure is known to its end.
    """
    horizon, recovery = horizon_seconds * SECOND, recovery_seconds * SECOND
    target = np.full(len(rows), np.nan)
    asset, time = series.asset[rows], series.time[rows]
    codes = np.arange(len(series.assets) + 1)
    first, everything = np.searchsorted(asset, codes), np.searchsorted(series.asset, codes)
    for code in range(len(series.assets)):
        mine = slice(first[code], first[code + 1])
        failures = failure_time[failure_asset == code]
        if first[code] < first[code + 1]:
            data_end = int(series.time[everything[code + 1] - 1])
            end = min(data_end, known_until)
            target[mine] = _targets(time[mine], failures, horizon, recovery, end, data_end)
    known = np.flatnonzero(~np.isnan(target))
    samples = Samples(
        row=rows[known], asset=asset[known], time=time[known], until=time[known] + horizon, target=target[known]
    )
    events = LabelEvents(
        asset=failure_asset,
        start=failure_time - horizon,
        end=failure_time,
        positive=np.ones(len(failure_time), bool),
    )
    return samples, _with_samples(events, samples)


def label_by_column(series: Series, rows: Integers, *, column: str) -> tuple[Samples, LabelEvents]:
    """Samples labelled by a column that is 0 or 1, and the runs of equal labels as events.

    Raises InsufficientData when the column has other values.
    """
    assert series.label is not None  # The extraction reads the column whenever the schedule names one.
    label = series.label[rows]
    known = ~np.isnan(label)
    rows, label = rows[known], label[known]
    if others := sorted({float(value) for value in np.unique(label)} - {0.0, 1.0})[:3]:
        found = ", ".join(f"{value:g}" for value in others)
        raise InsufficientData(f"label.column {column!r} must be 0 or 1 in every row, but has {found}.")
    asset, time = series.asset[rows], series.time[rows]
    samples = Samples(row=rows, asset=asset, time=time, until=time.copy(), target=label)
    if not len(rows):
        empty = np.zeros(0, np.int64)
        return samples, LabelEvents(asset=empty, start=empty, end=empty, positive=np.zeros(0, bool))
    change = np.append(True, (label[1:] != label[:-1]) | (asset[1:] != asset[:-1]))
    first = np.flatnonzero(change)
    last = np.append(first[1:], len(rows)) - 1
    events = LabelEvents(asset=asset[first], start=time[first], end=time[last] + 1, positive=label[first] == 1.0)
    return samples, events


def _targets(time: Integers, failures: Integers, horizon: int, recovery: int, end: int, data_end: int) -> Floats:
    """1, 0 or NaN (not known, or in recovery) for the sorted moments of one asset."""
    if not len(failures):
        return np.where(time + horizon <= end, 0.0, np.nan)
    following = np.searchsorted(failures, time, side="right")
    upcoming = failures[np.minimum(following, len(failures) - 1)]
    positive = (following < len(failures)) & (upcoming <= time + horizon)
    last_one = positive & (following == len(failures) - 1) & bool(failures[-1] >= data_end)
    known = (time + horizon <= end) | last_one
    previous = failures[np.maximum(following - 1, 0)]
    recovering = (following > 0) & (time < previous + recovery)
    return np.where(known & ~recovering, positive.astype(float), np.nan)


def _with_samples(events: LabelEvents, samples: Samples) -> LabelEvents:
    """Only the events that have at least one positive sample: others can be neither learned nor caught."""
    keep = np.zeros(len(events.start), bool)
    for i in range(len(keep)):
        time = samples.time[slice(*np.searchsorted(samples.asset, [events.asset[i], events.asset[i] + 1]))]
        start, end = np.searchsorted(time, [events.start[i], events.end[i]])
        keep[i] = bool(start < end)
    return LabelEvents(
        asset=events.asset[keep], start=events.start[keep], end=events.end[keep], positive=events.positive[keep]
    )
