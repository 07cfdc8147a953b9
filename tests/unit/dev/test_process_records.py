"""Only processes that were started here are ever ended."""

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from localcluster.process_records import (
    ProcessFacts,
    ProcessRecord,
    boot_id,
    end_process,
    facts_of,
    is_running,
    load_record,
    matches,
    parse_facts,
)

_STAT = "4242 (my (odd) name) {state} 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10"
_RECORD = ProcessRecord(pid=4242, start_ticks=987654, boot_id="this-boot", program="/bin/etcd", fingerprint="f")
_FACTS = ProcessFacts(start_ticks=987654, dead=False, program="/bin/etcd")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def _record_of(process: subprocess.Popen[bytes]) -> ProcessRecord:
    facts = facts_of(process.pid)
    assert facts is not None
    return ProcessRecord(process.pid, facts.start_ticks, boot_id(), "sleep", "f")


def test_a_name_with_parentheses_does_not_shift_the_fields() -> None:
    facts = parse_facts(_STAT.format(state="S"), ["/bin/etcd", "--flag"])
    assert facts == _FACTS


def test_a_zombie_counts_as_dead() -> None:
    assert parse_facts(_STAT.format(state="Z"), []).dead


def test_the_recorded_process_matches() -> None:
    assert matches(_RECORD, _FACTS, "this-boot")


def test_a_process_that_has_only_just_been_started_matches() -> None:
    assert matches(_RECORD, dataclasses.replace(_FACTS, program=""), "this-boot")


@pytest.mark.parametrize(
    ("facts", "boot"),
    [
        (None, "this-boot"),
        (_FACTS, "another-boot"),
        (dataclasses.replace(_FACTS, start_ticks=987655), "this-boot"),
        (dataclasses.replace(_FACTS, program="/bin/sshd"), "this-boot"),
        (dataclasses.replace(_FACTS, dead=True), "this-boot"),
    ],
    ids=["nobody", "other boot", "other start", "other program", "dead"],
)
def test_a_stranger_with_the_number_does_not_match(facts: ProcessFacts | None, boot: str) -> None:
    assert not matches(_RECORD, facts, boot)


def test_ending_leaves_a_stranger_alone(sleeper: subprocess.Popen[bytes]) -> None:
    stale = dataclasses.replace(_record_of(sleeper), start_ticks=1)
    end_process(stale, patience_seconds=1)
    assert sleeper.poll() is None


def test_ending_ends_the_recorded_process(sleeper: subprocess.Popen[bytes]) -> None:
    record = _record_of(sleeper)
    assert is_running(record)
    end_process(record, patience_seconds=10)
    assert not is_running(record)


def test_a_process_that_ignores_the_polite_signal_is_ended_all_the_same() -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        facts = facts_of(stubborn.pid)
        assert facts is not None
        record = ProcessRecord(stubborn.pid, facts.start_ticks, boot_id(), "sh", "f")
        end_process(record, patience_seconds=0.3)
        assert stubborn.wait(timeout=10) == -9


def test_ending_what_is_long_gone_is_harmless() -> None:
    gone = subprocess.Popen(["true"])
    record = ProcessRecord(gone.pid, 1, boot_id(), "true", "f")
    gone.wait()
    end_process(record, patience_seconds=1)


def test_a_record_survives_being_written_and_half_a_record_is_none(tmp_path: Path) -> None:
    file = tmp_path / "etcd.process"
    assert load_record(file) is None
    _RECORD.save(file)
    assert load_record(file) == _RECORD
    file.write_text(file.read_text()[:20])
    assert load_record(file) is None
