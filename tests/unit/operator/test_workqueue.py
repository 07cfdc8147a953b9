"""The queue: each key once, never two workers on one key, failures later and later."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

from eagle_operator.workqueue import WorkQueue

Handle = Callable[[str], Awaitable[None]]


def again(_: str, error: Exception) -> bool:
    return True


@asynccontextmanager
async def working(
    queue: WorkQueue[str], handle: Handle, workers: int = 1, failed: object = again
) -> AsyncIterator[None]:
    """Workers on the queue while the context lasts."""
    tasks = [asyncio.create_task(queue.work(handle, failed)) for _ in range(workers)]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_key_that_waits_is_not_added_twice() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)

    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert len(queue) == 2
    async with working(queue, handle):
        await until(lambda: len(seen) == 2)
    assert seen == ["a", "b"]


async def test_keys_of_low_priority_come_after_all_others_however_long_they_wait() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)
        if key == "c":
            queue.add("d")

    for key in ("a", "b", "e"):
        queue.add(key, low_priority=True)
    queue.add("c")
    queue.add("b")
    queue.add("c", low_priority=True)
    async with working(queue, handle):
        await until(lambda: len(seen) == 5)
    assert seen == ["c", "b", "d", "a", "e"]
    assert len(queue) == 0


async def test_what_is_added_while_it_is_worked_on_keeps_the_higher_of_its_priorities() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)
        if seen == ["a"]:
            queue.add("b", low_priority=True)
            queue.add("a")
            queue.add("a", low_priority=True)

    queue.add("a", low_priority=True)
    async with working(queue, handle):
        await until(lambda: len(seen) == 3)
    assert seen == ["a", "a", "b"]


async def test_a_key_that_became_urgent_while_nobody_might_begin_is_worked_on_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    turn = asyncio.Event()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)
        await asyncio.sleep(0)

    workers = [asyncio.create_task(queue.work(handle, again, turn)) for _ in range(2)]
    queue.add("a", low_priority=True)
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b", low_priority=True)
    await asyncio.sleep(0)
    turn.set()
    await until(lambda: len(seen) >= 2 and len(queue) == 0)
    await queue.idle()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(seen) == ["a", "b"]


async def test_no_two_workers_are_on_one_key_and_none_of_its_events_is_lost() -> None:
    queue: WorkQueue[str] = WorkQueue()
    at_work: Counter[str] = Counter()
    most, looks = 0, 0
    gate = asyncio.Event()

    async def handle(key: str) -> None:
        nonlocal most, looks
        at_work[key] += 1
        most, looks = max(most, at_work[key]), looks + 1
        await gate.wait()
        at_work[key] -= 1

    async with working(queue, handle, workers=4):
        queue.add("a")
        await until(lambda: at_work["a"] == 1)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(0)
        gate.set()
        await until(lambda: looks == 2)
    assert most == 1


async def test_other_keys_go_on_while_one_is_slow() -> None:
    queue: WorkQueue[str] = WorkQueue()
    done: list[str] = []

    async def handle(key: str) -> None:
        if key == "slow":
            await asyncio.Event().wait()
        done.append(key)

    async with working(queue, handle, workers=2):
        for key in ("slow", "a", "b"):
            queue.add(key)
        await until(lambda: done == ["a", "b"])


async def test_a_failure_is_tried_again_after_growing_pauses_until_it_goes_well() -> None:
    queue: WorkQueue[str] = WorkQueue(first_delay=0.01, longest_delay=0.03)
    loop = asyncio.get_running_loop()
    moments: list[float] = []
    told: list[str] = []

    async def handle(key: str) -> None:
        moments.append(loop.time())
        if len(moments) <= 4:
            raise ValueError(str(len(moments)))

    def failed(key: str, error: Exception) -> bool:
        told.append(str(error))
        return True

    async with working(queue, handle, failed=failed):
        queue.add("a")
        await until(lambda: len(moments) == 5)
        pauses = [after - before for before, after in pairwise(moments)]
        assert all(pause >= least for pause, least in zip(pauses, [0.01, 0.02, 0.03, 0.03], strict=True))
    assert told == ["1", "2", "3", "4"]


async def test_what_is_forgotten_makes_no_pause_longer() -> None:
    queue: WorkQueue[str] = WorkQueue(first_delay=0.001, longest_delay=600)
    looks = 0

    async def handle(key: str) -> None:
        nonlocal looks
        looks += 1
        queue.forget(key)
        raise ValueError(str(looks))

    async with working(queue, handle):
        queue.add("a")
        await until(lambda: looks == 15)


async def test_after_success_the_pauses_begin_anew() -> None:
    queue: WorkQueue[str] = WorkQueue(first_delay=0.01, longest_delay=60)
    outcomes = iter([False, False, True, False, True])
    looks = 0

    async def handle(key: str) -> None:
        nonlocal looks
        looks += 1
        good = next(outcomes)
        if good and looks < 5:
            queue.add(key)
        if not good:
            raise ValueError

    async with working(queue, handle):
        queue.add("a")
        await until(lambda: looks == 5)


async def test_a_failure_that_is_not_worth_it_is_not_tried_again() -> None:
    queue: WorkQueue[str] = WorkQueue(first_delay=0.0)
    looks: list[str] = []

    async def handle(key: str) -> None:
        looks.append(key)
        if key == "a":
            raise ValueError

    async with working(queue, handle, failed=lambda key, error: False):
        queue.add("a")
        queue.add("b")
        await until(lambda: looks == ["a", "b"])
        await asyncio.sleep(0.02)
    assert looks == ["a", "b"]


async def test_no_key_is_begun_while_it_is_not_our_turn_and_none_is_lost() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []
    turn = asyncio.Event()

    async def handle(key: str) -> None:
        seen.append(key)

    tasks = [asyncio.create_task(queue.work(handle, again, turn)) for _ in range(2)]
    for key in ("a", "b", "c", "a"):
        queue.add(key)
    await asyncio.sleep(0.02)
    assert (seen, len(queue)) == ([], 3)
    turn.set()
    await until(lambda: sorted(seen) == ["a", "b", "c"])
    turn.clear()
    queue.add("d")
    await asyncio.sleep(0.02)
    assert (len(seen), len(queue)) == (3, 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_is_idle_once_the_last_key_that_was_begun_is_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    gate = asyncio.Event()

    async def handle(key: str) -> None:
        await gate.wait()

    await queue.idle()
    async with working(queue, handle, workers=2):
        queue.add("a")
        queue.add("b")
        await until(lambda: len(queue) == 0)
        idle = asyncio.create_task(queue.idle())
        await asyncio.sleep(0.02)
        assert not idle.done()
        gate.set()
        await asyncio.wait_for(idle, 5)


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_it_knows_the_key_that_a_worker_is_at_for_longest() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock=clock)
    gate = asyncio.Event()

    async def handle(key: str) -> None:
        await gate.wait()

    assert queue.longest() == (None, 0.0)
    async with working(queue, handle, workers=2):
        queue.add("a")
        await until(lambda: queue.longest()[0] == "a")
        clock.now += 20
        queue.add("b")
        await until(lambda: len(queue) == 0)
        clock.now += 10
        assert queue.longest() == ("a", 30.0)
        assert queue.unfinished() == 40.0
        gate.set()
        await queue.idle()
        assert queue.longest() == (None, 0.0)


async def test_it_is_stuck_when_keys_wait_and_none_is_finished_not_when_each_fails() -> None:
    clock = Clock()
    queue: WorkQueue[str] = WorkQueue(clock=clock)
    step = asyncio.Event()
    fails = 0

    async def handle(key: str) -> None:
        nonlocal fails
        await step.wait()
        step.clear()
        fails += 1
        raise ValueError

    assert queue.stuck_for(0.0) == 0.0
    async with working(queue, handle, failed=lambda key, error: False):
        for key in ("a", "b", "c"):
            queue.add(key)
        await until(lambda: len(queue) == 2)
        clock.now += 200
        assert queue.stuck_for(0.0) == 200.0
        assert queue.stuck_for(clock.now - 50) == 50.0
        step.set()
        await until(lambda: fails == 1)
        assert queue.stuck_for(0.0) == 0.0


class Counted:
    """What an observer is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def added(self) -> None:
        self.told.append(("added", 0))

    def retried(self) -> None:
        self.told.append(("retried", 0))

    def begun(self, waited: float) -> None:
        self.told.append(("begun", waited))

    def finished(self, worked: float) -> None:
        self.told.append(("finished", worked))


async def test_an_observer_is_told_how_long_keys_waited_and_were_worked_on() -> None:
    clock, observer = Clock(), Counted()
    queue: WorkQueue[str] = WorkQueue(first_delay=0.0, observer=observer, clock=clock)
    outcomes = iter([False, True])

    async def handle(key: str) -> None:
        clock.now += 3
        if not next(outcomes):
            raise ValueError

    queue.add("a")
    queue.add("a")
    clock.now += 2
    async with working(queue, handle):
        await until(lambda: len(observer.told) == 7)
    assert observer.told == [
        ("added", 0),
        ("begun", 2.0),
        ("retried", 0),
        ("finished", 3.0),
        ("added", 0),
        ("begun", 0.0),
        ("finished", 3.0),
    ]


async def test_of_several_times_for_a_key_the_earliest_counts_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)

    async with working(queue, handle):
        queue.add_after("a", 3600)
        queue.add_after("a", 0.02)
        queue.add_after("a", 0.04)
        queue.add_after("b", 0.06)
        await until(lambda: "b" in seen)
    assert seen == ["a", "b"]


async def test_a_time_that_has_passed_is_now() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)

    async with working(queue, handle):
        queue.add_after("a", -5)
        await until(lambda: seen == ["a"])
        queue.add_after("a", 0)
        await until(lambda: seen == ["a", "a"])


async def test_keys_come_in_the_order_of_their_times() -> None:
    queue: WorkQueue[str] = WorkQueue()
    seen: list[str] = []

    async def handle(key: str) -> None:
        seen.append(key)

    async with working(queue, handle):
        for key, seconds in (("late", 0.06), ("early", 0.01), ("middle", 0.03)):
            queue.add_after(key, seconds)
        await until(lambda: len(seen) == 3)
    assert seen == ["early", "middle", "late"]
