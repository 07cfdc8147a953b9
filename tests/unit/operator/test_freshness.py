"""Stale watches are found, and nothing else is taken for one."""

from collections.abc import Iterable

import pytest
from tests.unit.operator import raw

from eagle_operator.freshness import OWED_FOR_SECONDS, AnsweringClock, Freshness, OwingMirror

JOB = "Job"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """One kind's watch, its lists and the API server's answers, on one clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.freshness = Freshness(self.clock, self.clock)

    def passes(self, seconds: float = OWED_FOR_SECONDS) -> None:
        self.clock.now += seconds

    def listed(self, versions: Iterable[int], as_of: int) -> None:
        self.freshness.listed(JOB, versions, as_of)

    @property
    def is_stale(self) -> bool:
        return self.freshness.stale() == [JOB]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_watch_on_which_nothing_happens_is_not_stale(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    for _ in range(10):
        watched.passes(300)
        watched.listed([5, 10], as_of=99)
        assert watched.freshness.to_list() == []
        assert not watched.freshness.stale()


def test_a_kind_without_any_object_is_not_stale(watched: Watched) -> None:
    watched.passes(86_400)
    watched.listed([], as_of=99)
    assert not watched.freshness.stale()


def test_a_watch_that_owes_what_a_list_showed_is_stale_once_a_later_list_shows_it_again(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    watched.listed([10, 20], as_of=25)
    watched.passes(OWED_FOR_SECONDS - 1)
    watched.listed([10, 20], as_of=26)
    assert not watched.freshness.stale()
    watched.passes(1)
    assert watched.freshness.to_list() == [JOB]
    assert not watched.freshness.stale()
    watched.listed([10, 20], as_of=27)
    assert watched.is_stale


def test_a_watch_that_owes_what_an_answer_showed_is_asked_about_and_then_stale(watched: Watched) -> None:
    watched.freshness.expect(JOB, 20)
    watched.passes()
    assert watched.freshness.to_list() == [JOB]
    watched.listed([20], as_of=20)
    assert watched.is_stale


def test_the_kind_is_not_listed_again_and_again_for_one_debt(watched: Watched) -> None:
    watched.freshness.expect(JOB, 20)
    watched.passes()
    assert watched.freshness.to_list() == [JOB]
    watched.passes(5)
    assert watched.freshness.to_list() == []
    watched.passes(20)
    assert watched.freshness.to_list() == [JOB]


def test_a_watch_that_delivers_is_alive_however_far_behind(watched: Watched) -> None:
    watched.freshness.expect(JOB, 1000)
    for version in range(1, 100):
        watched.passes(100)
        watched.freshness.delivered(JOB, version)
        assert watched.freshness.to_list() == []
        watched.listed([1000], as_of=1000)
        assert not watched.freshness.stale()


def test_a_stale_watch_that_delivers_again_is_not_stale_any_more(watched: Watched) -> None:
    watched.freshness.expect(JOB, 20)
    watched.passes()
    watched.listed([20], as_of=20)
    assert watched.is_stale
    watched.freshness.delivered(JOB, 20)
    assert not watched.freshness.stale()
    assert watched.freshness.age(JOB) == 0


def test_an_object_that_is_gone_before_its_event_came_is_not_owed(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    watched.freshness.expect(JOB, 20)
    watched.passes()
    watched.listed([10], as_of=30)
    assert not watched.freshness.stale()
    watched.passes()
    assert watched.freshness.to_list() == []


def test_an_object_that_left_the_selector_is_not_owed(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    watched.listed([20], as_of=20)
    watched.passes()
    watched.listed([], as_of=30)
    watched.freshness.delivered(JOB, 12)
    watched.passes()
    assert (watched.freshness.to_list(), watched.freshness.stale()) == ([], [])


def test_a_list_that_is_older_than_an_answer_does_not_cancel_what_the_answer_showed(watched: Watched) -> None:
    watched.freshness.expect(JOB, 20)
    watched.listed([10], as_of=15)
    watched.passes()
    watched.listed([10, 20], as_of=25)
    assert watched.is_stale


def test_an_object_that_changed_just_now_is_no_proof_against_the_watch(watched: Watched) -> None:
    """What was owed for long is gone; what the list shows instead is a moment old."""
    watched.freshness.delivered(JOB, 10)
    watched.freshness.expect(JOB, 20)
    watched.passes()
    watched.listed([10, 30], as_of=30)
    assert not watched.freshness.stale()
    watched.freshness.delivered(JOB, 30)
    watched.listed([10, 30], as_of=31)
    assert not watched.freshness.stale()


def test_an_object_that_always_changes_does_not_hide_a_stale_watch(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    for version in range(20, 60):
        watched.freshness.expect(JOB, version)
        watched.passes(5)
    assert watched.freshness.to_list() == [JOB]
    watched.listed([59], as_of=60)
    assert watched.is_stale


def test_the_age_of_a_watch_counts_from_its_last_proof(watched: Watched) -> None:
    watched.freshness.delivered(JOB, 10)
    watched.passes(100)
    assert watched.freshness.age(JOB) == 100
    watched.listed([10], as_of=50)
    assert watched.freshness.age(JOB) == 0
    watched.passes(7)
    watched.listed([10, 20], as_of=50)
    assert watched.freshness.age(JOB) == 7


def test_time_without_answers_is_not_counted() -> None:
    clock = Clock()
    answering = AnsweringClock(clock)
    answering.heard(True)
    clock.now += 5
    answering.heard(True)
    assert answering() == 5
    clock.now += 5
    answering.heard(False)
    clock.now += 1000
    answering.heard(True)
    assert answering() == 5
    clock.now += 5
    answering.heard(True)
    assert answering() == 10


def test_a_long_silence_in_which_nobody_asked_counts_as_a_short_one() -> None:
    clock = Clock()
    answering = AnsweringClock(clock)
    answering.heard(True)
    clock.now += 1000
    answering.heard(True)
    assert answering() < 60


def test_an_api_server_that_is_away_makes_no_watch_stale() -> None:
    clock = Clock()
    answering = AnsweringClock(clock)
    freshness = Freshness(answering, clock)
    answering.heard(True)
    freshness.expect(JOB, 20)
    for _ in range(100):
        clock.now += 60
        answering.heard(False)
        assert freshness.to_list() == []
    answering.heard(True)
    freshness.listed(JOB, [20], 20)
    assert not freshness.stale()


def test_the_mirror_tells_what_answers_and_lists_showed() -> None:
    watched = Watched()
    mirror = OwingMirror(watched.freshness)
    mirror.remember(JOB, raw.job("press-1", 20))
    watched.passes()
    assert watched.freshness.to_list() == [JOB]
    raw.list_into(mirror, JOB, [raw.job("press-1", 20)], "21")
    assert watched.is_stale
    raw.list_into(mirror, JOB, [], "22")
    assert not watched.freshness.stale()
