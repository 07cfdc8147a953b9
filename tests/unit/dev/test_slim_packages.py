"""Slimming removes what only developers of a package need."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_SCRIPT = Path(__file__).resolve().parents[3] / "dev" / "images" / "slim_packages.py"


@pytest.fixture
def slim_packages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slim_packages", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")


def test_tests_and_sources_go_and_the_rest_is_compiled(slim_packages: ModuleType, tmp_path: Path) -> None:
    _write(tmp_path, "pandas/core.py", "pandas/tests/test_core.py", "pandas/tests/deep/tests/t.py", "pandas/lib.pyx")
    slim_packages.slim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in left if not name.endswith(".pyc")} == {"pandas/core.py"}
    assert any(name.startswith("pandas/__pycache__/core.") for name in left)


def test_a_package_that_is_called_tests_stays(slim_packages: ModuleType, tmp_path: Path) -> None:
    _write(tmp_path, "tests/__init__.py")
    slim_packages.slim(tmp_path)
    assert (tmp_path / "tests" / "__init__.py").exists()
