"""A model changes under load, and back, and no client notices but by the answers' version."""

from tests.e2e.lab.pair import Pair, unfailing
from tests.e2e.lab.schedule import condition
from tests.support.cluster import wait_for


def test_no_question_fails_while_a_version_goes_in_and_is_taken_back(pair: Pair) -> None:
    pair.begin()
    schedule, label = pair.schedule, pair.label(pair.first)
    with pair.asked() as load:
        load.wait_for_answers(label)
        schedule.decide(pair.second, "Approved", "goes in")
        schedule.until_serving(pair.second)
        load.wait_for_answers(pair.label(pair.second))

        schedule.decide(pair.second, "Rejected", "taken back")
        schedule.until_serving(pair.first)
        before = load.tally().versions[label]
        wait_for(lambda: load.tally().versions[label] > before + 50, "answers of the first version again")
        tally = unfailing(load.stop())

    assert set(tally.versions) == {label, pair.label(pair.second)}
    status = schedule.look()["status"]
    assert status["activeVersion"]["name"] == pair.first
    assert status["previousVersion"]["name"] == pair.second
    assert [entry["reason"] for entry in status["servingHistory"][:2]] == ["RolledBackTo", "Promoted"]
    assert status["servingHistory"][0]["by"] == schedule.version(pair.second)["spec"]["approval"]["by"]
    assert condition(schedule.look(), "Serving")["reason"] == "RolledBack"
    schedule.until_reason(pair.first, "Serving", "RolledBackTo")
    schedule.until_reason(pair.second, "Serving", "Rejected")


def test_no_question_fails_while_every_pod_is_replaced(pair: Pair) -> None:
    pair.begin()
    deployment = f"deployment/{pair.schedule.deployment['metadata']['name']}"
    with pair.asked() as load:
        for words in (("restart",), ("status", "--timeout=120s")):
            pair.plant.cluster.kubectl(
                "rollout", words[0], deployment, "--namespace", pair.plant.namespace, *words[1:], step="restart servers"
            )
        pair.schedule.until_serving(pair.first)
        unfailing(load.stop())
