"""What very many schedules cost: the time to take them up, the memory to know them, the time to begin again.

The operator is a process on this machine, measured as the kernel sees it; the control plane is the bench's own.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.api import Object
from tests.support.cluster import kubectl
from tests.support.eagle import API, Organization
from tests.support.fleet import YEARLY, create_all, many_schedules, order_of, organizations
from tests.support.lab import Lab, own_lab
from tests.support.operator_process import operator_process
from tests.support.watching import Watch, begin_watch

from eagle_contract.api import names

FEW, MANY, VERSIONS_EACH = 1000, 6000, 2
ORGANIZATIONS = 50
READY_WITHIN = 1.0
"""Until all are Ready, in multiples of what kubectl takes for the same writes, one after the other."""
FEW_MEBIBYTES, MANY_MEBIBYTES = 150, 350
COLD_START_SECONDS = 60
"""From the start of the process to the first admission, with the many."""
MEBIBYTE = 2**20


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path / "plane"
    folder.mkdir()
    with own_lab(folder) as lab:
        yield lab


def cron_jobs(places: list[Organization]) -> list[Object]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.invalid/none"}]}}
    spec = {"schedule": YEARLY, "jobTemplate": {"spec": {"template": template}}}
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": f"bare-{n}", "namespace": places[n % len(places)].namespace},
            "spec": spec,
        }
        for n in range(FEW)
    ]


def kubectl_create(lab: Lab, objects: list[Object]) -> float:
    """Seconds that `kubectl create` takes."""
    return _timed(lab, objects, "create")


def _timed(lab: Lab, objects: list[Object], *command: str) -> float:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    began = time.monotonic()
    kubectl(*command, "--filename", "-", "--output", "name", stdin=text, config=lab.plane.config, timeout=900)
    return time.monotonic() - began


def without_an_operator(lab: Lab, schedules: list[Object]) -> float:
    """Seconds that kubectl takes to write, anew, what was created and what the operator has made of it."""
    paths = {kind: f"/apis/{api}" for kind, api in (("cronjobs", "batch/v1"), (names.SCHEDULES, API))}
    made = {kind: lab.api.call("GET", f"{path}/{kind}")["items"] for kind, path in paths.items()}
    for place in sorted({each["metadata"]["namespace"] for each in schedules}):
        for kind, path in paths.items():
            lab.api.call("DELETE", f"{path}/namespaces/{place}/{kind}")
    clocks = [_written(each, "spec", "labels", "annotations") | _CRON_JOB for each in made["cronjobs"]]
    statuses = [_written(each, "status") | _TRAINING_SCHEDULE for each in made[names.SCHEDULES]]
    apply = ("apply", "--server-side", "--field-manager", names.OPERATOR_MANAGER)
    return (
        kubectl_create(lab, schedules)
        + _timed(lab, clocks, *apply)
        + _timed(lab, statuses, *apply, "--subresource", "status", "--validate=false")
    )


_CRON_JOB = {"apiVersion": "batch/v1", "kind": "CronJob"}
_TRAINING_SCHEDULE = {"apiVersion": API, "kind": "TrainingSchedule"}


def _written(made: Object, part: str, *tags: str) -> Object:
    """What a writer says of an object."""
    metadata = {name: made["metadata"][name] for name in ("name", "namespace", *tags)}
    return {"metadata": metadata, part: made[part]}


def watched_schedules(lab: Lab) -> Watch:
    """All schedules, as a watch tells them: lists now and then would take as much processor time as the operator."""
    return begin_watch(lab.loop, lab.client, Watch(f"/apis/{API}/{names.SCHEDULES}", keep=False))


def ready(schedules: Watch) -> int:
    return sum(_is_ready(each) for each in schedules.objects())


def _is_ready(made: Object) -> bool:
    conditions = made.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def past_runs(schedules: list[Object]) -> list[Object]:
    """Runs that failed some time ago, with all that a status says of such a run."""
    moment = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made: list[Object] = []
    for schedule in schedules:
        for _ in range(VERSIONS_EACH):
            version = order_of(schedule)
            name, uid = version["metadata"]["name"], f"{len(made):036d}"
            said = "the database did not answer: " + "connection refused; " * 5
            version["status"] = {
                "state": "Failed",
                "conditions": [
                    _condition("Admitted", "True", "Admitted", "", moment),
                    _condition("Trained", "False", "SourceUnavailable", said, moment),
                ],
                "attempts": [
                    {
                        "number": 1,
                        "jobName": name,
                        "podUID": uid,
                        "startTime": moment,
                        "finishTime": moment,
                        "reason": "SourceUnavailable",
                        "message": said,
                        "logTail": said * 4,
                    }
                ],
            }
            made.append(version)
    return made


def _condition(kind: str, status: str, reason: str, message: str, moment: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": moment,
        "observedGeneration": 1,
    }


def test_a_thousand_schedules_are_ready_soon_and_take_little_memory(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = organizations(lab, ORGANIZATIONS)
    reference = kubectl_create(lab, cron_jobs(places))
    for place in places:
        lab.api.call("DELETE", f"/apis/batch/v1/namespaces/{place.namespace}/cronjobs")
    seen = watched_schedules(lab)
    with operator_process(lab.plane.config, tmp_path) as operator:
        operator.until_working()
        idle = operator.memory_bytes()
        began = time.monotonic()
        schedules = many_schedules(places, FEW)
        created = kubectl_create(lab, schedules)
        operator.until(lambda: ready(seen) == FEW, "all to be Ready", timeout=600, interval=0.2)
        seconds = time.monotonic() - began
        most = operator.most_memory_bytes()
    floor = without_an_operator(lab, schedules)
    with capsys.disabled():
        print(f"\n{FEW} schedules of {ORGANIZATIONS} organizations")
        print(f"  kubectl create, bare CronJobs {reference:6.1f} s (the reference); schedules {created:6.1f} s")
        print(f"  until all are Ready           {seconds:6.1f} s, {seconds / reference:.2f} x the reference")
        print(
            f"  the same writes by kubectl    {floor:6.1f} s, {seconds / floor:.2f} x of them (at most {READY_WITHIN})"
        )
        print(f"  memory idle {idle / MEBIBYTE:.0f} MiB, at most {most / MEBIBYTE:.0f} MiB (at most {FEW_MEBIBYTES})")
    assert seconds / floor <= READY_WITHIN
    assert most <= FEW_MEBIBYTES * MEBIBYTE


def test_an_operator_with_very_many_begins_soon_and_keeps_within_its_memory(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = organizations(lab, ORGANIZATIONS)
    schedules = many_schedules(places, MANY)
    create_all(lab, schedules)
    create_all(lab, past_runs(schedules))
    seen = watched_schedules(lab)
    with operator_process(lab.plane.config, tmp_path) as first:
        began = time.monotonic()
        first.until(lambda: ready(seen) == MANY, "all to be Ready", timeout=1200, interval=5)
        taken_up, first_most = time.monotonic() - began, first.most_memory_bytes()
    order = lab.api.create(order_of(schedules[-1]))
    with operator_process(lab.plane.config, tmp_path) as operator:
        began = time.monotonic()
        admitted = operator.until(lambda: _admission(lab, order), "the admission", timeout=300)
        operator.until_looked_at(MANY, timeout=600)
        operator.until_at_rest(timeout=600)
        rested, most = time.monotonic(), operator.most_memory_bytes()
    with capsys.disabled():
        print(f"\n{MANY} schedules, {MANY * VERSIONS_EACH} versions, {ORGANIZATIONS} organizations")
        print(f"  taken up in {taken_up:.0f} s, memory at most {first_most / MEBIBYTE:.0f} MiB")
        print(f"  cold start to the first admission {admitted - began:.1f} s (at most {COLD_START_SECONDS})")
        print(f"  at rest after {rested - began:.0f} s")
        print(f"  memory at most {most / MEBIBYTE:.0f} MiB (at most {MANY_MEBIBYTES})")
    assert admitted - began <= COLD_START_SECONDS
    assert max(most, first_most) <= MANY_MEBIBYTES * MEBIBYTE


def _admission(lab: Lab, order: Object) -> float | None:
    """When the order's Job was let go."""
    place, name = order["metadata"]["namespace"], order["metadata"]["name"]
    let_go = [c.at for c in lab.jobs.of(place) if c.key[1] == name and not c.object["spec"].get("suspend")]
    return let_go[0] if let_go else None
