"""An API server that is busy, broken, slow or away: every run still ends as if nothing had been."""

import random
from pathlib import Path

import pytest
from tests.support.cluster import wait_for
from tests.support.fault_proxy import Fault, FaultProxy, Ignore, LoseAnswer, Refuse, Request, Rule, all_is_well
from tests.support.lab import BeginOperator, Lab
from tests.support.operator_process import OperatorProcess

RUNS = 3
PATIENCE_SECONDS = 180


def some(share: float, fault: Fault, *, only_changes: bool = False) -> Rule:
    """A rule by which that share of all requests that are no watches goes wrong, without any pattern."""
    chance = random.Random(11)

    def rule(request: Request) -> Fault | None:
        if request.is_watch or (only_changes and request.method not in ("PATCH", "PUT")):
            return None
        return fault if chance.random() < share else None

    return rule


def ends_as_undisturbed(lab: Lab, through: FaultProxy, operator: OperatorProcess, rule: Rule) -> None:
    """Runs under the rule come to the very picture of one without."""
    undisturbed = lab.retried_run()
    lab.until_served(undisturbed, operator, PATIENCE_SECONDS)
    expected = lab.picture(undisturbed)
    through.rule = rule
    disturbed = [lab.retried_run() for _ in range(RUNS)]
    for place in disturbed:
        lab.until_served(place, operator, PATIENCE_SECONDS)
    through.rule = all_is_well
    for place in disturbed:
        assert lab.picture(place) == expected


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(some(1 / 3, Refuse(409), only_changes=True), id="409"),
        pytest.param(some(1 / 4, Refuse(429, retry_after=1)), id="429"),
        pytest.param(some(1 / 4, Refuse(500)), id="500"),
        pytest.param(some(1 / 4, Refuse(503)), id="503"),
        pytest.param(some(1 / 5, LoseAnswer()), id="answers lost"),
        pytest.param(some(1 / 10, Ignore()), id="time-outs"),
    ],
)
def test_runs_end_as_ever_although_requests_fail(
    lab: Lab,
    proxy: tuple[FaultProxy, Path],
    begin_operator: BeginOperator,
    rule: Rule,
) -> None:
    through, config = proxy
    operator = begin_operator(config, MAX_CONCURRENT_RUNS="100")
    ends_as_undisturbed(lab, through, operator, rule)
    assert operator.program.running


def test_an_operator_that_starts_while_some_request_fails_comes_to_work(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    through, config = proxy
    through.rule = some(1 / 4, Refuse(503))
    place = lab.retried_run()
    operator = begin_operator(config)
    lab.until_served(place, operator, timeout=PATIENCE_SECONDS)


def test_runs_live_through_a_restart_of_the_api_server(lab: Lab, begin_operator: BeginOperator) -> None:
    operator = begin_operator(lab.plane.config, MAX_CONCURRENT_RUNS="100")
    undisturbed = lab.retried_run()
    lab.until_served(undisturbed, operator)
    disturbed = [lab.retried_run() for _ in range(RUNS)]
    wait_for(lambda: len(lab.trainers.played_in(disturbed[-1].namespace)) == 1, "the first attempts")
    lab.plane.server.restart()
    lab.plane.server.until_ready()
    for place in disturbed:
        lab.until_served(place, operator, PATIENCE_SECONDS)
        assert lab.picture(place) == lab.picture(undisturbed)
    assert operator.health().status_code == 200
