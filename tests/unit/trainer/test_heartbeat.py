"""How often a trainer tells that it lives, and what becomes of it when nobody listens."""

import threading
from collections.abc import Callable
from threading import Condition
from typing import Any

import pytest

from eagle_trainer.errors import TrainingEnded
from eagle_trainer.reporter import Api, Heartbeat


class Listening(Api):
    """The API server's part: keeps what it is told, or refuses it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.patience: list[float] = []
        self.refuses = False
        self._news = Condition()

    def report(self, name: str, status: dict[str, Any], *, patience: float = 0.0) -> None:
        self.patience.append(patience)
        if self.refuses:
            raise TrainingEnded("the API server is away")
        with self._news:
            self.told.append((status["progress"]["step"], status["progress"]["percent"]))
            self._news.notify_all()

    def heard(self, enough: Callable[[], bool]) -> bool:
        with self._news:
            return self._news.wait_for(enough, timeout=10)


@pytest.fixture
def api() -> Listening:
    return Listening()


def test_progress_is_told_at_most_once_in_half_a_minute(api: Listening) -> None:
    now = 0.0
    heartbeat = Heartbeat(api, "press-line-1", clock=lambda: now)
    for percent in range(5):
        heartbeat.progress("fit", percent)
        now += 10.0
    assert api.told == [("fit", 0), ("fit", 3)]


def test_a_step_that_tells_of_no_progress_is_told_of_again_and_again(api: Listening) -> None:
    heartbeat = Heartbeat(api, "press-line-1")
    with heartbeat.beating(every_seconds=0.001):
        heartbeat.progress("extract", 0)
        assert api.heard(lambda: len(api.told) >= 3)
    assert set(api.told) == {("extract", 0)}
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())


def test_nothing_is_told_before_the_run_tells_of_itself(api: Listening) -> None:
    with Heartbeat(api, "press-line-1").beating(every_seconds=0.001):
        pass
    assert api.told == []


def test_a_pod_that_may_not_speak_at_first_waits_and_then_ends(api: Listening) -> None:
    api.refuses = True
    with pytest.raises(TrainingEnded, match="away"):
        Heartbeat(api, "press-line-1").progress("extract", 0)
    assert api.patience[0] > 60


def test_a_heartbeat_that_gets_lost_later_does_not_end_the_run(api: Listening) -> None:
    now = 0.0
    heartbeat = Heartbeat(api, "press-line-1", clock=lambda: now)
    heartbeat.progress("extract", 0)
    api.refuses = True
    now = 60.0
    heartbeat.progress("fit", 10)
    assert api.patience[-1] == 0.0
