"""An operator that starts: it lists, works, and only then has kopf tell of everything once more."""

from collections import Counter
from pathlib import Path

from tests.support.cluster import wait_for
from tests.support.fault_proxy import FaultProxy
from tests.support.lab import BeginOperator, Lab

from eagle_operator.watches import WATCHED


def asked(through: FaultProxy) -> list[tuple[str, bool]]:
    """The plurals that were asked for in all namespaces so far, and whether to watch them."""
    plurals = {watched.plural for watched in WATCHED.values()}
    requests = [seen.request for seen in through.recorded if seen.request.method == "GET"]
    found = [(request.path.split("/"), request.is_watch) for request in requests]
    return [(path[-1], watch) for path, watch in found if path[-1] in plurals and "namespaces" not in path[:-1]]


def test_a_start_lists_each_kind_before_it_watches_and_once_more_after_kopf_told_of_it(
    lab: Lab, proxy: tuple[FaultProxy, Path], begin_operator: BeginOperator
) -> None:
    through, config = proxy
    place = lab.organization()
    for number in range(5):
        lab.schedule(place, f"line-{number}")
    operator = begin_operator(config)
    wait_for(lambda: sum(watch for _, watch in asked(through)) >= len(WATCHED), "all watches")
    first = asked(through)[: len(WATCHED)]
    assert sorted(first) == sorted((watched.plural, False) for watched in WATCHED.values())

    def lists() -> Counter[str]:
        return Counter(plural for plural, watch in asked(through) if not watch)

    wait_for(lambda: lists()["trainingschedules"] >= 3, "the list after kopf's")
    order = lab.order(place, "line-0")
    lab.until_state(order, "Succeeded", operator)
    assert max(lists().values()) == 3
    assert operator.program.running
