"""Who trains next: the one decision that looks at all organizations at once."""

from collections import Counter
from collections.abc import Iterable, Mapping
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
    kueue: str = ""
    """The queue of Kueue's that it is to be handed to when it is the schedule's turn; '' if the operator admits it."""


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


def decide(
    candidates: Iterable[Candidate],
    running: Iterable[Running],
    limits: Limits,
    *,
    elsewhere: Iterable[tuple[str, str]] = (),
    last_served: Mapping[str, datetime] | None = None,
) -> Decision:
    """The organization with the fewest running goes first, then who waits longest.

    An organization waits since it was last served: else one whose runs all wait since the same slot would get its
    second before others had their first. `elsewhere` are the schedules (organization and name) of which a run waits
    in a queue of Kueue's; `last_served` says when an organization's newest run was admitted.
    """
    served = last_served or {}

    def turn(candidate: Candidate) -> tuple[datetime, datetime, Key]:
        since = candidate.waiting_since
        return max(since, served.get(candidate.organization, since)), since, candidate.key

    places = list(running)
    by_organization = Counter(run.organization for run in places)
    busy = {(run.organization, run.schedule) for run in places} | set(elsewhere)
    taken = len(places)
    waiting: dict[Key, Waiting] = {}
    queue: list[Candidate] = []
    for candidate in sorted(candidates, key=turn):
        if candidate.held:
            waiting[candidate.key] = candidate.held
        elif candidate.kueue:
            waiting[candidate.key] = _handed_over(candidate, busy)
        else:
            queue.append(candidate)
    admit: list[Key] = []
    while taken < limits.total:
        free = (c for c in queue if _objection(c, by_organization, busy, limits) is None)
        chosen = min(free, key=lambda c: by_organization[c.organization], default=None)
        if chosen is None:
            break
        queue.remove(chosen)
        admit.append(chosen.key)
        by_organization[chosen.organization] += 1
        busy.add((chosen.organization, chosen.schedule))
        taken += 1
    queue.sort(key=lambda c: by_organization[c.organization])
    for place, candidate in enumerate(queue, start=1):
        objection = _objection(candidate, by_organization, busy, limits)
        where = f"{_place(place)} in the queue"
        if objection:
            waiting[candidate.key] = Waiting(objection.reason, f"{objection.message}; {where}")
        else:
            waiting[candidate.key] = Waiting("WaitingForSlot", where)
    return Decision(tuple(admit), waiting)


def _handed_over(candidate: Candidate, busy: set[tuple[str, str]]) -> Waiting:
    """One run of a schedule at a time is Kueue's to decide on."""
    schedule = (candidate.organization, candidate.schedule)
    if schedule in busy:
        return _SCHEDULE_BUSY
    busy.add(schedule)
    return Waiting("WaitingInKueue", f"Kueue decides when it runs: LocalQueue {candidate.kueue}", for_kueue=True)


_SCHEDULE_BUSY = Waiting("ScheduleBusy", "another run of this schedule is under way")


_PLACES = (1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def _place(place: int) -> str:
    """Far places are told roughly: a long queue must not rewrite every status whenever a run ends."""
    exact = place <= 5
    return f"place {place}" if exact else f"about place {max(p for p in _PLACES if p <= place)}"


def _objection(
    candidate: Candidate, by_organization: Counter[str], busy: set[tuple[str, str]], limits: Limits
) -> Waiting | None:
    if (candidate.organization, candidate.schedule) in busy:
        return _SCHEDULE_BUSY
    if by_organization[candidate.organization] >= limits.per_organization:
        return Waiting(
            "OrganizationLimit", f"the organization has {limits.per_organization} run(s) under way, as many as it may"
        )
    return None
