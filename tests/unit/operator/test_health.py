"""Liveness: what fails the probe, what does not, and that the probe is always answered."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.support.ports import free_port

from eagle_operator.activity import Activity
from eagle_operator.health import HealthServer, Vitals, complaints


@pytest.mark.parametrize(
    ("vitals", "told"),
    [
        (Vitals(dead_tasks=("admission",)), "ended: admission"),
        (Vitals(longest_look=601, looked_at="org-acme/press"), "it looks at org-acme/press for 601 s"),
        (Vitals(stuck_for=301), "the queue is stuck"),
        (Vitals(admission_pass=301), "admission is stuck"),
        (Vitals(not_listed_for=901), "listing is stuck"),
        (Vitals(not_listed_for=181, resync_period=1), "listing is stuck"),
        (Vitals(stale_watches=("Job",)), "changes of kind Job do not arrive"),
    ],
)
def test_each_part_that_is_stuck_is_told(vitals: Vitals, told: str) -> None:
    (found,) = complaints(vitals)
    assert told in found


@pytest.mark.parametrize(
    "vitals",
    [
        Vitals(),
        Vitals(longest_look=600, stuck_for=300, admission_pass=300, not_listed_for=900),
        Vitals(not_listed_for=120, resync_period=1),
    ],
    ids=["nothing happens", "slow", "waits to list again"],
)
def test_what_is_slow_is_alive(vitals: Vitals) -> None:
    assert complaints(vitals) == []


def test_all_that_is_stuck_is_told_at_once() -> None:
    assert len(complaints(Vitals(dead_tasks=("lease",), stuck_for=301, stale_watches=("Job", "Pod")))) == 4


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_activity_knows_the_turn_that_lasts_longest() -> None:
    clock, durations = Clock(), list[float]()
    activity = Activity(durations.append, clock)
    clock.now += 50
    assert (activity.busy_for, activity.quiet_for) == (0.0, 50.0)
    with activity:
        clock.now += 10
        with activity:
            clock.now += 5
            assert (activity.busy_for, activity.quiet_for) == (15.0, 5.0)
    assert activity.busy_for == 0.0
    clock.now += 3
    assert activity.quiet_for == 3.0
    assert len(durations) == 2


def test_a_turn_that_fails_has_ended_none_the_less() -> None:
    clock = Clock()
    activity = Activity(clock=clock)
    with pytest.raises(ValueError, match="no"), activity:
        raise ValueError("no")
    clock.now += 1
    assert (activity.busy_for, activity.quiet_for) == (0.0, 1.0)


class Patient:
    """Somebody whose health is asked for."""

    def __init__(self) -> None:
        self.well = True

    def liveness(self) -> tuple[bool, list[str]]:
        return self.well, ["leading"] if self.well else ["ended: lease", "a watch is stale"]


@pytest.fixture
def patient() -> Patient:
    return Patient()


@pytest.fixture
async def ask(patient: Patient) -> AsyncIterator[httpx.AsyncClient]:
    address = f"http://127.0.0.1:{free_port()}"
    server = HealthServer(address, {"/healthz": patient.liveness})
    await server.start()
    async with httpx.AsyncClient(base_url=address) as client:
        yield client
    await server.stop()


async def test_the_probe_is_told_that_all_is_well(ask: httpx.AsyncClient) -> None:
    answer = await ask.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "leading\n")


async def test_the_probe_is_told_every_reason_why_not_at_once(ask: httpx.AsyncClient, patient: Patient) -> None:
    patient.well = False
    answer = await asyncio.wait_for(ask.get("/healthz"), 1)
    assert (answer.status_code, answer.text) == (500, "ended: lease\na watch is stale\n")
    patient.well = True
    assert (await ask.get("/healthz?verbose")).status_code == 200


async def test_other_pages_and_other_methods_are_refused(ask: httpx.AsyncClient) -> None:
    assert (await ask.get("/")).status_code == 404
    assert (await ask.post("/healthz")).status_code == 405
    assert (await ask.head("/healthz")).status_code == 200


async def test_a_caller_that_says_nothing_or_nonsense_keeps_nobody_else_from_an_answer(
    ask: httpx.AsyncClient,
) -> None:
    host, port = str(ask.base_url.host), ask.base_url.port
    silent = await asyncio.open_connection(host, port)
    for nonsense in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\xff\xfe http\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"a" * 20_000,
    ):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(nonsense)
        writer.write_eof()
        await reader.read()
        writer.close()
    assert (await ask.get("/healthz")).status_code == 200
    silent[1].close()


async def test_a_port_that_is_taken_is_told(patient: Patient) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    first, second = (HealthServer(address, {"/healthz": patient.liveness}) for _ in range(2))
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await first.stop()
