"""The safety net: which schedules are looked at after the cluster was listed anew."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from tests.unit.operator import raw

from eagle_operator.cluster import Cluster
from eagle_operator.mirror import KINDS, Key, Mirror
from eagle_operator.reconcile import Resync
from eagle_operator.workqueue import WorkQueue

SCHEDULES = [f"line-{number}" for number in range(40)]


class Lists(Cluster):
    """An API server that is only listed."""

    def __init__(self) -> None:
        self.objects: dict[str, list[raw.Raw]] = {kind: [] for kind in KINDS}
        self.version = 100
        self.fails_at: str | None = None
        self.listed: list[str] = []

    async def list_all(self, kind: str, label: str | None, take: Callable[[raw.Raw], None]) -> str:
        self.listed.append(kind)
        for made in self.objects[kind]:
            take(made)
        if kind == self.fails_at:
            self.fails_at = None
            raise ConnectionError(f"no more of the list of {kind}")
        return str(self.version)


@pytest.fixture
def server() -> Lists:
    server = Lists()
    server.objects["Namespace"] = [raw.namespace()]
    server.objects["TrainingSchedule"] = [raw.schedule(name=name) for name in SCHEDULES]
    return server


@pytest.fixture
def queue() -> WorkQueue[Key]:
    return WorkQueue()


@contextlib.asynccontextmanager
async def listing(server: Lists, queue: WorkQueue[Key], every: float = 3600) -> AsyncIterator[Resync]:
    """At work, and the first picture is complete."""
    resync = Resync(Mirror(), server, queue, {}, calm_seconds=0.05)
    work = asyncio.create_task(resync.run(every))
    try:
        async with asyncio.timeout(5):
            await resync.complete.wait()
            yield resync
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def looked_at(queue: WorkQueue[Key], *, until: int = 1) -> list[str]:
    """The schedules that wait to be looked at, once there are so many, in their order; then they are looked at."""
    while len(queue) < until:
        await asyncio.sleep(0.001)
    seen: list[str] = []

    async def look(key: Key) -> None:
        seen.append(key[1])

    work = asyncio.create_task(queue.work(look, lambda *_: False))
    while len(queue):
        await asyncio.sleep(0.001)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return seen


async def test_at_first_every_schedule_is_looked_at(server: Lists, queue: WorkQueue[Key]) -> None:
    async with listing(server, queue):
        assert set(await looked_at(queue)) == set(SCHEDULES)


async def test_schedules_of_which_a_run_is_under_way_are_looked_at_first(server: Lists, queue: WorkQueue[Key]) -> None:
    busy = {"Queued": SCHEDULES[31], "Running": SCHEDULES[17]}
    server.objects["ModelVersion"] = [
        *(raw.model_version(f"{state}-run", state=state, scheduleName=name) for state, name in busy.items()),
        raw.model_version("new", scheduleName=SCHEDULES[25]),
        raw.model_version("ended", state="Failed", scheduleName=SCHEDULES[3]),
    ]
    async with listing(server, queue):
        order = await looked_at(queue, until=len(SCHEDULES))
    assert set(order[:3]) == {*busy.values(), SCHEDULES[25]}


async def test_later_a_schedule_is_looked_at_of_which_a_list_shows_something_new(
    server: Lists, queue: WorkQueue[Key]
) -> None:
    async with listing(server, queue) as resync:
        await looked_at(queue)
        server.objects["TrainingSchedule"][7] = raw.schedule(9, name=SCHEDULES[7])
        resync.want("TrainingSchedule")
        seen = await looked_at(queue)
    assert SCHEDULES[7] in seen
    assert len(seen) < len(SCHEDULES) / 2


@pytest.mark.parametrize("fails", ["TrainingSchedule", "Service"], ids=["that list breaks off", "the next list fails"])
async def test_a_change_that_a_list_showed_is_not_forgotten(server: Lists, queue: WorkQueue[Key], fails: str) -> None:
    async with listing(server, queue) as resync:
        await looked_at(queue)
        server.objects["TrainingSchedule"][7] = raw.schedule(9, name=SCHEDULES[7])
        server.fails_at = fails
        resync.want("TrainingSchedule")
        resync.want(fails)
        assert SCHEDULES[7] in await looked_at(queue)


async def test_a_start_whose_list_of_a_kind_fails_does_not_list_the_others_again(
    server: Lists, queue: WorkQueue[Key]
) -> None:
    server.fails_at = KINDS[3]
    async with listing(server, queue):
        assert server.listed == [*KINDS[:4], *KINDS[3:]]


async def test_a_kind_that_kopf_tells_of_object_by_object_is_listed_once_after_the_last(
    server: Lists, queue: WorkQueue[Key]
) -> None:
    async with listing(server, queue) as resync:
        await looked_at(queue)
        began = len(server.listed)
        for _ in range(50):
            resync.want("ModelVersion")
            await asyncio.sleep(0.002)
        server.objects["ModelVersion"] = [raw.model_version("told-last", scheduleName=SCHEDULES[7])]
        resync.want("ModelVersion")
        assert SCHEDULES[7] in await looked_at(queue)
    assert server.listed[began:] == ["ModelVersion"]


async def test_a_change_of_a_namespace_concerns_every_schedule(server: Lists, queue: WorkQueue[Key]) -> None:
    async with listing(server, queue) as resync:
        await looked_at(queue)
        server.objects["Namespace"] = [raw.namespace("another", 9)]
        resync.want("Namespace")
        assert set(await looked_at(queue)) == set(SCHEDULES)


async def test_though_nothing_changes_every_schedule_is_looked_at_within_twelve_lists(
    server: Lists, queue: WorkQueue[Key]
) -> None:
    async with listing(server, queue, every=0.02):
        await looked_at(queue)
        began = len(server.listed)
        while len(server.listed) < began + 13 * len(KINDS):
            await asyncio.sleep(0.001)
        seen = await looked_at(queue)
    assert set(seen) == set(SCHEDULES)


async def test_a_kind_that_is_wanted_again_and_again_does_not_keep_the_others_from_being_listed(
    server: Lists, queue: WorkQueue[Key]
) -> None:
    async with listing(server, queue, every=0.5) as resync:
        began = len(server.listed)
        while "Service" not in server.listed[began:]:
            resync.want("Job")
            await asyncio.sleep(0.01)
