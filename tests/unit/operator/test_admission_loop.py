"""Letting Jobs go while answers are late, lost or wrong: never more at once than the limits say, and nobody forgotten.

The API server's part is played here, because a real one cannot be made to lose an answer on demand.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw
from tests.unit.operator.answers import SETTINGS, Answers, a_job

from eagle_operator.domain.admission import Limits
from eagle_operator.domain.world import Job, Waiting
from eagle_operator.mirror import Key, Mirror
from eagle_operator.reconcile import Admission
from eagle_operator.workqueue import WorkQueue

ORGANIZATIONS = ("org-a", "org-b", "org-c")


@pytest.fixture
def mirror() -> Mirror:
    """Three organizations, each with one run that waits."""
    mirror = Mirror()
    for namespace in ORGANIZATIONS:
        order = {"trigger": "Schedule", "scheduledTime": raw.TIME}
        mirror.remember("Namespace", {"metadata": {**raw.namespace()["metadata"], "name": namespace}})
        objects = {
            "TrainingSchedule": raw.schedule(uid=b.SCHEDULE_UID),
            "CronJob": raw.cron_job(),
            "ModelVersion": raw.model_version(b.slot_name(), state="Queued", **order),  # type: ignore[arg-type]
            "Job": a_job(namespace),
        }
        for kind, made in objects.items():
            made["metadata"]["namespace"] = namespace
            mirror.remember(kind, made)
    return mirror


@pytest.fixture
def server(mirror: Mirror) -> Answers:
    return Answers(mirror)


@pytest.fixture
def queue() -> WorkQueue[Key]:
    return WorkQueue()


@pytest.fixture
def admission(mirror: Mirror, server: Answers, queue: WorkQueue[Key]) -> Admission:
    """Admits two at once."""
    return Admission(mirror, server, queue, SETTINGS)


async def test_as_many_go_as_may_and_the_others_learn_why_they_wait(admission: Admission, server: Answers) -> None:
    await admission.admit()
    assert server.let_go == ["org-a", "org-b"]
    assert {key[0]: waiting.reason for key, waiting in admission.waiting.items()} == {"org-c": "WaitingForSlot"}


async def test_who_was_let_go_and_not_seen_back_yet_keeps_the_place(admission: Admission, server: Answers) -> None:
    for _ in range(3):
        await admission.admit()
    assert server.let_go == ["org-a", "org-b"]


async def test_who_was_seen_back_counts_once(admission: Admission, server: Answers, mirror: Mirror) -> None:
    await admission.admit()
    mirror.remember("Job", a_job("org-a", 3, suspend=False))
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    mirror.remember("Job", a_job("org-b", 3, suspend=False, status=done))
    await admission.admit()
    assert server.let_go == ["org-a", "org-b", "org-c"]


async def test_an_unsuspend_without_an_answer_is_looked_up_and_counts_when_it_went(
    admission: Admission, server: Answers, mirror: Mirror
) -> None:
    server.answers = False
    await admission.admit()
    await admission.admit()
    assert server.let_go == ["org-a", "org-b"]
    assert all(job and not job.suspended for job in (mirror.job((o, b.slot_name())) for o in ("org-a", "org-b")))


async def test_an_unsuspend_that_did_not_go_is_tried_again_before_others_go(
    admission: Admission, server: Answers
) -> None:
    server.answers = server.takes_it = False
    await admission.admit()
    assert server.let_go == ["org-a"]
    server.answers = server.takes_it = True
    await admission.admit()
    assert server.let_go == ["org-a", "org-a", "org-b"]


async def test_an_unsuspend_of_which_nothing_is_known_counts_until_something_is(
    admission: Admission, server: Answers
) -> None:
    server.answers = server.takes_it = server.tells_how_it_is = False
    await admission.admit()
    await admission.admit()
    assert server.let_go == ["org-a", "org-b"]
    server.answers = server.takes_it = server.tells_how_it_is = True
    await admission.admit()
    assert server.let_go == ["org-a", "org-b"] * 2


async def test_what_is_doubtful_is_looked_up_again_though_nothing_else_happens(
    mirror: Mirror, server: Answers, queue: WorkQueue[Key]
) -> None:
    admission = Admission(mirror, server, queue, SETTINGS, doubt_again_seconds=0.01)
    server.answers = server.takes_it = server.tells_how_it_is = False
    complete = asyncio.Event()
    complete.set()
    work = asyncio.create_task(admission.run(complete))
    try:
        admission.wake()
        async with asyncio.timeout(5):
            while len(server.let_go) < 2:
                await asyncio.sleep(0.001)
            server.answers = server.takes_it = server.tells_how_it_is = True
            while len(server.let_go) < 4:
                await asyncio.sleep(0.001)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_a_job_that_is_gone_leaves_its_place(admission: Admission, server: Answers, mirror: Mirror) -> None:
    await admission.admit()
    mirror.forget("Job", a_job("org-a", 9))
    await admission.admit()
    assert server.let_go == ["org-a", "org-b", "org-c"]


async def test_a_schedule_is_looked_at_when_why_it_waits_has_changed(
    admission: Admission, queue: WorkQueue[Key], mirror: Mirror
) -> None:
    await admission.admit()
    assert len(queue) == 3


async def test_a_changed_place_is_told_after_a_while_lest_each_end_of_a_run_rewrites_every_status(
    mirror: Mirror, server: Answers
) -> None:
    class Told(WorkQueue[Key]):
        """Remembers what it is told, instead of doing it."""

        def __init__(self) -> None:
            super().__init__()
            self.at_once: list[str] = []
            self.later: list[str] = []

        def add(self, key: Key) -> None:
            self.at_once.append(key[0])

        def add_after(self, key: Key, seconds: float) -> None:
            self.later.append(key[0])

    queue = Told()
    one_at_once = replace(SETTINGS, limits=Limits(total=1, per_organization=1))
    admission = Admission(mirror, server, queue, one_at_once)
    await admission.admit()
    assert (sorted(queue.at_once), queue.later) == ([*ORGANIZATIONS], [])
    queue.at_once.clear()
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    mirror.remember("Job", a_job("org-a", 3, suspend=False, status=done))
    await admission.admit()
    assert admission.waiting.keys() == {("org-c", b.slot_name())}
    assert (set(queue.at_once), queue.later) == ({"org-b"}, ["org-c"])


async def test_one_that_the_api_server_refuses_to_let_go_gives_way_to_the_others(
    mirror: Mirror, queue: WorkQueue[Key]
) -> None:
    class Refusing(Answers):
        async def unsuspend(self, job: Job) -> None:
            self.takes_it = self.answers = job.meta.namespace != "org-a"
            await super().unsuspend(job)

    server = Refusing(mirror)
    admission = Admission(mirror, server, queue, SETTINGS, put_off_seconds=60)
    for _ in range(5):
        await admission.admit()
    assert server.let_go == ["org-a", "org-a", "org-b", "org-c"]
    told = admission.waiting["org-a", b.slot_name()]
    assert told == Waiting("WaitingForSlot", "it could not be let go, which is tried again: time-out")


async def test_a_refused_one_is_tried_again_though_nothing_else_happens(
    mirror: Mirror, server: Answers, queue: WorkQueue[Key]
) -> None:
    admission = Admission(mirror, server, queue, SETTINGS, put_off_seconds=0.01)
    server.answers = server.takes_it = False
    async with looking(admission):
        while len(server.let_go) < 6:
            await asyncio.sleep(0.001)
        server.answers = server.takes_it = True
        while len(admission.waiting) != 1:
            await asyncio.sleep(0.001)


async def test_a_place_that_a_lost_pod_gives_back_is_taken_though_nothing_else_happens(
    mirror: Mirror, server: Answers, queue: WorkQueue[Key]
) -> None:
    now = b.NOW
    for number in (1, 2):
        lost = raw.pod(f"lost-{number}", job_uid=f"gone-{number}")
        lost["metadata"]["deletionTimestamp"] = raw.TIME
        mirror.remember("Pod", lost)
    admission = Admission(mirror, server, queue, SETTINGS, look_again_seconds=0.01, clock=lambda: now)
    async with looking(admission):
        while len(admission.waiting) != 3:
            await asyncio.sleep(0.001)
        assert server.let_go == []
        now = b.later(minutes=10)
        while len(server.let_go) < 2:
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def looking(admission: Admission) -> AsyncIterator[None]:
    """Admission at work; fails when what is done meanwhile does not come about within 5 s."""
    complete = asyncio.Event()
    complete.set()
    work = asyncio.create_task(admission.run(complete))
    admission.wake()
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
