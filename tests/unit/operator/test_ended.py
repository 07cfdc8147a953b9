"""The order to stop reaches every task, also one in which a cancellation got lost."""

import asyncio
import contextlib

from eagle_operator.process import ended


async def test_a_task_that_lost_a_cancellation_is_ended_all_the_same() -> None:
    lost = asyncio.Event()

    async def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended([task], cancel_every_seconds=0.01)
    assert lost.is_set()
    assert task.cancelled()


async def test_tasks_that_are_over_or_broken_are_waited_for_once() -> None:
    async def breaks() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(breaks())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended([task])
        await ended([])
    assert isinstance(task.exception(), ValueError)
