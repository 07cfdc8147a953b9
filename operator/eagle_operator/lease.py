"""One operator at a time: whoever holds the Lease works, the others stand by.

As client-go's leader election: no machine's clock is compared with another's. A record that does not change for as
long as it says is abandoned, measured by this process' own monotonic time since it saw the record so. The holder
stops writing well before that: a write that is under way then ends before a successor can begin.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_namespaced_resource

log = logging.getLogger(__name__)

LEASE_NAME = "eagle-operator"
_LEASE: Any = create_namespaced_resource("coordination.k8s.io", "v1", "Lease", "leases")
_CONFLICTS_IN_A_ROW = 3

Record = dict[str, Any]
"""A Lease's spec, as JSON."""


@dataclass(frozen=True)
class Times:
    """All in seconds, and all from one."""

    duration: int = 30
    """For how long others take an unchanged record for the holder's."""

    @property
    def writes_for(self) -> float:
        """For how long after the beginning of the last confirmed renewal the holder begins writes."""
        return self.duration / 2

    @property
    def longest_write(self) -> float:
        """After which a write is given up: together with `writes_for` it is shorter than `duration`."""
        return self.duration / 3

    @property
    def renew_every(self) -> float:
        """How often the holder renews."""
        return self.duration / 6

    @property
    def look_every(self) -> tuple[float, float]:
        """How often a standby looks: a time between these, so that several do not come together."""
        return self.duration / 15, self.duration / 6

    @property
    def try_again_after(self) -> float:
        """How soon after a failure."""
        return self.duration / 15


class Lease:
    """This process' part in the election."""

    def __init__(
        self,
        client: AsyncClient,
        namespace: str,
        identity: str,
        *,
        times: Times | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._namespace, self.identity = client, namespace, identity
        self._times, self._clock = times or Times(), clock
        self._object: Any = None
        """The Lease as last seen, if it may still be so: a write names its resource version."""
        self._record: Record = {}
        self._unchanged_since = 0.0
        self._acquired = ""
        """The acquireTime that this process wrote: with the identity it tells its own record from a namesake's."""
        self._held_once = False
        self._until = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._told = ""
        self._gained, self._lost = asyncio.Event(), asyncio.Event()
        self._lost.set()
        self.looked = asyncio.Event()
        """Set once the Lease was looked at, or that was tried in vain."""

    def held(self) -> bool:
        """Whether this process may write now."""
        return self._clock() < self._until

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as this process knows; empty: nobody."""
        return str(self._record.get("holderIdentity") or "")

    async def gained(self) -> None:
        """Returns when the Lease is held."""
        await self._gained.wait()

    async def lost(self) -> None:
        """Returns when the Lease is not held."""
        await self._lost.wait()

    async def run(self) -> None:
        """Take the Lease whenever it is free, and keep it. Whatever the API server says, it is tried again."""
        while True:
            began = self._clock()
            pause = self._times.try_again_after
            try:
                if await self._look():
                    pause = self._times.renew_every if self._is_ours() else self._stand_by()
            except (ApiError, httpx2.HTTPError) as error:
                self._object = None
                self._tell(f"cannot look at the Lease {self._namespace}/{LEASE_NAME}: {error}", logging.WARNING)
            self.looked.set()
            await asyncio.sleep(max(began + pause - self._clock(), 0.0))

    async def release(self) -> None:
        """Let the next one begin at once; `run` must have ended before. Not being able to costs it the wait only."""
        self._give_up()
        try:
            for _ in range(_CONFLICTS_IN_A_ROW):
                await self._read()
                if not self._is_ours():
                    return
                if await self._put(self._record | {"holderIdentity": None, "renewTime": _now()}):
                    log.info("released the Lease %s/%s", self._namespace, LEASE_NAME)
                    return
        except (ApiError, httpx2.HTTPError) as error:
            log.warning("cannot release the Lease %s/%s: %s", self._namespace, LEASE_NAME, error)

    async def _look(self) -> bool:
        """Take or keep the Lease, or see that another has it. False: others changed it each time, look again soon."""
        for _ in range(_CONFLICTS_IN_A_ROW):
            if self._object is None or not self._is_ours():
                await self._read()
            if not self._is_ours() and not self._is_free():
                self._lapse()
                self._tell(f"standing by: {self.holder} holds the Lease {self._namespace}/{LEASE_NAME}")
                return True
            began = self._clock()
            if await self._put(self._next_record()):
                self._keep(began + self._times.writes_for)
                self._tell(f"holding the Lease {self._namespace}/{LEASE_NAME} as {self.identity}")
                return True
            self._object = None
        return False

    async def _read(self) -> None:
        try:
            self._object = await self._client.get(_LEASE, LEASE_NAME, namespace=self._namespace)
        except ApiError as error:
            if error.status.code != 404:
                raise
            # Somebody deleted it. Its holder still writes for a while: the record keeps its time.
            self._object = None
            return
        self._saw(_spec(self._object))

    async def _put(self, record: Record) -> bool:
        """False: somebody else was faster."""
        metadata = {"name": LEASE_NAME, "namespace": self._namespace}
        try:
            if self._object is None:
                stored = await self._client.create(_LEASE({"metadata": metadata, "spec": record}))
            else:
                version = self._object.metadata.resourceVersion
                stored = await self._client.replace(
                    _LEASE({"metadata": {**metadata, "resourceVersion": version}, "spec": record})
                )
        except ApiError as error:
            gone = error.status.code == 404 and self._object is not None
            if error.status.code != 409 and not gone:
                raise
            return False
        self._object = stored
        self._saw(_spec(stored))
        return True

    def _saw(self, record: Record) -> None:
        if record != self._record:
            self._record, self._unchanged_since = record, self._clock()

    def _is_ours(self) -> bool:
        return self.holder == self.identity and self._record.get("acquireTime") == self._acquired

    def _is_free(self) -> bool:
        """Also where the holder bears our name and we never held it: it is who we were before a crash."""
        if not self.holder or (self.holder == self.identity and not self._held_once):
            return True
        return self._clock() >= self._unchanged_since + self._seconds_taken()

    def _stand_by(self) -> float:
        """Seconds until the next look: no later than the holder's time is over, if it does not renew."""
        left = self._unchanged_since + self._seconds_taken() - self._clock()
        return min(random.uniform(*self._times.look_every), max(left, 0.0))

    def _seconds_taken(self) -> float:
        """For how long an unchanged record is its holder's."""
        return float(self._record.get("leaseDurationSeconds") or self._times.duration)

    def _next_record(self) -> Record:
        now = _now()
        if self._is_ours():
            return self._record | {"renewTime": now}
        self._acquired = now
        before = self._record.get("leaseTransitions")
        transitions = 0 if before is None else int(before) + (self.holder != self.identity)
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._times.duration,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _keep(self, until: float) -> None:
        self._held_once = True
        self._until = until
        self._lost.clear()
        self._gained.set()
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(until - self._clock(), 0.0), self._lapse)

    def _lapse(self) -> None:
        if self._gained.is_set():
            log.warning("the Lease %s/%s is not held any more", self._namespace, LEASE_NAME)
        self._give_up()

    def _give_up(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._until = float("-inf")
        self._gained.clear()
        self._lost.set()

    def _tell(self, text: str, level: int = logging.INFO) -> None:
        if text != self._told:
            self._told = text
            log.log(level, text)


def _spec(lease: Any) -> Record:
    """Nobody has to give a Lease one."""
    return dict(dict(lease).get("spec") or {})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
