"""What is wrong with the data, column by column, before anything is learned from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eagle_trainer.errors import InsufficientData
from eagle_trainer.series import SECOND, Series, Telemetry

Severity = Literal["Info", "Warning", "Error"]
_STUCK_SHARE = 0.999
_MISSING_SHARE = 0.5
_OUTLIER_Z = 12.0
_MOST_ISSUES = 20


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One finding; `count` in rows."""

    column: str
    issue: str
    severity: Severity
    count: int


def findings(telemetry: Telemetry, series: Series) -> tuple[Issue, ...]:
    """All findings, the gravest first, at most 20."""
    issues = [*_of_rows(telemetry, series)]
    for position, sensor in enumerate(telemetry.sensors):
        issues += _of_sensor(sensor, telemetry.values[:, position])
    order = {"Error": 0, "Warning": 1, "Info": 2}
    return tuple(sorted(issues, key=lambda issue: (order[issue.severity], -issue.count, issue.column))[:_MOST_ISSUES])


def refuse_errors(issues: tuple[Issue, ...], rows: int) -> None:
    """Raises InsufficientData for the first Error."""
    for issue in issues:
        if issue.severity == "Error":
            raise InsufficientData(
                f"the column of sensor {issue.column!r} has no usable value in {rows} rows ({issue.issue});"
                " mend the data or take it out of source.continuousColumns"
            )


def _of_rows(telemetry: Telemetry, series: Series) -> list[Issue]:
    order = np.lexsort((telemetry.time, telemetry.asset))
    time, asset = telemetry.time[order], telemetry.asset[order]
    same = asset[1:] == asset[:-1]
    repeated = int(np.count_nonzero(same & (time[1:] == time[:-1])))
    unordered = int(np.count_nonzero((telemetry.asset[1:] == telemetry.asset[:-1]) & (np.diff(telemetry.time) < 0)))
    gaps = int(np.count_nonzero(same & (np.diff(time) > 1.5 * series.period_seconds * SECOND)))
    found = []
    if repeated:
        found.append(Issue(column="time", issue="DuplicateRows", severity="Warning", count=repeated))
    if gaps:
        found.append(Issue(column="time", issue="Gaps", severity="Info", count=gaps))
    if unordered:
        found.append(Issue(column="time", issue="OutOfOrder", severity="Info", count=unordered))
    return found


def _of_sensor(sensor: str, values: np.ndarray) -> list[Issue]:
    finite = np.isfinite(values)
    missing = int(np.count_nonzero(np.isnan(values)))
    infinite = len(values) - missing - int(np.count_nonzero(finite))
    known = values[finite]
    if not len(known):
        return [Issue(column=sensor, issue="Empty", severity="Error", count=len(values))]
    found = []
    if missing:
        grave: Severity = "Warning" if missing > _MISSING_SHARE * len(values) else "Info"
        found.append(Issue(column=sensor, issue="Missing", severity=grave, count=missing))
    if infinite:
        found.append(Issue(column=sensor, issue="NotFinite", severity="Warning", count=infinite))
    median = np.median(known)
    usual = int(np.count_nonzero(known == median))
    if usual >= _STUCK_SHARE * len(known):
        found.append(Issue(column=sensor, issue="Stuck", severity="Warning", count=usual))
        return found
    spread = 1.4826 * np.median(np.abs(known - median))
    if spread > 0:
        outliers = int(np.count_nonzero(np.abs(known - median) > _OUTLIER_Z * spread))
        if outliers:
            found.append(Issue(column=sensor, issue="Outliers", severity="Info", count=outliers))
    return found
