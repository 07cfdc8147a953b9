"""What comes after a look that failed."""

import asyncio

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.answers import SETTINGS, Answers

from eagle_operator.cluster import ConflictError, TransientError
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
