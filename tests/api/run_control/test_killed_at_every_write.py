"""The operator is killed before and after every write that it makes in a run's life, and loses or doubles nothing.

A first life is recorded without disturbance: its writes are the points. Then each point gets a life of its own, in
which the operator dies when it comes to its k-th write: once before the API server has it, once after the API server
has done it and before the operator knows. It is started again, and whatever it does then must lead to the same picture.
"""

import json
import re
import signal
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from tests.support.cluster import wait_for
from tests.support.eagle import Organization
from tests.support.fault_proxy import CallAfter, CallBefore, Fault, FaultProxy, Request
from tests.support.lab import BeginOperator, Lab
from tests.support.operator_process import OperatorProcess
from tests.support.pictures import Picture

When = Literal["before", "after"]

AT_ONCE = 6
"""So many lives at once; each dies at its own point, and lives on through the deaths of the others."""
LIFE_SECONDS = 120
_NAMESPACE = re.compile(r"/namespaces/([^/]+)/(.+)")


@dataclass
class Point:
    """Where a life is to be interrupted: at the first, second … write of a kind."""

    kind: str
    number: int
    when: When
    seen: int = 0
    reached: bool = False

    def is_here(self, kind: str) -> bool:
        """Whether this write is the one."""
        self.seen += kind == self.kind
        return not self.reached and self.seen == self.number


def points_of(writes: list[str]) -> list[Point]:
    """Before and after each write of a life."""
    numbered = [(kind, writes[: place + 1].count(kind)) for place, kind in enumerate(writes)]
    whens: tuple[When, When] = ("before", "after")
    return [Point(kind, number, when) for kind, number in numbered for when in whens]


class Killer:
    """A rule of the proxy that kills the operator at each life's point."""

    def __init__(self, operator: OperatorProcess) -> None:
        self.operator = operator
        self.points: dict[str, Point] = {}

    def rule(self, request: Request) -> Fault | None:
        """Die now, or go on."""
        found = _NAMESPACE.search(request.path)
        point = self.points.get(found[1]) if found and request.is_write else None
        if point is None or not point.is_here(kind_of(request)):
            return None
        point.reached = True
        return CallBefore(self._kill) if point.when == "before" else CallAfter(self._kill)

    def _kill(self, request: Request) -> None:
        if self.operator.program.running:
            self.operator.program.send(signal.SIGKILL)

    def keep_alive(self) -> None:
        """Start the operator again if it was killed; anything else that ended it is an error."""
        if not self.operator.program.running:
            code = self.operator.program.wait()
            assert code == -signal.SIGKILL, f"the operator ended with {code}; {self.operator.said()}"
            self.operator.start()


def kind_of(request: Request) -> str:
    """A write without the names in which two lives differ: what is written of which kind of thing."""
    found = _NAMESPACE.search(request.path)
    assert found
    parts = found[2].split("/")
    body = json.loads(request.body) if request.body else {}
    about = body.get("reason") if parts[0] == "events" else body.get("status", {}).get("state")
    if parts[0] == "jobs" and request.method == "PATCH":
        about = ",".join(sorted(member for part in ("spec", "metadata") for member in body.get(part, {})))
    return " ".join(filter(None, [request.method, parts[0], *parts[2:], about]))


@pytest.fixture
def killer(lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator) -> tuple[Killer, FaultProxy]:
    through, config = proxy
    operator = begin_operator(config, nursery=True, MAX_CONCURRENT_RUNS="100")
    killer = Killer(operator)
    through.rule = killer.rule
    return killer, through


def slots_run(lab: Lab, slot: datetime) -> Organization:
    """A run that the real CronJob controller begins at that slot, which comes to a model."""
    place = lab.organization()
    lab.schedule(place, schedule=f"{slot.minute} {slot.hour} {slot.day} {slot.month} *")
    return place


def recorded_life(lab: Lab, through: FaultProxy, life: Organization, timeout: float) -> tuple[Picture, list[str]]:
    """The picture at the end of a life without disturbance, and its writes."""
    wait_for(lambda: lab.served(life), "the undisturbed life to end in service", timeout=timeout)
    writes = [kind_of(seen.request) for seen in through.writes(f"/namespaces/{life.namespace}/")]
    return lab.picture(life), writes


def survive(lab: Lab, killer: Killer, lives: dict[str, Organization], expected: Picture, timeout: float) -> None:
    """Keeps the operator alive until every life has come to the expected picture."""
    for namespace, life in lives.items():

        def same(life: Organization = life) -> bool:
            killer.keep_alive()
            return lab.promoted(life) and lab.picture(life) == expected

        try:
            wait_for(same, "the same picture", timeout=timeout)
        except AssertionError:
            assert lab.picture(life) == expected, f"killed at {killer.points[namespace]}"


def assert_it_has_nothing_to_add(lab: Lab, killer: Killer, through: FaultProxy, lives: list[Organization]) -> None:
    """An operator that starts on what the others left writes nothing."""
    killer.operator.kill()
    began = len(through.recorded)
    killer.operator.start()
    killer.operator.until_looked_at(len(lives))
    places = {life.namespace for life in lives}
    more = [seen.request.target for seen in through.recorded[began:] if seen.request.is_write]
    assert [target for target in more if (found := _NAMESPACE.search(target)) and found[1] in places] == []


def test_a_run_is_recorded_once_wherever_the_operator_is_killed(lab: Lab, killer: tuple[Killer, FaultProxy]) -> None:
    killing, through = killer
    expected, writes = recorded_life(lab, through, lab.retried_run(), LIFE_SECONDS)
    assert expected["jobs made"] == {"V1": 1, "V1-retry-1": 1}
    assert expected["served"] == [("V1", "Promoted")]
    assert [attempt[2] for attempt in expected["versions"][0]["attempts"]][-1] == "Completed"
    points = points_of(writes)

    for first in range(0, len(points), AT_ONCE):
        lives = {}
        for point in points[first : first + AT_ONCE]:
            life = lab.retried_run()
            killing.points[life.namespace], lives[life.namespace] = point, life
        survive(lab, killing, lives, expected, LIFE_SECONDS)

    assert_it_has_nothing_to_add(lab, killing, through, list(lives.values()))
    assert_every_kind_was_reached(points, writes)


def test_a_slot_is_run_once_wherever_the_operator_is_killed(lab: Lab, killer: tuple[Killer, FaultProxy]) -> None:
    killing, through = killer
    slot = a_minute_from_now()
    undisturbed = slots_run(lab, slot)
    expected, writes = recorded_life(lab, through, undisturbed, 120 + LIFE_SECONDS)
    assert expected["jobs made"] == {"V1": 1}
    points = points_of(writes)

    slot = a_minute_from_now(seconds=30)
    lives = {}
    for point in points:
        life = slots_run(lab, slot)
        killing.points[life.namespace], lives[life.namespace] = point, life
    survive(lab, killing, lives, expected, 240)

    assert_it_has_nothing_to_add(lab, killing, through, list(lives.values()))
    assert_every_kind_was_reached(points, writes)


def a_minute_from_now(seconds: int = 10) -> datetime:
    """The first full minute that is at least so many seconds away."""
    return (datetime.now(UTC) + timedelta(seconds=60 + seconds)).replace(second=0, microsecond=0)


def assert_every_kind_was_reached(points: list[Point], writes: list[str]) -> None:
    """A life may be a write shorter than the recorded one, but no kind of write may have gone without a death."""
    for when in ("before", "after"):
        assert {point.kind for point in points if point.when == when and point.reached} == set(writes)
