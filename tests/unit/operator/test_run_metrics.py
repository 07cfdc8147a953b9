"""What is counted of runs: each thing that happened once, under labels that are bounded and go with the schedule."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.operator import builders as b

from eagle_contract.api import ModelVersionStatus
from eagle_contract.api.schedule import MissedSlots
from eagle_contract.api.version import Attempt, Progress
from eagle_operator import run_metrics
from eagle_operator.domain.world import Version, Waiting
from eagle_operator.domain.writes import DeleteJob, SetScheduleStatus, SetVersionStatus

SCHEDULE = {"namespace": b.NAMESPACE, "schedule": b.NAME}


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    run_metrics.forget(b.NAMESPACE, b.NAME)


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class Grown:
    """How much a sample grows from here on."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = self._now()

    def _now(self) -> float:
        return sample(self._name, **self._labels) or 0.0

    @property
    def by(self) -> float:
        return self._now() - self._before


def accepted(before: ModelVersionStatus, after: ModelVersionStatus, **of_the_version: Any) -> Version:
    version = b.version(status=before, **of_the_version)
    run_metrics.observe(SetVersionStatus(version, after))
    return version


def queued(**changes: Any) -> ModelVersionStatus:
    return b.queued().model_copy(update={"queued_time": b.SLOT + timedelta(seconds=1), **changes})


def running(seconds: float = 4) -> ModelVersionStatus:
    status = b.running(started=b.SLOT + timedelta(seconds=seconds))
    return status.model_copy(update={"queued_time": b.SLOT + timedelta(seconds=1)})


def ended(reason: str, *, after: float = 100, **changes: Any) -> ModelVersionStatus:
    """The attempt of `running`, so many seconds after the slot."""
    last = (
        running().attempts[-1].model_copy(update={"finish_time": b.SLOT + timedelta(seconds=after), "reason": reason})
    )
    status = running().model_copy(update={"attempts": [last], **changes})
    return b.with_conditions(status, {"Trained": ("True" if reason == "Completed" else "False", reason)})


@pytest.mark.parametrize(
    ("state", "reason"), [("Succeeded", "Completed"), ("Failed", "OutOfMemory"), ("Cancelled", "Cancelled")]
)
def test_a_run_that_ends_is_counted_by_result_and_reason(state: str, reason: str) -> None:
    accepted(running(), ended(reason, state=state))
    assert sample("eagle_runs_total", **SCHEDULE, result=state, reason=reason) == 1
    accepted(ended(reason, state=state), ended(reason, state=state))
    assert sample("eagle_runs_total", **SCHEDULE, result=state, reason=reason) == 1


def test_a_run_whose_model_did_not_pass_at_last_says_so() -> None:
    accepted(running(), ended("Completed", state="Failed"))
    assert sample("eagle_runs_total", **SCHEDULE, result="Failed", reason="ValidationFailed") == 1


def test_a_run_that_ends_while_it_waits_has_no_duration() -> None:
    durations = Grown("eagle_run_duration_seconds_count", result="Cancelled")
    over = b.with_conditions(queued(state="Cancelled"), {"Trained": ("False", "Superseded")})
    accepted(queued(), over)
    assert sample("eagle_runs_total", **SCHEDULE, result="Cancelled", reason="Superseded") == 1
    assert durations.by == 0


def test_an_attempt_after_which_another_follows_is_a_retry_and_no_end() -> None:
    failed = Grown("eagle_run_duration_seconds_sum", result="Failed")
    accepted(running(), ended("OutOfMemory", state="WaitingToRetry"))
    assert sample("eagle_run_retries_total", **SCHEDULE, reason="OutOfMemory") == 1
    assert sample("eagle_runs_total", **SCHEDULE, result="Failed", reason="OutOfMemory") is None
    assert failed.by == 96
    accepted(ended("OutOfMemory", state="WaitingToRetry"), queued(attempts=ended("OutOfMemory").attempts))
    assert sample("eagle_run_retries_total", **SCHEDULE, reason="OutOfMemory") == 1
    assert failed.by == 96


def test_admission_tells_how_long_the_run_waited_and_how_late_its_slot_is() -> None:
    waits, lateness = Grown("eagle_run_wait_seconds_sum"), Grown("eagle_schedule_lateness_seconds_sum")
    accepted(queued(), running(seconds=4))
    assert (waits.by, lateness.by) == (3, 4)


def test_a_run_that_a_person_ordered_is_never_late() -> None:
    waits, lateness = Grown("eagle_run_wait_seconds_count"), Grown("eagle_schedule_lateness_seconds_count")
    accepted(queued(), running(), trigger="Manual", slot=None)
    assert (waits.by, lateness.by) == (1, 0)


def test_a_retry_waits_anew_and_is_not_late_once_more() -> None:
    waits, lateness = Grown("eagle_run_wait_seconds_count"), Grown("eagle_schedule_lateness_seconds_count")
    first = ended("OutOfMemory").attempts
    again = [*first, Attempt(number=2, job_name="j", start_time=b.SLOT + timedelta(seconds=500))]
    accepted(queued(attempts=first), running().model_copy(update={"attempts": again}))
    assert (waits.by, lateness.by) == (1, 0)


def test_clocks_that_differ_make_no_negative_durations() -> None:
    waits = Grown("eagle_run_wait_seconds_sum")
    accepted(queued(), running(seconds=0))
    assert waits.by == 0


def test_missed_slots_are_counted_by_what_is_new() -> None:
    schedule = b.schedule(b.schedule().status.model_copy(update={"missed_slots": MissedSlots(count=3)}))
    status = schedule.status.model_copy(update={"missed_slots": MissedSlots(count=5)})
    run_metrics.observe(SetScheduleStatus(schedule, status))
    run_metrics.observe(SetScheduleStatus(b.schedule(status), status))
    assert sample("eagle_missed_slots_total", **SCHEDULE) == 2


def test_other_writes_say_nothing_of_runs() -> None:
    run_metrics.observe(DeleteJob(b.job()))
    assert sample("eagle_runs_total", **SCHEDULE, result="Failed", reason="Unknown") is None


def test_what_is_under_way_is_shown_until_it_is_over() -> None:
    heard = running().model_copy(
        update={"progress": Progress(step="Train", percent=50, updated_time=b.SLOT + timedelta(seconds=60))}
    )
    run_metrics.show(b.world(b.version(status=heard), jobs=(b.running_job(),)))
    shown = {
        name: sample(f"eagle_run_{name}_timestamp_seconds", **SCHEDULE)
        for name in ("queued", "admitted", "deadline", "heartbeat")
    }
    slot = b.SLOT.timestamp()
    assert shown == {"queued": None, "admitted": slot + 4, "deadline": slot + 7200, "heartbeat": slot + 60}
    run_metrics.show(b.world(b.version(status=ended("Completed", state="Succeeded"))))
    assert sample("eagle_run_admitted_timestamp_seconds", **SCHEDULE) is None
    assert sample("eagle_run_deadline_timestamp_seconds", **SCHEDULE) is None
    assert sample("eagle_run_heartbeat_timestamp_seconds", **SCHEDULE) is None


def test_a_run_that_was_told_to_end_is_not_overdue() -> None:
    cancelled = b.version(status=running(), cancelled=True)
    run_metrics.show(b.world(cancelled, jobs=(b.running_job(deadline_seconds=1),)))
    assert sample("eagle_run_admitted_timestamp_seconds", **SCHEDULE) is not None
    assert sample("eagle_run_deadline_timestamp_seconds", **SCHEDULE) is None


def test_who_stands_back_shows_nothing_of_what_is_under_way() -> None:
    run_metrics.show(b.world(b.version(status=running()), jobs=(b.running_job(),)))
    run_metrics.show_queue(1, [Waiting("ScheduleBusy", "")])
    run_metrics.stand_back()
    assert sample("eagle_run_admitted_timestamp_seconds", **SCHEDULE) is None
    assert sample("eagle_active_runs", state="running") == 0.0
    assert sample("eagle_run_queue_depth", reason="ScheduleBusy") == 0.0


def test_the_heartbeat_of_an_earlier_attempt_is_none() -> None:
    old = Progress(step="Train", percent=50, updated_time=b.SLOT - timedelta(hours=1))
    run_metrics.show(b.world(b.version(status=running().model_copy(update={"progress": old}))))
    assert sample("eagle_run_heartbeat_timestamp_seconds", **SCHEDULE) is None


def test_of_several_that_wait_the_oldest_is_shown() -> None:
    waiting = [queued(queued_time=b.SLOT + timedelta(seconds=after)) for after in (30, 10, 20)]
    versions = [b.version(f"{b.NAME}-m-{n}", status, trigger="Manual") for n, status in enumerate(waiting)]
    run_metrics.show(b.world(*versions))
    assert sample("eagle_run_queued_timestamp_seconds", **SCHEDULE) == b.SLOT.timestamp() + 10


def test_the_series_of_a_schedule_go_with_it() -> None:
    accepted(running(), ended("Completed", state="Succeeded"))
    accepted(running(), ended("OutOfMemory", state="WaitingToRetry"))
    run_metrics.show(b.world(b.version(status=running()), b.version(f"{b.NAME}-m-1", queued(), trigger="Manual")))
    run_metrics.forget(b.NAMESPACE, b.NAME)
    left = [
        found for family in REGISTRY.collect() for found in family.samples if found.labels.get("schedule") == b.NAME
    ]
    assert left == []


def test_no_series_bears_the_name_of_a_run() -> None:
    version = accepted(running(), ended("Completed", state="Succeeded"))
    run_metrics.show(b.world(b.version(status=running())))
    values = {v for family in REGISTRY.collect() for found in family.samples for v in found.labels.values()}
    assert version.meta.name not in values


def test_the_queue_is_shown_by_reason_and_a_reason_that_is_over_is_zero() -> None:
    waits = [Waiting("WaitingForSlot", "1"), Waiting("WaitingForSlot", "2"), Waiting("OrganizationLimit", "")]
    run_metrics.show_queue(2, waits)
    assert (sample("eagle_active_runs", state="running"), sample("eagle_active_runs", state="waiting")) == (2, 3)
    assert sample("eagle_run_queue_depth", reason="WaitingForSlot") == 2
    run_metrics.show_queue(0, [])
    assert sample("eagle_run_queue_depth", reason="WaitingForSlot") == 0
    assert sample("eagle_active_runs", state="waiting") == 0
