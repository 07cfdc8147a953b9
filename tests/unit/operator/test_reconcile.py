"""What comes after a look that failed."""

import asyncio

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.answers import SETTINGS, Answers

from eagle_operator.cluster import ConflictError
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission, Reconciler
from eagle_operator.workqueue import WorkQueue

KEY = (b.NAMESPACE, b.NAME)
CONFLICTS = 3


async def test_a_conflict_is_tried_again_soon_however_many_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eagle_operator.reconcile._AFTER_CONFLICT_SECONDS", 0.01)
    queue: WorkQueue[Key] = WorkQueue(first_delay=600.0)
    mirror = Mirror()
    cluster = Answers(mirror)
    reconciler = Reconciler(mirror, cluster, queue, SETTINGS, Admission(mirror, cluster, queue, SETTINGS))
    looks = 0
    went_well = asyncio.Event()

    async def look(key: Key) -> None:
        nonlocal looks
        looks += 1
        if looks <= CONFLICTS:
            raise ConflictError("changed meanwhile")
        went_well.set()

    queue.add(KEY)
    work = asyncio.create_task(queue.work(look, reconciler.failed))
    async with asyncio.timeout(10):
        await went_well.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
