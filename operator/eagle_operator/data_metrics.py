"""What the metrics say of the data: as the newest run that came to a model reported them.

Shown from the world as it is, at each look. A run that found nothing to learn from has no result: it is an ended run
with the reason InsufficientData, and what is shown here stays that of the run before.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import get_args

from prometheus_client import Gauge

from eagle_contract.api.version import DataSummary, QualityIssue
from eagle_operator import metrics
from eagle_operator.domain.world import World

SEVERITIES: tuple[str, ...] = get_args(QualityIssue.model_fields["severity"].annotation)
_FIGURES: Mapping[Gauge, Callable[[DataSummary], float | None]] = {
    metrics.TRAINING_ROWS: lambda data: data.rows,
    metrics.TRAINING_POSITIVE_ROWS: lambda data: data.positives,
    metrics.TRAINING_FAILURES: lambda data: data.failures,
    metrics.TRAINING_ASSETS: lambda data: data.assets,
    metrics.TRAINING_DATA_END: lambda data: data.to.timestamp(),
}


def show(world: World) -> None:
    """Say what is known of the data of a schedule; nothing while no run came to a model."""
    key = world.schedule.meta.key
    told = _newest_first(world)
    if not told:
        forget(*key)
        return
    newest = told[0]
    found = Counter[str](issue.severity for issue in newest.quality_issues)
    for severity in SEVERITIES:
        metrics.DATA_ISSUES.labels(*key, severity).set(found[severity])
    metrics.DATA_WARNED_RUNS.labels(*key).set(len(list(takewhile(_warned, told))))
    for gauge, figure in _FIGURES.items():
        value = figure(newest)
        if value is None:
            gauge.remove(*key)
        else:
            gauge.labels(*key).set(value)


def forget(namespace: str, schedule: str) -> None:
    """Remove the series of a schedule."""
    for severity in SEVERITIES:
        metrics.DATA_ISSUES.remove(namespace, schedule, severity)
    for gauge in (metrics.DATA_WARNED_RUNS, *_FIGURES):
        gauge.remove(namespace, schedule)


def stand_back() -> None:
    """Show nothing any more: another operator knows it now."""
    for gauge in (metrics.DATA_ISSUES, metrics.DATA_WARNED_RUNS, *_FIGURES):
        gauge.clear()


def _newest_first(world: World) -> list[DataSummary]:
    versions = sorted(world.versions, key=lambda version: (version.run_time, version.meta.created), reverse=True)
    return [version.status.result.data for version in versions if version.status.result]


def _warned(data: DataSummary) -> bool:
    return any(issue.severity != "Info" for issue in data.quality_issues)
