"""A schedule that cannot work says why in words its author understands, and works as soon as it is mended."""

from collections.abc import Iterator

import pytest
from tests.e2e.lab.plant import Plant
from tests.e2e.lab.schedule import Schedule, condition
from tests.support.cluster import wait_for

from eagle_contract.api import names


@pytest.fixture
def schedule(plant: Plant) -> Iterator[Schedule]:
    schedule = plant.schedule("invalid")
    schedule.until("Ready", "True")
    yield schedule
    schedule.delete()


@pytest.mark.parametrize(
    ("wrong", "reason", "message"),
    [
        ({"schedule": "0 0 30 2 *"}, "InvalidSchedule", "'0 0 30 2 *' is not a timetable: Bad day-of-month"),
        ({"schedule": "61 0 1 1 *"}, "InvalidSchedule", "'61 0 1 1 *' is not a timetable"),
        ({"timeZone": "Europe/Atlantis"}, "InvalidTimeZone", "'Europe/Atlantis' is not known; use an IANA name"),
        (
            {"trainer": {"resources": {"limits": {"memory": "900Gi"}}}},
            "InvalidSchedule",
            "spec.trainer.resources.limits.memory is 900Gi, but this installation allows at most",
        ),
    ],
    ids=["never", "minute 61", "time zone", "too large"],
)
def test_an_invalid_schedule_says_why_and_heals_after_the_mend(
    schedule: Schedule, wrong: dict[str, object], reason: str, message: str
) -> None:
    good = schedule.look()["spec"]
    schedule.change(**wrong)
    refused = schedule.until("Ready", "False", reason)
    assert message in condition(refused, "Ready")["message"]
    assert any(e["type"] == "Warning" and e["reason"] == reason and message in e["message"] for e in schedule.events())

    schedule.change(**{member: good.get(member) for member in wrong})
    healed = schedule.until("Ready", "True", "Reconciled")
    assert healed["status"]["nextScheduleTime"].endswith("-01-01T00:00:00Z")


def test_a_secret_that_is_missing_is_named_until_it_is_there(plant: Plant) -> None:
    spec = {
        "source": {**plant.spec()["source"], "connection": {"secretName": "nowhere"}},
        "pendingTimeoutSeconds": 10,
    }
    schedule = plant.schedule("secretless", **spec)
    version = schedule.order()
    refused = schedule.until("Ready", "False", "SecretNotFound", seconds=60)
    assert 'secret "nowhere" not found' in condition(refused, "Ready")["message"]

    ended = schedule.until_state(version, "Failed", seconds=60)
    assert condition(ended, "Trained")["reason"] == "PendingTimeout"
    assert 'secret "nowhere" not found' in condition(ended, "Trained")["message"]

    plant.copy_secret(plant.organization.database_secret, "nowhere")
    running = schedule.order()
    schedule.until_running(running)
    schedule.until("Ready", "True", "Reconciled")
    schedule.delete()


def test_a_name_that_somebody_else_uses_is_told_and_left_alone(plant: Plant) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "other", "image": "example.invalid/none"}]}
    template = {"spec": {"template": {"spec": pod}}}
    plant.create("batch/v1", "CronJob", "taken", spec={"schedule": "0 0 1 1 *", "jobTemplate": template})
    schedule = plant.apply("taken", plant.spec())
    refused = schedule.until("Ready", "False", "NameConflict")
    assert "remove or rename one" in condition(refused, "Ready")["message"]

    plant.delete("batch/v1", "CronJob", "taken")
    schedule.until("Ready", "True", "Reconciled")
    wait_for(lambda: not schedule.gone("CronJob", "taken", "batch/v1"), "the schedule's own CronJob")
    labels = plant.get("batch/v1", "CronJob", "taken")["metadata"]["labels"]
    assert labels[names.SCHEDULE_LABEL] == "taken"
    schedule.delete()
