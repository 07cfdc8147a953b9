"""A run with several workers is one run: worker 0 tells of it, and its end is that of whoever failed by itself."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator import builders as b
from tests.unit.operator import raw
from tests.unit.operator.cluster_model import ClusterModel

from eagle_contract.api import TrainingScheduleStatus, names, resolve
from eagle_operator import trim
from eagle_operator.domain import workers
from eagle_operator.domain.plan import plan
from eagle_operator.domain.training_job import cron_job, slot_job
from eagle_operator.domain.world import Job, Manifest, Pod, World
from eagle_operator.domain.writes import Apply, DeleteJob, EndJob, Plan, ReadLog, SetVersionStatus
from eagle_operator.mirror import Mirror

TWO: dict[str, Any] = {"trainer": {"workers": 2}}


def planned(world: World, **later: float) -> Plan:
    return plan(world, b.INSTALLATION, b.DEFAULTS, b.later(**later))


def worker(index: int, uid: str | None = None, **changes: Any) -> Pod:
    """A worker's pod; with an exit code it has ended."""
    if "exit_code" in changes:
        changes = {"phase": "Failed", "ended_at": b.later(seconds=changes.pop("at", 60)), **changes}
    return b.pod(uid or f"uid-{index}", index=index, **changes)


def running(*pods: Pod, reporter: str | None = "uid-0", read: bool = True, **changes: Any) -> World:
    """A run with two workers that is under way; the logs of its pods were `read`."""
    of = b.schedule(**TWO)
    job = changes.pop("job", b.running_job(pods=2))
    tail = {pod.meta.uid: f"the log of {pod.meta.uid}" for pod in pods}
    return b.world(
        b.version(status=b.running(reporter)),
        of=of,
        jobs=(job,),
        pods=pods,
        workers_service=workers.service(of),
        log_tails=tail if read else {},
        **changes,
    )


def failed_job() -> Job:
    return b.running_job(pods=0, failed=True, failure_reason="PodFailurePolicy", failure_message="pod failed")


def slots_job(workers: int | None) -> Manifest:
    of = b.schedule(trainer={"workers": workers})
    return slot_job(of, b.SLOT, resolve(of.spec, b.DEFAULTS), b.INSTALLATION)


def test_one_worker_is_no_other_job_than_none_said() -> None:
    plain = b.schedule()
    job = slot_job(plain, b.SLOT, resolve(plain.spec, b.DEFAULTS), b.INSTALLATION)
    assert slots_job(1) == slots_job(None) == job
    of = b.schedule(trainer={"workers": 1})
    clocks = [cron_job(s, resolve(s.spec, b.DEFAULTS), b.INSTALLATION) for s in (plain, of)]
    assert clocks[0] == clocks[1]


def test_workers_that_lost_another_one_are_made_anew_and_any_other_failure_ends_the_run() -> None:
    rules = slots_job(3)["spec"]["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "Ignore", "FailJob"]
    assert rules[1]["onExitCodes"] == {"operator": "In", "values": [15]}


@pytest.mark.parametrize("attempt", [1, 2, 999])
def test_a_worker_of_any_attempt_has_a_name_that_hosts_may_have(attempt: int) -> None:
    longest = "v" * names.VERSION_NAME_MAX
    assert len(f"{names.attempt_job_name(longest, attempt)}-15") <= 63
    assert len(names.workers_name("s" * names.SCHEDULE_NAME_MAX)) <= 63


def test_workers_find_each_other_by_the_service_that_their_pods_name() -> None:
    of, template = b.schedule(**TWO), slots_job(2)["spec"]["template"]
    address = workers.service(of)
    assert template["spec"]["subdomain"] == address["metadata"]["name"] == "press-line-workers"
    assert address["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    told = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
    assert (told["EAGLE_WORKERS"], told["EAGLE_WORKERS_SERVICE"]) == ("2", "press-line-workers")
    ports = [port["containerPort"] for port in template["spec"]["containers"][0]["ports"]]
    assert ports == [port["port"] for port in address["spec"]["ports"]]


def applied(world: World) -> list[str]:
    return [write.manifest["metadata"]["name"] for write in b.of_kind(planned(world), Apply)]


def test_the_service_is_made_when_it_is_wanted_and_made_right_when_it_differs() -> None:
    of = b.schedule(**TWO)
    right = workers.service(of)
    wrong = {**right, "spec": {**right["spec"], "publishNotReadyAddresses": False}}
    orphan = {**right, "metadata": {**right["metadata"], "ownerReferences": []}}
    for found in (None, wrong, orphan):
        assert "press-line-workers" in applied(b.world(of=of, workers_service=found))
    defaulted = {**right, "spec": {**right["spec"], "clusterIPs": ["None"], "type": "ClusterIP"}}
    assert "press-line-workers" not in applied(b.world(of=of, workers_service=defaulted))


def test_a_schedule_comes_to_rest_with_its_service_also_after_it_was_restored() -> None:
    model = ClusterModel(schedule=b.schedule(TrainingScheduleStatus(), **TWO))
    for _ in range(2):
        model.settle()
        (made,) = model.services.values()
        assert made["metadata"]["ownerReferences"][0]["uid"] == model.schedule.meta.uid
        model.restore()


def test_a_schedule_for_one_worker_has_no_such_service() -> None:
    assert "press-line-workers" not in applied(b.world())


def test_worker_0_reports_whichever_pod_came_first() -> None:
    helper = worker(1, created=b.SLOT - timedelta(seconds=5))
    status = b.version_status(planned(running(helper, worker(0), reporter=None)))
    assert status.reporter_uid == "uid-0"


def test_a_helper_never_reports() -> None:
    assert not b.of_kind(planned(running(worker(1), reporter=None)), SetVersionStatus)


def test_a_worker_0_that_was_made_anew_reports_in_the_old_ones_place() -> None:
    ended = worker(0, exit_code=15, created=b.SLOT - timedelta(seconds=9))
    status = b.version_status(planned(running(ended, worker(1), worker(0, "uid-anew"))))
    assert (status.reporter_uid, status.state) == ("uid-anew", "Running")


def test_a_helper_that_does_not_start_is_told_of_and_ends_the_attempt_in_time() -> None:
    waits = worker(1, started=False, phase="Pending", unschedulable="0/3 nodes are available")
    world = running(worker(0), waits)
    assert b.message(b.version_status(planned(world)), "Trained") == "Unschedulable: 0/3 nodes are available"
    assert not b.of_kind(planned(world, seconds=590), EndJob)
    assert b.of_kind(planned(world, seconds=602), EndJob)


def test_an_attempt_that_a_helper_kept_from_starting_says_so() -> None:
    waits = worker(1, started=False, phase="Pending", unschedulable="0/3 nodes are available")
    late = b.running_job(failed=True, failure_reason="DeadlineExceeded", deadline_seconds=1)
    status = b.version_status(planned(running(worker(0), waits, job=late)))
    assert status.attempts[-1].reason == "PendingTimeout"
    assert status.attempts[-1].message == "Unschedulable: 0/3 nodes are available"


def failure(*pods: Pod) -> tuple[str | None, str | None, str | None]:
    attempt = b.version_status(planned(running(*pods, job=failed_job()))).attempts[-1]
    return attempt.reason, attempt.message, attempt.log_tail


def test_the_reason_is_of_the_worker_that_failed_by_itself() -> None:
    victims = worker(0, exit_code=15, exit_message="worker 1 is gone", at=59)
    killed = worker(1, exit_code=137, exit_reason="OOMKilled", at=60)
    reason, _, log = failure(victims, killed)
    assert (reason, log) == ("OutOfMemory", "the log of uid-1")


def test_of_several_that_failed_the_first_one_tells() -> None:
    first = worker(1, exit_code=1, exit_message="it could not be reached", at=10)
    second = worker(0, exit_code=11, exit_message="no database", at=20)
    assert failure(second, first)[:2] == ("Error", "it could not be reached")


def test_a_worker_that_the_end_of_the_job_ended_is_no_reason() -> None:
    ended = worker(1, exit_code=143, exit_message="asked to end", at=10)
    assert failure(worker(0, exit_code=12, exit_message="too little", at=10), ended)[0] == "InsufficientData"


def test_a_worker_that_somebody_deleted_is_the_reason_and_not_the_one_that_lost_it() -> None:
    lost = worker(0, exit_code=15, exit_message="worker 1 is gone", at=9)
    assert failure(lost, worker(1, exit_code=143, exit_message="asked to end", at=10))[1] == "asked to end"


def test_the_log_that_is_read_is_that_of_the_worker_that_failed() -> None:
    pods = (worker(0, exit_code=15, at=9), worker(1, exit_code=12, at=8))
    unread = b.of_kind(planned(running(*pods, job=failed_job(), read=False)), ReadLog)
    assert [write.pod.meta.uid for write in unread] == ["uid-1"]


def test_a_helper_that_is_lost_with_its_node_ends_the_attempt_for_all() -> None:
    gone = worker(1, deleting=True, deletion_time=b.NOW)
    world = running(worker(0), gone)
    assert not b.of_kind(planned(world), DeleteJob)
    later = planned(world, seconds=121)
    assert b.version_status(later).attempts[-1].reason == "NodeLost"
    assert b.of_kind(later, DeleteJob)


def test_a_helper_whose_lost_pod_was_replaced_is_not_lost() -> None:
    gone = worker(1, "uid-old", deleting=True, deletion_time=b.NOW, created=b.SLOT - timedelta(seconds=9))
    assert not b.of_kind(planned(running(worker(0), gone, worker(1)), seconds=121), DeleteJob)


def seen(index: int, **status: Any) -> raw.Raw:
    made = raw.pod(f"p{index}", job_uid="uid-of-a-job", **status)
    made["metadata"]["labels"][names.INDEX_LABEL] = str(index)
    return made


def test_a_pod_says_which_worker_it_is_and_when_it_ended() -> None:
    ended = {"terminated": {"exitCode": 15, "finishedAt": "2026-11-22T02:05:00Z"}}
    found = trim.pod(seen(3, containerStatuses=[{"state": ended}]))
    assert (found.index, found.ended_at) == (3, b.SLOT + timedelta(minutes=5))
    alone = trim.pod(raw.pod("p", job_uid="uid-of-a-job"))
    assert (alone.index, alone.ended_at) == (None, None)


def test_pods_left_by_a_job_that_is_gone_take_one_place_together() -> None:
    mirror = Mirror()
    for index in range(3):
        mirror.remember("Pod", seen(index))
    assert len(mirror.queue(b.NOW, enabled=True).running) == 1
