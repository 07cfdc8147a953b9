"""How far a model is rolled out, by the Deployment and the pods."""

from typing import Any

import pytest
from tests.unit.operator import builders as b

from eagle_operator.domain.rollout import MODEL_REFUSED, Rollout, Stage, rollout
from eagle_operator.domain.world import Pod

HALF: dict[str, Any] = {"replicas": 2, "updated": 1, "available": 1}
LATE = {**HALF, "progressing_reason": "ProgressDeadlineExceeded"}
UNSCHEDULABLE: dict[str, Any] = {"phase": "Pending", "unschedulable": "0/1 nodes"}


def stand(*pods: Pod, letter: str = "a", **deployment: Any) -> Rollout:
    return rollout(b.deployment("a", **deployment), pods, b.models(letter))


def test_without_a_deployment_it_has_not_begun() -> None:
    assert rollout(None, (), b.models("a")).stage is Stage.NOT_BEGUN


def test_another_model_in_the_template_has_not_begun() -> None:
    assert stand(letter="b").stage is Stage.NOT_BEGUN


def test_all_pods_new_and_available_is_complete() -> None:
    assert stand().stage is Stage.COMPLETE


def test_a_template_that_the_controller_has_not_seen_is_not_judged_by_the_old_counts() -> None:
    assert stand(generation=2, observed_generation=1).stage is Stage.RUNNING


@pytest.mark.parametrize(
    "counts",
    [
        HALF,
        {"replicas": 2, "updated": 2, "available": 2},
        {"replicas": 1, "updated": 1, "available": 0},
        {"replicas": 0, "updated": 0, "available": 0},
    ],
    ids=["old pods left", "one too many", "not ready", "none yet"],
)
def test_anything_less_is_under_way(counts: dict[str, Any]) -> None:
    assert stand(**counts).stage is Stage.RUNNING


@pytest.mark.parametrize("code", MODEL_REFUSED)
def test_a_server_that_refuses_the_model_ends_it_at_once(code: int) -> None:
    now = b.server(exit_code=code, exit_message="the digest is wrong\n")
    before = b.server(last_exit_code=code, last_exit_message="the digest is wrong")
    for pod in (now, before):
        assert stand(pod, **HALF) == Rollout(Stage.MODEL_FAILED, "the digest is wrong")


def test_a_server_that_refuses_without_a_word_has_still_refused() -> None:
    assert stand(b.server(exit_code=21, exit_message=""), **HALF).stage is Stage.MODEL_FAILED


@pytest.mark.parametrize("code", [0, 1, 19, 30, 137, 143])
def test_any_other_end_of_a_server_is_not_the_models_fault(code: int) -> None:
    assert stand(b.server(last_exit_code=code, last_exit_message="x"), **HALF).stage is Stage.RUNNING


def test_pods_of_another_model_or_on_their_way_out_say_nothing() -> None:
    other = b.server("b", exit_code=21, exit_message="no")
    leaving = Pod(
        meta=b.meta("leaving", deleting=True),
        job_uid=None,
        schedule=b.NAME,
        phase="Running",
        models=b.models("a"),
        exit_code=21,
        exit_message="no",
    )
    assert stand(other, leaving, **HALF).stage is Stage.RUNNING


def test_a_rollout_out_of_time_is_the_models_fault() -> None:
    late = stand(b.server(), **LATE)
    assert late.stage is Stage.MODEL_FAILED
    assert "progressDeadlineSeconds" in late.message


def test_no_room_or_no_image_is_not_the_models_fault_however_long_it_lasts() -> None:
    for counts in (HALF, LATE):
        assert stand(b.server(**UNSCHEDULABLE), **counts) == Rollout(Stage.HELD_UP, "Unschedulable: 0/1 nodes")


def test_a_deployment_without_a_number_of_replicas_wants_one() -> None:
    whole = b.deployment("a")
    spec = {key: value for key, value in whole.spec.items() if key != "replicas"}
    assert rollout(b.deployment("a", spec=spec), (), b.models("a")).stage is Stage.COMPLETE
