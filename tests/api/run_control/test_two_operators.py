"""Two operators at once: one works, the other stands by and takes over."""

import time
from pathlib import Path

from tests.support.fault_proxy import FaultProxy, Ignore
from tests.support.lab import BeginOperator, Lab
from tests.support.operator_process import OperatorProcess

TAKEN_OVER_SECONDS = 38
"""The Lease's 30, the 5 within which a standby sees the last renewal, and the API server's part."""

HANDED_OVER_SECONDS = 10
"""A standby looks every few seconds."""


def leads(operator: OperatorProcess) -> bool:
    return operator.metrics().get("eagle_leader") == 1


def both(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> tuple[OperatorProcess, OperatorProcess, FaultProxy]:
    """The one that works, the one that stands by, and the proxy that sees what the latter does."""
    through, config = proxy
    first = begin_operator(lab.plane.config, EAGLE_IDENTITY="first")
    first.until_working()
    second = begin_operator(config, EAGLE_IDENTITY="second")
    second.until_healthy()
    return first, second, through


def writes(through: FaultProxy) -> list[str]:
    """What the operator behind the proxy has written, its part in the election aside."""
    return [seen.request.target for seen in through.writes() if "/leases/" not in seen.request.path]


def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    first, second, through = both(lab, proxy, begin_operator)
    by_the_first = lab.retried_run()
    lab.until_served(by_the_first, first)
    assert not leads(second)
    assert writes(through) == []

    first.kill()
    began = time.monotonic()
    by_the_second = lab.retried_run()
    second.until(lambda: leads(second), "the second to lead", timeout=60)
    print(f"taken over {time.monotonic() - began:.1f} s after the kill")
    assert time.monotonic() - began <= TAKEN_OVER_SECONDS
    lab.until_served(by_the_second, second)
    assert lab.picture(by_the_second) == lab.picture(by_the_first)


def test_the_first_hands_over_when_it_is_told_to_end(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    first, second, _ = both(lab, proxy, begin_operator)
    assert first.stop() == 0
    began = time.monotonic()
    second.until(lambda: leads(second), "the second to lead", timeout=60)
    print(f"handed over within {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began <= HANDED_OVER_SECONDS
    place = lab.retried_run()
    lab.until_served(place, second)


def test_a_first_that_is_cut_off_from_the_api_server_stops_writing_before_the_second_begins(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    through, config = proxy
    first = begin_operator(config, EAGLE_IDENTITY="first")
    first.until_working()
    second = begin_operator(lab.plane.config, EAGLE_IDENTITY="second")
    second.until_healthy()
    through.rule = lambda request: Ignore() if "/leases/" in request.path else None
    place = lab.retried_run()
    second.until(lambda: leads(second), "the second to lead", timeout=60)
    assert not leads(first)
    before = len(writes(through))
    lab.until_served(place, second, timeout=60)
    later = lab.retried_run()
    lab.until_served(later, second, timeout=60)
    assert len(writes(through)) == before
