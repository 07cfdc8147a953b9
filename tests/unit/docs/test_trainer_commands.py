"""What docs/data-scientists.md says of the trainer's commands is what they do."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from eagle_contract.api import TrainerExit
from eagle_trainer.__main__ import app

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "data-scientists.md").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
_ROW = re.compile(r"^\| (\d+) \| (\w+) \|", re.MULTILINE)
_COMMAND = re.compile(r"^    (?:\.venv/bin/)?eagle-train (\w+)(.*)$", re.MULTILINE)


def test_the_table_of_exit_codes_has_them_all_with_their_reasons() -> None:
    assert {int(code): reason for code, reason in _ROW.findall(PAGE)} == {int(end): end.reason for end in TrainerExit}


@pytest.mark.parametrize("shown", _COMMAND.findall(PAGE), ids=lambda shown: shown[0])
def test_the_commands_that_are_shown_exist_with_their_options(shown: tuple[str, str]) -> None:
    options = {name for parameter in COMMANDS[shown[0]].params for name in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", shown[1])) <= options


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"run", "sweep"}))
def test_every_command_for_people_has_examples(name: str) -> None:
    assert f"eagle-train {name} " in str(COMMANDS[name].epilog)
