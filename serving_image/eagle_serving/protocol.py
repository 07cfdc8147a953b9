"""Open Inference Protocol v2, the JSON of it: bodies to arrays and back, and a sentence for every way to get it wrong.

A missing sample is `null`, `"NaN"` or a bare NaN (which Python's json writes); an infinite one counts as missing, as it
does in training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from pydantic_core import from_json, to_json

from eagle_serving.errors import RequestRefused
from eagle_serving.models import Array, Model, Tensor

_MISSING = "NaN"


@dataclass(frozen=True, eq=False)
class Inference:
    """What a request asks for: one array per input of the model, and the outputs by name."""

    id: str | None
    feeds: dict[str, Array]
    outputs: tuple[str, ...]


def decode(body: bytes, model: Model) -> Inference:
    """The request in a body. Raises RequestRefused (400) with one sentence."""
    try:
        request = from_json(body)
    except ValueError as cause:
        raise _refused(f"the body is not JSON: {cause}") from cause
    if not isinstance(request, dict):
        raise _refused('the body must be a JSON object with "inputs"')
    feeds = _feeds(request.get("inputs"), model)
    if len({len(array) for array in feeds.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in feeds.items())
        raise _refused(f"all inputs must have the same first dimension, but they have: {sizes}")
    return Inference(_id(request.get("id")), feeds, _outputs(request.get("outputs"), model))


def encode(model: Model, inference: Inference, answers: Sequence[Array]) -> bytes:
    """The body that answers a request; a probability that is not a number is null."""
    response: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if inference.id is not None:
        response["id"] = inference.id
    datatypes = {tensor.name: tensor.datatype for tensor in model.outputs}
    response["outputs"] = [
        {"name": name, "datatype": datatypes[name], "shape": list(answer.shape), "data": answer.tolist()}
        for name, answer in zip(inference.outputs, answers, strict=True)
    ]
    return to_json(response, inf_nan_mode="null")


def _refused(sentence: str) -> RequestRefused:
    return RequestRefused(400, sentence)


def _id(given: object) -> str | None:
    if given is not None and (not isinstance(given, str) or len(given) > 256):
        raise _refused("id must be a string of at most 256 characters")
    return given


def _outputs(given: object, model: Model) -> tuple[str, ...]:
    known = [tensor.name for tensor in model.outputs]
    if given is None or given == []:
        return tuple(known)
    if not isinstance(given, list):
        raise _refused('outputs must be a list like [{"name": "failure_probability"}]')
    names: list[str] = []
    for entry in given:
        name = entry.get("name") if isinstance(entry, dict) else entry
        if not isinstance(entry, dict) or not isinstance(name, str) or name not in known:
            raise _refused(f"output {_shown(name)} is unknown; the model has: {', '.join(known)}")
        names.append(name)
    if len(set(names)) != len(names):
        raise _refused("outputs must not name an output twice")
    return tuple(names)


def _feeds(given: object, model: Model) -> dict[str, Array]:
    expected = ", ".join(tensor.name for tensor in model.inputs)
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise _refused(
            f"inputs must be a list of objects with name, shape, datatype and data, one for each of: {expected}"
        )
    by_name: dict[object, dict[str, Any]] = {}
    for entry in given:
        name = entry.get("name")
        if not isinstance(name, str) or name not in {tensor.name for tensor in model.inputs}:
            raise _refused(f"input {_shown(name)} is unknown; the model has: {expected}")
        if name in by_name:
            raise _refused(f"input {_shown(name)} is given twice")
        by_name[name] = entry
    for tensor in model.inputs:
        if tensor.name not in by_name:
            raise _refused(f"input {_shown(tensor.name)} is missing; the model needs: {expected}")
    return {tensor.name: _array(by_name[tensor.name], tensor) for tensor in model.inputs}


def _array(entry: dict[str, Any], tensor: Tensor) -> Array:
    name = _shown(tensor.name)
    if entry.get("datatype") != tensor.datatype:
        raise _refused(f"input {name} must have datatype {tensor.datatype}, not {_shown(entry.get('datatype'))}")
    shape = _shape(entry.get("shape"), tensor)
    if "data" not in entry:
        raise _refused(f"input {name} has no data; send it as JSON (the binary extension is not supported)")
    values = _flat(entry["data"], shape, name)
    array = _numbers(values, name).reshape(shape)
    array[np.isinf(array)] = np.nan
    return array


def _shape(given: object, tensor: Tensor) -> tuple[int, ...]:
    expected = "[" + ", ".join(["B", *(str(size) for size in tensor.shape[1:])]) + "]"
    if (
        not isinstance(given, list)
        or not all(type(size) is int for size in given)
        or len(given) != len(tensor.shape)
        or tuple(given[1:]) != tensor.shape[1:]
        or given[0] < 1
    ):
        raise _refused(f"input {_shown(tensor.name)} must have shape {expected} with B at least 1, not {_shown(given)}")
    return tuple(given)


def _flat(data: object, shape: tuple[int, ...], name: str) -> list[Any]:
    """The values in row-major order, whether they came flat or nested as the shape says."""
    if not isinstance(data, list):
        raise _refused(f"the data of input {name} must be a list of numbers")
    expected = math.prod(shape)
    if list not in set(map(type, data)):
        if len(data) != expected:
            raise _refused(f"input {name} has {len(data)} values, but shape {list(shape)} needs {expected}")
        return data
    level: list[Any] = data
    if len(level) != shape[0]:
        raise _refused(f"the nested data of input {name} does not have shape {list(shape)}")
    for size in shape[1:]:
        if not all(type(part) is list and len(part) == size for part in level):
            raise _refused(f"the nested data of input {name} does not have shape {list(shape)}")
        level = list(chain.from_iterable(level))
    return level


def _numbers(values: list[Any], name: str) -> Array:
    if not set(map(type, values)) <= {float, int, type(None)}:
        for position, value in enumerate(values):
            if type(value) not in (float, int, type(None)) and value != _MISSING:
                raise _refused(
                    f"value {position} of input {name} is {_shown(value)}; it must be a number, or null where a"
                    " sample is missing"
                )
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError as cause:
        raise _refused(f"input {name} has a number beyond the range of FP64") from cause


def _shown(value: object) -> str:
    """A value as JSON, cut short, for a sentence."""
    text = to_json(value, inf_nan_mode="constants").decode()
    return text if len(text) <= 60 else f"{text[:60]}…"
