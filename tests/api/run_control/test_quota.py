"""What a quota forbids is told on the schedule, and done once there is room."""

from tests.support.api import Object
from tests.support.lab import BeginOperator, Lab, condition

NONE = {"count/cronjobs.batch": "0"}


def test_a_quota_that_leaves_no_room_is_told_on_the_schedule_until_it_has_some(
    lab: Lab, begin_operator: BeginOperator
) -> None:
    place = lab.organization()
    quota = lab.api.create(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "small", "namespace": place.namespace},
            "spec": {"hard": NONE},
        }
    )
    # In place of Kubernetes' own controller of quotas, which the lab has not.
    lab.api.replace({**quota, "status": {"hard": NONE, "used": NONE}}, subresource="status")
    operator = begin_operator(lab.plane.config)
    lab.schedule(place, suspend=True)

    def warnings() -> list[Object]:
        events = lab.api.call("GET", f"/api/v1/namespaces/{place.namespace}/events")["items"]
        return [event for event in events if event["reason"] == "Forbidden" and event["type"] == "Warning"]

    operator.until(warnings, "the schedule to say what is forbidden")
    (told,) = warnings()
    assert told["involvedObject"]["kind"] == "TrainingSchedule"
    assert "exceeded quota: small" in told["message"]
    lab.api.delete(quota)
    operator.until(lambda: condition(lab.status(place), "Ready")[0] == "True", "the schedule to be Ready")
    assert len(warnings()) == 1
