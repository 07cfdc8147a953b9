"""Who of several operators works, on a real API server: one at a time, always, and the next one soon.

The Leases last 3 s here instead of 30; all their other times follow from that.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from lightkube import KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import unique
from tests.support.private_api_server import private_api_server

from eagle_operator.connection import Connection, below, client_over
from eagle_operator.lease import LEASE_NAME, Lease, Times

TIMES = Times(3)


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with private_api_server(tmp_path_factory.mktemp("lease")) as config:
        yield config


@pytest.fixture
def config(kubeconfig: Path) -> SingleConfig:
    found = KubeConfig.from_file(kubeconfig).get()
    assert found is not None
    return found


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[Api]:
    with Api.administrator(kubeconfig) as api:
        yield api


@pytest.fixture
def namespace(api: Api) -> str:
    name = unique("lease")
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


class Wire(httpx2.AsyncBaseTransport):
    """What lies between an operator and the API server; a test may cut it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.cut = False
        self.loses_answers = False
        self.refuses = False
        self.writes = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.cut:
            raise httpx2.ConnectError("cut", request=request)
        if self.refuses:
            no = {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no"}
            return httpx2.Response(403, json=no, request=request)
        self.writes += request.method != "GET"
        response = await self.inner.handle_async_request(request)
        if self.loses_answers and request.method != "GET":
            raise httpx2.ReadError("lost", request=request)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class Candidate:
    """One operator's part in the election, and what lies between it and the API server."""

    lease: Lease
    wire: Wire
    task: asyncio.Task[None]

    async def dies(self) -> None:
        """Without a word."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


Stand = Callable[[str], Candidate]


@pytest.fixture
async def stand(config: SingleConfig, namespace: str) -> AsyncIterator[Stand]:
    """Makes an operator of that identity stand for the Lease."""
    made: list[tuple[Candidate, Any]] = []

    def stand(identity: str) -> Candidate:
        wire = Wire(below(config))
        seconds = TIMES.renew_every
        connection = Connection(
            wire, may_write=lambda: True, heard=lambda _: None, write_seconds=seconds, read_seconds=seconds
        )
        client = client_over(connection, config)
        lease = Lease(client, namespace, identity, times=TIMES)
        candidate = Candidate(lease, wire, asyncio.create_task(lease.run()))
        made.append((candidate, client))
        return candidate

    yield stand
    for candidate, client in made:
        await candidate.dies()
        await client.close()
    await _all_is_closed()


async def _all_is_closed() -> None:
    """A request that was given up takes leave of the API server politely, which the loop must live to see."""
    known = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        while any(transport._sock for transport in list(known.values())):
            await asyncio.sleep(0.01)


def named(namespace: str) -> Object:
    metadata = {"name": LEASE_NAME, "namespace": namespace}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}


@asynccontextmanager
async def never_two(*candidates: Candidate) -> AsyncIterator[None]:
    """Fails if two of them hold the Lease at any moment of the context."""
    together: list[float] = []

    async def watch() -> None:
        while True:
            if sum(candidate.lease.held() for candidate in candidates) > 1:
                together.append(time.monotonic())
            await asyncio.sleep(0.002)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
    assert not together


async def test_the_first_takes_the_lease_at_once_and_keeps_it_by_one_write_per_period(
    stand: Stand, api: Api, namespace: str
) -> None:
    one = stand("one")
    await asyncio.wait_for(one.lease.gained(), 1)
    record = api.get(named(namespace))["spec"]
    assert (record["holderIdentity"], record["leaseDurationSeconds"], record["leaseTransitions"]) == ("one", 3, 0)
    before, since = one.wire.writes, time.monotonic()
    while time.monotonic() - since < 2 * TIMES.duration:
        assert one.lease.held()
        await asyncio.sleep(0.05)
    assert one.wire.writes - before <= 2 * TIMES.duration / TIMES.renew_every + 1
    assert api.get(named(namespace))["spec"]["acquireTime"] == record["acquireTime"]
    assert api.get(named(namespace))["spec"]["renewTime"] > record["renewTime"]


async def test_the_second_stands_by_without_writing_and_takes_over_when_the_first_has_died(
    stand: Stand, api: Api, namespace: str
) -> None:
    one = stand("one")
    await one.lease.gained()
    two = stand("two")
    async with never_two(one, two):
        await two.lease.looked.wait()
        await asyncio.sleep(1.5 * TIMES.duration)
        assert one.lease.held()
        assert (two.wire.writes, two.lease.holder) == (0, "one")
        await one.dies()
        died = time.monotonic()
        await asyncio.wait_for(two.lease.gained(), 2 * TIMES.duration)
        assert time.monotonic() - died >= TIMES.writes_for
    record = api.get(named(namespace))["spec"]
    assert (record["holderIdentity"], record["leaseTransitions"]) == ("two", 1)


async def test_a_released_lease_is_taken_at_once(stand: Stand, api: Api, namespace: str) -> None:
    one = stand("one")
    await one.lease.gained()
    two = stand("two")
    async with never_two(one, two):
        await two.lease.looked.wait()
        await one.dies()
        await one.lease.release()
        assert not one.lease.held()
        await asyncio.wait_for(two.lease.gained(), TIMES.look_every[1] + 0.5)


async def test_who_is_started_again_after_a_crash_takes_its_own_lease_at_once(stand: Stand) -> None:
    one = stand("one")
    await one.lease.gained()
    await one.dies()
    again = stand("one")
    await asyncio.wait_for(again.lease.gained(), 1)


async def test_of_two_of_one_name_the_newer_works_and_the_older_stands_by(stand: Stand) -> None:
    older = stand("one")
    await older.lease.gained()
    newer = stand("one")
    await newer.lease.gained()
    await asyncio.wait_for(older.lease.lost(), TIMES.duration)
    async with never_two(older, newer):
        await asyncio.sleep(1.5 * TIMES.duration)
        assert newer.lease.held()


async def test_a_holder_that_is_cut_off_stops_before_another_begins(stand: Stand) -> None:
    one = stand("one")
    await one.lease.gained()
    two = stand("two")
    await two.lease.looked.wait()
    one.wire.cut = True
    cut = time.monotonic()
    async with never_two(one, two):
        await asyncio.wait_for(one.lease.lost(), TIMES.duration)
        stopped = time.monotonic()
        assert stopped - cut <= TIMES.writes_for + 0.5
        await asyncio.wait_for(two.lease.gained(), 2 * TIMES.duration)
        # The longest write that was begun in the last moment ends before the other one's first.
        assert time.monotonic() - stopped >= TIMES.longest_write
        one.wire.cut = False
        await asyncio.sleep(1.5 * TIMES.duration)
        assert two.lease.held()


async def test_a_holder_that_was_cut_off_goes_on_when_nobody_took_its_place(stand: Stand) -> None:
    one = stand("one")
    await one.lease.gained()
    one.wire.cut = True
    await asyncio.wait_for(one.lease.lost(), TIMES.duration)
    assert not one.lease.held()
    one.wire.cut = False
    await asyncio.wait_for(one.lease.gained(), TIMES.duration)


async def test_a_renewal_whose_answer_is_lost_now_and_then_costs_the_holder_nothing(stand: Stand) -> None:
    one = stand("one")
    await one.lease.gained()
    for _ in range(4):
        one.wire.loses_answers = not one.wire.loses_answers
        await asyncio.sleep(TIMES.renew_every)
        assert one.lease.held()


async def test_a_deleted_lease_is_no_invitation_while_its_holder_may_still_write(
    stand: Stand, api: Api, namespace: str
) -> None:
    one = stand("one")
    await one.lease.gained()
    two = stand("two")
    await two.lease.looked.wait()
    one.wire.cut = True
    async with never_two(one, two):
        api.delete(named(namespace))
        await asyncio.wait_for(two.lease.gained(), 2 * TIMES.duration)


async def test_a_holder_makes_a_deleted_lease_anew(stand: Stand, api: Api, namespace: str) -> None:
    one = stand("one")
    await one.lease.gained()
    api.delete(named(namespace))
    async with asyncio.timeout(TIMES.duration):
        while True:
            assert one.lease.held()
            try:
                assert api.get(named(namespace))["spec"]["holderIdentity"] == "one"
                break
            except RefusedError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": "gone", "leaseDurationSeconds": 1}], ids=str)
async def test_a_lease_that_somebody_left_is_taken(stand: Stand, api: Api, namespace: str, spec: Object | None) -> None:
    api.create({**named(namespace), **({} if spec is None else {"spec": spec})})
    one = stand("one")
    await asyncio.wait_for(one.lease.gained(), TIMES.duration)
    assert api.get(named(namespace))["spec"]["holderIdentity"] == "one"


async def test_who_may_not_use_leases_waits_until_it_may(stand: Stand) -> None:
    one = stand("one")
    one.wire.refuses = True
    await one.lease.looked.wait()
    await asyncio.sleep(TIMES.try_again_after)
    assert not one.lease.held()
    assert not one.task.done()
    one.wire.refuses = False
    await asyncio.wait_for(one.lease.gained(), TIMES.duration)
