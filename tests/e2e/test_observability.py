"""What administrators read: logs that machines can parse, metrics that Prometheus takes."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.lab.line import MODEL_NAME
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.pair import Pair, unfailing
from tests.e2e.lab.plant import API
from tests.support.api import Object
from tests.support.cluster import program, run, wait_for

from eagle_contract.api import names


def _samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples by name. Raises ValueError when Prometheus would not take the text."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _read(log: str) -> list[Object]:
    """Every line as an object. Raises ValueError when one is not JSON."""
    return [json.loads(line) for line in log.splitlines() if line.strip()]


def _log(pair: Pair, pod: str) -> str:
    words = ("logs", pod, "--namespace", pair.plant.namespace, "--tail=500")
    return pair.plant.cluster.kubectl(*words, step="read a log")


def test_the_operators_log_is_json_line_by_line(pair: Pair, operator: Operator) -> None:
    lines = _read(operator.log(lines=500))
    assert lines
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


@pytest.mark.parametrize("program", ["eagle-trainer", "eagle-serving"])
def test_the_log_of_every_pod_of_a_run_is_json_line_by_line(pair: Pair, program: str) -> None:
    lines = _read(_log(pair, pair.schedule.pods(program=program)[-1]["metadata"]["name"]))
    assert lines
    assert all({"level", "message"} <= line.keys() for line in lines)


def test_the_operators_metrics_count_what_it_does(operator: Operator) -> None:
    samples = _samples(operator.metrics())
    assert any(labels["result"] == "ok" and value > 0 for labels, value in samples["eagle_reconcile_total"])
    assert {labels["state"] for labels, _ in samples["eagle_active_runs"]} == {"running", "waiting"}
    assert not [value for values in samples.values() for _, value in values if value != value]


def test_the_operators_metrics_are_as_promtool_wants_them(pair: Pair, operator: Operator) -> None:
    pair.begin()
    run([program("promtool"), "check", "metrics"], stdin=operator.metrics())


def test_the_operators_metrics_say_at_once_what_there_is(pair: Pair, operator: Operator) -> None:
    made = pair.plant.schedule("counted")

    def counted() -> bool:
        there = len(pair.plant.api.call("GET", f"/apis/{API}/{names.SCHEDULES}")["items"])
        objects = _samples(operator.metrics())["eagle_mirror_objects"]
        return [value for labels, value in objects if labels["kind"] == "TrainingSchedule"] == [there]

    wait_for(counted, "the new schedule to be counted", timeout=20)
    made.delete()
    wait_for(counted, "the deleted schedule not to be counted any more", timeout=20)


def test_a_servers_metrics_count_the_questions_it_answers(pair: Pair) -> None:
    pair.begin()
    with pair.asked() as load:
        load.wait_for_answers(pair.label(pair.first))
        tally = unfailing(load.stop())
    path = f"{pair.schedule.service}/metrics"
    text = pair.plant.cluster.kubectl("get", "--raw", path, step="read the server's metrics")
    answered = {labels["code"]: value for labels, value in _samples(text)["eagle_inference_requests_total"]}
    assert answered["200"] >= tally.asked
    assert [labels["model"] for labels, value in _samples(text)["eagle_model_ready"] if value] == [MODEL_NAME]
