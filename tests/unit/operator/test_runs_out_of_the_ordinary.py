"""Runs to which happens what hardly ever does: suspended again while they run, or on one lost node after the other."""

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator.cluster_model import ClusterModel

from eagle_operator.domain.plan import plan
from eagle_operator.domain.writes import DeleteJob, EndJob

ORDER = f"{b.NAME}-m-1"


@pytest.mark.parametrize("deadline", [7200, 1], ids=["as it was", "told to end before"])
def test_cancelling_a_run_that_somebody_suspended_again_removes_its_job(deadline: int) -> None:
    job = b.running_job(suspended=True, pods=0, start_time=None, deadline_seconds=deadline)
    cancelled = b.world(b.version(status=b.running(), cancelled=True), jobs=(job,))
    due = plan(cancelled, b.INSTALLATION, b.DEFAULTS, b.NOW)
    assert b.of_kind(due, DeleteJob) == [DeleteJob(job)]
    assert not b.of_kind(due, EndJob)


def test_a_run_that_somebody_suspended_again_goes_on_when_it_is_let_go() -> None:
    job = b.running_job(suspended=True, pods=0, start_time=None)
    due = plan(b.world(b.version(status=b.running()), jobs=(job,)), b.INSTALLATION, b.DEFAULTS, b.NOW)
    assert not b.of_kind(due, DeleteJob)
    assert not b.of_kind(due, EndJob)


def test_a_run_that_loses_one_node_after_the_other_comes_to_an_end() -> None:
    cluster = ClusterModel()
    cluster.change_spec(suspend=True)
    cluster.order(ORDER)
    for _ in range(10):
        cluster.settle()
        cluster.admit()
        cluster.settle()
        cluster.start_pods()
        cluster.settle()
        cluster.lose_node()
        cluster.wait(hours=1)
    cluster.settle()
    status = cluster.versions[ORDER].status
    assert (status.state, status.retries_used) == ("Failed", 3)
    assert b.conclusion(status, "Retrying") == ("False", "Exhausted")
    assert status.attempts[-1].number == 7


def test_a_retry_that_a_clock_ahead_put_off_for_days_does_not_wait_for_them() -> None:
    cluster = ClusterModel()
    cluster.change_spec(suspend=True)
    cluster.order(ORDER)
    for act in (cluster.settle, cluster.admit, cluster.settle, cluster.start_pods, cluster.settle):
        act()
    cluster.wait(days=3)
    cluster.end_pods(1)
    cluster.settle()
    assert cluster.versions[ORDER].status.state == "WaitingToRetry"
    cluster.wait(days=-3)
    cluster.settle()
    assert cluster.versions[ORDER].status.state == "Queued"
