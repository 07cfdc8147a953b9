"""Starting twice is harmless, and a changed configuration is a reason to start again."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from localcluster.components import Component
from localcluster.paths import Paths
from localcluster.process_records import ProcessRecord, boot_id
from localcluster.progress import StepError
from localcluster.supervisor import Supervisor


@pytest.fixture
def supervisor(paths: Paths) -> Iterator[Supervisor]:
    paths.cluster.mkdir(parents=True)
    made = Supervisor(paths)
    yield made
    made.stop("sleeper")


def _sleeper(config: Path | None = None) -> Component:
    return Component("sleeper", ("/bin/sleep", "60"), (config,) if config else ())


def _pid(supervisor: Supervisor) -> int:
    record = supervisor.record("sleeper")
    assert record is not None
    return record.pid


def test_starting_twice_starts_once(supervisor: Supervisor) -> None:
    assert supervisor.ensure_running(_sleeper())
    first = _pid(supervisor)
    assert not supervisor.ensure_running(_sleeper())
    assert _pid(supervisor) == first


def test_a_changed_configuration_file_starts_it_again(supervisor: Supervisor, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("a")
    supervisor.ensure_running(_sleeper(config))
    first = _pid(supervisor)
    config.write_text("b")
    assert supervisor.ensure_running(_sleeper(config))
    assert _pid(supervisor) != first


def test_a_record_from_before_a_reboot_does_not_stop_a_start(supervisor: Supervisor, paths: Paths) -> None:
    paths.run.mkdir(parents=True)
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    ProcessRecord(stranger.pid, 1, boot_id(), "/bin/sleep", _sleeper().fingerprint()).save(
        paths.run / "sleeper.process"
    )
    try:
        assert supervisor.ensure_running(_sleeper())
        assert stranger.poll() is None
        assert _pid(supervisor) != stranger.pid
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stopped_component_is_not_running_and_stopping_again_is_harmless(supervisor: Supervisor) -> None:
    supervisor.ensure_running(_sleeper())
    assert supervisor.stop("sleeper")
    assert not supervisor.running("sleeper")
    assert not supervisor.stop("sleeper")


def test_a_component_that_ended_by_itself_is_reported_with_its_log(supervisor: Supervisor) -> None:
    supervisor.ensure_running(Component("sleeper", ("/bin/sh", "-c", "sleep 0.2; echo no such flag; exit 1")))
    deadline = time.monotonic() + 10
    while supervisor.running("sleeper") and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(StepError) as raised:
        supervisor.require_alive(["sleeper"])
    assert "run sleeper" in raised.value.report()
    assert "no such flag" in raised.value.report()
