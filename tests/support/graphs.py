"""Graphs that are small, and answer as a published model does."""

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

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
    nodes += [helper.make_node("Mul", [total, "weight"], ["weighted"]), *_decisions("weighted")]
    return _model(nodes, inputs, zero=0.0, weight=weight)


def _decisions(margin: str) -> list[NodeProto]:
    return [
        helper.make_node("Sigmoid", [margin], ["failure_probability"]),
        helper.make_node("GreaterOrEqual", ["failure_probability", "alarm_from"], ["alarm"]),
        helper.make_node("Sub", ["one", "failure_probability"], ["complement"]),
        helper.make_node("Max", ["failure_probability", "complement"], ["certainty"]),
        helper.make_node("GreaterOrEqual", ["certainty", "confident_from"], ["confident"]),
    ]


def _model(nodes: list[NodeProto], inputs: list[ValueInfoProto], **constants: float) -> bytes:
    scalars = {"one": 1.0, "alarm_from": ALARM_FROM, "confident_from": CONFIDENT_FROM, **constants}
    initializers = [numpy_helper.from_array(np.array(value), name) for name, value in scalars.items()]
    initializers.append(numpy_helper.from_array(np.array([1, 2]), "axes"))
    initializers.append(numpy_helper.from_array(np.array([1]), "last"))
    outputs = [
        helper.make_tensor_value_info("failure_probability", TensorProto.DOUBLE, ["B"]),
        helper.make_tensor_value_info("alarm", TensorProto.BOOL, ["B"]),
        helper.make_tensor_value_info("confident", TensorProto.BOOL, ["B"]),
    ]
    graph = helper.make_graph(nodes, "model", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
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


def forest_graph(*, length: int, sensors: int, trees: int = 200, depth: int = 6, seed: int = 7) -> bytes:
    """A graph of the size of a published one: `trees` complete trees over the samples of the window, in double."""
    generator = np.random.default_rng(seed)
    inner, leaves = 2**depth - 1, 2**depth
    children = 2 * np.arange(inner) + 1
    is_leaf = children >= inner
    first_node = np.arange(trees)[:, None] * inner
    first_leaf = np.arange(trees)[:, None] * leaves

    def child(offset: int) -> list[int]:
        index = children + offset
        return [int(at) for at in np.where(is_leaf, first_leaf + index - inner, first_node + index).ravel()]

    forest = helper.make_node(
        "TreeEnsemble",
        ["flat"],
        ["margins"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
        tree_roots=first_node.ravel().tolist(),
        nodes_featureids=generator.integers(0, length * sensors, trees * inner).tolist(),
        nodes_modes=numpy_helper.from_array(np.zeros(trees * inner, np.uint8)),
        nodes_splits=numpy_helper.from_array(generator.normal(size=trees * inner)),
        nodes_truenodeids=child(0),
        nodes_falsenodeids=child(1),
        nodes_trueleafs=np.tile(is_leaf, trees).astype(int).tolist(),
        nodes_falseleafs=np.tile(is_leaf, trees).astype(int).tolist(),
        leaf_targetids=[0] * (trees * leaves),
        leaf_weights=numpy_helper.from_array(generator.normal(scale=0.1, size=trees * leaves)),
    )
    nodes = [
        helper.make_node("Flatten", ["window"], ["flat"], axis=1),
        forest,
        helper.make_node("Squeeze", ["margins", "last"], ["margin"]),
        *_decisions("margin"),
    ]
    return _model(nodes, [helper.make_tensor_value_info("window", TensorProto.DOUBLE, ["B", length, sensors])])
