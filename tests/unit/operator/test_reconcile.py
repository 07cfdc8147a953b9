"""What comes after a look that failed."""

import asyncio

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw
from tests.unit.operator.answers import SETTINGS, Answers

from eagle_operator.cluster import BusyError, ConflictError, TransientError
from eagle_operator.domain.writes import Write
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Reconciler
from eagle_operator.workqueue import WorkQueue

KEY = (b.NAMESPACE, b.NAME)
FAILURES = 3


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (ConflictError("changed meanwhile"), "_AFTER_CONFLICT_SECONDS"),
        (TransientError("503"), "_AFTER_TROUBLE_SECONDS"),
    ],
    ids=["a conflict", "trouble"],
)
async def test_what_may_go_better_next_time_is_tried_again_soon_however_often_it_failed(
    error: TransientError, pause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"eagle_operator.reconcile.{pause}", 0.01)
    queue: WorkQueue[Key] = WorkQueue(first_delay=600.0)
    mirror = Mirror()
    cluster = Answers(mirror)
    reconciler = Reconciler(mirror, cluster, queue, SETTINGS, Admission(mirror, cluster, queue, SETTINGS))
    looks = 0
    went_well = asyncio.Event()

    async def look(key: Key) -> None:
        nonlocal looks
        looks += 1
        if looks <= FAILURES:
            raise error
        went_well.set()

    queue.add(KEY)
    work = asyncio.create_task(queue.work(look, reconciler.failed))
    async with asyncio.timeout(10):
        await went_well.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


@pytest.mark.parametrize(("busy", "looks_wanted"), [(2, 1), (3, 2)], ids=["at once again", "with the next look"])
async def test_a_write_for_which_the_api_server_was_too_busy_is_tried_again_at_once(
    busy: int, looks_wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eagle_operator.reconcile._BUSY_PAUSES_SECONDS", (0.0, 0.0))
    mirror = Mirror()
    mirror.remember("Namespace", raw.namespace())
    mirror.remember("TrainingSchedule", raw.schedule(uid=b.SCHEDULE_UID))
    tries: list[Write] = []
    looks, went_well_in_look = 0, asyncio.get_running_loop().create_future()

    class Busy(Answers):
        async def write(self, write: Write) -> None:
            tries.append(write)
            if len(tries) <= busy:
                raise BusyError("503")
            if not went_well_in_look.done():
                went_well_in_look.set_result(looks)

    cluster = Busy(mirror)
    queue: WorkQueue[Key] = WorkQueue(first_delay=0.001)
    reconciler = Reconciler(mirror, cluster, queue, SETTINGS, Admission(mirror, cluster, queue, SETTINGS))

    async def look(key: Key) -> None:
        nonlocal looks
        looks += 1
        await reconciler.reconcile(key)

    queue.add(KEY)
    work = asyncio.create_task(queue.work(look, reconciler.failed))
    async with asyncio.timeout(10):
        assert await went_well_in_look == looks_wanted
    assert {type(write) for write in tries[: busy + 1]} == {type(tries[0])}
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
