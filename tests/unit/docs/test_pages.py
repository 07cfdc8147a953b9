"""Pages that people rely on: their links lead somewhere, and what they list is all there is."""

import ast
import re
from pathlib import Path

import pytest

from eagle_contract.api.exits import TrainerExit
from eagle_contract.api.schedule import MissedSlots

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = ROOT / "operator" / "eagle_operator"
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_IGNORED = {".venv", "build", "node_modules"}

PAGES = sorted(page for page in ROOT.rglob("*.md") if not _IGNORED & set(page.relative_to(ROOT).parts))


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    headings = _HEADING.findall(_CODE.sub("", page.read_text()))
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(_CODE.sub("", page.read_text())):
        if "://" in target:
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{target} is not there"
        if anchor:
            assert anchor[1:] in anchors(there), f"{target}{anchor} is not a heading"


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    missing = [page.name for page in (ROOT / "docs" / "decisions").glob("2*.md") if page.name not in index]
    assert not missing


def reasons() -> set[str]:
    """The reasons that the operator's decisions give: the first argument of every Verdict, Outcome, Waiting and GiveUp,
    the second of what is stuck, the third of a step's end, the pairs and triples that states are made of, and what the
    definition says of missed slots.
    """
    found = {code.reason for code in TrainerExit} | reasons_of_missed_slots()
    for module in (OPERATOR / "domain").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call):
                found |= _of_call(node)
            elif isinstance(node, ast.Tuple):
                found |= _of_state(node)
    return found


def reasons_of_missed_slots() -> set[str]:
    """As the description of the field lists them."""
    _, _, reasons = (MissedSlots.model_fields["last_reason"].description or "").partition(":")
    return set(re.findall("[A-Z][A-Za-z]+", reasons))


def _of_call(call: ast.Call) -> set[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    texts = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if name in ("Verdict", "Outcome", "Waiting", "GiveUp"):
        return {str(text) for text in texts[:1]}
    if name == "Stuck":
        return {str(text) for text in texts[:1] if str(text).isidentifier()}
    if name == "_end":
        return {str(text) for text in texts[1:2]}
    return set()


def _of_state(state: ast.Tuple) -> set[str]:
    parts = [part.value if isinstance(part, ast.Constant) else None for part in state.elts]
    if parts[:1] and parts[0] in ("True", "False", "Unknown") and len(parts) > 1 and parts[1]:
        return {str(parts[1])}
    return set()


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_is_explained(reason: str) -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert re.search(rf"\b{reason}\b", page), f"docs/troubleshooting.md does not explain {reason}"
