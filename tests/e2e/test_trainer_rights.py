"""What a trainer at work may do with its own token: report on its own run, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.e2e.lab.plant import API, Plant
from tests.e2e.lab.schedule import Schedule
from tests.support.api import Api, Object, RefusedError, bearer_of
from tests.support.cluster import wait_for
from tests.support.workloads import kubelet_token, node_of

from eagle_contract.api import names


@dataclass(frozen=True)
class AtWork:
    """A run whose trainer works, another that waits, and a caller with the token of the trainer's own pod."""

    schedule: Schedule
    own: str
    other: str
    pod_uid: str
    caller: Api

    def status_of(self, run: str, /, **status: object) -> Object:
        """A ModelVersion of which only the status is said."""
        metadata = {"name": run, "namespace": self.schedule.namespace}
        return {"apiVersion": API, "kind": "ModelVersion", "metadata": metadata, "status": status}

    def report(self, run: str, /, **status: object) -> Object:
        """Report as a trainer does."""
        return self.caller.apply(self.status_of(run, **status), names.TRAINER_MANAGER, "status", force="true")


@pytest.fixture(scope="module")
def at_work(plant: Plant) -> Iterator[AtWork]:
    schedule = plant.schedule("rights", promotion={"policy": "Manual"})
    with plant.locked("telemetry"):
        own = schedule.order()
        pod = schedule.until_running(own)
        other = schedule.order()
        schedule.until_state(other, "Queued", seconds=30)
        node = node_of(plant.api, pod)
        with bearer_of(wait_for(lambda: kubelet_token(node, pod), "the trainer's token")) as caller:
            yield AtWork(schedule, own, other, pod["metadata"]["uid"], caller)
    schedule.delete()


def _progress() -> Object:
    return {"step": "probe", "percent": 1, "updatedTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _refusal(at_work: AtWork, run: str, /, **status: object) -> str:
    with pytest.raises(RefusedError) as refused:
        at_work.report(run, **status)
    return refused.value.message


def test_a_trainer_at_work_reports_on_its_own_run(at_work: AtWork) -> None:
    assert at_work.report(at_work.own, progress=_progress())["status"]["progress"]["step"] == "probe"


def test_it_cannot_report_on_another_run(at_work: AtWork) -> None:
    message = _refusal(at_work, at_work.other, progress=_progress())
    assert "only the pod that status.reporterUID names may report" in message


@pytest.mark.parametrize(
    "status",
    [{"state": "Succeeded"}, {"reporterUID": "another"}, {"version": "v2026-11-22T01-00-00-000Z_a1b2c3d4"}],
    ids=["state", "reporter", "version"],
)
def test_it_cannot_write_what_is_the_operators(at_work: AtWork, status: Object) -> None:
    message = _refusal(at_work, at_work.own, **status)
    assert "may write only status.result and status.progress" in message


def test_it_cannot_approve_its_own_model(at_work: AtWork) -> None:
    change = {"spec": {"approval": {"decision": "Approved"}}}
    with pytest.raises(RefusedError) as refused:
        at_work.caller.merge(at_work.status_of(at_work.own), change)
    assert refused.value.code == 403


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        ("create", names.GROUP, names.VERSIONS),
        ("patch", names.GROUP, names.VERSIONS),
        ("list", names.GROUP, names.VERSIONS),
        ("patch", names.GROUP, names.SCHEDULES),
        ("get", "", "secrets"),
        ("list", "", "pods"),
        ("create", "", "pods"),
        ("create", "batch", "jobs"),
        ("patch", "apps", "deployments"),
    ],
)
def test_it_has_no_right_to_anything_else(at_work: AtWork, verb: str, group: str, resource: str) -> None:
    assert not at_work.caller.may(verb, group, resource, at_work.schedule.namespace)


def test_once_its_run_is_over_it_cannot_report_any_more(at_work: AtWork) -> None:
    at_work.schedule.cancel(at_work.own, "to see what its token is good for then")
    at_work.schedule.until_state(at_work.own, "Cancelled", seconds=60)
    with pytest.raises(RefusedError) as refused:
        at_work.report(at_work.own, progress=_progress())
    assert refused.value.code in (401, 403, 422)
