"""The Open Inference Protocol as clients meet it: a real server process, real HTTP."""

import json
import math
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.bundles import IDENTITY
from tests.support.graphs import tiny_golden, tiny_graph
from tests.support.serving import MODEL, Published, RunningServer, publish_tiny, running_server

INFER = f"/v2/models/{MODEL}/infer"
WITH_CONTEXT = "press-failure-with-context"
MIB = 2**20


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish_tiny(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def server(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    context = publish_tiny(
        folder,
        graph=tiny_graph(context=2),
        answers=tiny_golden(context=2),
        changes={
            "context_columns": ["errors_day", "age"],
            "context_definitions": [{"name": "errors_day", "statistic": "count"}, {"name": "age"}],
            "schedule_spec": {"source": {"telemetry": {"samplePeriodSeconds": 60}}},
        },
    )
    environment = published.environment(published.order(), context.order(WITH_CONTEXT), EAGLE_MAX_BODY_MIB="1")
    with running_server(folder, environment) as started:
        started.until_ready()
        yield started


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as connected:
        yield connected


def window(data: object, *, shape: object = None, datatype: object = "FP64", name: object = "window") -> dict[str, Any]:
    return {"name": name, "shape": [1, 2, 2] if shape is None else shape, "datatype": datatype, "data": data}


def outputs_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


def sigmoid(total: float) -> float:
    return 1 / (1 + math.exp(-total))


def test_server_metadata_names_the_server(client: httpx.Client) -> None:
    answer = client.get("/v2")
    assert answer.status_code == 200
    assert answer.json()["name"] == "eagle-serving"
    assert answer.json()["extensions"] == []


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready"])
def test_health_answers_when_all_is_well(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("suffix", ["", f"/versions/{IDENTITY.version}"])
def test_model_metadata_says_how_to_fill_a_window(client: httpx.Client, suffix: str) -> None:
    found = client.get(f"/v2/models/{MODEL}{suffix}").json()
    assert found["versions"] == [IDENTITY.version]
    assert found["inputs"] == [{"name": "window", "datatype": "FP64", "shape": [-1, 2, 2]}]
    assert {output["name"]: output["datatype"] for output in found["outputs"]} == {
        "failure_probability": "FP64",
        "alarm": "BOOL",
        "confident": "BOOL",
    }
    assert found["parameters"]["sensors"] == ["temperature", "pressure"]
    assert found["parameters"]["thresholds"] == {"failureProbability": "0.85", "confidence": "0.7"}


def test_model_metadata_describes_the_context_and_the_grid(client: httpx.Client) -> None:
    found = client.get(f"/v2/models/{WITH_CONTEXT}").json()
    assert found["inputs"][1] == {"name": "context", "datatype": "FP64", "shape": [-1, 2]}
    assert found["parameters"]["contextColumns"] == ["errors_day", "age"]
    assert found["parameters"]["contextDefinitions"][0] == {"name": "errors_day", "statistic": "count"}
    assert found["parameters"]["samplePeriodSeconds"] == 60


@pytest.mark.parametrize("path", [INFER, f"/v2/models/{MODEL}/versions/{IDENTITY.version}/infer"])
def test_a_window_gets_its_answer(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={"id": "42", "inputs": [window([0.5, 0.25, 1.0, 0.25])]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == "42"
    assert answer.json()["model_name"] == MODEL
    assert answer.json()["model_version"] == IDENTITY.version
    found = outputs_of(answer)
    assert found["failure_probability"]["datatype"] == "FP64"
    assert found["failure_probability"]["data"] == pytest.approx([sigmoid(2.0)], abs=1e-12)
    assert found["alarm"] == {"name": "alarm", "datatype": "BOOL", "shape": [1], "data": [True]}
    assert found["confident"]["data"] == [True]


def test_an_answer_has_no_id_when_the_request_has_none(client: httpx.Client) -> None:
    assert "id" not in client.post(INFER, json={"inputs": [window([0, 0, 0, 0])]}).json()


@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_a_batch_is_answered_row_by_row(client: httpx.Client, rows: int) -> None:
    values = [row / 100 for row in range(rows) for _ in range(4)]
    found = outputs_of(client.post(INFER, json={"inputs": [window(values, shape=[rows, 2, 2])]}))
    assert found["failure_probability"]["shape"] == [rows]
    expected = [sigmoid(4 * row / 100) for row in range(rows)]
    assert found["failure_probability"]["data"] == pytest.approx(expected, abs=1e-12)


def test_nested_data_means_the_same_as_flat_data(client: httpx.Client) -> None:
    flat = client.post(INFER, json={"inputs": [window([1, 2, 3, 4, 5, 6, 7, 8], shape=[2, 2, 2])]})
    nested = client.post(INFER, json={"inputs": [window([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], shape=[2, 2, 2])]})
    assert outputs_of(flat) == outputs_of(nested)


@pytest.mark.parametrize("missing", ["null", '"NaN"', "NaN", "Infinity", "-Infinity", "1e999"])
def test_a_missing_sample_may_be_written_in_several_ways(client: httpx.Client, missing: str) -> None:
    body = json.dumps({"inputs": [window([1, 2, 3, "?"])]}).replace('"?"', missing)
    found = outputs_of(client.post(INFER, content=body))
    assert found["failure_probability"]["data"] == pytest.approx([sigmoid(6.0)], abs=1e-12)


def test_only_the_wanted_outputs_are_sent_in_the_wanted_order(client: httpx.Client) -> None:
    request = {"inputs": [window([0, 0, 0, 0])], "outputs": [{"name": "confident"}, {"name": "alarm"}]}
    answer = client.post(INFER, json=request)
    assert [output["name"] for output in answer.json()["outputs"]] == ["confident", "alarm"]


def test_parameters_are_ignored(client: httpx.Client) -> None:
    request = {"parameters": {"priority": 1}, "inputs": [{**window([0, 0, 0, 0]), "parameters": {"x": "y"}}]}
    assert client.post(INFER, json=request).status_code == 200


def test_a_model_with_context_needs_it(client: httpx.Client) -> None:
    context = {"name": "context", "shape": [1, 2], "datatype": "FP64", "data": [1.0, -0.5]}
    path = f"/v2/models/{WITH_CONTEXT}/infer"
    found = outputs_of(client.post(path, json={"inputs": [context, window([0.5, 0, 0, 0])]}))
    assert found["failure_probability"]["data"] == pytest.approx([sigmoid(1.0)], abs=1e-12)
    refusal = client.post(path, json={"inputs": [window([0, 0, 0, 0])]})
    assert refusal.status_code == 400
    assert refusal.json()["error"] == 'input "context" is missing; the model needs: window, context'


def test_inputs_of_different_length_are_refused(client: httpx.Client) -> None:
    context = {"name": "context", "shape": [2, 2], "datatype": "FP64", "data": [1.0, -0.5, 0, 0]}
    request = {"inputs": [context, window([0, 0, 0, 0])]}
    refusal = client.post(f"/v2/models/{WITH_CONTEXT}/infer", json=request)
    assert refusal.status_code == 400
    assert "same first dimension, but they have: window 1, context 2" in refusal.json()["error"]


GOOD = window([0, 0, 0, 0])
REFUSED: dict[str, tuple[Any, str]] = {
    "no object": ([], 'the body must be a JSON object with "inputs"'),
    "no inputs": ({}, "inputs must be a list of objects with name, shape, datatype and data, one for each of: window"),
    "inputs no list": ({"inputs": GOOD}, "inputs must be a list"),
    "input no object": ({"inputs": ["window"]}, "inputs must be a list of objects"),
    "empty inputs": ({"inputs": []}, 'input "window" is missing; the model needs: window'),
    "unknown input": ({"inputs": [GOOD, window([], name="speed")]}, 'input "speed" is unknown; the model has: window'),
    "nameless input": ({"inputs": [window([], name=None)]}, "input null is unknown"),
    "input twice": ({"inputs": [GOOD, GOOD]}, 'input "window" is given twice'),
    "datatype": (
        {"inputs": [window([0, 0, 0, 0], datatype="FP32")]},
        'input "window" must have datatype FP64, not "FP32"',
    ),
    "no datatype": ({"inputs": [window([0, 0, 0, 0], datatype=None)]}, "must have datatype FP64, not null"),
    "wrong T": (
        {"inputs": [window([0] * 6, shape=[1, 3, 2])]},
        'input "window" must have shape [B, 2, 2] with B at least 1, not [1,3,2]',
    ),
    "wrong rank": ({"inputs": [window([0] * 4, shape=[2, 2])]}, "must have shape [B, 2, 2]"),
    "no rows": ({"inputs": [window([], shape=[0, 2, 2])]}, "B at least 1, not [0,2,2]"),
    "negative rows": ({"inputs": [window([], shape=[-1, 2, 2])]}, "B at least 1, not [-1,2,2]"),
    "shape of words": ({"inputs": [window([0] * 4, shape=["1", 2, 2])]}, "must have shape [B, 2, 2]"),
    "shape of truth": ({"inputs": [window([0] * 4, shape=[True, 2, 2])]}, "must have shape [B, 2, 2]"),
    "fractional shape": ({"inputs": [window([0] * 4, shape=[1.0, 2, 2])]}, "must have shape [B, 2, 2]"),
    "shape no list": ({"inputs": [window([0] * 4, shape=4)]}, "must have shape [B, 2, 2]"),
    "huge shape": (
        {"inputs": [window([0] * 4, shape=[10**30, 2, 2])]},
        f"has 4 values, but shape [{10**30}, 2, 2] needs {4 * 10**30}",
    ),
    "too few": ({"inputs": [window([0] * 3)]}, 'input "window" has 3 values, but shape [1, 2, 2] needs 4'),
    "too many": ({"inputs": [window([0] * 5)]}, "has 5 values, but shape [1, 2, 2] needs 4"),
    "no data": ({"inputs": [{"name": "window", "shape": [1, 2, 2], "datatype": "FP64"}]}, "has no data"),
    "data no list": ({"inputs": [window(7)]}, "must be a list of numbers"),
    "ragged": ({"inputs": [window([[[0, 0], [0]]])]}, "does not have shape [1, 2, 2]"),
    "half nested": ({"inputs": [window([0, 0, [0], 0])]}, "does not have shape [1, 2, 2]"),
    "too deep": ({"inputs": [window([[[[0], 0], [0, 0]]])]}, 'value 0 of input "window" is [0]'),
    "word": ({"inputs": [window([0, "hot", 0, 0])]}, 'value 1 of input "window" is "hot"; it must be a number'),
    "number as word": ({"inputs": [window([0, "1.5", 0, 0])]}, 'is "1.5"; it must be a number'),
    "truth": ({"inputs": [window([0, 0, True, 0])]}, 'value 2 of input "window" is true'),
    "object": ({"inputs": [window([0, 0, {}, 0])]}, 'value 2 of input "window" is {}'),
    "beyond range": ({"inputs": [window([10**400, 0, 0, 0])]}, "beyond the range of FP64"),
    "id": ({"id": 7, "inputs": [GOOD]}, "id must be a string of at most 256 characters"),
    "long id": ({"id": "x" * 257, "inputs": [GOOD]}, "id must be a string of at most 256 characters"),
    "unknown output": (
        {"inputs": [GOOD], "outputs": [{"name": "rul"}]},
        'output "rul" is unknown; the model has: failure_probability, alarm, confident',
    ),
    "output no object": ({"inputs": [GOOD], "outputs": ["alarm"]}, 'output "alarm" is unknown'),
    "outputs no list": ({"inputs": [GOOD], "outputs": "alarm"}, "outputs must be a list"),
    "output twice": ({"inputs": [GOOD], "outputs": [{"name": "alarm"}] * 2}, "must not name an output twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused_with_a_sentence(client: httpx.Client, case: str) -> None:
    request, sentence = REFUSED[case]
    answer = client.post(INFER, content=json.dumps(request))
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5000, b'{"inputs": [1,]}'])
def test_what_is_not_json_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(INFER, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body is not JSON: ")


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/v2/models/nobody", 404, "model 'nobody' is not served here; served: press-failure, "),
        ("GET", "/v2/models/nobody/ready", 404, "model 'nobody' is not served here"),
        ("POST", "/v2/models/nobody/infer", 404, "model 'nobody' is not served here"),
        ("GET", f"/v2/models/{MODEL}/versions/v0", 404, f"has version {IDENTITY.version}, not 'v0'"),
        ("GET", f"/v2/models/{MODEL}/versions/v0/ready", 404, f"has version {IDENTITY.version}, not 'v0'"),
        ("POST", f"/v2/models/{MODEL}/versions/v0/infer", 404, f"has version {IDENTITY.version}, not 'v0'"),
        ("GET", "/v1/models", 404, "GET /v1/models: not found"),
        ("GET", INFER, 405, f"GET {INFER}: method not allowed"),
        ("POST", "/v2/health/ready", 405, "method not allowed"),
    ],
)
def test_what_is_not_there_is_said_to_be_missing(
    client: httpx.Client, method: str, path: str, status: int, sentence: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_while_the_client_still_sends(server: RunningServer, chunked: bool) -> None:
    content = iter([b" " * MIB] * 4) if chunked else b" " * 4 * MIB
    answer = httpx.post(server.url + INFER, content=content)
    assert answer.status_code == 413
    assert answer.json()["error"] == "the body must be at most 1 MiB; send fewer windows in one request"
    assert answer.headers["connection"] == "close"


def test_a_client_that_asks_first_need_not_send_a_body_over_the_limit(server: RunningServer) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * MIB}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Content-Encoding": "gzip"}, "must not be compressed"),
        ({"Inference-Header-Content-Length": "10"}, "binary tensor extension is not supported"),
    ],
)
def test_encodings_that_are_not_read_are_refused(client: httpx.Client, headers: dict[str, str], sentence: str) -> None:
    answer = client.post(INFER, content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert sentence in answer.json()["error"]


def test_metrics_count_answers_and_never_grow_by_what_clients_invent(client: httpx.Client) -> None:
    for name in ("invented-1", "invented-2"):
        client.post(f"/v2/models/{name}/infer", content=b"{}")
    client.post(INFER, json={"inputs": [window([9, 9, 9, 9, -9, -9, -9, -9], shape=[2, 2, 2])]})
    page = client.get("/metrics").text
    assert "invented" not in page
    assert 'eagle_inference_requests_total{code="404",model="unknown"}' in page
    assert f'eagle_inference_requests_total{{code="200",model="{MODEL}"}}' in page
    assert f'eagle_inference_duration_seconds_count{{model="{MODEL}"}}' in page
    assert f'eagle_inference_alarms_total{{model="{MODEL}"}}' in page
    assert f'eagle_model_ready{{model="{MODEL}"}} 1.0' in page
    assert f'eagle_model_info{{model="{MODEL}",trained_through="2026-11-21T00:00:00+00:00"' in page


def test_refusals_are_logged_as_json_lines(server: RunningServer, client: httpx.Client) -> None:
    client.post(INFER, json={"inputs": []})
    server.until(lambda: any(line.get("why", "").endswith("the model needs: window") for line in server.log()))
    assert all(line["level"] in {"info", "warning"} for line in server.log())
