"""Watches break in two ways: with a bang, and in silence. The operator sees everything again within 75 seconds."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cluster import wait_for
from tests.support.eagle import API, schedule
from tests.support.fault_proxy import FaultProxy
from tests.support.lab import BeginOperator, Lab
from tests.support.operator_process import OperatorProcess

from eagle_contract.api import names

REPAIRED_SECONDS = 75
KINDS_WATCHED = 8


def knows_all(lab: Lab, operator: OperatorProcess) -> bool:
    """Whether the operator knows of as many schedules as there are."""
    there = lab.api.call("GET", f"/apis/{API}/{names.SCHEDULES}")["items"]
    return operator.metrics()["eagle_mirror_objects{kind=TrainingSchedule}"] == len(there)


def seconds_until(look: Callable[[], object], what: str) -> float:
    began = time.monotonic()
    wait_for(look, what, timeout=REPAIRED_SECONDS)
    return time.monotonic() - began


def test_what_changes_while_all_connections_are_cut_again_and_again_is_seen(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    through, config = proxy
    operator = begin_operator(config)
    undisturbed = lab.retried_run()
    lab.until_served(undisturbed, operator)
    disturbed = lab.retried_run()

    def cut_and_look() -> bool:
        lab.loop.call(through.cut())
        return lab.served(disturbed)

    began = time.monotonic()
    wait_for(cut_and_look, "a run whose operator is cut off every second", timeout=120, interval=1)
    print(f"in service after {time.monotonic() - began:.1f} s of cuts")
    assert lab.picture(disturbed) == lab.picture(undisturbed)
    assert operator.program.running


@pytest.mark.parametrize("breaking", ["cut", "freeze"])
def test_what_came_and_what_went_meanwhile_is_known_within_75_seconds(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator, breaking: str
) -> None:
    through, config = proxy
    operator = begin_operator(config)
    goes, stays = lab.organization(), lab.organization()
    lab.schedule(goes)
    lab.schedule(stays)
    operator.until_looked_at(2)
    wait_for(lambda: knows_all(lab, operator), "the operator to know all schedules")
    wait_for(lambda: through.watches() >= KINDS_WATCHED, "all watches")

    if breaking == "freeze":
        assert lab.loop.call(through.freeze()) >= KINDS_WATCHED
    else:
        lab.loop.call(through.cut())
    lab.api.delete(schedule(goes, "press"))
    order = lab.order(stays)

    seen = seconds_until(lambda: lab.version(order).get("state"), "the order to be taken up")
    gone = seconds_until(lambda: knows_all(lab, operator), "the deleted schedule to be forgotten")
    print(f"{breaking}: the new order was seen after {seen:.1f} s, the deletion after {seen + gone:.1f} s")
    assert seen + gone <= REPAIRED_SECONDS
    # A list may have told both before the watches of the run's Job and pod are repaired.
    wait_for(lambda: lab.served(stays), "the run to go on", timeout=REPAIRED_SECONDS + 60)
    assert operator.health().status_code == 200
