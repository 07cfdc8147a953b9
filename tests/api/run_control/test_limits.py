"""Many runs become due at once: never more run than may, no organization goes twice before another went once.

What runs is counted by the test's own watch of Jobs and pods, not by what the operator says.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.support import runs
from tests.support.eagle import Organization
from tests.support.fault_proxy import Fault, FaultProxy, LoseAnswer, Request
from tests.support.lab import BeginOperator, Lab
from tests.support.operator_process import OperatorProcess
from tests.support.tally import Tally

ORGANIZATIONS, RUNS_EACH, LIMIT = 20, 3, 5
PATIENCE_SECONDS = 300


@pytest.fixture
def due(lab: Lab) -> tuple[list[Organization], Tally]:
    """Organizations with as many schedules as each is to have runs, and a run of each ordered already."""
    places = [lab.organization(lambda played: runs.ends_after(0.3)) for _ in range(ORGANIZATIONS)]
    names = [f"line-{number}" for number in range(RUNS_EACH)]
    for name in names:
        for place in places:
            lab.schedule(place, name, serving={"mode": "None"})
            lab.order(place, name)
    return places, Tally(lab.jobs, lab.pods, {place.namespace for place in places})


def finished(lab: Lab, places: list[Organization]) -> int:
    """How many runs have ended well."""
    states = [v.get("status", {}).get("state") for place in places for v in lab.versions.objects(place.namespace)]
    assert not set(states) & {"Failed", "Cancelled"}
    return states.count("Succeeded")


def waiting(lab: Lab, places: list[Organization]) -> int:
    """How many runs wait with a Job that can be let go."""
    return sum(1 for place in places for job in lab.jobs.objects(place.namespace) if job["spec"].get("suspend"))


def lose_some_answers(request: Request, numbers: Iterator[int]) -> Fault | None:
    """The answer to every third admission is lost: whether the run went is unknown."""
    if request.method == "PATCH" and "/jobs/" in request.path and b"suspend" in request.body:
        return LoseAnswer() if next(numbers) % 3 == 0 else None
    return None


def until_ended(lab: Lab, places: list[Organization], number: int, operator: OperatorProcess) -> None:
    """Waits until so many runs have ended well."""
    operator.until(lambda: finished(lab, places) >= number, f"{number} runs to end", timeout=PATIENCE_SECONDS)


def test_never_more_run_than_may_and_every_organization_has_its_turn(
    lab: Lab, begin_operator: BeginOperator, due: tuple[list[Organization], Tally]
) -> None:
    places, tally = due
    closed = begin_operator(lab.plane.config, TRAINING_SCHEDULE_ENABLED="false")
    closed.until(lambda: waiting(lab, places) == ORGANIZATIONS * RUNS_EACH, "all to wait")
    closed.stop()
    operator = begin_operator(lab.plane.config, MAX_CONCURRENT_RUNS=str(LIMIT))
    until_ended(lab, places, ORGANIZATIONS * RUNS_EACH, operator)
    assert tally.most() == LIMIT
    assert tally.most_of_one_organization() == 1
    assert tally.overtaken() == []


def test_the_limit_holds_through_restarts_and_lost_answers(
    lab: Lab,
    proxy: tuple[FaultProxy, Path],
    begin_operator: BeginOperator,
    due: tuple[list[Organization], Tally],
) -> None:
    places, tally = due
    through, config = proxy
    numbers = count(1)
    through.rule = lambda request: lose_some_answers(request, numbers)
    operator = begin_operator(config, nursery=True, MAX_CONCURRENT_RUNS=str(LIMIT))
    for part in (0.2, 0.4, 0.6, 0.8):
        until_ended(lab, places, int(part * ORGANIZATIONS * RUNS_EACH), operator)
        operator.kill()
        operator.start()
    until_ended(lab, places, ORGANIZATIONS * RUNS_EACH, operator)
    assert tally.most() == LIMIT
    assert tally.most_of_one_organization() == 1
    assert tally.jobs_made_twice() == []
