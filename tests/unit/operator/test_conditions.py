"""Conditions keep the moment of their last change, and their order."""

from datetime import timedelta

from tests.unit.operator import builders as b

from eagle_contract.api import Condition
from eagle_contract.api.conditions import ConditionStatus
from eagle_operator.domain.conditions import MESSAGE_LIMIT, find, is_true, reason, with_condition


def ready(
    known: list[Condition], status: ConditionStatus, why: str = "Reconciled", *, minutes: int = 0, generation: int = 1
) -> list[Condition]:
    return with_condition(known, "Ready", status, why, generation=generation, now=b.later(minutes=minutes))


def moment(known: list[Condition]) -> timedelta:
    found = find(known, "Ready")
    assert found is not None
    return found.last_transition_time - b.NOW


def test_a_new_condition_began_now() -> None:
    assert moment(ready([], "True")) == timedelta()


def test_another_reason_or_generation_is_no_change_of_state() -> None:
    before = ready([], "True")
    after = ready(before, "True", "Other", minutes=5, generation=2)
    assert moment(after) == timedelta()
    assert (reason(after, "Ready"), after[0].observed_generation) == ("Other", 2)


def test_another_status_is_a_change_of_state() -> None:
    assert moment(ready(ready([], "True"), "False", minutes=5)) == timedelta(minutes=5)


def test_the_same_again_is_the_same() -> None:
    before = ready([], "True")
    assert ready(before, "True", minutes=9) == before


def test_conditions_are_ordered_by_type_and_others_are_left_alone() -> None:
    known = with_condition(ready([], "True"), "Admitted", "False", "Waiting", generation=1, now=b.NOW)
    assert [condition.type for condition in known] == ["Admitted", "Ready"]


def test_a_message_is_cut_so_that_no_object_grows_too_large() -> None:
    known = with_condition([], "Ready", "False", "Broken", "x" * 5000, generation=1, now=b.NOW)
    assert len(known[0].message) == MESSAGE_LIMIT


def test_a_moment_is_told_in_whole_seconds_as_it_comes_back() -> None:
    (condition,) = with_condition([], "Ready", "True", "Good", generation=1, now=b.NOW + timedelta(microseconds=7))
    assert Condition.model_validate(condition.wire()) == condition


def test_a_condition_that_is_not_there_is_neither_true_nor_has_a_reason() -> None:
    assert (find([], "Ready"), is_true([], "Ready"), reason([], "Ready")) == (None, False, "")
