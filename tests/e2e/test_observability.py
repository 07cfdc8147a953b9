"""What administrators read: logs that machines can parse, metrics that Prometheus takes."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.lab.line import MODEL_NAME
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.pair import Pair, unfailing
from tests.support.api import Object


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


def test_the_operators_metrics_count_what_it_does(pair: Pair, operator: Operator) -> None:
    samples = _samples(operator.metrics())
    objects = {labels["kind"]: value for labels, value in samples["eagle_mirror_objects"]}
    assert objects["TrainingSchedule"] >= 1
    assert any(labels["result"] == "ok" and value > 0 for labels, value in samples["eagle_reconcile_total"])
    assert {labels["state"] for labels, _ in samples["eagle_runs"]} == {"running", "waiting"}
    assert not [value for values in samples.values() for _, value in values if value != value]


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
