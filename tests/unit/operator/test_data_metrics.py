"""What is shown of a schedule's data: the newest result's, under labels that are bounded and go with the schedule."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_operator import data_metrics
from eagle_operator.cluster import Cluster
from eagle_operator.domain.world import Version
from eagle_operator.domain.writes import Write
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Reconciler
from eagle_operator.settings import from_environment
from eagle_operator.workqueue import WorkQueue

SCHEDULE = {"namespace": b.NAMESPACE, "schedule": b.NAME}
END = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    data_metrics.stand_back()


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"eagle_{name}", {**SCHEDULE, **labels})


def shown() -> set[str]:
    return {
        found.name
        for family in REGISTRY.collect()
        for found in family.samples
        if found.labels.get("schedule") == b.NAME
    }


def run(days: int, *severities: str, **data: Any) -> Version:
    """A run that came to a model so many days after the slot, whose data had a finding of each of these severities."""
    issues = [
        {"column": f"sensor_{n}", "issue": "Gaps", "severity": severity, "count": 9}
        for n, severity in enumerate(severities)
    ]
    wire = {"rows": 10, "positives": 1, "assets": 1, "from": "2026-05-22T00:00:00Z", "to": END.isoformat(), **data}
    status = b.trained(data={**wire, "qualityIssues": issues})
    return b.version(slot=b.SLOT + timedelta(days=days), status=status)


def severities() -> dict[str, float | None]:
    return {severity: sample("data_quality_issues", severity=severity) for severity in ("Info", "Warning", "Error")}


def test_findings_are_counted_by_severity_and_those_that_there_are_none_of_are_zero() -> None:
    data_metrics.show(b.world(run(0, "Warning", "Warning", "Info")))
    assert severities() == {"Info": 1, "Warning": 2, "Error": 0}


def test_what_the_model_learned_from_is_shown() -> None:
    data_metrics.show(b.world(run(0, rows=5000, positives=40, failures=3, assets=7)))
    figures = {name: sample(f"training_{name}") for name in ("rows", "positive_rows", "failures", "assets")}
    assert figures == {"rows": 5000, "positive_rows": 40, "failures": 3, "assets": 7}
    assert sample("training_data_end_timestamp_seconds") == END.timestamp()


def test_the_newest_run_that_came_to_a_model_counts_in_whatever_order_they_are_seen() -> None:
    without = b.version(f"{b.NAME}-m-1", b.running(), trigger="Manual", slot=None, created=b.SLOT + timedelta(days=9))
    data_metrics.show(b.world(run(1, rows=2), run(2, rows=3), without, run(0, rows=1)))
    assert sample("training_rows") == 3


def test_an_ordered_run_is_as_old_as_its_order() -> None:
    ordered = b.version(
        f"{b.NAME}-m-1",
        run(0, rows=9).status,
        trigger="Manual",
        slot=None,
        created=b.SLOT + timedelta(days=3),
    )
    data_metrics.show(b.world(ordered, run(2, rows=2)))
    assert sample("training_rows") == 9


@pytest.mark.parametrize(
    ("runs", "in_a_row"),
    [
        ([("Warning",), ("Info", "Warning"), ("Warning",)], 3),
        ([("Warning",), ("Info",), ("Warning",)], 1),
        ([("Warning",), ("Warning",), ()], 0),
        ([()], 0),
    ],
    ids=["all", "one after a good one", "none any more", "never any"],
)
def test_newest_runs_with_warnings_are_counted_in_a_row(runs: list[tuple[str, ...]], in_a_row: int) -> None:
    data_metrics.show(b.world(*(run(day, *found) for day, found in enumerate(runs))))
    assert sample("data_quality_warned_runs") == in_a_row


def test_while_no_run_came_to_a_model_nothing_is_shown() -> None:
    data_metrics.show(b.world(b.version(status=b.running())))
    assert shown() == set()


def test_what_was_shown_goes_when_the_last_such_run_is_removed() -> None:
    data_metrics.show(b.world(run(0, "Warning")))
    data_metrics.show(b.world())
    assert shown() == set()


def test_failures_are_shown_only_where_they_are_the_label() -> None:
    data_metrics.show(b.world(run(0, failures=3)))
    data_metrics.show(b.world(run(0, failures=3), run(1)))
    assert sample("training_failures") is None
    assert sample("training_rows") == 10


def test_the_series_of_a_schedule_go_with_it_and_no_others() -> None:
    other = b.schedule()
    data_metrics.show(b.world(run(0, "Warning", failures=1)))
    data_metrics.forget(b.NAMESPACE, "another")
    assert sample("training_rows") == 10
    data_metrics.forget(*other.meta.key)
    assert shown() == set()


class Accepting(Cluster):
    """An API server that takes whatever is written, and changes nothing."""

    def __init__(self) -> None:
        pass

    async def write(self, write: Write) -> None:
        pass


async def test_a_look_at_a_schedule_shows_its_data_and_one_at_a_schedule_that_is_gone_shows_none() -> None:
    mirror, cluster, queue = Mirror(), Accepting(), WorkQueue[Key]()
    settings = from_environment({"EAGLE_TRAINER_IMAGE": "t", "EAGLE_SERVING_IMAGE": "s"})
    admission = Admission(mirror, cluster, queue, settings)
    reconciler = Reconciler(mirror, cluster, queue, settings, admission, clock=lambda: b.NOW)
    version = raw.model_version(b.slot_name(), trigger="Schedule", scheduledTime=raw.TIME)
    mirror.remember("Namespace", raw.namespace())
    mirror.remember("TrainingSchedule", raw.schedule(uid=b.SCHEDULE_UID))
    mirror.remember("ModelVersion", {**version, "status": run(0, "Warning").status.wire()})
    await reconciler.reconcile((b.NAMESPACE, b.NAME))
    assert sample("data_quality_warned_runs") == 1
    mirror.forget("TrainingSchedule", raw.schedule(2, uid=b.SCHEDULE_UID))
    await reconciler.reconcile((b.NAMESPACE, b.NAME))
    assert shown() == set()


def test_who_stands_back_shows_nothing_any_more() -> None:
    data_metrics.show(b.world(run(0, "Warning", failures=1)))
    data_metrics.stand_back()
    assert shown() == set()


def test_no_series_bears_the_name_of_a_column_or_a_run() -> None:
    of = run(0, "Warning")
    data_metrics.show(b.world(of))
    values = {value for family in REGISTRY.collect() for found in family.samples for value in found.labels.values()}
    assert not {of.meta.name, "sensor_0", "Gaps"} & values
