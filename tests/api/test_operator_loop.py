"""The operator's looks and writes against a real API server on which nobody else works: do they settle, and on what.

The API server is one of the tests' own, without controllers: what Kubernetes would make of a CronJob or a Deployment,
the tests make themselves, so that each state holds still for as long as it is looked at.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig
from tests.support.api import Api, Object, RefusedError
from tests.support.cluster import REPOSITORY, kubectl, unique, wait_for
from tests.support.eagle import Organization, manual_order, schedule
from tests.support.private_api_server import private_api_server

from eagle_contract.api import names
from eagle_operator.cluster import Cluster, TransientError
from eagle_operator.domain.writes import Write
from eagle_operator.mirror import KINDS, Key, Listing, Mirror
from eagle_operator.reconcile import Admission, Reconciler
from eagle_operator.settings import Settings, from_environment
from eagle_operator.watches import SELECTORS
from eagle_operator.workqueue import WorkQueue

IMAGES = {"EAGLE_TRAINER_IMAGE": "trainer:1", "EAGLE_SERVING_IMAGE": "serving:1"}
NOW = datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
LOOKS = 12


class Watched(Cluster):
    """Counts its writes."""

    done: list[Write]

    async def write(self, write: Write) -> None:
        self.done.append(write)
        await super().write(write)


class Operator:
    """One schedule's operator, which lists before each look instead of watching."""

    def __init__(self, client: AsyncClient, key: Key, settings: Settings) -> None:
        self.key, self.now = key, NOW
        self.mirror = Mirror()
        self.cluster = Watched(client, self.mirror, "test")
        self.cluster.done = []
        queue: WorkQueue[Key] = WorkQueue()
        self.admission = Admission(self.mirror, self.cluster, queue, settings)
        self.reconciler = Reconciler(self.mirror, self.cluster, queue, settings, self.admission, clock=lambda: self.now)

    async def see(self) -> None:
        """Take in the cluster as it is."""
        for kind in KINDS:
            listing = Listing(kind)
            version = await self.cluster.list_all(kind, SELECTORS.get(kind), partial(self.mirror.listed, listing))
            self.mirror.complete(listing, version)

    async def look(self) -> list[str]:
        """One look; the kinds of its writes."""
        self.cluster.done = []
        await self.reconciler.reconcile(self.key)
        return [type(write).__name__ for write in self.cluster.done]

    async def settle(self) -> None:
        """Looks until nothing is written; AssertionError if that does not come soon. Conflicts are tried again."""
        written: list[str] = []
        for _ in range(LOOKS):
            await self.see()
            try:
                written = await self.look()
            except TransientError as error:
                written = [str(error)]
            if not written:
                return
        raise AssertionError(f"does not settle: {written}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of an API server that knows this tree's definitions and runs nothing."""
    with private_api_server(tmp_path_factory.mktemp("loop")) as config:
        for file in sorted((REPOSITORY / "crds").glob("*.yaml")):
            kubectl("apply", "--server-side", "-f", str(file), config=config)
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", config=config)
        yield config


@pytest.fixture(scope="module")
def api(config: Path) -> Iterator[Api]:
    with Api.administrator(config) as api:
        wait_for(lambda: _served(api), "the definitions to be served")
        yield api


def _served(api: Api) -> bool:
    nowhere = Organization(id="x", namespace="default", release="x")
    try:
        api.create(schedule(nowhere, "probe"), dryRun="All")
        api.create(manual_order(nowhere, "probe"), dryRun="All")
    except RefusedError as no:
        if no.code == 404:
            return False
        raise
    return True


@pytest.fixture
def place(api: Api) -> Organization:
    """An organization's namespace, and nothing in it."""
    name = unique("org-loop")
    labels = {names.ORGANIZATION_LABEL: "acme"}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return Organization(id="acme", namespace=name, release="x")


@pytest.fixture
async def operator(config: Path, place: Organization) -> AsyncIterator[Operator]:
    """The operator, for the schedule `press` of that organization."""
    client = AsyncClient(KubeConfig.from_file(config), field_manager="eagle-operator")
    yield Operator(client, (place.namespace, "press"), from_environment(IMAGES))
    await client.close()


def in_(place: Organization, kind: str, api_version: str, name: str, **body: Any) -> Object:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": place.namespace},
        **body,
    }


def cron_job(place: Organization) -> Object:
    return in_(place, "CronJob", "batch/v1", "press")


def ready(api: Api, made: Object) -> tuple[str, str, str]:
    """Status, reason and message of the schedule's Ready condition."""
    conditions = api.get(made)["status"]["conditions"]
    (found,) = [condition for condition in conditions if condition["type"] == "Ready"]
    return found["status"], found["reason"], found["message"]


def running(place: Organization, **spec: Any) -> Object:
    return schedule(place, "press", **{"suspend": False, **spec})


RICH = {
    "trainer": {
        "resources": {"requests": {"cpu": "0.071", "memory": "1024Mi"}, "limits": {"cpu": 2, "memory": "3000M"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "training", "operator": "Exists", "effect": "NoSchedule"}],
        "queueName": "batch",
    }
}


@pytest.mark.parametrize("spec", [{}, RICH], ids=["plain", "rich"])
async def test_a_new_schedule_comes_to_rest_with_its_clock(
    operator: Operator, api: Api, place: Organization, spec: Object
) -> None:
    made = api.create(running(place, **spec))
    await operator.settle()
    assert ready(api, made)[:2] == ("True", "Reconciled")
    stored = api.get(cron_job(place))
    assert stored["spec"]["jobTemplate"]["spec"]["suspend"] is True
    assert stored["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


async def test_what_is_taken_out_of_a_schedule_is_taken_out_of_its_cron_job(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place, **RICH))
    await operator.settle()
    api.merge(made, {"spec": {"trainer": None}})
    await operator.settle()
    template = api.get(cron_job(place))["spec"]["jobTemplate"]
    pod = template["spec"]["template"]["spec"]
    assert not {"nodeSelector", "tolerations"} & pod.keys()
    assert pod["containers"][0]["resources"] == {}


async def test_what_somebody_changes_in_the_cron_job_is_put_right(
    operator: Operator, api: Api, place: Organization
) -> None:
    api.create(running(place))
    await operator.settle()
    api.merge(cron_job(place), {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"suspend": False}}}})
    await operator.settle()
    spec = api.get(cron_job(place))["spec"]
    assert (spec["schedule"], spec["jobTemplate"]["spec"]["suspend"]) == ("0 2 * * 0", True)


# --- what is in the way


async def test_a_strangers_cron_job_is_left_alone_and_told(operator: Operator, api: Api, place: Organization) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    template = {"spec": {"template": {"spec": pod}}}
    before = api.create({**cron_job(place), "spec": {"schedule": "0 0 1 1 *", "jobTemplate": template}})
    made = api.create(running(place))
    for _ in range(3):
        await operator.see()
        await operator.look()
    assert ready(api, made)[:2] == ("False", "NameConflict")
    assert api.get(cron_job(place))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    api.delete(cron_job(place))
    await operator.settle()
    assert ready(api, made)[:2] == ("True", "Reconciled")


async def test_a_spec_that_the_api_server_refuses_is_told_also_when_a_write_came_before(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place, suspend=True))
    await operator.settle()
    unfit = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    api.merge(made, {"spec": {"suspend": False, "trainer": {"resources": unfit}}})
    for _ in range(3):
        await operator.see()
        operator.now += timedelta(seconds=15)
        await operator.look()
    status, reason, message = ready(api, made)
    assert (status, reason) == ("False", "InvalidSchedule")
    assert "must be less than or equal to memory limit" in message
    api.merge(made, {"spec": {"trainer": None}})
    await operator.settle()
    assert ready(api, made)[:2] == ("True", "Reconciled")


async def test_what_is_gone_is_forgotten_at_the_first_write_to_it(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place))
    await operator.see()
    api.delete(made)
    with pytest.raises(TransientError, match="gone"):
        await operator.look()
    assert operator.mirror.schedules(place.namespace) == []
    assert await operator.look() == []


async def test_an_outdated_look_changes_nothing_and_sees_better_next_time(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place))
    await operator.see()
    api.merge(made, {"spec": {"description": "changed meanwhile"}})
    with pytest.raises(TransientError, match="modified"):
        await operator.look()
    for _ in range(LOOKS):
        if not await operator.look():
            break
    assert ready(api, made)[:2] == ("True", "Reconciled")


# --- a run, with the tests in Kubernetes' place


def coming_slot() -> datetime:
    """The next full minute: a schedule has no slots before its creation, so a test's slot cannot lie in the past."""
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)


def daily_at(slot: datetime) -> Object:
    return {"schedule": f"{slot.minute} {slot.hour} * * *", "timeZone": "Etc/UTC"}


def slot_job(api: Api, place: Organization, slot: datetime) -> Object:
    """The Job that the CronJob controller makes at the slot."""
    clock = api.get(cron_job(place))
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "press", "uid": clock["metadata"]["uid"]}
    template = clock["spec"]["jobTemplate"]
    job = in_(place, "Job", "batch/v1", names.slot_name("press", slot), spec=template["spec"])
    job["metadata"] |= {
        "labels": template["metadata"]["labels"],
        "annotations": {names.SLOT_ANNOTATION: slot.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    return api.create(job)


def trainers_pod(api: Api, place: Organization, job: Object) -> Object:
    """The pod that the Job controller makes."""
    pod = {"containers": [{"name": "trainer", "image": "x"}], "restartPolicy": "Never"}
    made = in_(place, "Pod", "v1", unique("trainer"), spec=pod)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    made["metadata"] |= {
        "labels": {names.SCHEDULE_LABEL: "press"},
        "ownerReferences": [{**owner, "controller": True}],
    }
    return api.create(made)


def result(pod: Object) -> Object:
    moment = "2026-11-22T00:00:00Z"
    return {
        "attempt": 1,
        "podUID": pod["metadata"]["uid"],
        "scheduleGeneration": 1,
        "trainingHash": DIGEST,
        "trainedThrough": moment,
        "schemaDigest": DIGEST,
        "artifact": {
            "uri": "s3://eagle-acme/acme/1/v1/",
            "digest": DIGEST,
            "modelDigest": DIGEST,
            "sizeBytes": 1,
            "keyId": "k1",
            "signature": "s",
        },
        "data": {"rows": 10, "positives": 1, "assets": 1, "from": moment, "to": moment},
        "evaluation": {"evaluable": True, "beatsBaseline": True},
        "metrics": [{"name": "accuracy", "value": "0.98"}],
        "onnx": {"opset": 21, "maxAbsDiff": "0", "rowsCompared": 10},
    }


@pytest.fixture(autouse=True)
def service_account(api: Api, place: Organization) -> None:
    """Pods need one; no controller makes it here."""
    for name in ("default", "eagle-trainer", "eagle-serving"):
        api.create(in_(place, "ServiceAccount", "v1", name))


async def test_a_slots_run_comes_to_rest_at_each_of_its_steps(
    operator: Operator, api: Api, place: Organization
) -> None:
    slot = coming_slot()
    made = api.create(running(place, **daily_at(slot)))
    await operator.settle()
    job = slot_job(api, place, slot)
    operator.now = slot + timedelta(seconds=1)
    await operator.settle()
    version = in_(place, "ModelVersion", f"{names.GROUP}/v1alpha1", job["metadata"]["name"])
    assert api.get(version)["status"]["state"] == "Queued"

    await operator.see()
    await operator.admission.admit()
    assert api.get(job)["spec"]["suspend"] is False
    pod = trainers_pod(api, place, job)
    api.merge(job, {"status": {"active": 1, "startTime": f"{slot:%Y-%m-%dT%H:%M}:06Z"}}, "status")
    api.merge(pod, {"status": {"phase": "Running", "containerStatuses": [_runs()]}}, "status")
    await operator.settle()
    status = api.get(version)["status"]
    assert (status["state"], status["reporterUID"]) == ("Running", pod["metadata"]["uid"])

    report = in_(place, version["kind"], version["apiVersion"], job["metadata"]["name"], status={"result": result(pod)})
    api.apply(report, "eagle-trainer", "status")
    ended = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
    counts = {"active": 0, "succeeded": 1, "ready": 0, "completionTime": f"{slot:%Y-%m-%dT%H:%M}:50Z"}
    api.merge(pod, {"status": {"phase": "Succeeded"}}, "status")
    api.merge(job, {"status": {**counts, "conditions": ended}}, "status")
    await operator.settle()
    status = api.get(version)["status"]
    assert status["state"] == "Succeeded"
    assert status["result"]["podUID"] == pod["metadata"]["uid"]
    assert api.get(job)["metadata"]["labels"][names.RECORDED_LABEL] == "true"

    deployment = api.get(in_(place, "Deployment", "apps/v1", "press-serving"))
    assert api.get(in_(place, "Service", "v1", "press-serving"))["spec"]["ports"][0]["port"] == 80
    done = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    api.merge(deployment, {"status": done}, "status")
    await operator.settle()
    active = api.get(made)["status"]["activeVersion"]
    assert (active["name"], active["accuracy"]) == (job["metadata"]["name"], "0.98")
    events = api.call("GET", f"/api/v1/namespaces/{place.namespace}/events")["items"]
    assert sorted(event["reason"] for event in events) == ["Completed", "Promoted"]


def _runs() -> Object:
    state = {"running": {"startedAt": "2026-11-22T02:00:10Z"}}
    return {"name": "trainer", "ready": True, "restartCount": 0, "image": "x", "imageID": "x", "state": state}


async def test_a_persons_order_becomes_the_schedules_own_and_gets_a_job(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place))
    order = api.create(manual_order(place, "press"))
    operator.now = datetime.now(UTC)
    await operator.settle()
    stored = api.get(order)
    assert stored["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert stored["status"]["state"] == "Queued"
    job = api.get(in_(place, "Job", "batch/v1", order["metadata"]["name"]))
    assert job["metadata"]["ownerReferences"][0]["uid"] == order["metadata"]["uid"]
    api.merge(order, {"spec": {"cancellation": {"reason": "no"}}})
    await operator.settle()
    assert api.get(order)["status"]["state"] == "Cancelled"
    with pytest.raises(RefusedError, match="not found"):
        api.get(job)


async def test_a_strangers_job_of_an_orders_name_is_left_alone_and_told(
    operator: Operator, api: Api, place: Organization
) -> None:
    made = api.create(running(place))
    order = api.create(manual_order(place, "press"))
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    spec = {"suspend": True, "template": {"spec": pod}}
    stranger = api.create(in_(place, "Job", "batch/v1", order["metadata"]["name"], spec=spec))
    operator.now = datetime.now(UTC)
    for _ in range(4):
        await operator.see()
        await operator.look()
    assert ready(api, made)[:2] == ("False", "NameConflict")
    assert api.get(stranger)["metadata"]["resourceVersion"] == stranger["metadata"]["resourceVersion"]


async def test_with_a_queue_of_kueues_a_run_is_handed_over_in_turn_and_then_left_alone(
    operator: Operator, api: Api, place: Organization
) -> None:
    api.create(running(place, trainer={"queueName": "batch"}))
    orders = [api.create(manual_order(place, "press")) for _ in range(2)]
    jobs = [in_(place, "Job", "batch/v1", order["metadata"]["name"]) for order in orders]
    operator.now = datetime.now(UTC)

    async def rest() -> None:
        await operator.settle()
        await operator.admission.admit()
        await operator.settle()
        await operator.admission.admit()

    def queued() -> list[bool]:
        return [names.KUEUE_LABEL in api.get(job)["metadata"]["labels"] for job in jobs]

    await rest()
    assert sorted(queued()) == [False, True], "one run of a schedule at a time is Kueue's to decide on"
    assert all(api.get(job)["spec"]["suspend"] for job in jobs), "suspend is Kueue's"
    first = queued().index(True)
    admitted = [c for c in api.get(orders[first])["status"]["conditions"] if c["type"] == "Admitted"]
    assert (admitted[0]["status"], admitted[0]["reason"]) == ("False", "WaitingInKueue")

    api.merge(jobs[first], {"spec": {"suspend": False}})
    await rest()
    assert api.get(orders[first])["status"]["state"] == "Running"
    assert sorted(queued()) == [False, True]

    ended = [{"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "failed with exit code 10"}]
    api.merge(jobs[first], {"status": {"startTime": "2026-11-22T02:00:06Z", "active": 1}}, "status")
    target = [{"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 10"}]
    api.merge(jobs[first], {"status": {"active": 0, "conditions": [*target, *ended]}}, "status")
    await rest()
    assert api.get(orders[first])["status"]["state"] == "Failed"
    assert queued() == [True, True]
