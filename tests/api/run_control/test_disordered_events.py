"""Events come late, twice and in the wrong order, and nothing is done twice or forgotten because of it."""

import random
from pathlib import Path

import pytest
from tests.support.fault_proxy import Disorder, FaultProxy
from tests.support.lab import BeginOperator, Lab

RUNS = 5


@pytest.mark.parametrize("seed", [1, 2])
def test_runs_end_as_ever_although_events_are_late_doubled_and_out_of_order(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator, seed: int
) -> None:
    through, config = proxy
    operator = begin_operator(config, MAX_CONCURRENT_RUNS="100")
    undisturbed = lab.retried_run()
    lab.until_served(undisturbed, operator)
    through.disorder = Disorder(seconds=3.0, twice=0.5, random=random.Random(seed))
    lab.loop.call(through.cut())
    disturbed = [lab.retried_run() for _ in range(RUNS)]
    for place in disturbed:
        lab.until_served(place, operator, timeout=180)
    for place in disturbed:
        assert lab.picture(place) == lab.picture(undisturbed)
