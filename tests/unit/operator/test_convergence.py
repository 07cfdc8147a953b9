"""Whatever happened, and wherever the operator ended: looking again comes to rest, and to the same end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.operator import builders as b
from tests.unit.operator.cluster_model import ClusterModel
from tests.unit.operator.stories import FIRST, MANUAL, SECOND, STORIES, THIRD, hold

from eagle_contract.api import names
from eagle_contract.api.version import Approval


def model_after(name: str) -> ClusterModel:
    model = ClusterModel()
    for step in STORIES[name]:
        step(model)
        hold(model)
    return model


def states(model: ClusterModel) -> dict[str, str | None]:
    return {name: version.status.state for name, version in model.versions.items()}


def reasons(model: ClusterModel, name: str = b.slot_name(FIRST)) -> list[str | None]:
    """How the attempts of a run ended."""
    return [attempt.reason for attempt in model.versions[name].status.attempts]


def missed(model: ClusterModel) -> tuple[int, str | None]:
    found = model.schedule.status.missed_slots
    return (found.count, found.last_reason) if found else (0, None)


def ready(model: ClusterModel) -> tuple[str, str] | None:
    return b.conclusion(model.schedule.status, "Ready")


def test_a_run_a_slot_and_a_promotion_a_model() -> None:
    model = model_after("scheduled runs")
    assert model.jobs_made == [b.slot_name(FIRST), b.slot_name(SECOND)]
    assert model.in_service == model.jobs_made
    assert set(states(model).values()) == {"Succeeded"}
    assert all(job.recorded for job in model.jobs.values())


def test_a_manual_run_trains_and_serves() -> None:
    model = model_after("a manual run")
    assert (model.jobs_made, model.in_service) == ([MANUAL], [MANUAL])


def test_a_bad_model_never_comes_into_service_and_is_tried_once_per_approval() -> None:
    model = model_after("a bad model")
    assert model.in_service == [b.slot_name(FIRST)]
    assert b.conclusion(model.versions[b.slot_name(SECOND)].status, "Serving") == ("False", "RolloutFailed")
    assert len([about for _, reason, about in model.events if reason == "RolloutFailed"]) == 2


def test_a_rejected_model_gives_way_to_the_last_good_one() -> None:
    model = model_after("a rollback")
    assert model.in_service == [b.slot_name(FIRST), b.slot_name(SECOND), b.slot_name(FIRST)]


def test_a_rejected_model_that_is_approved_again_comes_back() -> None:
    model = model_after("a rollback")
    model.decide(b.slot_name(SECOND), Approval(decision="Approved", by="alice"))
    model.let_all_happen()
    assert model.in_service[-1] == b.slot_name(SECOND)


def test_a_pin_holds_and_its_end_changes_nothing_at_once() -> None:
    assert model_after("a pin").in_service == [b.slot_name(FIRST)]


@pytest.mark.parametrize(
    ("story", "jobs", "reason"),
    [
        ("a cancelled run", 1, "Cancelled"),
        ("a cancelled retry", 2, "InsufficientData"),
        ("a cancelled queued retry", 2, "InsufficientData"),
        ("a node lost while cancelled", 1, "Cancelled"),
    ],
)
def test_a_cancelled_run_ends_cancelled_whatever_it_was_about(story: str, jobs: int, reason: str) -> None:
    model = model_after(story)
    assert states(model)[b.slot_name(FIRST)] == "Cancelled"
    assert reasons(model) == [reason]
    assert len(model.jobs_made) == jobs
    assert not [job for job in model.jobs.values() if not job.finished]


def test_a_run_is_tried_again_until_it_comes_to_a_good_model_each_attempt_with_a_job_of_its_own() -> None:
    model = model_after("retries")
    assert reasons(model) == ["SourceUnavailable", "OutOfMemory", "ValidationFailed", "Completed"]
    retries = [names.attempt_job_name(b.slot_name(FIRST), number) for number in (1, 2, 3, 4)]
    assert model.jobs_made == retries
    assert [model.memory.get(job) for job in retries] == ["2Gi", "2Gi", "3072Mi", "3072Mi"]
    assert model.in_service == [b.slot_name(FIRST)]
    assert len(model.logs_read) == 2


def test_a_run_that_gave_up_starts_again_when_what_it_is_to_train_changes() -> None:
    model = model_after("a changed spec after exhaustion")
    assert reasons(model) == ["InsufficientData", "InsufficientData", "Completed"]
    assert model.versions[b.slot_name(FIRST)].status.retries_used is None


def test_what_is_changed_while_a_run_waits_to_retry_is_tried_at_once_and_all_its_retries_are_there_again() -> None:
    model = model_after("a changed spec while waiting to retry")
    assert reasons(model) == ["SourceUnavailable", "InvalidConfiguration", "InsufficientData", "Completed"]
    assert model.versions[b.slot_name(FIRST)].status.retries_used is None


def test_a_run_whose_node_is_lost_goes_on_elsewhere_and_uses_up_no_retry() -> None:
    model = model_after("a lost node")
    assert reasons(model) == ["NodeLost", "Completed"]
    assert not model.versions[b.slot_name(FIRST)].status.retries_used
    assert list(model.jobs) == [f"{b.slot_name(FIRST)}-retry-1"]


def test_an_attempt_that_takes_too_long_is_ended_and_repeated() -> None:
    assert reasons(model_after("a deadline")) == ["DeadlineExceeded", "Completed"]


def test_a_run_that_waits_to_retry_makes_room_for_the_next_slot() -> None:
    model = model_after("a slot supersedes a retry")
    assert states(model) == {b.slot_name(FIRST): "Cancelled", b.slot_name(FIRST + timedelta(days=1)): "Succeeded"}
    assert len(model.jobs_made) == 2


def test_with_replace_each_slot_takes_the_place_of_the_one_before() -> None:
    model = model_after("a replaced run")
    assert list(states(model).values()) == ["Cancelled", "Cancelled", "Succeeded"]
    assert missed(model) == (0, None)
    waited = [model.versions[b.slot_name(slot)].status.queued_time for slot in (SECOND, THIRD)]
    assert waited[0] == waited[1]


def test_with_forbid_the_newest_slot_waits_and_the_others_are_missed() -> None:
    model = model_after("a slot that has to wait")
    assert states(model) == {b.slot_name(FIRST): "Succeeded", b.slot_name(FIRST + timedelta(hours=2)): "Succeeded"}
    assert missed(model) == (1, "TooLate")


def test_slots_of_a_suspended_schedule_are_missed_and_not_replayed() -> None:
    model = model_after("a suspended schedule")
    assert states(model) == {b.slot_name(SECOND): "Succeeded"}
    assert missed(model) == (1, "Suspended")


def test_where_kubernetes_makes_no_jobs_each_slot_in_time_has_its_run_all_the_same() -> None:
    model = model_after("a kubernetes that makes no jobs")
    assert model.jobs_made == [b.slot_name(FIRST), b.slot_name(THIRD)]
    assert set(states(model).values()) == {"Succeeded"}
    assert missed(model) == (1, "TooLate")


def test_a_slot_whose_name_is_taken_is_missed_and_told_until_the_next_one_runs() -> None:
    model = ClusterModel()
    *before, next_slot, rest = STORIES["a name that is taken"]
    for step in before:
        step(model)
    assert (ready(model), missed(model)) == (("False", "NameConflict"), (1, "NameConflict"))
    assert model.jobs_made == []
    for step in (next_slot, rest):
        step(model)
    assert (ready(model), missed(model)) == (("True", "Reconciled"), (1, "NameConflict"))
    assert states(model) == {b.slot_name(SECOND): "Succeeded"}


def test_what_a_backup_brings_back_goes_on_serving_and_trains_nothing_before_its_next_slot() -> None:
    model = ClusterModel()
    *before, next_slot, rest = STORIES["a restored backup"]
    for step in before:
        step(model)
    assert states(model) == {b.slot_name(FIRST): "Failed", MANUAL: "Failed"}
    assert {b.conclusion(v.status, "Trained") for v in model.versions.values()} == {("False", "Expired")}
    active = model.schedule.status.active_version
    assert active is not None
    assert active.name == MANUAL
    assert (model.jobs_made, missed(model)) == ([b.slot_name(FIRST), MANUAL], (0, None))
    for step in (next_slot, rest):
        step(model)
    assert model.in_service[-1] == b.slot_name(SECOND)


def test_a_restored_deployment_is_owned_again_and_its_pods_are_not_replaced() -> None:
    model = ClusterModel()
    *before, _, _ = STORIES["a restored backup"]
    for step in before[:-2]:
        step(model)
    assert model.deployment is not None
    generation = model.deployment.meta.generation
    for step in before[-2:]:
        step(model)
    assert model.deployment.meta.owner_uid == model.schedule.meta.uid
    assert model.deployment.meta.generation == generation


def test_a_short_history_stays_short() -> None:
    model = model_after("a short history")
    assert list(model.versions) == [b.slot_name(THIRD), b.slot_name(THIRD + timedelta(days=7))]
    assert list(model.jobs) == list(model.versions)
    assert len(model.jobs_made) == 4


def test_runs_that_kueue_decides_on_go_into_its_queue_one_at_a_time() -> None:
    model = model_after("a queue of kueues")
    assert all(job.queued_elsewhere for job in model.jobs.values())
    assert states(model)[b.slot_name(FIRST)] == "Succeeded"


def test_a_job_that_somebody_makes_of_the_cron_job_is_a_run_like_any_other() -> None:
    model = model_after("a job made of the cron job")
    ((name, version),) = model.versions.items()
    assert (version.spec.trigger, version.spec.requested_by) == ("Manual", "kubectl create job")
    assert model.jobs_made == ["by-hand"]
    assert model.in_service == [name]


def moves(model: ClusterModel) -> dict[str, Callable[[], None]]:
    """All that can happen to a model of the cluster, by name."""
    known: dict[str, Callable[[], None]] = {
        "look": model.settle,
        "admit": model.admit,
        "kueue": model.kueue,
        "start": model.start_pods,
        "report": model.report,
        "end": model.end_pods,
        "fail": lambda: model.end_pods(12),
        "fail for good": lambda: model.end_pods(10),
        "want of memory": lambda: model.end_pods(137, killed=True),
        "end without result": lambda: model.end_pods(0),
        "deadline": model.pass_deadlines,
        "evict": model.evict,
        "reap": model.reap,
        "lose node": model.lose_node,
        "find node": model.find_node,
        "roll out": model.roll_out,
        "fire": lambda: model.fire(_slot_of(model)),
        "next look": model.wait_for_next_look,
        "minute": lambda: model.wait(minutes=1),
        "quarter": lambda: model.wait(minutes=15),
        "week": lambda: model.wait(days=7),
        "crash": lambda: setattr(model, "crash_after", model.writes),
        "order": lambda: model.order(f"{b.NAME}-m-{len(model.versions) % 3}"),
        "job of cron job": lambda: model.order_from_cron_job(f"by-hand-{len(model.versions) % 3}"),
        "take a name": lambda: model.take_name(_slot_of(model) + timedelta(days=7)),
        "suspend": lambda: model.change_spec(suspend=True),
        "resume": lambda: model.change_spec(suspend=None),
        "move": lambda: model.change_spec(timeZone="Europe/Berlin"),
        "move back": lambda: model.change_spec(timeZone=None),
        "replace": lambda: model.change_spec(concurrencyPolicy="Replace"),
        "forbid": lambda: model.change_spec(concurrencyPolicy=None),
        "one retry": lambda: model.change_spec(retry={"delaysSeconds": [600], "maxMemory": "8Gi"}),
        "learn anew": lambda: model.change_spec(model={"name": "press-failure", "seed": len(model.jobs_made)}),
        "give to kueue": lambda: model.change_spec(trainer={"queueName": "batch"}),
        "keep little": lambda: model.change_spec(historyLimits={"successful": 1, "failed": 0}),
        "weak models": lambda: setattr(model, "accuracy", "0.5"),
        "good models": lambda: setattr(model, "accuracy", "0.98"),
        "more data": lambda: setattr(model, "data", model.data + 1),
        "manual policy": lambda: model.change_spec(promotion={"policy": "Manual"}),
        "break": lambda: model.change_spec(timeZone="Nowhere/Town"),
        "unpin": lambda: model.pin(None),
    }
    newest = max(model.versions.values(), key=lambda v: (v.meta.created, v.meta.name), default=None)
    if newest:
        name = newest.meta.name
        known |= {
            "cancel": lambda: model.cancel(name),
            "delete job": lambda: model.delete_job(list(model.jobs)[-1]) if model.jobs else None,
            "delete version": lambda: model.delete_version(name),
            "approve": lambda: model.decide(name, Approval(decision="Approved", by="alice")),
            "reject": lambda: model.decide(name, Approval(decision="Rejected", by="alice")),
            "pin": lambda: model.pin(name),
            "bad": lambda: _spoil(model, name),
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
ONWARD = ("week", "fire", "look", "admit", "start", "look", "report", "end", "look", "roll out")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prefix=st.integers(0, 2 * len(ONWARD)),
    chosen=st.lists(st.sampled_from(MOVES), max_size=30),
    crash=st.one_of(st.none(), st.integers(0, 40)),
    meanwhile=st.dictionaries(st.integers(1, 60), st.sampled_from(MOVES), max_size=4),
)
def test_any_course_of_events_comes_to_rest(
    prefix: int, chosen: list[str], crash: int | None, meanwhile: dict[int, str]
) -> None:
    go_through([*(ONWARD * 2)[:prefix], *chosen], crash, meanwhile)


def go_through(course: list[str], crash: int | None, meanwhile: dict[int, str]) -> None:
    """Those moves one after the other, and some in the middle of what the operator does about them."""
    model = ClusterModel(crash_after=crash, now=b.NOW)
    for write, name in meanwhile.items():
        model.meanwhile[write] = partial(_move, model, name)
    model.settle()
    for name in course:
        before = model.schedule.status.not_before
        _move(model, name)
        model.settle()
        after = model.schedule.status.not_before
        assert before is None or (after is not None and after >= before), "notBefore went back"
        hold(model)
    model.let_all_happen()
    hold(model)


IN_ONE_PIECE = ("look", "next look")


def _move(model: ClusterModel, name: str) -> None:
    move = moves(model).get(name)
    if move and not (model.looking and name in IN_ONE_PIECE):
        move()


@pytest.mark.parametrize("name", STORIES)
def test_in_an_hour_in_which_nothing_happens_nothing_is_written(name: str) -> None:
    model = model_after(name)
    model.let_all_happen()
    upcoming = model.schedule.status.next_schedule_time
    written, end = model.writes, model.now + timedelta(hours=1)
    while model.now + timedelta(minutes=5) < min(end, upcoming or end):
        model.wait(minutes=5)
        model.settle()
    assert model.writes == written
