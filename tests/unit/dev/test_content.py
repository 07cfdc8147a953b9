"""Content keys decide what is built again."""

from pathlib import Path

from localcluster.content import content_key, tree_key


def test_the_same_content_has_the_same_key_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text("x = 1\n")
    assert tree_key(tmp_path / "one") == tree_key(tmp_path / "two")


def test_a_changed_byte_a_new_name_and_an_executable_bit_each_change_the_key(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("x = 1\n")
    before = tree_key(tmp_path)
    file.write_text("x = 2\n")
    changed = tree_key(tmp_path)
    file.chmod(0o755)
    executable = tree_key(tmp_path)
    file.rename(tmp_path / "renamed.py")
    assert len({before, changed, executable, tree_key(tmp_path)}) == 4


def test_compiled_files_and_tool_caches_are_not_content(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    before = tree_key(tmp_path)
    for cache in ("__pycache__", ".mypy_cache"):
        (tmp_path / cache).mkdir()
        (tmp_path / cache / "module.pyc").write_bytes(b"\0")
    assert tree_key(tmp_path) == before


def test_texts_do_not_run_into_each_other() -> None:
    assert content_key(texts=["ab", "c"]) != content_key(texts=["a", "bc"])
