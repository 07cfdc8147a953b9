"""What is wrong with one sensor: values that are missing, stuck, standing still, far off, or codes for an error."""

import numpy as np

from eagle_trainer.issue import Issue, Severity, counted
from eagle_trainer.series import Flags, Floats, Series

MISSING_ERROR, MISSING_WARNING = 0.9, 0.2
STUCK_SHARE = 0.999
STILL_SAMPLES = 100
STILL_WARNING = 0.01
OUTLIER_Z = 12.0
OUTLIER_WARNING = 0.01
_CODE_TIMES = 10
_ROBUST_ROWS = 1_000_000
"""Median and spread come from so many values, evenly taken."""
_TO_SIGMA, _MEAN_TO_SIGMA = 1.4826, 1.2533


def of_sensor(sensor: str, values: Floats, series: Series) -> list[Issue]:
    """Findings about one sensor; `values` [N] are its samples on the grid."""
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known):
        advice = (
            f"sensor {sensor!r} has not one usable value in {int(series.observed.sum())} samples of the data range;"
            " mend the sensor's column or tag, or take it out of source.continuousColumns"
        )
        return [Issue(column=sensor, issue="Empty", severity="Error", count=len(values), share=1.0, advice=advice)]
    found = [*_missing(sensor, values, finite, series)]
    sample = known[:: max(1, len(known) // _ROBUST_ROWS)]
    median = float(np.median(sample))
    usual = int(np.count_nonzero(known == median))
    if usual >= STUCK_SHARE * len(known):
        return [*found, counted(sensor, "Stuck", "Warning", usual, len(known))]
    return [*found, *_still(sensor, values, series), *_outliers(sensor, known, sample, median)]


def _missing(sensor: str, values: Floats, finite: Flags, series: Series) -> list[Issue]:
    """Samples without a value, on the assets that have the sensor at all."""
    count = len(series.assets)
    samples = np.bincount(series.asset[series.observed], minlength=count)
    present = np.bincount(series.asset[finite], minlength=count)
    has = present > 0
    absent = int(np.count_nonzero(~has & (samples > 0)))
    wanted, there = int(samples[has].sum()), int(present[has].sum())
    infinite = int(np.count_nonzero(np.isinf(values)))
    missing = wanted - there - infinite
    found = []
    if missing or infinite:
        lost = (missing + infinite) / wanted
        grave: Severity = "Error" if lost >= MISSING_ERROR else "Warning" if lost >= MISSING_WARNING else "Info"
        advice = (
            f"sensor {sensor!r} has a value in only {there} of {wanted} samples ({1 - lost:.1%});"
            " mend the sensor's column or tag, or take it out of source.continuousColumns"
        )
        name = "Missing" if missing >= infinite else "NotFinite"
        found.append(counted(sensor, name, grave, max(missing, infinite), wanted, advice if grave == "Error" else ""))
        if min(missing, infinite) > 0:
            name = "NotFinite" if missing >= infinite else "Missing"
            found.append(counted(sensor, name, "Warning", min(missing, infinite), wanted))
        found = [issue.at_least("Warning") if issue.issue == "NotFinite" else issue for issue in found]
    if absent:
        found.append(counted(sensor, "AbsentOnAssets", "Warning" if 2 * absent > count else "Info", absent, count))
    return found


def _still(sensor: str, values: Floats, series: Series) -> list[Issue]:
    """A sensor that moves from sample to sample and then stands still for long, at another value than 0."""
    same = (values[1:] == values[:-1]) & (series.segment_start[1:] == series.segment_start[:-1])
    if 2 * np.count_nonzero(same) > len(same):
        return []
    edges = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
    lengths = np.diff(edges)
    long = (lengths >= STILL_SAMPLES) & (values[edges[:-1]] != 0.0)
    count = int(lengths[long].sum())
    grave: Severity = "Warning" if count > STILL_WARNING * len(values) else "Info"
    return [counted(sensor, "StandsStill", grave, count, len(values))] if count else []


def _outliers(sensor: str, known: Floats, sample: Floats, median: float) -> list[Issue]:
    """Values beyond a robust z of 12; half of them one and the same, but not 0: an error code."""
    distance = np.abs(sample - median)
    spread = _TO_SIGMA * float(np.median(distance)) or _MEAN_TO_SIGMA * float(distance.mean())
    if spread <= 0.0 or not np.isfinite(spread):
        return []
    far = known[(known > median + OUTLIER_Z * spread) | (known < median - OUTLIER_Z * spread)]
    if not len(far):
        return []
    values, times = np.unique(far, return_counts=True)
    most = int(times.max())
    if most >= _CODE_TIMES and 2 * most >= len(far) and values[times.argmax()] != 0.0:
        return [counted(sensor, "ErrorCode", "Warning", most, len(known))]
    grave: Severity = "Warning" if len(far) > OUTLIER_WARNING * len(known) else "Info"
    return [counted(sensor, "Outliers", grave, len(far), len(known))]
