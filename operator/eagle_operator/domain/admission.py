"""Who trains next: the one decision that looks at all organizations at once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from eagle_operator.domain.world import Waiting

Key = tuple[str, str]
"""Namespace and name of a Job."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs at once."""

    total: int
    per_organization: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Job that waits, ready to be admitted but for its turn."""

    key: Key
    organization: str
    """The namespace: an organization is one."""
    schedule: str
    waiting_since: datetime
    held: Waiting | None = None
    """Why it may not go whatever the queue is like."""


@dataclass(frozen=True, slots=True)
class Running:
    """A run that keeps its place: its Job is unsuspended or some pod of it still lives."""

    organization: str
    schedule: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Who goes now, and why the others wait."""

    admit: tuple[Key, ...]
    waiting: dict[Key, Waiting]


def decide(candidates: Iterable[Candidate], running: Iterable[Running], limits: Limits) -> Decision:
    """The organization with the fewest running goes first, then who waits longest."""
    places = list(running)
    by_organization = Counter(run.organization for run in places)
    busy = {(run.organization, run.schedule) for run in places}
    taken = len(places)
    queue = list(candidates)
    admit: list[Key] = []
    waiting: dict[Key, Waiting] = {candidate.key: candidate.held for candidate in queue if candidate.held}
    queue = [candidate for candidate in queue if not candidate.held]
    while queue:
        queue.sort(key=lambda c: (by_organization[c.organization], c.waiting_since, c.key))
        chosen = next((c for c in queue if _objection(c, by_organization, busy, limits) is None), None)
        if chosen is None or taken >= limits.total:
            break
        queue.remove(chosen)
        admit.append(chosen.key)
        by_organization[chosen.organization] += 1
        busy.add((chosen.organization, chosen.schedule))
        taken += 1
    for place, candidate in enumerate(queue, start=1):
        objection = _objection(candidate, by_organization, busy, limits)
        waiting[candidate.key] = objection or Waiting("WaitingForSlot", f"{_place(place)} in the queue")
    return Decision(tuple(admit), waiting)


def _place(place: int) -> str:
    """Far places in tens: a long queue must not rewrite every status whenever a run ends."""
    return f"place {place}" if place <= 10 else f"place {place // 10 * 10} or so"


def _objection(
    candidate: Candidate, by_organization: Counter[str], busy: set[tuple[str, str]], limits: Limits
) -> Waiting | None:
    if (candidate.organization, candidate.schedule) in busy:
        return Waiting("ScheduleBusy", "another run of this schedule is under way")
    if by_organization[candidate.organization] >= limits.per_organization:
        return Waiting(
            "OrganizationLimit", f"the organization has {limits.per_organization} run(s) under way, as many as it may"
        )
    return None
