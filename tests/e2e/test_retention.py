"""A history is kept to its limits; what it no longer knows goes from the store too, and nothing else does."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.lab.line import MODEL_NAME, calm_windows
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import ROLLOUT_SECONDS, Schedule
from tests.e2e.lab.store import opened_vault
from tests.support.api import Object
from tests.support.cluster import unique, wait_for

from eagle_contract.bundle import BundleMissing

SWEEP = "eagle-sweep"


def sweep(plant: Plant, *arguments: str) -> list[Object]:
    """What a sweep says that is made of the organization's CronJob as `kubectl create job --from` does it.

    The last line is its sum. It keeps nothing for being young: what it may remove was published a moment ago.
    """
    spec: Any = plant.get("batch/v1", "CronJob", SWEEP)["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    container["args"] = ["sweep", "--minimum-age-hours", "0", *arguments]
    name = unique("sweep")
    plant.create("batch/v1", "Job", name, spec=spec)

    def ended() -> str | None:
        conditions = plant.get("batch/v1", "Job", name).get("status", {}).get("conditions", [])
        return next(
            (c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None
        )

    outcome = wait_for(ended, "the sweep to end", timeout=120)
    log = plant.cluster.kubectl("logs", f"job/{name}", "--namespace", plant.namespace, step="read what the sweep says")
    assert outcome == "Complete", log
    return [json.loads(line) for line in log.splitlines()]


def removed(said: list[Object]) -> set[str]:
    """The addresses of the bundles that a sweep removed."""
    return {line["uri"] for line in said if line["message"] == "removed"}


def address(version: Object) -> str:
    """Where a version's bundle lies."""
    return str(version["status"]["result"]["artifact"]["uri"])


def restart_the_server(plant: Plant, schedule: Schedule) -> None:
    """Another pod, which has to fetch the model from the store."""
    deployment = f"deployment/{schedule.deployment['metadata']['name']}"
    for words in (("restart", deployment), ("status", deployment, f"--timeout={ROLLOUT_SECONDS}s")):
        plant.cluster.kubectl("rollout", *words, "--namespace", plant.namespace, step="restart the server")


def test_the_oldest_of_three_goes_with_its_job_and_its_bundle_and_the_others_serve_on(
    plant: Plant, tmp_path: Path
) -> None:
    schedule = plant.schedule("kept", historyLimits={"successful": 2})
    names = []
    for leaves in ("5", "6"):
        names.append(schedule.train(parameters={"num_leaves": leaves}))
        schedule.until_serving(names[-1])
    versions = [schedule.version(name) for name in names]
    sweep(plant)  # Whatever tests before this one have left behind.
    names.append(schedule.train(parameters={"num_leaves": "7"}))
    schedule.until_serving(names[-1])
    versions.append(schedule.version(names[-1]))

    wait_for(lambda: schedule.gone("ModelVersion", names[0]), "the oldest version to go", timeout=60)
    assert schedule.gone("Job", names[0], "batch/v1")
    assert [version["metadata"]["name"] for version in schedule.versions()] == names[1:]
    assert {job["metadata"]["name"] for job in schedule.jobs()} == set(names[1:])

    rehearsed = sweep(plant, "--dry-run")
    assert (rehearsed[-1]["message"], rehearsed[-1]["removed"]) == ("dry run", 1)
    said = sweep(plant)
    assert removed(said) == {address(versions[0])}
    assert said[-1]["bytes"] == versions[0]["status"]["result"]["artifact"]["sizeBytes"]
    with opened_vault(plant, tmp_path) as vault:
        with pytest.raises(BundleMissing):
            vault.open(versions[0])
        for version in versions[1:]:
            assert vault.open(version).manifest.version == version["status"]["version"]

    restart_the_server(plant, schedule)
    length = schedule.api.call("GET", f"{schedule.service}/v2/models/{MODEL_NAME}")["parameters"]["windowLength"]
    answer = schedule.infer(MODEL_NAME, calm_windows(length, 1))
    assert answer["model_version"] == versions[-1]["status"]["version"]
    schedule.delete()


def test_when_a_schedule_is_deleted_its_bundles_stay_unless_it_said_otherwise(plant: Plant, tmp_path: Path) -> None:
    policies = ("Delete", "Retain")
    serving = {"mode": "None"}
    schedules = {policy: plant.schedule(policy.lower(), deletionPolicy=policy, serving=serving) for policy in policies}
    versions = {policy: schedule.version(schedule.train()) for policy, schedule in schedules.items()}
    uids = {policy: schedule.look()["metadata"]["uid"] for policy, schedule in schedules.items()}
    sweep(plant)  # Whatever tests before this one have left behind, and nothing of these.
    for schedule in schedules.values():
        schedule.delete()
    wait_for(lambda: not [v for s in schedules.values() for v in s.versions()], "the versions to go", timeout=60)

    said = sweep(plant)
    assert removed(said) == {address(versions["Delete"])}
    (told,) = (line for line in said if line.get("scheduleUID") == uids["Retain"])
    assert told["message"] == "kept: the schedule is gone, and its deletionPolicy was Retain"
    with opened_vault(plant, tmp_path) as vault:
        assert vault.open(versions["Retain"]).manifest.version == versions["Retain"]["status"]["version"]
        with pytest.raises(BundleMissing):
            vault.open(versions["Delete"])
