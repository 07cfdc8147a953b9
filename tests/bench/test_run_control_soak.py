"""Thousands of runs, one after the other: the operator's memory stays as it is, and history stays within its limits.

`EAGLE_SOAK_RUNS` says how many.
"""

import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.support import runs
from tests.support.api import Object, RefusedError
from tests.support.eagle import Organization
from tests.support.fleet import create_all, many_schedules, order_of, organizations
from tests.support.lab import Lab, own_lab
from tests.support.operator_process import OperatorProcess, operator_process

RUNS = int(os.environ.get("EAGLE_SOAK_RUNS", "1000"))
ORGANIZATIONS, PARTS = 20, 20
GROWTH = 1.05
"""Of the memory, from the second quarter of the runs to the last."""
KEPT = {"successful": 2, "failed": 2}
PATIENCE_SECONDS = 1800
"""For a twentieth of the runs."""
MEBIBYTE = 2**20


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "plane"
    folder.mkdir()
    with own_lab(folder) as lab:
        for watch in (lab.jobs, lab.pods, lab.versions):
            watch.keep = False
        yield lab


def every_fifth_fails() -> runs.Script:
    """The script by which runs succeed, but for every fifth."""
    numbers = count(1)
    return lambda played: runs.FAILS if next(numbers) % 5 == 0 else runs.PASSES


def test_memory_stays_flat_over_many_runs(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = organizations(lab, ORGANIZATIONS)
    script = every_fifth_fails()
    for place in places:
        lab.trainers.follow(place.namespace, script)
    schedules = many_schedules(places, ORGANIZATIONS, historyLimits=KEPT)
    create_all(lab, schedules)
    memory: list[int] = []
    began = time.monotonic()
    with operator_process(lab.plane.config, tmp_path, MAX_CONCURRENT_RUNS=str(ORGANIZATIONS)) as operator:
        supply = Supply(lab, schedules)
        for part in range(1, PARTS + 1):
            supply.until_ended(RUNS * part // PARTS, operator)
            memory.append(operator.memory_bytes())
        cpu = operator.cpu_seconds()
        operator.until(lambda: kept(lab, places), "history to be within its limits")
    seconds = time.monotonic() - began
    quarter = PARTS // 4
    early, late = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
    each = 1000 * cpu / RUNS
    with capsys.disabled():
        print(f"\n{RUNS} runs in {seconds:.0f} s, {RUNS / seconds:.1f} a second, {each:.0f} ms of a core each")
        print(f"  memory after each twentieth, MiB: {' '.join(f'{m / MEBIBYTE:.0f}' for m in memory)}")
        print(f"  from the second quarter to the last {late / early:.3f} x (at most {GROWTH})")
    assert late / early <= GROWTH


class Supply:
    """Keeps one run of each schedule ordered; what has ended and is not the newest may go, as history limits say."""

    def __init__(self, lab: Lab, schedules: list[Object]) -> None:
        self._lab = lab
        self._schedules = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in schedules}
        self._under_way: dict[tuple[str, str], str] = {}
        self.ended = 0

    def until_ended(self, number: int, operator: OperatorProcess) -> None:
        """Orders on and on until so many runs have ended."""
        what = f"{number} runs to have ended"
        operator.until(lambda: self._turn() >= number, f"{what}", timeout=PATIENCE_SECONDS, interval=0.05)

    def _turn(self) -> int:
        for key, made in self._schedules.items():
            name = self._under_way.get(key)
            if name is None or self._has_ended(key[0], name):
                self.ended += name is not None
                self._under_way[key] = self._order(made)
        return self.ended

    def _order(self, made: Object) -> str:
        while True:
            try:
                return str(self._lab.api.create(order_of(made))["metadata"]["name"])
            except RefusedError as no:
                if no.code != 409:
                    raise

    def _has_ended(self, namespace: str, name: str) -> bool:
        found = self._lab.versions.now.get((namespace, name))
        return found is not None and found.get("status", {}).get("state") in ("Succeeded", "Failed")


def kept(lab: Lab, places: list[Organization]) -> bool:
    """Whether no organization has more ended runs than its one schedule's limits, and what serves, allow."""
    most = sum(KEPT.values()) + 2
    return all(len(lab.versions.objects(place.namespace)) <= most for place in places)
