"""Bodies to arrays and back: exact for every number, and a refusal for everything else."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.support.bundles import manifest
from tests.support.graphs import tiny_graph

from eagle_serving.errors import RequestRefused
from eagle_serving.models import Model, load_model
from eagle_serving.protocol import Inference, decode, encode

MODEL: Model = load_model("press-failure", manifest(), tiny_graph(), threads=1)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
windows = hnp.arrays(
    np.float64, st.integers(1, 5).map(lambda rows: (rows, 2, 2)), elements=st.floats(allow_infinity=False)
)


def body_of(window: Any, nested: bool = False) -> bytes:
    data = window.tolist() if nested else window.ravel().tolist()
    entry = {"name": "window", "datatype": "FP64", "shape": list(window.shape), "data": data}
    return json.dumps({"inputs": [entry]}).encode()


@given(window=windows, nested=st.booleans())
def test_every_number_arrives_bit_by_bit(window: Any, nested: bool) -> None:
    found = decode(body_of(window, nested), MODEL).feeds["window"]
    assert found.shape == window.shape
    assert np.array_equal(found, window, equal_nan=True)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_next_to_a_split_stay_on_their_side(value: float) -> None:
    for text in (repr(value), f"{value:.17g}", f"{value:.25e}"):
        body = body_of(np.zeros((1, 2, 2))).replace(b"[0.0,", f"[{text},".encode())
        assert decode(body, MODEL).feeds["window"][0, 0, 0] == float(text)


@given(st.lists(st.floats(), min_size=1, max_size=5), st.text(max_size=5))
def test_answers_are_valid_json_that_gives_the_same_numbers(probabilities: list[float], identifier: str) -> None:
    answer = np.array(probabilities)
    inference = Inference(identifier, {}, ("failure_probability", "alarm"))
    text = encode(MODEL, inference, [answer, np.ones(len(answer), bool)])
    found = json.loads(text, parse_constant=pytest.fail)
    expected = [value if math.isfinite(value) else None for value in probabilities]
    assert found["id"] == identifier
    assert found["outputs"][0]["data"] == expected
    assert found["outputs"][1]["data"] == [True] * len(answer)


@given(st.binary(max_size=50) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_other_body_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as refusal:
        decode(body, MODEL)
    assert refusal.value.status == 400
    assert "\n" not in str(refusal.value)


@given(st.sampled_from(["name", "datatype", "shape", "data", "id", "outputs"]), json_values)
def test_any_wrong_part_is_refused_or_harmless(part: str, value: Any) -> None:
    request: dict[str, Any] = json.loads(body_of(np.zeros((1, 2, 2))))
    (request if part in {"id", "outputs"} else request["inputs"][0])[part] = value
    try:
        found = decode(json.dumps(request).encode(), MODEL)
    except RequestRefused:
        return
    assert found.feeds["window"].shape == (1, 2, 2)
    assert found.feeds["window"].dtype == np.float64
    assert set(found.outputs) <= {"failure_probability", "alarm", "confident"}
