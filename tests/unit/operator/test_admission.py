"""Who trains next: limits hold whatever the queue, and nobody is passed over for ever."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator import builders as b

from eagle_operator.domain.admission import Candidate, Limits, Running, decide
from eagle_operator.domain.world import Waiting

LIMITS = Limits(total=5, per_organization=1)


def candidate(organization: str, schedule: str = "s", *, minute: int = 0, held: Waiting | None = None) -> Candidate:
    return Candidate(
        key=(organization, f"{schedule}-{minute}"),
        organization=organization,
        schedule=schedule,
        waiting_since=b.SLOT + timedelta(minutes=minute),
        held=held,
    )


def test_who_waits_longest_goes_first() -> None:
    late, early = candidate("a", minute=2), candidate("b", minute=1)
    assert decide([late, early], [], Limits(total=1, per_organization=1)).admit == (early.key,)


def test_an_organization_with_fewer_running_goes_before_one_that_waits_longer() -> None:
    busy, idle = candidate("a", "s2", minute=0), candidate("b", minute=9)
    decision = decide([busy, idle], [Running("a", "s1")], Limits(total=2, per_organization=2))
    assert decision.admit == (idle.key,)


def test_organizations_take_turns_within_one_pass() -> None:
    queue = [candidate("a", f"s{n}", minute=n) for n in range(3)] + [candidate("b", "t", minute=5)]
    decision = decide(queue, [], Limits(total=2, per_organization=2))
    assert decision.admit == (("a", "s0-0"), ("b", "t-5"))


def test_nobody_goes_a_second_time_before_all_others_that_wait_went_once() -> None:
    queue = [candidate(organization, schedule) for organization in ("a", "b", "c") for schedule in ("s1", "s2")]
    served: dict[str, datetime] = {}
    order: list[str] = []
    while queue:
        (key,) = decide(queue, [], Limits(total=1, per_organization=1), last_served=served).admit
        queue = [waiting for waiting in queue if waiting.key != key]
        order.append(key[0])
        served[key[0]] = b.later(seconds=len(order))
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_schedule_trains_one_model_at_a_time() -> None:
    first, second = candidate("a", minute=1), candidate("a", minute=2)
    decision = decide([first, second], [], Limits(total=5, per_organization=5))
    assert decision.admit == (first.key,)
    assert decision.waiting[second.key].reason == "ScheduleBusy"


def test_schedules_of_one_name_in_two_organizations_are_two_schedules() -> None:
    assert len(decide([candidate("a"), candidate("b")], [], LIMITS).admit) == 2


def test_those_who_wait_learn_why_and_where_they_stand() -> None:
    queue = [candidate("a", minute=1), candidate("b", minute=2), candidate("c", minute=3)]
    decision = decide(queue, [Running("a", "other")], Limits(total=2, per_organization=1))
    assert decision.admit == (("b", "s-2"),)
    assert decision.waiting[("a", "s-1")].reason == "OrganizationLimit"
    assert decision.waiting[("c", "s-3")].reason == "WaitingForSlot"


def test_a_run_that_is_held_neither_goes_nor_stands_in_the_way() -> None:
    why = Waiting("ScheduleSuspended", "suspended")
    held, free = candidate("a", minute=1, held=why), candidate("a", "s2", minute=2)
    decision = decide([held, free], [], Limits(total=1, per_organization=1))
    assert (decision.admit, decision.waiting) == ((free.key,), {held.key: why})


def test_far_places_are_told_in_tens_so_that_a_long_queue_is_not_rewritten_at_every_step() -> None:
    queue = [candidate(f"o{n:02}", minute=n) for n in range(40)]
    before = decide(queue, [Running("x", "y")], Limits(total=1, per_organization=1))
    after = decide(queue[1:], [Running("x", "y")], Limits(total=1, per_organization=1))
    changed = [key for key in after.waiting if after.waiting[key] != before.waiting[key]]
    assert len(changed) < 15


def test_more_running_than_allowed_admits_nobody() -> None:
    running = [Running("a", "s"), Running("b", "s"), Running("c", "s")]
    assert decide([candidate("d")], running, Limits(total=2, per_organization=1)).admit == ()


# --- places, and turns


def full() -> list[Running]:
    """One run of another organization, which takes the only place."""
    return [Running("x", "y")]


ONE = Limits(total=1, per_organization=1)


def test_those_who_wait_are_told_their_places_in_the_order_in_which_they_will_go() -> None:
    queue = [candidate(name, minute=minute) for minute, name in enumerate("abcdef")]
    waiting = decide(queue, full(), ONE).waiting
    told = [waiting[c.key].message for c in queue]
    assert told == [f"place {n} in the queue" for n in (1, 2, 3, 4, 5)] + ["about place 5 in the queue"]


def test_an_organization_with_a_run_stands_behind_those_without() -> None:
    early, late = candidate("x", "s2", minute=0), candidate("a", minute=9)
    waiting = decide([early, late], full(), Limits(total=1, per_organization=2)).waiting
    assert waiting[late.key].message == "place 1 in the queue"
    assert waiting[early.key].message == "place 2 in the queue"


def test_who_could_not_go_anyway_is_told_why_and_the_place_too() -> None:
    queue = [candidate("x", "y", minute=1), candidate("x", "z", minute=2)]
    busy, limited = (decide(queue, full(), LIMITS).waiting[c.key] for c in queue)
    assert (busy.reason, busy.message) == (
        "ScheduleBusy",
        "another run of this schedule is under way; place 1 in the queue",
    )
    assert (limited.reason, limited.message) == (
        "OrganizationLimit",
        "the organization has 1 run(s) under way, as many as it may; place 2 in the queue",
    )


def test_organizations_go_in_turn_however_many_one_of_them_has_ordered() -> None:
    many = [candidate("a", f"s{n}", minute=n) for n in range(5)]
    few = [candidate("b", f"t{n}", minute=9 + n) for n in range(2)]
    decision = decide([*many, *few], [], Limits(total=4, per_organization=4))
    assert [key[0] for key in decision.admit] == ["a", "b", "a", "b"]


def test_five_hundred_at_once_are_admitted_only_as_far_as_there_is_room() -> None:
    queue = [candidate(f"o{n % 100:03}", f"s{n}", minute=n) for n in range(500)]
    decision = decide(queue, [], LIMITS)
    assert [key[0] for key in decision.admit] == ["o000", "o001", "o002", "o003", "o004"]
    assert len(decision.waiting) == 495


# --- Kueue


def for_kueue(organization: str = "a", schedule: str = "s", *, minute: int = 0) -> Candidate:
    return replace(candidate(organization, schedule, minute=minute), kueue="batch")


def test_what_kueue_decides_on_is_handed_over_whatever_the_operators_own_limits() -> None:
    decision = decide([for_kueue("x", "other"), for_kueue("b")], full(), ONE)
    assert decision.admit == ()
    assert {waiting.reason for waiting in decision.waiting.values()} == {"WaitingInKueue"}
    assert all(waiting.for_kueue for waiting in decision.waiting.values())
    assert "LocalQueue batch" in decision.waiting[("b", "s-0")].message


def test_one_run_of_a_schedule_at_a_time_is_handed_over_the_one_that_waits_longest() -> None:
    late, early = for_kueue(minute=2), for_kueue(minute=1)
    waiting = decide([late, early], [], LIMITS).waiting
    assert waiting[early.key].for_kueue
    assert (waiting[late.key].reason, waiting[late.key].for_kueue) == ("ScheduleBusy", False)


def test_a_run_of_the_schedule_that_runs_or_is_in_kueues_queue_already_keeps_the_next_one_back() -> None:
    for facts in ({"running": [Running("a", "s")]}, {"running": [], "elsewhere": [("a", "s")]}):
        (waiting,) = decide([for_kueue()], limits=LIMITS, **facts).waiting.values()
        assert (waiting.reason, waiting.for_kueue) == ("ScheduleBusy", False)


def test_a_schedule_in_kueues_queue_has_no_run_of_the_operators_own_either() -> None:
    own = candidate("a", "s", minute=0)
    assert decide([own], [], LIMITS, elsewhere=[("a", "s")]).admit == ()
    assert decide([own, for_kueue(minute=5)], [], LIMITS).admit == ()


def test_what_is_held_is_not_handed_over() -> None:
    why = Waiting("ScheduleSuspended", "suspended")
    held = replace(for_kueue(), held=why)
    assert decide([held], [], LIMITS).waiting == {held.key: why}


organizations = st.sampled_from("abcd")
schedules = st.sampled_from("stuv")
candidates = st.lists(
    st.builds(lambda o, s, m: candidate(o, s, minute=m), organizations, schedules, st.integers(0, 30)),
    max_size=25,
    unique_by=lambda c: c.key,
)
places = st.lists(st.builds(Running, organizations, schedules), max_size=8)
limits = st.builds(lambda total, own: Limits(total=total, per_organization=own), st.integers(1, 6), st.integers(1, 3))


@given(queue=candidates, running=places, limit=limits)
def test_no_limit_is_ever_exceeded(queue: list[Candidate], running: list[Running], limit: Limits) -> None:
    decision = decide(queue, running, limit)
    by_key = {c.key: c for c in queue}
    admitted = [by_key[key] for key in decision.admit]
    assert len(admitted) + len(running) <= max(limit.total, len(running))
    before = Counter(run.organization for run in running)
    after = before + Counter(c.organization for c in admitted)
    assert all(after[c.organization] <= limit.per_organization for c in admitted)
    busy = [(run.organization, run.schedule) for run in running]
    together = [(c.organization, c.schedule) for c in admitted]
    assert len(together) == len(set(together))
    assert not set(together) & set(busy)


@given(queue=candidates, running=places, limit=limits)
def test_everyone_is_admitted_or_told_why_not(queue: list[Candidate], running: list[Running], limit: Limits) -> None:
    decision = decide(queue, running, limit)
    assert sorted([*decision.admit, *decision.waiting]) == sorted(c.key for c in queue)
    assert not set(decision.admit) & set(decision.waiting)


@given(queue=candidates, running=places, limit=limits)
def test_no_place_stays_empty_while_someone_could_take_it(
    queue: list[Candidate], running: list[Running], limit: Limits
) -> None:
    decision = decide(queue, running, limit)
    if len(running) + len(decision.admit) < limit.total:
        assert all(waiting.reason != "WaitingForSlot" for waiting in decision.waiting.values())


@given(queue=candidates, running=places, limit=limits, seed=st.randoms(use_true_random=False))
def test_the_order_in_which_the_cluster_lists_jobs_decides_nothing(
    queue: list[Candidate],
    running: list[Running],
    limit: Limits,
    seed: "st.randoms",  # type: ignore[valid-type]
) -> None:
    shuffled = list(queue)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(shuffled, running, limit) == decide(queue, running, limit)


@given(queue=candidates, limit=limits)
def test_nobody_waits_for_ever(queue: list[Candidate], limit: Limits) -> None:
    left = list(queue)
    for _ in queue:
        admitted = set(decide(left, [], limit).admit)
        left = [c for c in left if c.key not in admitted]
    assert left == []
