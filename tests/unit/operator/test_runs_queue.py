"""Orders that join the queue: how many may, since when they wait, and which never run."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.retried import (
    DAY,
    queued_again,
    waits,
)
from tests.unit.operator.test_runs import NEXT, manual, step

from eagle_contract.api import ModelVersionStatus
from eagle_operator.domain.world import Version

# --- a queue that is full


def orders(count: int, status: ModelVersionStatus | None = None) -> tuple[Version, ...]:
    """Orders of people, one a second, the first a minute before NOW."""
    moments = [b.NOW - timedelta(seconds=60 - n) for n in range(count)]
    return tuple(
        b.version(f"{b.NAME}-m-old{n}", status, trigger="Manual", slot=None, created=moment)
        for n, moment in enumerate(moments)
    )


@pytest.mark.parametrize("status", [b.queued(), None], ids=["waiting", "not taken up yet"])
def test_an_order_beyond_those_that_may_wait_is_refused_and_told_what_to_do(status: ModelVersionStatus | None) -> None:
    assert step(manual(created=b.NOW), others=orders(4, status)).status.state == "Queued"
    done = step(manual(created=b.NOW), others=orders(5, status))
    assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Failed", ("False", "QueueFull"))
    assert b.message(done.status, "Trained") == (
        "5 ordered runs of this schedule wait already, as many as may; cancel one, or order again later"
    )


def test_of_orders_made_at_once_exactly_as_many_are_taken_as_may_wait() -> None:
    made = orders(7)
    states = [step(order, others=tuple(o for o in made if o is not order)).status.state for order in made]
    assert states == ["Queued"] * 5 + ["Failed"] * 2


@pytest.mark.parametrize("status", [b.running(), waits(), b.trained()], ids=["runs", "waits to retry", "ended"])
def test_only_orders_that_wait_count(status: ModelVersionStatus) -> None:
    assert step(manual(created=b.NOW), others=orders(9, status)).status.state == "Queued"


def test_slots_neither_count_nor_are_refused() -> None:
    assert step(b.version(), others=orders(9, b.queued())).status.state == "Queued"
    slots = tuple(b.version(slot=b.SLOT - n * DAY, status=b.queued()) for n in range(1, 9))
    assert step(manual(created=b.NOW), others=slots).status.state == "Queued"


# --- its age in the queue


def test_an_order_waits_since_it_was_taken_up() -> None:
    assert step(manual()).status.queued_time == b.NOW


def replaced(older: ModelVersionStatus, *, policy: str = "Replace", created: datetime = NEXT) -> datetime | None:
    """Since when the run of the next slot waits, if the one before it is like this."""
    before = b.version(status=older)
    newer = b.version(slot=NEXT, created=created)
    of = b.schedule(concurrencyPolicy=policy)
    return step(newer, others=(before,), of=of, now=NEXT + timedelta(seconds=5)).status.queued_time


def superseded(when: datetime) -> ModelVersionStatus:
    status = b.queued().model_copy(update={"state": "Cancelled", "queued_time": b.SLOT, "conditions": []})
    ended = b.with_conditions(status, {"Trained": ("False", "Superseded")})
    (trained,) = ended.conditions
    return ended.model_copy(update={"conditions": [trained.model_copy(update={"last_transition_time": when})]})


def test_a_slot_that_takes_the_place_of_a_waiting_one_has_its_age() -> None:
    waiting = b.queued().model_copy(update={"queued_time": b.SLOT})
    assert replaced(waiting) == b.SLOT
    assert replaced(superseded(NEXT + timedelta(seconds=1))) == b.SLOT


@pytest.mark.parametrize(
    ("older", "policy"),
    [
        (b.queued().model_copy(update={"queued_time": b.SLOT}), "Forbid"),
        (superseded(NEXT - DAY), "Replace"),
        (b.running().model_copy(update={"queued_time": b.SLOT}), "Replace"),
        (b.trained().model_copy(update={"queued_time": b.SLOT}), "Replace"),
        (queued_again(queued_time=b.SLOT), "Replace"),
    ],
    ids=["forbid", "superseded long before", "running", "ended", "tried"],
)
def test_any_other_slot_begins_to_wait_when_it_comes(older: ModelVersionStatus, policy: str) -> None:
    assert replaced(older, policy=policy) == NEXT + timedelta(seconds=5)


def test_only_the_slot_directly_before_hands_its_age_on() -> None:
    weeks = [b.version(slot=b.SLOT - 7 * DAY, status=superseded(NEXT + DAY)), b.version(status=b.trained())]
    newer = b.version(slot=NEXT, created=NEXT)
    done = step(newer, others=tuple(weeks), of=b.schedule(concurrencyPolicy="Replace"), now=NEXT)
    assert done.status.queued_time == NEXT


# --- an order that came back from a backup


def test_what_a_backup_brought_back_never_runs_however_new_it_looks() -> None:
    for order in (manual(), b.version(), manual(cancelled=True)):
        done = step(replace(order, restored=True), b.job())
        assert (done.status.state, b.conclusion(done.status, "Trained")) == ("Failed", ("False", "Expired"))
        assert "backup" in b.message(done.status, "Trained")
