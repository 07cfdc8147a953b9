"""What the machine gives and what was taken of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from eagle_trainer.machine import cpu_limit, memory_limit, peak_memory

MEBIBYTE = 2**20


def test_the_peak_is_the_process_own_and_not_that_of_the_one_which_began_it() -> None:
    held = b"x" * (400 * MEBIBYTE)
    program = "from eagle_trainer.machine import peak_memory; print(peak_memory())"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert 0 < int(told) < len(held) / 2


def test_without_proc_the_peak_is_what_the_system_says(tmp_path: Path) -> None:
    assert peak_memory(tmp_path / "none") >= peak_memory() * 0.9


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({"memory.max": "2147483648\n"}, 2048 * MEBIBYTE),
        ({"memory.max": "max\n"}, None),
        ({"memory/memory.limit_in_bytes": "2147483648\n"}, 2048 * MEBIBYTE),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v2 without a limit", "v1", "v1 without a limit", "no cgroup"],
)
def test_memory_is_what_the_container_may_use(tmp_path: Path, files: dict[str, str], memory: int | None) -> None:
    assert memory_limit(written(tmp_path, files)) == memory


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "50000 100000\n"},
        {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
    ids=["v2", "v1"],
)
def test_half_a_processor_is_one_thread(tmp_path: Path, files: dict[str, str]) -> None:
    assert cpu_limit(written(tmp_path, files)) == 1


@pytest.mark.parametrize(
    "files",
    [{"cpu.max": "max 100000\n"}, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, {}],
    ids=["v2", "v1", "no cgroup"],
)
def test_without_a_quota_there_are_as_many_threads_as_processors(tmp_path: Path, files: dict[str, str]) -> None:
    assert cpu_limit(written(tmp_path, files)) == cpu_limit(tmp_path / "none") >= 1


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root
