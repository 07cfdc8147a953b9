"""Courses of events that a cluster model goes through, step by step, and what must hold after every one of them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.unit.operator import builders as b
from tests.unit.operator.cluster_model import ClusterModel

from eagle_contract.api.version import Approval

FIRST, SECOND, THIRD = (b.SLOT + timedelta(days=7 * week) for week in range(3))
MANUAL = f"{b.NAME}-m-1"
Step = Callable[[ClusterModel], None]
Story = tuple[Step, ...]
FINISHED = ("Succeeded", "Failed", "Cancelled")


def hold(model: ClusterModel) -> None:
    """What holds whatever happens."""
    assert len(model.let_go) == len(set(model.let_go)), f"an attempt was let go twice: {model.let_go}"
    assert len([v for v in model.versions.values() if v.status.state == "Running"]) <= 1
    trainers = [pod for pod in model.pods.values() if not (pod.models or pod.gone or pod.meta.uid in model.lost)]
    assert len({pod.job_uid for pod in trainers}) <= 1, "two runs of the schedule at once"
    for version in model.versions.values():
        _hold(model, version.meta.name)
    if b.conclusion(model.schedule.status, "Ready") == ("True", "Reconciled"):
        there, accounted = model.slots()
        assert there == accounted, f"of {there} slots {accounted} were begun or counted as missed"


def _hold(model: ClusterModel, name: str) -> None:
    status = model.versions[name].status
    numbers = [attempt.number for attempt in status.attempts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)) if numbers else []), "a hole in the attempts"
    assert [a.log_tail for a in status.attempts[:-1]] == [None] * (len(numbers) - 1 if numbers else 0)
    assert all(attempt.finish_time for attempt in status.attempts[:-1]), "an attempt began before the last one ended"
    assert (status.retries_used or 0) <= 3
    assert (status.state == "WaitingToRetry") == (status.next_attempt_time is not None)
    assert (b.conclusion(status, "Retrying") or ("", ""))[0] == "True" or status.state != "WaitingToRetry"
    if status.state in FINISHED:
        assert status.reporter_uid is None
        assert b.conclusion(status, "Trained") is not None
    if (b.conclusion(status, "Serving") or ("", ""))[0] == "True":
        active = model.schedule.status.active_version
        assert active is not None
        assert active.name == name


# --- steps


def settle(model: ClusterModel) -> None:
    model.settle()


def rest(model: ClusterModel) -> None:
    model.let_all_happen()


def slot(moment: datetime) -> Step:
    """The slot comes, and Kubernetes makes its Job."""

    def step(model: ClusterModel) -> None:
        model.settle()
        model.now = max(model.now, moment + timedelta(seconds=2))
        model.fire(moment)
        model.settle()

    return step


def train(model: ClusterModel) -> None:
    """The run that waits is admitted, and its pod starts."""
    for act in (model.admit, model.kueue, model.start_pods):
        model.settle()
        act()
    model.settle()


def fail(code: int = 12, *, killed: bool = False) -> Step:
    """The run that waits is admitted, and fails."""

    def step(model: ClusterModel) -> None:
        train(model)
        model.end_pods(code, killed=killed)
        model.reap()
        model.settle()

    return step


def next_look(model: ClusterModel) -> None:
    model.wait_for_next_look()


def change(**spec: Any) -> Step:
    def step(model: ClusterModel) -> None:
        model.settle()
        model.change_spec(**spec)
        model.settle()

    return step


def later(moment: datetime) -> Step:
    def step(model: ClusterModel) -> None:
        model.now = max(model.now, moment)

    return step


def wait(**duration: float) -> Step:
    return lambda model: model.wait(**duration)


def cancel(name: str) -> Step:
    def step(model: ClusterModel) -> None:
        model.cancel(name)
        model.settle()

    return step


def decide(name: str, approval: Approval) -> Step:
    return lambda model: model.decide(name, approval)


def spoil(name: str) -> Step:
    """The servers refuse the model that the run came to."""

    def step(model: ClusterModel) -> None:
        trained = model.versions[name].status.result
        assert trained is not None
        model.bad_models.add(trained.artifact.digest)

    return step


def weak(model: ClusterModel) -> None:
    """From now on models are not good enough, and each comes of other data."""
    model.accuracy, model.data = "0.5", model.data + 1


def good(model: ClusterModel) -> None:
    model.accuracy, model.data = "0.98", model.data + 1


def report(model: ClusterModel) -> None:
    train(model)
    model.report()


def order(moment: datetime) -> Step:
    """Someone orders a run."""

    def step(model: ClusterModel) -> None:
        model.settle()
        model.now = max(model.now, moment)
        model.order(MANUAL)

    return step


# --- stories


SCHEDULED_RUNS: Story = (slot(FIRST), rest, slot(SECOND), rest)
A_MANUAL_RUN: Story = (order(FIRST - timedelta(minutes=50)), rest)
A_BAD_MODEL: Story = (
    slot(FIRST),
    rest,
    slot(SECOND),
    report,
    spoil(b.slot_name(SECOND)),
    rest,
    decide(b.slot_name(SECOND), Approval(decision="Approved", by="alice")),
    rest,
)
A_ROLLBACK: Story = (*SCHEDULED_RUNS, decide(b.slot_name(SECOND), Approval(decision="Rejected", by="alice")), rest)
A_CANCELLED_RUN: Story = (slot(FIRST), train, cancel(b.slot_name(FIRST)), rest)
A_PIN: Story = (
    slot(FIRST),
    rest,
    lambda model: model.pin(b.slot_name(FIRST)),
    slot(SECOND),
    rest,
    lambda model: model.pin(None),
    rest,
)
RETRIES: Story = (
    change(retry={"maxMemory": "4Gi"}, trainer={"resources": {"limits": {"memory": "2Gi"}}}),
    slot(FIRST),
    fail(11),
    next_look,
    fail(137, killed=True),
    next_look,
    weak,
    rest,
    good,
    next_look,
    rest,
)
A_CHANGED_SPEC_AFTER_EXHAUSTION: Story = (
    change(retry={"delaysSeconds": [60]}),
    slot(FIRST),
    fail(),
    next_look,
    fail(),
    change(features={"rollingWindows": [7]}),
    rest,
)
A_CHANGED_SPEC_WHILE_WAITING_TO_RETRY: Story = (
    slot(FIRST),
    fail(11),
    next_look,
    fail(10),
    change(features={"rollingWindows": [7]}),
    fail(),
    change(features={"rollingWindows": [8]}),
    rest,
)
A_LOST_NODE: Story = (
    slot(FIRST),
    train,
    lambda model: model.lose_node(),
    rest,
    next_look,
    rest,
    lambda model: model.find_node(),
    rest,
)
A_SLOT_SUPERSEDES_A_RETRY: Story = (
    change(schedule="0 2 * * *", retry={"delaysSeconds": [86_400]}),
    slot(FIRST),
    train,
    wait(minutes=5),
    fail(),
    slot(FIRST + timedelta(days=1)),
    rest,
)
A_REPLACED_RUN: Story = (
    change(concurrencyPolicy="Replace"),
    slot(FIRST),
    train,
    slot(SECOND),
    slot(THIRD),
    rest,
)
A_SLOT_THAT_HAS_TO_WAIT: Story = (
    change(timeoutSeconds=86_400, startingDeadlineSeconds=86_400, schedule="0 * * * *"),
    slot(FIRST),
    train,
    slot(FIRST + timedelta(hours=1)),
    slot(FIRST + timedelta(hours=2)),
    rest,
)
A_SUSPENDED_SCHEDULE: Story = (
    change(suspend=True),
    slot(FIRST),
    rest,
    change(suspend=None),
    slot(FIRST),
    rest,
    slot(SECOND),
    rest,
)
A_KUBERNETES_THAT_MAKES_NO_JOBS: Story = (
    settle,
    later(FIRST + timedelta(seconds=5)),
    rest,
    later(THIRD + timedelta(minutes=3)),
    rest,
)
A_NAME_THAT_IS_TAKEN: Story = (
    lambda model: model.take_name(FIRST),
    later(FIRST + timedelta(minutes=1)),
    slot(FIRST),
    rest,
    slot(SECOND),
    rest,
)
A_RESTORED_BACKUP: Story = (
    slot(FIRST),
    rest,
    order(FIRST + timedelta(minutes=1)),
    rest,
    wait(minutes=30),
    lambda model: model.restore(),
    rest,
    slot(SECOND),
    rest,
)
A_SHORT_HISTORY: Story = (
    change(historyLimits={"successful": 1, "failed": 0}, retry={"delaysSeconds": []}),
    slot(FIRST),
    fail(),
    slot(SECOND),
    rest,
    slot(THIRD),
    rest,
    slot(THIRD + timedelta(days=7)),
    rest,
)
A_QUEUE_OF_KUEUES: Story = (
    change(trainer={"queueName": "batch"}),
    order(FIRST - timedelta(minutes=50)),
    slot(FIRST),
    fail(),
    rest,
    next_look,
    rest,
)
A_JOB_MADE_OF_THE_CRON_JOB: Story = (
    settle,
    later(FIRST - timedelta(minutes=50)),
    lambda model: model.order_from_cron_job("by-hand"),
    rest,
)
A_CANCELLED_RETRY: Story = (slot(FIRST), fail(), cancel(b.slot_name(FIRST)), rest, slot(SECOND), rest)
A_CANCELLED_QUEUED_RETRY: Story = (slot(FIRST), fail(), next_look, cancel(b.slot_name(FIRST)), rest)
A_DEADLINE: Story = (
    slot(FIRST),
    train,
    wait(hours=2, seconds=5),
    lambda model: model.pass_deadlines(),
    rest,
    next_look,
    rest,
)
A_NODE_LOST_WHILE_CANCELLED: Story = (
    slot(FIRST),
    train,
    lambda model: model.lose_node(),
    cancel(b.slot_name(FIRST)),
    rest,
    next_look,
    rest,
)

STORIES = {
    "scheduled runs": SCHEDULED_RUNS,
    "a manual run": A_MANUAL_RUN,
    "a bad model": A_BAD_MODEL,
    "a rollback": A_ROLLBACK,
    "a cancelled run": A_CANCELLED_RUN,
    "a pin": A_PIN,
    "retries": RETRIES,
    "a changed spec after exhaustion": A_CHANGED_SPEC_AFTER_EXHAUSTION,
    "a changed spec while waiting to retry": A_CHANGED_SPEC_WHILE_WAITING_TO_RETRY,
    "a lost node": A_LOST_NODE,
    "a slot supersedes a retry": A_SLOT_SUPERSEDES_A_RETRY,
    "a replaced run": A_REPLACED_RUN,
    "a slot that has to wait": A_SLOT_THAT_HAS_TO_WAIT,
    "a suspended schedule": A_SUSPENDED_SCHEDULE,
    "a kubernetes that makes no jobs": A_KUBERNETES_THAT_MAKES_NO_JOBS,
    "a name that is taken": A_NAME_THAT_IS_TAKEN,
    "a restored backup": A_RESTORED_BACKUP,
    "a short history": A_SHORT_HISTORY,
    "a queue of kueues": A_QUEUE_OF_KUEUES,
    "a job made of the cron job": A_JOB_MADE_OF_THE_CRON_JOB,
    "a cancelled retry": A_CANCELLED_RETRY,
    "a cancelled queued retry": A_CANCELLED_QUEUED_RETRY,
    "a deadline": A_DEADLINE,
    "a node lost while cancelled": A_NODE_LOST_WHILE_CANCELLED,
}
