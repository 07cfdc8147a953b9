"""What an hour costs in which nothing happens: processor time and writes, with a thousand schedules.

The hour is shortened: what happens all the time is measured for a while and multiplied, and what happens every few
minutes, listing everything anew and looking at a part of the schedules, happens as often as in an hour.
"""

import time
from collections import Counter
from pathlib import Path

import pytest
from tests.support.fault_proxy import FaultProxy, before_api_server
from tests.support.fleet import create_all, many_schedules, organizations
from tests.support.lab import own_lab
from tests.support.operator_process import OperatorProcess, operator_process

SCHEDULES, ORGANIZATIONS = 1000, 50
HOUR_SECONDS, RESYNC_SECONDS = 3600, 300
RESYNCS = HOUR_SECONDS // RESYNC_SECONDS
QUIET_SECONDS, SHORT_RESYNC_SECONDS = 60, 15
CPU_SHARE = 0.01
"""Of one core, over the hour."""


def test_an_idle_hour_costs_little_and_writes_nothing_but_the_lease(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plane"
    folder.mkdir()
    with (
        own_lab(folder) as lab,
        before_api_server(lab.loop, lab.plane.server, tmp_path) as (through, config),
    ):
        create_all(lab, many_schedules(organizations(lab, ORGANIZATIONS), SCHEDULES))
        with operator_process(config, tmp_path, EAGLE_RESYNC_SECONDS=str(HOUR_SECONDS)) as operator:
            operator.until_looked_at(2 * SCHEDULES, timeout=600)
            operator.until_at_rest(timeout=300)
            quiet, _ = _spend(operator, through, QUIET_SECONDS)
        short = str(SHORT_RESYNC_SECONDS)
        with operator_process(config, tmp_path, EAGLE_RESYNC_SECONDS=short) as operator:
            operator.until_looked_at(SCHEDULES, timeout=600)
            operator.until_at_rest(timeout=300)
            looks = operator.looks()
            busy, writes = _spend(operator, through, RESYNCS * SHORT_RESYNC_SECONDS)
            looks = operator.looks() - looks
    each_second = quiet / QUIET_SECONDS
    hour = busy + each_second * (HOUR_SECONDS - RESYNCS * SHORT_RESYNC_SECONDS)
    with capsys.disabled():
        print(f"\nan idle hour with {SCHEDULES} schedules: {RESYNCS} resyncs, {looks:.0f} looks")
        print(f"  all the time {each_second * 1000:.2f} ms of a core each second; with the resyncs {busy:.1f} s")
        print(f"  {hour:.1f} s of a core in the hour, {hour / HOUR_SECONDS:.2%} (at most {CPU_SHARE:.0%})")
        print(f"  writes meanwhile: {dict(writes)}")
    # Each resync looks at one in twelve whatever it finds.
    assert looks >= SCHEDULES / 2
    assert set(writes) <= {"PUT leases"}
    assert hour <= CPU_SHARE * HOUR_SECONDS


def _spend(operator: OperatorProcess, through: FaultProxy, seconds: float) -> tuple[float, Counter[str]]:
    """The processor time, and the writes by kind, of so many seconds."""
    began, before = len(through.recorded), operator.cpu_seconds()
    # This is what is measured: a while.
    time.sleep(seconds)
    writes = (seen.request for seen in through.recorded[began:] if seen.request.is_write)
    kinds = Counter(f"{write.method} {write.path.split('/')[-2]}" for write in writes)
    return operator.cpu_seconds() - before, kinds
