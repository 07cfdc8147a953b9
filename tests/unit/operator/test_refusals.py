"""What the API server refuses of a schedule is told, and keeps nothing that is under way from its end."""

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_contract.api import ModelVersionStatus
from eagle_operator.cluster import Cluster, InvalidSpecError, NameTakenError
from eagle_operator.domain.writes import Apply, Create, SetScheduleStatus, SetVersionStatus, Write
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Reconciler
from eagle_operator.settings import from_environment
from eagle_operator.workqueue import WorkQueue

SETTINGS = from_environment({"EAGLE_TRAINER_IMAGE": "t", "EAGLE_SERVING_IMAGE": "s"})
KEY = (b.NAMESPACE, b.NAME)
ENDED = {"conditions": [{"type": "Complete", "status": "True"}]}


class Refusing(Cluster):
    """An API server that refuses all that is made or applied."""

    def __init__(self, why: InvalidSpecError) -> None:
        self._why = why
        self.done: list[Write] = []

    async def write(self, write: Write) -> None:
        if isinstance(write, Apply | Create):
            raise self._why
        self.done.append(write)

    def statuses(self) -> dict[str, ModelVersionStatus]:
        return {w.version.meta.name: w.status for w in self.done if isinstance(w, SetVersionStatus)}


@pytest.fixture
def mirror() -> Mirror:
    """A run has ended, and there is no CronJob yet."""
    mirror = Mirror()
    version = raw.model_version(b.slot_name(), trigger="Schedule", scheduledTime=raw.TIME)
    known = {"clock": "0 2 * * 0 Etc/UTC", "lastScheduleTime": raw.TIME}
    owner = ("TrainingSchedule", b.SCHEDULE_UID)
    objects = {
        "Namespace": raw.namespace(),
        "TrainingSchedule": raw.schedule(uid=b.SCHEDULE_UID, status=known),
        "ModelVersion": {**version, "status": b.running(started=b.SLOT).wire()},
        "Job": raw.job(b.slot_name(), slot=raw.TIME, suspend=False, owner=owner, status=ENDED),
    }
    for kind, made in objects.items():
        mirror.remember(kind, made)
    return mirror


async def look(mirror: Mirror, cluster: Cluster) -> None:
    queue: WorkQueue[Key] = WorkQueue()
    admission = Admission(mirror, cluster, queue, SETTINGS)
    await Reconciler(mirror, cluster, queue, SETTINGS, admission, clock=lambda: b.NOW).reconcile(KEY)


@pytest.mark.parametrize(
    ("why", "reason"),
    [(InvalidSpecError("no such thing"), "InvalidSchedule"), (NameTakenError("it is theirs"), "NameConflict")],
)
async def test_an_attempt_ends_though_its_schedules_clock_is_refused(
    mirror: Mirror, why: InvalidSpecError, reason: str
) -> None:
    cluster = Refusing(why)
    await look(mirror, cluster)
    assert cluster.statuses()[b.slot_name()].state == "WaitingToRetry"
    (told,) = [w.status for w in cluster.done if isinstance(w, SetScheduleStatus)]
    assert b.conclusion(told, "Ready") == ("False", reason)
    assert b.message(told, "Ready") == str(why)
