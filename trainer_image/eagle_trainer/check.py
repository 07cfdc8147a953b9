"""What is wrong with the data, column by column, before anything is learned from it.

A finding is told, and the training goes on, unless a model of such data would be no model of the plant: then it is an
Error, and its advice is the sentence with which the run ends.
"""

import numpy as np

from eagle_trainer.check_rows import of_assets, of_attributes, of_rows, of_strangers
from eagle_trainer.check_sensors import MISSING_WARNING, of_sensor
from eagle_trainer.errors import InsufficientData
from eagle_trainer.issue import Issue, Severity, counted, sorted_issues
from eagle_trainer.series import Attributes, Series, Strangers, Telemetry

__all__ = ["Issue", "findings", "refuse_errors"]


def findings(
    telemetry: Telemetry,
    series: Series,
    *,
    label_column: str | None = None,
    strangers: tuple[Strangers, ...] = (),
    attributes: Attributes | None = None,
    window_length: int = 1,
    until: int | None = None,
) -> tuple[Issue, ...]:
    """All findings, the gravest first, at most 100. `until` (microseconds) is the moment of the training."""
    issues = of_rows(telemetry, series, until=until) + of_assets(series, window_length=window_length)
    issues += of_strangers(strangers, telemetry.assets)
    if attributes is not None:
        issues += of_attributes(attributes)
    moving = 0
    for position, sensor in enumerate(series.sensors):
        found = of_sensor(sensor, np.ascontiguousarray(series.values[:, position]), series)
        moving += not any(issue.issue in ("Empty", "Stuck") for issue in found)
        issues += found
    if not moving:
        issues.append(_nothing_moves(series))
    if series.label is not None and label_column is not None:
        issues += _of_label(label_column, series)
    return sorted_issues(issues)


def refuse_errors(issues: tuple[Issue, ...]) -> None:
    """Raises InsufficientData with the advice of the first Error, and with the other columns that have one."""
    errors = [issue for issue in issues if issue.severity == "Error"]
    if errors:
        others = sorted({issue.column for issue in errors} - {errors[0].column})
        more = f" (and the same for {', '.join(others[:5])})" if others else ""
        raise InsufficientData(errors[0].advice + more)


def _nothing_moves(series: Series) -> Issue:
    advice = (
        f"none of the sensors ({', '.join(series.sensors[:5])}) ever changes in {int(series.observed.sum())} samples,"
        " so there is nothing to learn from; check source.telemetry and source.continuousColumns"
    )
    return Issue(
        column=series.sensors[0], issue="NothingMoves", severity="Error", count=len(series.sensors), advice=advice
    )


def _of_label(column: str, series: Series) -> list[Issue]:
    assert series.label is not None  # The caller has looked.
    rows = int(np.count_nonzero(series.observed))
    missing = rows - int(np.count_nonzero(~np.isnan(series.label)))
    grave: Severity = "Warning" if missing >= MISSING_WARNING * rows else "Info"
    return [counted(column, "Missing", grave, missing, rows)] if missing else []
