"""A control plane, watches that see all that happens on it, and trainers: what tests of the run control stand on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.support import runs
from tests.support.api import Api, Object
from tests.support.cluster import wait_for
from tests.support.control_plane import ControlPlane, control_plane, organization
from tests.support.eagle import Organization, manual_order, schedule
from tests.support.loop_thread import LoopThread
from tests.support.operator_process import OperatorProcess
from tests.support.pictures import Picture, picture
from tests.support.runs import Script, Trainers
from tests.support.watching import Watch, begin_watch, client_of

SCHEDULE = "press"
"""The name of every organization's one schedule."""

BeginOperator = Callable[..., OperatorProcess]
"""(kubeconfig, nursery=False, **environment): an operator, started."""


@dataclass(frozen=True)
class Lab:
    """All that a test looks at and pulls."""

    plane: ControlPlane
    loop: LoopThread
    client: httpx.AsyncClient
    trainers: Trainers
    jobs: Watch
    pods: Watch
    versions: Watch
    organizations: ExitStack

    @property
    def api(self) -> Api:
        """The administrator of the control plane."""
        return self.plane.api

    def organization(self, script: Script = runs.all_pass) -> Organization:
        """An organization of the test's own, whose trainers do as the script says."""
        made = self.organizations.enter_context(organization(self.api, "org"))
        self.trainers.follow(made.namespace, script)
        return made

    def schedule(self, place: Organization, name: str = SCHEDULE, **spec: Any) -> Object:
        """A schedule of that organization; `spec` replaces members."""
        return self.api.create(schedule(place, name, **{"suspend": False, **spec}))

    def order(self, place: Organization, name: str = SCHEDULE, **spec: Any) -> Object:
        """A run that a person orders."""
        return self.api.create(manual_order(place, name, **spec))

    def retried_run(self) -> Organization:
        """A run that a person orders: its first attempt fails, the second comes to a model, which goes into service."""
        place = self.organization(runs.passes_at_attempt(2))
        self.schedule(place, retry={"delaysSeconds": [1]})
        self.order(place)
        return place

    def picture(self, place: Organization) -> Picture:
        """What has come of that organization's one schedule."""
        return picture(self.api, self.jobs, self.pods, place.namespace, SCHEDULE)

    def status(self, place: Organization, name: str = SCHEDULE) -> Object:
        """The status of a schedule; empty before it has one."""
        return dict(self.api.get(schedule(place, name)).get("status", {}))

    def version(self, order: Object) -> Object:
        """The status of a version; empty before it has one."""
        return dict(self.api.get(order).get("status", {}))

    def served(self, place: Organization) -> bool:
        """Whether the organization's one run has come to its end: its model serves, and everything is recorded."""
        if not self.promoted(place):
            return False
        try:
            seen = self.picture(place)
        except httpx.TransportError:
            return False
        return ended_in_service(seen)

    def promoted(self, place: Organization) -> bool:
        """Whether a version of that organization serves, as far as the test's own watch knows: asks nobody."""
        return any(
            condition(version.get("status", {}), "Serving") == ("True", "Promoted")
            for version in self.versions.objects(place.namespace)
        )

    def until_served(self, place: Organization, operator: OperatorProcess, timeout: float = 60) -> None:
        """Waits until the organization's one run has come to its end. AssertionError with the operator's log."""
        operator.until(lambda: self.served(place), f"the run of {place.id}", timeout=timeout)

    def until_state(self, order: Object, state: str, operator: OperatorProcess, timeout: float = 60) -> None:
        """Waits until that version has come to that state."""
        name = order["metadata"]["name"]
        operator.until(lambda: self.version(order).get("state") == state, f"{name} to be {state}", timeout=timeout)

    def until_active(self, place: Organization, name: str, operator: OperatorProcess) -> None:
        """Waits until that version serves."""
        operator.until(lambda: self.status(place).get("activeVersion", {}).get("name") == name, f"{name} to serve")

    def until_made(self, place: Organization, name: str, timeout: float = 60) -> Object:
        """Waits until a version of that name is there; the version, for `version`."""

        def look() -> Object | None:
            found = self.versions.objects(place.namespace)
            return next((version for version in found if version["metadata"]["name"] == name), None)

        return wait_for(look, f"the version {name}", timeout=timeout)


def ended_in_service(seen: Picture) -> bool:
    """Whether one run is all there is, its model serves, and everything is recorded."""
    if seen["unrecorded"] or len(seen["versions"]) != 1 or seen["active"] != "V1":
        return False
    return ("Serving", "True", "Promoted") in seen["versions"][0]["conditions"]


def condition(status: Object, kind: str) -> tuple[str, str]:
    """Status and reason of a condition; empty where there is none."""
    found: Object = next((c for c in status.get("conditions", []) if c["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


@contextmanager
def watched(plane: ControlPlane, loop: LoopThread) -> Iterator[Callable[[], Lab]]:
    """Watches and trainers on a control plane; what it yields makes labs whose organizations end by themselves."""

    async def connect() -> httpx.AsyncClient:
        return client_of(plane.server)

    client = loop.call(connect())
    jobs, pods, versions = (begin_watch(loop, client, Watch(path)) for path in (runs.JOBS, runs.PODS, runs.VERSIONS))
    trainers = Trainers(loop, client, pods, versions)
    yield lambda: Lab(plane, loop, client, trainers, jobs, pods, versions, ExitStack())
    loop.call(client.aclose())


@contextmanager
def own_lab(folder: Path, **options: Any) -> Iterator[Lab]:
    """A lab with a control plane of its own, for what would disturb others; `options` are control_plane's."""
    with (
        control_plane(folder, **options) as plane,
        LoopThread() as loop,
        watched(plane, loop) as make,
        (lab := make()).organizations,
    ):
        yield lab
