"""For one schedule: observe, decide, apply. And for all: who is admitted next."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from eagle_operator import data_metrics, metrics, run_metrics
from eagle_operator.activity import Activity
from eagle_operator.cluster import (
    BusyError,
    Cluster,
    ConflictError,
    ForbiddenError,
    InvalidSpecError,
    NameTakenError,
    TransientError,
)
from eagle_operator.domain.admission import Candidate, Running, decide
from eagle_operator.domain.plan import forbidden, plan, refused, slot_lost
from eagle_operator.domain.world import Job, Waiting, World
from eagle_operator.domain.writes import Plan, ReadLog, Report, Write, slot_of
from eagle_operator.mirror import KINDS, Key, Listing, Mirror
from eagle_operator.settings import Settings
from eagle_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

_SETTLED_WITHIN = 12
"""So many looks in a row may each find something to write; more of them is a bug that must not burn the API server."""
_PLACE_TOLD_AFTER_SECONDS = 15.0, 60.0
"""Each end of a run moves all that wait: their places are told now and then and not all at once, the rest at once."""
_CALM_DOWN_SECONDS = 10.0
_AFTER_CONFLICT_SECONDS = 5.0
"""The longest pause after a conflict, which says nothing of how the next try goes, however many there were."""
_AFTER_TROUBLE_SECONDS = 30.0
"""The longest pause while the API server answers now and then: work that is due is not to wait for minutes for it."""
_BUSY_PAUSES_SECONDS = 0.2, 1.0
_REST_SECONDS = 0.02
"""Between two passes of admission: when much happens at once, one pass takes it all in."""
_LONGEST_PUT_OFF_SECONDS = 60.0
_MENDED_ELSEWHERE_SECONDS = 15.0
"""What is in a schedule's way may be nobody's that is watched, as another's CronJob of its name: look again then."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Brings one schedule after the other to where its plan wants it."""

    def __init__(
        self,
        mirror: Mirror,
        cluster: Cluster,
        queue: WorkQueue[Key],
        settings: Settings,
        admission: "Admission",
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._mirror, self._cluster, self._queue, self._settings = mirror, cluster, queue, settings
        self._admission, self._clock = admission, clock
        self._busy_looks: dict[Key, int] = {}
        self._shown: set[Key] = set()
        """Schedules that metrics tell of."""

    async def reconcile(self, key: Key) -> None:
        """One look at one schedule. Raises TransientError, or whatever a bug raises; the queue tries again."""
        with metrics.RECONCILE_SECONDS.time():
            await self._look(key)

    async def _look(self, key: Key) -> None:
        world = self._mirror.world(key, self._admission.waiting)
        if world is None:
            self._busy_looks.pop(key, None)
            self._mirror.drop_log_tails(key)
            if key in self._shown and not self._mirror.knows("TrainingSchedule", key):
                # Once, not with each of its children that goes: it looks through all series.
                self._shown.discard(key)
                run_metrics.forget(*key)
                data_metrics.forget(*key)
            self._admission.wake()
            return
        self._shown.add(key)
        now = self._clock()
        due = plan(world, self._settings.installation, self._settings.defaults, now)
        done = await self._carry_out(world, due, now)
        metrics.RECONCILES.labels("ok" if done is due else "invalid").inc()
        if done is not due:
            self._queue.add_after(key, _MENDED_ELSEWHERE_SECONDS)
        self._look_again(key, done, now)
        run_metrics.show(world)
        data_metrics.show(world)

    def failed(self, key: Key, error: Exception) -> bool:
        """Log and count what a look raised; True: try again."""
        name = "/".join(key)
        metrics.RECONCILE_ERRORS.inc()
        if isinstance(error, TransientError):
            metrics.RECONCILES.labels("transient").inc()
            log.info("schedule %s: %s; trying again", name, error)
            if not isinstance(error, ForbiddenError):
                conflict = isinstance(error, ConflictError)
                self._queue.add_after(key, _AFTER_CONFLICT_SECONDS if conflict else _AFTER_TROUBLE_SECONDS)
        else:
            metrics.RECONCILES.labels("bug").inc()
            log.error("schedule %s: unexpected; trying again", name, exc_info=error)
        return True

    async def _carry_out(self, world: World, due: Plan, now: datetime) -> Plan:
        """Do the writes in their order. What was done: the plan, or what follows when one of its writes is refused."""
        for write in due.writes:
            try:
                await self._write(write)
                if not isinstance(write, Report | ReadLog):
                    # It comes further with each look, however many of them fail.
                    self._queue.forget(world.schedule.meta.key)
            except ForbiddenError as error:
                # Whoever may not even report has the log.
                with contextlib.suppress(TransientError):
                    await self._write(forbidden(world, write, str(error)))
                raise
            except InvalidSpecError as error:
                follows = self._refusal(world, write, error, now)
                for instead in follows.writes:
                    await self._write(instead)
                return follows
        return due

    async def _write(self, write: Write) -> None:
        kind = type(write).__name__
        try:
            await self._write_though_busy(write)
        except (InvalidSpecError, TransientError) as error:
            result = "invalid" if isinstance(error, InvalidSpecError) else "transient"
            metrics.WRITES.labels(kind, result).inc()
            raise
        metrics.WRITES.labels(kind, "ok").inc()
        run_metrics.observe(write)

    async def _write_though_busy(self, write: Write) -> None:
        """At once again: else a look of several writes hardly ever goes well while some of all requests fail."""
        for pause in _BUSY_PAUSES_SECONDS:
            try:
                return await self._cluster.write(write)
            except BusyError:
                await asyncio.sleep(pause)
        return await self._cluster.write(write)

    def _refusal(self, world: World, write: Write, error: InvalidSpecError, now: datetime) -> Plan:
        as_written = self._mirror.world(world.schedule.meta.key, self._admission.waiting) or world
        slot = slot_of(write)
        if slot and isinstance(error, NameTakenError):
            return slot_lost(as_written, slot, str(error), now)
        reason = "NameConflict" if isinstance(error, NameTakenError) else "InvalidSchedule"
        settings = self._settings
        return refused(as_written, settings.installation, settings.defaults, (reason, str(error)), now)

    def _look_again(self, key: Key, done: Plan, now: datetime) -> None:
        if done.look_again:
            self._queue.add_after(key, (done.look_again - now).total_seconds())
        if not any(isinstance(write, ReadLog) for write in done.writes):
            self._mirror.drop_log_tails(key)
        if not done.writes:
            self._busy_looks.pop(key, None)
            return
        self._admission.wake()
        looks = self._busy_looks[key] = self._busy_looks.get(key, 0) + 1
        if looks > _SETTLED_WITHIN:
            kinds = sorted({type(write).__name__ for write in done.writes})
            log.error("schedule %s does not settle: it keeps writing %s", "/".join(key), ", ".join(kinds))
            self._queue.add_after(key, _CALM_DOWN_SECONDS)
        else:
            self._queue.add(key)


@dataclass(frozen=True, slots=True)
class _PutOff:
    """A Job that could not be let go: others go first until its time has come."""

    times: int
    until: float
    why: str


class Admission:
    """Lets waiting Jobs go, never more at once than the limits say.

    A Job that was let go a moment ago and was not seen back yet counts as running, as the kube-scheduler's assumed
    pods do; so does one whose answer did not come, until a look at the Job itself says no. One that the API server
    refuses to let go takes nobody's place meanwhile.
    """

    def __init__(
        self,
        mirror: Mirror,
        cluster: Cluster,
        queue: WorkQueue[Key],
        settings: Settings,
        doubt_again_seconds: float = 5.0,
        put_off_seconds: float = 0.25,
        look_again_seconds: float = 10.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        """While something waits, the queue is looked at every `look_again_seconds` at least.

        A pod that its node never ends gives its place back without an event.
        """
        self._mirror, self._cluster, self._queue, self._settings = mirror, cluster, queue, settings
        self._doubt_again_seconds, self._put_off_seconds = doubt_again_seconds, put_off_seconds
        self._look_again_seconds, self._clock = look_again_seconds, clock
        self._something_changed = asyncio.Event()
        self._assumed: dict[Key, Job] = {}
        self._doubtful: dict[Key, Job] = {}
        """Those assumed of which nobody could say yet whether they went."""
        self._put_off: dict[Key, _PutOff] = {}
        self.waiting: dict[Key, Waiting] = {}
        """Why Jobs wait, by their keys."""
        self.passes = Activity(metrics.ADMISSION_SECONDS.observe)

    def wake(self) -> None:
        """Look at the queue soon."""
        self._something_changed.set()

    async def run(self, ready: asyncio.Event) -> None:
        """Admit, whenever something changes; not before the mirror is complete."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_changed.wait(), self._look_within())
            await ready.wait()
            self._something_changed.clear()
            await self.admit()
            await asyncio.sleep(_REST_SECONDS)

    async def admit(self) -> None:
        """One pass over all that wait and all that run."""
        with self.passes:
            await self._admit()

    async def _admit(self) -> None:
        await asyncio.gather(*(self._doubt(key, job) for key, job in list(self._doubtful.items())))
        now = self._clock()
        queue = self._mirror.queue(now, enabled=self._settings.admission_enabled)
        self._assumed = {k: job for k, job in self._assumed.items() if self._still_assumed(k, job, queue.running_jobs)}
        free = [self._as_it_stands(each) for each in queue.candidates if each.key not in self._assumed]
        self._put_off = {each.key: self._put_off[each.key] for each in queue.candidates if each.key in self._put_off}
        running = [*queue.running, *map(_as_running, self._assumed.values())]
        served = queue.last_served | dict.fromkeys((job.meta.namespace for job in self._assumed.values()), now)
        decision = decide(free, running, self._settings.limits, elsewhere=queue.elsewhere, last_served=served)
        run_metrics.show_queue(len(running) + len(decision.admit), decision.waiting.values())
        self._tell(decision.waiting)
        for key in decision.admit:
            job = self._mirror.job(key)
            if job and not await self._let_go(key, job):
                # Whoever comes next may come after this one only: it is decided anew.
                self.wake()
                break

    async def _let_go(self, key: Key, job: Job) -> bool:
        """Whether it went; False also where nobody knows."""
        self._assumed[key] = job
        try:
            await self._cluster.unsuspend(job)
            log.info("admitted %s/%s", *key)
            self._put_off.pop(key, None)
            return True
        except TransientError as error:
            log.info("%s; looking at the Job", error)
            self._put_off[key] = self._after_failure(key, str(error))
            await self._doubt(key, job)
            return False
        finally:
            self._queue.add((key[0], job.schedule))

    async def _doubt(self, key: Key, job: Job) -> None:
        """Whether it went is unknown: it counts as running until a look at it says no."""
        try:
            await self._cluster.refresh("Job", job.meta)
        except Exception:
            log.exception("cannot look at Job %s/%s; it counts as running", *key)
            self._doubtful[key] = job
            return
        self._doubtful.pop(key, None)
        seen = self._mirror.job(key)
        if seen is None or seen.suspended:
            self._assumed.pop(key, None)
        self.wake()

    def _look_within(self) -> float | None:
        """Seconds after which to look at the queue though nothing has happened; None: not before something has."""
        now = time.monotonic()
        reasons = [max(put_off.until - now, 0.0) for put_off in self._put_off.values() if put_off.until > now]
        reasons += [self._doubt_again_seconds] if self._doubtful else []
        reasons += [self._look_again_seconds] if self.waiting else []
        return min(reasons, default=None)

    def _after_failure(self, key: Key, why: str) -> _PutOff:
        """The first one is most likely a conflict, after which it is tried again at once."""
        times = self._put_off[key].times + 1 if key in self._put_off else 1
        pause = min(self._put_off_seconds * 2.0 ** (times - 2), _LONGEST_PUT_OFF_SECONDS) if times > 1 else 0.0
        return _PutOff(times, time.monotonic() + pause, why)

    def _as_it_stands(self, candidate: Candidate) -> Candidate:
        put_off = self._put_off.get(candidate.key)
        if candidate.held or put_off is None or put_off.until <= time.monotonic():
            return candidate
        why = f"it could not be let go, which is tried again: {put_off.why}"
        return replace(candidate, held=Waiting("WaitingForSlot", why))

    def _still_assumed(self, key: Key, job: Job, running_jobs: set[Key]) -> bool:
        seen = self._mirror.job(key)
        if seen is None or seen.meta.uid != job.meta.uid or key in running_jobs or seen.finished:
            return False
        return seen.meta.resource_version == job.meta.resource_version

    def _tell(self, waiting: dict[Key, Waiting]) -> None:
        before, self.waiting = self.waiting, waiting
        for key in waiting.keys() | before.keys():
            old, new = before.get(key), waiting.get(key)
            job = self._mirror.job(key) if old != new else None
            if job is None:
                continue
            if old and new:
                self._queue.add_after((key[0], job.schedule), random.uniform(*_PLACE_TOLD_AFTER_SECONDS))
            else:
                self._queue.add((key[0], job.schedule))


def _as_running(job: Job) -> Running:
    return Running(job.meta.namespace, job.schedule)


_OF_A_NAMESPACE = ("", "")
"""What a change of a Namespace is told as: it belongs to no schedule, and concerns all that are in it."""
_PARTS = 12
"""Of all schedules, each resync looks at one part whatever it found: at each schedule once an hour."""


class Resync:
    """The safety net: lists every kind at start, after each cut of a watch and every few minutes.

    At first every schedule is looked at, later those of which a list shows something that no watch has told, and a part
    of the others: a look that finds nothing changed finds nothing to do, but costs what all looks cost. Those of which
    a run is under way come first.
    """

    def __init__(
        self,
        mirror: Mirror,
        cluster: Cluster,
        queue: WorkQueue[Key],
        selectors: dict[str, str],
        calm_seconds: float = 0.5,
    ) -> None:
        """A kind is listed once nothing has wanted a list for `calm_seconds`.

        kopf says of object after object that it began anew: one list after the last of them is enough.
        """
        self._mirror, self._cluster, self._queue, self._selectors = mirror, cluster, queue, selectors
        self._calm_seconds, self._wanted_at = calm_seconds, 0.0
        self._wanted: set[str] = set(KINDS)
        self._something_wanted = asyncio.Event()
        self.complete = asyncio.Event()
        """Set while the mirror holds a whole picture."""
        self.last_complete: datetime | None = None
        self.lists = Activity()
        self._changed: set[Key] = set()
        """Schedules of which the lists since the last complete picture showed something new."""
        self._part = 0

    def want(self, kind: str) -> None:
        """A watch began anew: what ended meanwhile is not told, so the kind is listed."""
        self._wanted.add(kind)
        self._wanted_at = time.monotonic()
        self._something_wanted.set()

    async def run(self, every_seconds: float) -> None:
        """List what is wanted, and everything every so often, and have schedules looked at afterwards."""
        delay = 1.0
        everything_at = time.monotonic() + every_seconds
        while True:
            try:
                await self._catch_up()
                delay = 1.0
            except Exception:
                log.exception("listing failed; trying again in %.0f s", delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 60.0)
                continue
            try:
                async with asyncio.timeout(max(everything_at - time.monotonic(), 0.0)):
                    await self._until_wanted()
            except TimeoutError:
                self._wanted = set(KINDS)
                everything_at = time.monotonic() + every_seconds

    async def _until_wanted(self) -> None:
        await self._something_wanted.wait()
        while (calm_in := self._wanted_at + self._calm_seconds - time.monotonic()) > 0:
            await asyncio.sleep(calm_in)

    async def _catch_up(self) -> None:
        self._something_wanted.clear()
        for kind in KINDS:
            if kind in self._wanted:
                await self._list(kind)
        self.last_complete = _utc_now()
        under_way = self._mirror.under_way()
        for key in self._to_be_looked_at():
            self._queue.add(key, low_priority=key not in under_way)
        self._changed.clear()
        self.complete.set()

    async def _list(self, kind: str) -> None:
        listing = Listing(kind)
        # Whatever wants it from here on may have seen more than this list does.
        self._wanted.discard(kind)
        try:
            with self.lists:
                take = partial(self._mirror.listed, listing)
                version = await self._cluster.list_all(kind, self._selectors.get(kind), take)
            self._mirror.complete(listing, version)
        except BaseException:
            self._wanted.add(kind)
            raise
        finally:
            self._changed |= listing.changed

    def _to_be_looked_at(self) -> set[Key]:
        every = self._mirror.schedules()
        if not self.complete.is_set() or _OF_A_NAMESPACE in self._changed:
            return set(every)
        self._part = (self._part + 1) % _PARTS
        return {key for key in every if key in self._changed or hash(key) % _PARTS == self._part}
