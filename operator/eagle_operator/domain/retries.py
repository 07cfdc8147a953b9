"""What follows an attempt that failed: another one, and when, or the end of the run, and what leads out of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Literal

from eagle_contract.api import ModelVersionStatus, Resolved
from eagle_contract.api.version import Attempt
from eagle_operator.domain.conditions import MESSAGE_LIMIT
from eagle_operator.domain.manifests import amount

FINAL = frozenset({"Cancelled", "Superseded", "Expired", "JobDeleted", "QueueFull"})
"""Reasons that end a run whatever its retries are: somebody wanted it so, or its time is over."""

NOT_COUNTED = frozenset({"NodeLost"})
"""Reasons that are not the attempt's own fault: it is repeated at once, and uses up no retry."""

_LOSSES_IN_A_ROW = 4
"""So many nodes in a row are not lost by chance: from then on a lost node counts as a failed attempt.

No more than a status tells attempts of, or they would never be counted.
"""
_WORDS = MESSAGE_LIMIT - 200
_MORE_MEMORY = Decimal("1.5")
_MEBIBYTE = 2**20

GiveUpReason = Literal["Exhausted", "NotRetried", "WaitingForChange"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt came to no model that may serve."""

    reason: str
    """As in the attempt: a reason of the Trained condition, or ValidationFailed."""
    message: str

    @property
    def kind(self) -> Literal["TrainingFailed", "ValidationFailed"]:
        """As spec.retry.retryOn names it."""
        return "ValidationFailed" if self.reason == "ValidationFailed" else "TrainingFailed"

    def __str__(self) -> str:
        return f"{self.reason}: {cut(self.message)}"


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt follows."""

    at: datetime
    retries_used: int
    memory_limit: str | int | None
    message: str
    """When, and how many more may follow."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The run is over: a reason of the Retrying condition, and a sentence with the way out."""

    reason: GiveUpReason
    message: str


def follow_up(
    failure: Failure, status: ModelVersionStatus, resolved: Resolved, memory: str | int | None, now: datetime
) -> Again | GiveUp:
    """What follows. `status` has the failed attempt as its last one; `memory` is the limit that it had, if any."""
    number = status.attempts[-1].number
    used = status.retries_used or 0
    if failure.reason in NOT_COUNTED and _losses(status.attempts) < _LOSSES_IN_A_ROW:
        return Again(now, used, status.memory_limit, f"attempt {number + 1} follows at once")
    if failure.reason == "InvalidConfiguration":
        return GiveUp("WaitingForChange", "it starts again when the spec changes")
    if failure.kind not in resolved.retry_on or not resolved.retry_delays_seconds:
        return GiveUp("NotRetried", f"spec.retry asks for no retry of {failure.kind}; {_WAYS_OUT}")
    if _same_model_again(status.attempts):
        return GiveUp("Exhausted", f"another attempt came to the very same model; {_WAYS_OUT}")
    if used >= len(resolved.retry_delays_seconds):
        return GiveUp("Exhausted", f"all {used} retries of spec.retry.delaysSeconds are used up; {_WAYS_OUT}")
    at = now.replace(microsecond=0) + timedelta(seconds=resolved.retry_delays_seconds[used])
    limit = _raised(memory, resolved.max_memory) if failure.reason == "OutOfMemory" else status.memory_limit
    more = f" with {limit} of memory" if _is_more(limit, memory) else ""
    left = len(resolved.retry_delays_seconds) - used - 1
    how_many = f"{left} more after it" if left else "the last one"
    message = f"attempt {number + 1} follows at {at:%H:%M:%S} UTC{more}, {how_many}"
    return Again(at, used + 1, limit, message)


def cut(message: str) -> str:
    """A failure's own words without their full stop, short enough that what follows them is not cut off."""
    words = message.rstrip(".")
    return words if len(words) <= _WORDS else f"{words[:_WORDS]}…"


_WAYS_OUT = "a changed spec, a manual run or the next slot trains again"


def _losses(attempts: list[Attempt]) -> int:
    count = 0
    for attempt in reversed(attempts):
        if attempt.reason not in NOT_COUNTED:
            break
        count += 1
    return count


def _same_model_again(attempts: list[Attempt]) -> bool:
    """Training is deterministic: the same model twice means the same data twice, and a third time is of no use."""
    made = [attempt.model_digest for attempt in attempts if attempt.reason == "ValidationFailed"]
    return attempts[-1].reason == "ValidationFailed" and made[-1] is not None and made[-1] in made[:-1]


def _is_more(limit: str | int | None, before: str | int | None) -> bool:
    return limit is not None and before is not None and amount(limit) > amount(before)


def _raised(memory: str | int | None, bound: str | None) -> str | int | None:
    """Half as much again, up to the bound; the limit as it was where there is no bound or nothing to raise."""
    if memory is None or bound is None:
        return None
    wanted = ceil(amount(memory) * _MORE_MEMORY)
    most = amount(bound)
    if wanted >= most:
        return bound if most > amount(memory) else str(memory)
    return f"{ceil(wanted / _MEBIBYTE)}Mi"
