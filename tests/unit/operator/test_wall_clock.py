"""Jumps of the wall clock are seen, in both directions, once; drifts are not."""

import asyncio

import pytest

from eagle_operator.wall_clock import WallClock


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000_000.0, 50.0
        self.jumps: list[float] = []
        self.watched = WallClock(self.jumps.append, lambda: self.wall, lambda: self.monotonic)

    def goes_on(self, seconds: float, *, wall: float | None = None) -> None:
        self.monotonic += seconds
        self.wall += seconds if wall is None else wall
        self.watched.compare()


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, 2.5, -2.5])
def test_a_jump_is_told_once(seconds: float) -> None:
    machine = Machine()
    machine.goes_on(1)
    machine.goes_on(1, wall=1 + seconds)
    for _ in range(10):
        machine.goes_on(1)
    assert machine.jumps == [pytest.approx(seconds)]


def test_a_machine_that_slept_is_told_as_a_jump() -> None:
    machine = Machine()
    machine.goes_on(1, wall=28_800)
    assert machine.jumps == [pytest.approx(28_799)]


def test_a_clock_that_is_slowly_put_right_is_no_jump() -> None:
    machine = Machine()
    for _ in range(10_000):
        machine.goes_on(1, wall=1.0005)
    assert machine.jumps == []


def test_a_process_that_was_stopped_for_a_while_saw_no_jump() -> None:
    machine = Machine()
    machine.goes_on(600)
    assert machine.jumps == []


async def test_it_compares_all_the_time() -> None:
    machine = Machine()
    task = asyncio.create_task(machine.watched.run())
    await asyncio.sleep(0)
    machine.wall += 60
    async with asyncio.timeout(5):
        while not machine.jumps:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert machine.jumps == [60.0]
