"""The queue when very much is due: its limit, its fairness, and how long a free place stays free; and the clock.

The operator is a process on this machine, the control plane is real, its nodes run nothing: so what is measured is the
operator, and the API server and controllers of Kubernetes that it works with.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support import runs
from tests.support.fleet import create_all, many_schedules, order_of, organizations
from tests.support.lab import Lab, own_lab
from tests.support.operator_process import operator_process
from tests.support.quantiles import quantile, told
from tests.support.tally import Tally

ORGANIZATIONS, RUNS, LIMIT = 100, 500, 5
POD_SECONDS = 1.0
TAKEN_AGAIN_SECONDS = 0.25
"""From a run's end to the next admission, 99 of 100."""

SCHEDULES, DUE_EACH_MINUTE, MINUTES = 1000, 20, 4
LATE_SECONDS = 5.0
"""From a slot to the admission of its run, 99 of 100."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "plane"
    folder.mkdir()
    with own_lab(folder) as lab:
        yield lab


def test_five_hundred_runs_due_at_once_keep_to_the_limit_and_leave_no_place_empty(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = organizations(lab, ORGANIZATIONS, lambda played: runs.ends_after(POD_SECONDS))
    schedules = many_schedules(places, RUNS)
    create_all(lab, schedules)
    create_all(lab, [order_of(made) for made in schedules])
    with operator_process(lab.plane.config, tmp_path, TRAINING_SCHEDULE_ENABLED="false") as closed:
        closed.until(lambda: _waiting(lab) == RUNS, "all to wait", timeout=300, interval=1)
    tally = Tally(lab.jobs, lab.pods, {place.namespace for place in places})
    began = time.monotonic()
    with operator_process(lab.plane.config, tmp_path, MAX_CONCURRENT_RUNS=str(LIMIT)) as operator:
        operator.until(lambda: _ended(lab) == RUNS, "all to end", timeout=1200, interval=1)
        memory, cpu = operator.memory_bytes(), operator.cpu_seconds()
    seconds = time.monotonic() - began
    gaps = tally.gaps(LIMIT)
    with capsys.disabled():
        print(f"\n{RUNS} runs of {ORGANIZATIONS} organizations due at once, {LIMIT} places, pods of a second")
        print(told("from a run's end to the next admission", gaps))
        print(f"  all ended after {seconds:.0f} s; the operator took {cpu:.1f} s of a core, {memory / 2**20:.0f} MiB")
    assert tally.most() == LIMIT
    assert tally.most_of_one_organization() == 1
    assert tally.overtaken() == []
    assert quantile(gaps, 0.99) <= TAKEN_AGAIN_SECONDS


def _waiting(lab: Lab) -> int:
    return sum(1 for job in lab.jobs.objects() if job["spec"].get("suspend"))


def _ended(lab: Lab) -> int:
    """How many runs have ended: cheap, since whatever the bench takes of a processor the operator does not get."""
    return sum(1 for version in lab.versions.objects() if version.get("status", {}).get("state") == "Succeeded")


def test_runs_are_admitted_soon_after_their_slots(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = organizations(lab, ORGANIZATIONS)
    with operator_process(lab.plane.config, tmp_path, MAX_CONCURRENT_RUNS="100") as operator:
        create_all(lab, many_schedules(places, SCHEDULES - DUE_EACH_MINUTE * MINUTES))
        first = (datetime.now(UTC) + timedelta(seconds=90)).replace(second=0, microsecond=0)
        slots = [first + timedelta(minutes=n) for n in range(MINUTES)]
        for number, slot in enumerate(slots):
            due = many_schedules(places, DUE_EACH_MINUTE, schedule=_once(slot))
            for made in due:
                made["metadata"]["name"] += f"-at-{number}"
            create_all(lab, due)
        operator.until_looked_at(SCHEDULES, timeout=300)
        tally = Tally(lab.jobs, lab.pods, {place.namespace for place in places})
        wanted = DUE_EACH_MINUTE * MINUTES
        operator.until(
            lambda: len(tally.starts()) == wanted,
            "the slots",
            timeout=60 * MINUTES + 120,
            interval=1,
        )
    late = tally.lateness()
    with capsys.disabled():
        print(f"\n{SCHEDULES} schedules, {DUE_EACH_MINUTE} due each minute, {MINUTES} minutes")
        print(told("from a slot to the admission of its run", late))
    assert quantile(late, 0.99) <= LATE_SECONDS


def _once(slot: datetime) -> str:
    return f"{slot.minute} {slot.hour} {slot.day} {slot.month} *"
