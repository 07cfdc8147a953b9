"""Graphs that are small, and answer as a published model does."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from eagle_contract.bundle import Golden

ALARM_FROM = 0.85
CONFIDENT_FROM = 0.7


def tiny_graph(*, length: int = 2, sensors: int = 2, context: int = 0, weight: float = 1.0) -> bytes:
    """Probability = sigmoid(weight * sum of the window and the context); a missing sample counts as 0."""
    inputs = [helper.make_tensor_value_info("window", TensorProto.DOUBLE, ["B", length, sensors])]
    nodes = [
        helper.make_node("IsNaN", ["window"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "window"], ["known"]),
        helper.make_node("ReduceSum", ["known", "axes"], ["window_sum"], keepdims=0),
    ]
    total = "window_sum"
    if context:
        inputs.append(helper.make_tensor_value_info("context", TensorProto.DOUBLE, ["B", context]))
        nodes.append(helper.make_node("ReduceSum", ["context", "last"], ["context_sum"], keepdims=0))
        nodes.append(helper.make_node("Add", ["window_sum", "context_sum"], ["total"]))
        total = "total"
    nodes += [
        helper.make_node("Mul", [total, "weight"], ["weighted"]),
        helper.make_node("Sigmoid", ["weighted"], ["failure_probability"]),
        helper.make_node("GreaterOrEqual", ["failure_probability", "alarm_from"], ["alarm"]),
        helper.make_node("Sub", ["one", "failure_probability"], ["complement"]),
        helper.make_node("Max", ["failure_probability", "complement"], ["certainty"]),
        helper.make_node("GreaterOrEqual", ["certainty", "confident_from"], ["confident"]),
    ]
    constants = {"zero": 0.0, "one": 1.0, "weight": weight, "alarm_from": ALARM_FROM, "confident_from": CONFIDENT_FROM}
    initializers = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([1, 2]), "axes"))
    initializers.append(numpy_helper.from_array(np.array([1]), "last"))
    outputs = [
        helper.make_tensor_value_info("failure_probability", TensorProto.DOUBLE, ["B"]),
        helper.make_tensor_value_info("alarm", TensorProto.BOOL, ["B"]),
        helper.make_tensor_value_info("confident", TensorProto.BOOL, ["B"]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def tiny_golden(*, length: int = 2, sensors: int = 2, context: int = 0, weight: float = 1.0, rows: int = 8) -> Golden:
    """Windows and what numpy says that `tiny_graph` answers."""
    generator = np.random.default_rng(7)
    window = generator.normal(size=(rows, length, sensors))
    window[0, 0, 0] = np.nan
    extra = generator.normal(size=(rows, context)) if context else None
    total = np.nansum(window, axis=(1, 2)) + (extra.sum(axis=1) if extra is not None else 0.0)
    probability = 1 / (1 + np.exp(-weight * total))
    certainty = np.maximum(probability, 1 - probability)
    return Golden(window, probability, probability >= ALARM_FROM, certainty >= CONFIDENT_FROM, extra)
