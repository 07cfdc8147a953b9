"""Conditions: set one, keeping the moment of its last change."""

from collections.abc import Iterable
from datetime import datetime

from eagle_contract.api import Condition
from eagle_contract.api.conditions import ConditionStatus

MESSAGE_LIMIT = 600


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of that type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Whether the condition is there and True."""
    condition = find(conditions, kind)
    return condition is not None and condition.status == "True"


def reason(conditions: Iterable[Condition], kind: str) -> str:
    """The condition's reason, or ''."""
    condition = find(conditions, kind)
    return condition.reason if condition else ""


def without(conditions: Iterable[Condition], *kinds: str) -> list[Condition]:
    """The conditions but for those types."""
    return [condition for condition in conditions if condition.type not in kinds]


def with_condition(
    conditions: Iterable[Condition],
    kind: str,
    status: ConditionStatus,
    why: str,
    message: str = "",
    *,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions with that one set, in the order of their types; an equal one is left as it is."""
    kept = list(conditions)
    old = find(kept, kind)
    changed_at = old.last_transition_time if old and old.status == status else now.replace(microsecond=0)
    new = Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        last_transition_time=changed_at,
        reason=why,
        message=message[:MESSAGE_LIMIT],
    )
    return sorted([*without(kept, kind), new], key=lambda c: c.type)
