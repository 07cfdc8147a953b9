"""Whatever happened, and wherever the operator ended: looking again comes to rest, and to the same end."""

import copy
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.operator import builders as b
from tests.unit.operator.cluster_model import ClusterModel

from eagle_contract.api.version import Approval

FIRST, SECOND = b.SLOT, b.SLOT + timedelta(days=7)
MANUAL = f"{b.NAME}-m-1"
Story = Callable[[ClusterModel], None]


def scheduled_runs(model: ClusterModel) -> None:
    """Two slots, a week apart: the second model follows the first."""
    model.settle()
    model.fire(FIRST)
    model.let_all_happen()
    model.now = SECOND + timedelta(seconds=5)
    model.fire(SECOND)
    model.let_all_happen()


def a_manual_run(model: ClusterModel) -> None:
    """Someone orders a run of a new schedule."""
    model.order(MANUAL)
    model.let_all_happen()


def a_bad_model(model: ClusterModel) -> None:
    """The second model is refused by its server; someone approves it, and it is refused again."""
    model.settle()
    model.fire(FIRST)
    model.let_all_happen()
    serving = model.schedule.status.active_version
    assert serving is not None
    model.now = SECOND + timedelta(seconds=5)
    model.fire(SECOND)
    _train(model)
    trained = model.versions[b.slot_name(SECOND)].status.result
    assert trained is not None
    model.bad_models.add(trained.artifact.digest)
    model.let_all_happen()
    model.decide(b.slot_name(SECOND), Approval(decision="Approved", by="alice"))
    model.let_all_happen()


def a_rollback(model: ClusterModel) -> None:
    """The second model is rejected in service, and approved again."""
    scheduled_runs(model)
    model.decide(b.slot_name(SECOND), Approval(decision="Rejected", by="alice"))
    model.let_all_happen()


def a_cancelled_run(model: ClusterModel) -> None:
    """A run is cancelled while it trains."""
    model.settle()
    model.fire(FIRST)
    for act in (model.admit, model.start_pods):
        model.settle()
        act()
    model.cancel(b.slot_name(FIRST))
    model.let_all_happen()


def a_pin(model: ClusterModel) -> None:
    """The first model is pinned, so that the second stays out of service; then the pin goes."""
    model.settle()
    model.fire(FIRST)
    model.let_all_happen()
    model.pin(b.slot_name(FIRST))
    model.now = SECOND + timedelta(seconds=5)
    model.fire(SECOND)
    model.let_all_happen()
    model.pin(None)
    model.let_all_happen()


def _train(model: ClusterModel) -> None:
    for act in (model.admit, model.start_pods, model.report):
        model.settle()
        act()


STORIES = (a_manual_run, a_bad_model, a_rollback, a_cancelled_run, a_pin)


def test_a_run_a_slot_and_a_promotion_a_model() -> None:
    model = ClusterModel()
    scheduled_runs(model)
    assert model.jobs_made == [b.slot_name(FIRST), b.slot_name(SECOND)]
    assert model.in_service == model.jobs_made
    assert {v.status.state for v in model.versions.values()} == {"Succeeded"}
    assert all(job.recorded for job in model.jobs.values())


def test_a_manual_run_trains_and_serves() -> None:
    model = ClusterModel()
    a_manual_run(model)
    assert (model.jobs_made, model.in_service) == ([MANUAL], [MANUAL])


def test_a_bad_model_never_comes_into_service_and_is_tried_once_per_approval() -> None:
    model = ClusterModel()
    a_bad_model(model)
    assert model.in_service == [b.slot_name(FIRST)]
    assert b.conclusion(model.versions[b.slot_name(SECOND)].status, "Serving") == ("False", "RolloutFailed")
    assert len([about for _, reason, about in model.events if reason == "RolloutFailed"]) == 2


def test_a_rejected_model_gives_way_to_the_last_good_one() -> None:
    model = ClusterModel()
    a_rollback(model)
    assert model.in_service == [b.slot_name(FIRST), b.slot_name(SECOND), b.slot_name(FIRST)]


def test_a_rejected_model_that_is_approved_again_comes_back() -> None:
    model = ClusterModel()
    a_rollback(model)
    model.decide(b.slot_name(SECOND), Approval(decision="Approved", by="alice"))
    model.let_all_happen()
    assert model.in_service[-1] == b.slot_name(SECOND)


def test_a_cancelled_run_ends_cancelled() -> None:
    model = ClusterModel()
    a_cancelled_run(model)
    assert model.versions[b.slot_name(FIRST)].status.state == "Cancelled"
    assert not [job for job in model.jobs.values() if not job.finished]


def test_a_pin_holds_and_its_end_changes_nothing_at_once() -> None:
    model = ClusterModel()
    a_pin(model)
    assert model.in_service == [b.slot_name(FIRST)]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_crash_after_any_single_write_comes_to_the_same_end(story: Story) -> None:
    undisturbed = ClusterModel()
    story(undisturbed)
    for write in range(undisturbed.writes):
        model = ClusterModel(crash_after=write)
        story(model)
        assert model.picture() == undisturbed.picture(), f"after write {write}"


def moves(model: ClusterModel) -> dict[str, Callable[[], None]]:
    """All that can happen to a model of the cluster, by name."""
    newest = max(model.versions, default=None)
    known: dict[str, Callable[[], None]] = {
        "look": model.settle,
        "admit": model.admit,
        "start": model.start_pods,
        "report": model.report,
        "end": model.end_pods,
        "fail": lambda: model.end_pods(12),
        "end without result": lambda: model.end_pods(0),
        "deadline": model.pass_deadlines,
        "evict": model.evict,
        "roll out": model.roll_out,
        "fire": lambda: model.fire(_slot_of(model)),
        "minute": lambda: model.wait(minutes=1),
        "quarter": lambda: model.wait(minutes=15),
        "week": lambda: model.wait(days=7),
        "order": lambda: model.order(f"{b.NAME}-m-{len(model.versions) % 3}"),
        "suspend": lambda: model.change_spec(suspend=True),
        "resume": lambda: model.change_spec(suspend=None),
        "move": lambda: model.change_spec(timeZone="Europe/Berlin"),
        "replace": lambda: model.change_spec(concurrencyPolicy="Replace"),
        "manual policy": lambda: model.change_spec(promotion={"policy": "Manual"}),
        "break": lambda: model.change_spec(timeZone="Nowhere/Town"),
        "unpin": lambda: model.pin(None),
    }
    if newest:
        known |= {
            "cancel": lambda: model.cancel(newest),
            "delete job": lambda: model.delete_job(newest),
            "approve": lambda: model.decide(newest, Approval(decision="Approved", by="alice")),
            "reject": lambda: model.decide(newest, Approval(decision="Rejected", by="alice")),
            "pin": lambda: model.pin(newest),
            "bad": lambda: _spoil(model, newest),
        }
    return known


def _slot_of(model: ClusterModel) -> datetime:
    weeks = (model.now - FIRST) // timedelta(days=7)
    return FIRST + weeks * timedelta(days=7)


def _spoil(model: ClusterModel, name: str) -> None:
    result = model.versions[name].status.result
    if result:
        model.bad_models.add(result.artifact.digest)


MOVES = (*moves(ClusterModel(versions={"x": b.version("x")})),)
ONWARD = ("fire", "look", "admit", "start", "look", "report", "end", "look", "roll out")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prefix=st.integers(0, 2 * len(ONWARD)),
    chosen=st.lists(st.sampled_from(MOVES), max_size=25),
    crash=st.one_of(st.none(), st.integers(0, 40)),
)
def test_any_course_of_events_comes_to_rest(prefix: int, chosen: list[str], crash: int | None) -> None:
    model = ClusterModel(crash_after=crash)
    model.settle()
    for name in [*(ONWARD * 2)[:prefix], *chosen]:
        move = moves(model).get(name)
        if move is None:
            continue
        before = model.schedule.status.not_before
        move()
        model.settle()
        after = model.schedule.status.not_before
        assert before is None or (after is not None and after >= before), "notBefore went back"
        _hold(model)
    rested = copy.deepcopy(model)
    rested.let_all_happen()
    _hold(rested)


def _hold(model: ClusterModel) -> None:
    slots = [name for name in model.jobs_made if "-m-" not in name]
    assert len(slots) == len(set(slots)), "a slot was run twice"
    running = [v for v in model.versions.values() if v.status.state == "Running"]
    assert len(running) <= 1
    for version in model.versions.values():
        reason = b.conclusion(version.status, "Serving")
        if reason and reason[0] == "True":
            active = model.schedule.status.active_version
            assert active is not None
            assert active.name == version.meta.name
        if version.status.state in ("Succeeded", "Failed", "Cancelled"):
            assert version.status.reporter_uid is None
            assert b.conclusion(version.status, "Trained") is not None
