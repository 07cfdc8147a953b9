"""kopf's part: what it is told to do, and what becomes of its events."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import kopf
import pytest
from tests.unit.operator import raw

from eagle_operator import watches
from eagle_operator.freshness import Freshness, OwingMirror
from eagle_operator.watches import Watcher
from eagle_operator.workqueue import WorkQueue


def test_a_silent_watch_is_begun_anew_before_the_api_server_forgets_where_it_was() -> None:
    chosen = watches.settings()
    assert chosen.watching.inactivity_timeout + (chosen.watching.connect_timeout or 0) <= 75


def test_what_fails_is_tried_again_for_ever_and_never_seldom() -> None:
    backoffs: Any = watches.settings().networking.error_backoffs
    pauses = list(islice(iter(backoffs), 100_000))
    assert len(pauses) == 100_000
    assert max(pauses) <= 10
    assert list(islice(iter(backoffs), 4)) == pauses[:4]


def test_kopf_leaves_no_trace_on_objects() -> None:
    assert not watches.settings().posting.enabled
    assert watches.settings().peering.standalone


class Hands:
    """Whoever a Watcher tells."""

    def __init__(self) -> None:
        self.now = 0.0
        self.freshness = Freshness(lambda: self.now, lambda: self.now)
        self.mirror = OwingMirror(self.freshness)
        self.queue: WorkQueue[tuple[str, str]] = WorkQueue()
        self.woken, self.wanted = 0, list[str]()
        admission: Any = SimpleNamespace(wake=self.wake)
        resync: Any = SimpleNamespace(want=self.wanted.append)
        self.watcher = Watcher(self.mirror, self.queue, admission, resync, self.freshness)

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
def hands() -> Hands:
    return Hands()


def event(kind: str | None, obj: raw.Raw) -> Any:
    return {"type": kind, "object": obj}


async def test_an_event_makes_its_schedule_looked_at_and_proves_the_watch(hands: Hands) -> None:
    hands.now = 100.0
    hands.watcher.seen("Job", event("ADDED", raw.job("press-line-1", 20)))
    assert (len(hands.queue), hands.woken) == (1, 1)
    assert hands.freshness.age("Job") == 0
    assert hands.freshness.age("Pod") == 100
    hands.now += 1000
    assert hands.freshness.to_list() == []


async def test_an_event_of_an_old_state_changes_nothing_and_proves_the_watch_none_the_less(hands: Hands) -> None:
    hands.mirror.remember("Job", raw.job("press-line-1", 20))
    hands.now += 140
    hands.watcher.seen("Job", event("MODIFIED", raw.job("press-line-1", 19)))
    assert len(hands.queue) == 0
    hands.now += 140
    assert hands.freshness.to_list() == []


async def test_a_watch_that_began_anew_has_its_kind_listed(hands: Hands) -> None:
    hands.watcher.seen("Job", event(None, raw.job("press-line-1", 20)))
    assert hands.wanted == ["Job"]


async def test_credentials_that_were_refused_are_tried_again_after_a_while_and_kopf_takes_them(
    monkeypatch: pytest.MonkeyPatch, hands: Hands
) -> None:
    """kopf ends when a login gives what was refused before, and an API server that has just started refuses."""
    known = kopf.ConnectionInfo(server="https://cluster.invalid", token="t")
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: known)
    monkeypatch.setattr(watches, "_LOGIN_AGAIN_AFTER_SECONDS", 0.0)
    # kopf's handler as it is registered; there is no public way to call it.
    (handler,) = watches.registry_for(hands.watcher)._activities.get_all_handlers()[:1]
    login: Any = handler.fn
    first, second = await login(), await login()
    assert (first.server, first.token) == (second.server, second.token) == (known.server, known.token)
    assert first != second
