"""A rollout completes in the same look in which the timetable has changed: neither may undo the other."""

from dataclasses import replace

from tests.unit.operator import builders as b
from tests.unit.operator.test_service import NEW, a_world, decided, new, old

from eagle_contract.api import TrainingScheduleStatus
from eagle_operator.domain.writes import SetScheduleStatus, SetVersionStatus

OTHER_TIMETABLE = TrainingScheduleStatus(clock="5 5 * * * Etc/UTC")


def test_a_version_is_not_said_to_serve_before_the_schedules_status_says_so() -> None:
    due = decided(a_world(new(), status=OTHER_TIMETABLE, deployment=b.deployment("b")))

    (status,) = (write.status for write in due.writes if isinstance(write, SetScheduleStatus))
    assert status.active_version is None
    assert not [write for write in due.writes if isinstance(write, SetVersionStatus)]


def test_a_version_that_is_said_to_serve_while_nothing_does_goes_into_service() -> None:
    said = new(serving=("True", "Promoted"))
    due = decided(a_world(said, deployment=b.deployment("b")))

    (status,) = (write.status for write in due.writes if isinstance(write, SetScheduleStatus))
    assert status.active_version is not None
    assert status.active_version.name == NEW


def test_when_the_schedules_status_was_lost_the_version_that_served_last_serves_again() -> None:
    serving, before = new(serving=("True", "Promoted")), old(serving=("False", "Superseded"))
    due = decided(a_world(before, serving, deployment=replace(b.deployment("b"))))

    (status,) = (write.status for write in due.writes if isinstance(write, SetScheduleStatus))
    assert status.active_version is not None
    assert status.active_version.name == NEW
