"""A schedule that is deleted leaves nothing behind but its bundles, and can be made anew."""

from pathlib import Path

from tests.e2e.lab.line import MODEL_NAME, calm_windows
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule
from tests.e2e.lab.store import opened_vault
from tests.support.cluster import wait_for

from eagle_contract.api import names


def _children(schedule: Schedule) -> list[str]:
    """What of a schedule is there."""
    serving = names.serving_name(schedule.name)
    single = [
        ("TrainingSchedule", schedule.name, "training.eagle-notifier.io/v1alpha1"),
        ("CronJob", schedule.name, "batch/v1"),
        ("Deployment", serving, "apps/v1"),
        ("Service", serving, "v1"),
    ]
    there = [kind for kind, name, version in single if not schedule.gone(kind, name, version)]
    several = [*schedule.versions(), *schedule.jobs(), *schedule.pods(program="eagle-trainer")]
    several += schedule.pods(program="eagle-serving")
    return there + [child["metadata"]["name"] for child in several]


def test_a_deleted_schedule_takes_its_children_along_and_can_be_made_anew(plant: Plant, tmp_path: Path) -> None:
    schedule = plant.schedule("mortal")
    first = schedule.train()
    schedule.until_serving(first)
    published = schedule.version(first)
    with plant.locked("telemetry"):
        schedule.until_running(schedule.order())
        schedule.delete()
        wait_for(lambda: not _children(schedule), "every child to go", timeout=120)

    with opened_vault(plant, tmp_path) as vault:
        assert vault.open(published).manifest.version == published["status"]["version"]

    again = plant.apply(schedule.name, plant.spec())
    assert again.until("Ready", "True")["metadata"]["uid"] != published["metadata"]["ownerReferences"][0]["uid"]
    second = again.train()
    again.until_serving(second)
    length = again.api.call("GET", f"{again.service}/v2/models/{MODEL_NAME}")["parameters"]["windowLength"]
    answer = again.infer(MODEL_NAME, calm_windows(length, 1))
    assert answer["model_version"] == again.version(second)["status"]["version"]
    again.delete()
