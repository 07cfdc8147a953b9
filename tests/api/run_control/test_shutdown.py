"""Told to end, the operator finishes what it is writing, goes in time, and leaves the trainers running."""

import time

from tests.support import runs
from tests.support.cluster import wait_for
from tests.support.lab import BeginOperator, Lab
from tests.support.runs import Ending, Played

GRACE_SECONDS = 30


def test_a_run_goes_on_while_the_operator_ends_and_another_starts(lab: Lab, begin_operator: BeginOperator) -> None:
    operator = begin_operator(lab.plane.config)
    over: list[str] = []

    def ends_when_told(played: Played) -> Ending | None:
        over.append(played.version)
        return runs.ends_after(8)

    place = lab.organization(ends_when_told)
    lab.schedule(place)
    lab.order(place)
    wait_for(lambda: over, "the trainer to be at work")

    began = time.monotonic()
    assert operator.stop(timeout=GRACE_SECONDS) == 0
    print(f"ended {time.monotonic() - began:.1f} s after it was told to")
    assert time.monotonic() - began < GRACE_SECONDS

    (pod,) = lab.pods.objects(place.namespace)
    assert pod["status"]["phase"] == "Running"
    assert "deletionTimestamp" not in pod["metadata"]
    operator.start()
    lab.until_served(place, operator)
    assert lab.picture(place)["pods made"] == {"V1": 1}


def test_it_ends_in_time_also_while_the_api_server_is_away(lab: Lab, begin_operator: BeginOperator) -> None:
    operator = begin_operator(lab.plane.config)
    operator.until_working()
    lab.plane.server.program.kill()
    try:
        began = time.monotonic()
        assert operator.stop(timeout=GRACE_SECONDS) == 0
        assert time.monotonic() - began < GRACE_SECONDS
    finally:
        lab.plane.server.program.start()
        lab.plane.server.until_ready()
