"""What is wrong with the rows as a whole: their times, their assets, and the tables beside the telemetry."""

import numpy as np

from eagle_trainer.issue import Issue, Severity, counted
from eagle_trainer.resample import in_order
from eagle_trainer.series import DAY, SECOND, Attributes, Integers, Series, Strangers, Telemetry

TIME, ASSET = "time", "asset"
"""What stands for the column where a finding is about the rows' times or their assets."""

GAP_SHARE = 0.2
REPEATED_SHARE = 0.01
SLOW_PERIODS = 2.0
OLD_DAYS = 7
_FEWEST_ASSETS = 10


def of_rows(telemetry: Telemetry, series: Series, *, until: int | None) -> list[Issue]:
    """Findings about the rows as they came. `until` (microseconds) is when newer ones could have come."""
    order = in_order(telemetry)
    time, asset = telemetry.time[order], telemetry.asset[order]
    same = asset[1:] == asset[:-1]
    step = np.diff(time)
    period = series.period_seconds * SECOND
    rows = len(telemetry.time)
    repeated = int(np.count_nonzero(same & (step == 0)))
    unordered = int(np.count_nonzero((telemetry.asset[1:] == telemetry.asset[:-1]) & (np.diff(telemetry.time) < 0)))
    steps = step[same & (step > 0)]
    thinned = rows - repeated - int(np.count_nonzero(series.observed)) - int(np.count_nonzero(telemetry.asset < 0))
    return [
        counted(TIME, "NoTime", "Warning", telemetry.timeless, rows + telemetry.timeless),
        counted(ASSET, "NoAsset", "Warning", int(np.count_nonzero(telemetry.asset < 0)), rows),
        counted(TIME, "DuplicateRows", "Warning" if repeated > REPEATED_SHARE * rows else "Info", repeated, rows),
        counted(TIME, "DuplicateValues", "Info", telemetry.repeated, rows),
        counted(TIME, "OutOfOrder", "Info", unordered, rows),
        _gaps(steps, period),
        counted(TIME, "Thinned", "Info", thinned, rows),
        *_slow(steps, period),
        *_late(series, until, period),
    ]


def of_assets(series: Series, *, window_length: int) -> list[Issue]:
    """Findings about assets: those that never have a whole window, and those that fell silent before the others."""
    count = len(series.assets)
    bounds = np.searchsorted(series.asset, np.arange(count + 1))
    have = np.flatnonzero(np.diff(bounds) > 0)
    last = series.time[bounds[have + 1] - 1]
    silent = int(np.count_nonzero(last < last.max() - OLD_DAYS * DAY))
    reach = np.arange(len(series.asset)) - series.segment_start
    longest = np.maximum.reduceat(reach, bounds[have]) + 1
    short = int(np.count_nonzero(longest < window_length))
    return [
        counted(ASSET, "SilentAssets", "Info", silent, count),
        counted(ASSET, "ShortAssets", "Warning" if 2 * short > count else "Info", short, count),
    ]


def of_strangers(strangers: tuple[Strangers, ...], assets: tuple[str, ...]) -> list[Issue]:
    """Findings about tables whose assets are not those of the telemetry: often only the spelling differs."""
    found = []
    for table in strangers:
        all_of_them, of_failures = table.count == table.rows, table.place.startswith("label.failures")
        grave: Severity = "Info" if not all_of_them else "Error" if of_failures else "Warning"
        names = ", ".join(repr(name) for name in table.names) or "no name in any row"
        advice = (
            f"none of the {table.rows} rows of {table.place.split('.assetColumn')[0]} belongs to an asset that"
            f" source.telemetry measures: {table.place} has {names}, source.telemetry.assetColumn has"
            f" {', '.join(repr(name) for name in assets[:3])}; make both name the machines alike"
        )
        place = table.place[:128]
        found.append(counted(place, "UnknownAssets", grave, table.count, table.rows, advice if all_of_them else ""))
    return found


def of_attributes(attributes: Attributes) -> list[Issue]:
    """Findings about attributes: those that assets lack, and names that are no two assets' alike."""
    found = []
    for position, column in enumerate(attributes.columns):
        values = attributes.values[:, position]
        missing = int(np.count_nonzero(np.isnan(values)))
        grave: Severity = "Warning" if 2 * missing > len(values) else "Info"
        found.append(counted(column, "AttributeMissing", grave, missing, len(values)))
        kinds = len(np.unique(values[~np.isnan(values)]))
        alone = column in attributes.categories and kinds == len(values) >= _FEWEST_ASSETS
        found.append(counted(column, "AttributeIdentifies", "Warning", kinds if alone else 0, len(values)))
    return found


def _gaps(steps: Integers, period: int) -> Issue:
    gaps = steps[steps > 1.5 * period]
    lost = float((gaps - period).sum()) / max(float(steps.sum()), 1.0)
    grave: Severity = "Warning" if lost > GAP_SHARE else "Info"
    return Issue(column=TIME, issue="Gaps", severity=grave, count=len(gaps), share=lost)


def _slow(steps: Integers, period: int) -> list[Issue]:
    """Rows that come so much more seldom than the period that most of the grid is empty."""
    if not len(steps) or float(np.median(steps)) < SLOW_PERIODS * period:
        return []
    usual = float(np.median(steps)) / SECOND
    empty = 1 - period / SECOND / usual
    advice = (
        f"source.telemetry has a row about every {usual:g} s, but samplePeriodSeconds is {period // SECOND}:"
        f" {empty:.0%} of the samples would be missing; set source.telemetry.samplePeriodSeconds to {round(usual)}"
    )
    return [Issue(column=TIME, issue="SlowRows", severity="Error", count=len(steps), share=empty, advice=advice)]


def _late(series: Series, until: int | None, period: int) -> list[Issue]:
    """Nothing has come for days: the plant was down, or whatever fills the table."""
    if until is None:
        return []
    newest = int(series.time.max())
    if until - newest < max(DAY, 10 * period):
        return []
    grave: Severity = "Warning" if until - newest > OLD_DAYS * DAY else "Info"
    return [Issue(column=TIME, issue="OldData", severity=grave, count=(until - newest) // period)]
