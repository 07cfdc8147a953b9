"""The published ONNX graph: from a window of raw samples to probability and decisions, all in double precision.

Training computes its features with the first part of this very graph, so training and serving cannot differ. Few nodes
are used on purpose: with one row a request is dominated by the cost per node. Every window is taken by one Gather
(short windows are padded with their own newest member, which changes neither minimum nor maximum, and which weigh
nothing in the sums), all means by one matrix product, deviations in two passes by one ReduceL2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from eagle_trainer.plan import FeaturePlan
from eagle_trainer.trees import TreeTable

OPSET = 21
ML_OPSET = 5
IR_VERSION = 10
DOUBLE = TensorProto.DOUBLE


@dataclass
class GraphBuilder:
    """Collects nodes and constants; names are counted, so the same calls give the same bytes."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=dtype), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def feature_graph(plan: FeaturePlan) -> onnx.ModelProto:
    """The feature part alone: `window` [B,T,S] and, if any, `context` [B,C] to `features` [B,F], all double."""
    builder = GraphBuilder()
    _features(builder, plan, output="features")
    return finished_model(
        builder, _inputs(plan), [tensor("features", DOUBLE, ["B", len(plan.names)])], "eagle-features", {}
    )


def tree_graph(trees: TreeTable, features: int) -> onnx.ModelProto:
    """The trees alone: `features` [B,F] to `margin` [B,1]; for proofs and for measuring."""
    builder = GraphBuilder()
    builder.nodes.append(tree_node(trees, "features", "margin"))
    return finished_model(
        builder,
        [tensor("features", DOUBLE, ["B", features])],
        [tensor("margin", DOUBLE, ["B", 1])],
        "eagle-trees",
        {},
    )


def model_graph(
    plan: FeaturePlan, trees: TreeTable, *, failure_probability: float, confidence: float
) -> onnx.ModelProto:
    """The published model.

    Inputs `window` [B,T,S] (oldest first) and, if the plan has any, `context` [B,C]; outputs `failure_probability` [B],
    `alarm` [B] (probability >= failure_probability) and `confident` [B] (max(p, 1 - p) >= confidence).
    """
    builder = GraphBuilder()
    builder.nodes.append(tree_node(trees, _features(builder, plan), "margin"))
    margin = builder.add("Squeeze", "margin", builder.constant([1], np.int64))
    probability = builder.add("Sigmoid", margin, output="failure_probability")
    builder.add("GreaterOrEqual", probability, builder.constant(failure_probability), output="alarm")
    add_confident(builder, probability, confidence)
    outputs = [
        tensor("failure_probability", DOUBLE, ["B"]),
        tensor("alarm", TensorProto.BOOL, ["B"]),
        tensor("confident", TensorProto.BOOL, ["B"]),
    ]
    metadata = {
        "sensors": ",".join(plan.sensors),
        "window_length": str(plan.window_length),
        "sample_period_seconds": str(plan.period_seconds),
        "context": ",".join(plan.context),
    }
    return finished_model(builder, _inputs(plan), outputs, "eagle-model", metadata)


def tree_node(trees: TreeTable, features: str, output: str) -> Any:
    """A TreeEnsemble node: the sum of the trees' leaves."""
    sets = {"membership_values": numpy_helper.from_array(np.array(trees.membership))} if trees.members else {}
    return helper.make_node(
        "TreeEnsemble",
        [features],
        [output],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
        tree_roots=trees.roots,
        nodes_featureids=trees.features,
        nodes_modes=numpy_helper.from_array(np.array(trees.modes, np.uint8)),
        nodes_splits=numpy_helper.from_array(np.array(trees.thresholds, np.float64)),
        nodes_truenodeids=trees.true_nodes,
        nodes_falsenodeids=trees.false_nodes,
        nodes_trueleafs=trees.true_leafs,
        nodes_falseleafs=trees.false_leafs,
        nodes_missing_value_tracks_true=trees.missing_true,
        leaf_targetids=[0] * len(trees.weights),
        leaf_weights=numpy_helper.from_array(np.array(trees.weights, np.float64)),
        **sets,
    )


def _features(builder: GraphBuilder, plan: FeaturePlan, output: str | None = None) -> str:
    """[B,F]: the plan's features in their order."""
    window = _finite(builder, "window")
    newest = plan.window_length - 1
    lagged = [[newest - lag] for lag in (0, *plan.lags)]
    parts = [builder.add("Gather", window, builder.constant(lagged, np.int64), axis=1)]
    if plan.windows:
        taken = _taken_windows(builder, plan, window)
        parts += _skipping(builder, plan, taken) if plan.missing == "Skip" else _propagating(builder, plan, taken)
    joined = builder.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    if not plan.context:
        return builder.add("Flatten", joined, axis=1, output=output)
    flat = builder.add("Flatten", joined, axis=1)
    return builder.add("Concat", flat, _finite(builder, "context"), axis=1, output=output)


def _finite(builder: GraphBuilder, tensor: str) -> str:
    """An infinite input is a missing one: x - x is 0, or NaN where x is infinite or NaN."""
    return builder.add("Add", tensor, builder.add("Sub", tensor, tensor))


def add_confident(builder: GraphBuilder, probability: str, confidence: float) -> None:
    """The output `confident` [B], max(p, 1 - p) >= confidence to the last bit, by one node less than that has.

    Below the confidence, p is what remains of it, and small enough where 1 - p comes to the confidence, be it by
    rounding. From the confidence on, what remains is at most 1 - confidence, which is always small enough.
    """
    least = max(confidence, 0.5)
    tie = (1.0 - least) + 2.0**-54
    most = tie if 1.0 - tie >= least else math.nextafter(tie, 0.0)
    remainder = builder.add("Mod", probability, builder.constant(least), fmod=1)
    builder.add("LessOrEqual", remainder, builder.constant(most), output="confident")


def _taken_windows(builder: GraphBuilder, plan: FeaturePlan, window: str) -> str:
    """[B,K,W,S]: the newest samples for every window length, each padded in front with its newest member."""
    longest = max(plan.windows)
    if len(plan.windows) == 1 and longest == plan.window_length:
        return builder.add("Unsqueeze", window, builder.constant([1], np.int64))
    newest = plan.window_length - 1
    index = [[newest] * (longest - w) + list(range(newest - w + 1, newest + 1)) for w in plan.windows]
    return builder.add("Gather", window, builder.constant(index, np.int64), axis=1)


def _membership(plan: FeaturePlan) -> npt.NDArray[np.float64]:
    """[K,W]: 1 where a position belongs to the window, 0 where it is padding."""
    longest = max(plan.windows)
    return np.array([[0.0] * (longest - w) + [1.0] * w for w in plan.windows])


def _propagating(builder: GraphBuilder, plan: FeaturePlan, taken: str) -> list[str]:
    """Each statistic [B,K,1,S]: a missing sample makes all of its windows missing."""
    member, sizes = _membership(plan), np.array(plan.windows, float)[:, None]
    axis = builder.constant([2], np.int64)
    mean = builder.add("MatMul", builder.constant((member / sizes)[:, None, :]), taken)
    weight = builder.constant((member / np.sqrt(sizes - 1.0))[:, :, None])
    deviation = builder.add("Mul", builder.add("Sub", taken, mean), weight)
    std = builder.add("ReduceL2", deviation, axis, keepdims=1)
    return [mean, std, *_extremes(builder, taken, taken, mean)]


def _skipping(builder: GraphBuilder, plan: FeaturePlan, taken: str) -> list[str]:
    """Each statistic [B,K,1,S]: missing samples are left out; missing where none (for std: less than two) is left."""
    axis = builder.constant([2], np.int64)
    missing = builder.add("IsNaN", taken)
    nothing = builder.constant(0.0)
    counted = builder.add("Where", missing, nothing, builder.constant(_membership(plan)[:, :, None]))
    count = builder.add("ReduceSum", counted, axis, keepdims=1)
    filled = builder.add("Where", missing, nothing, taken)
    total = builder.add("ReduceSum", builder.add("Mul", filled, counted), axis, keepdims=1)
    mean = builder.add("Div", total, count)
    deviation = builder.add("Mul", builder.add("Sub", filled, mean), counted)
    squares = builder.add("ReduceSumSquare", deviation, axis, keepdims=1)
    std = builder.add("Sqrt", builder.add("Div", squares, builder.add("Sub", count, builder.constant(1.0))))
    lowest = builder.add("Where", missing, builder.constant(np.inf), taken)
    highest = builder.add("Where", missing, builder.constant(-np.inf), taken)
    return [mean, std, *_extremes(builder, lowest, highest, mean)]


def _extremes(builder: GraphBuilder, lowest: str, highest: str, mean: str) -> list[str]:
    """Minimum and maximum [B,K,1,S], missing where the mean is: the reductions see a NaN only at some positions."""
    axis = builder.constant([2], np.int64)
    zero = builder.add("Sub", mean, mean)
    low = builder.add("ReduceMin", lowest, axis, keepdims=1)
    high = builder.add("ReduceMax", highest, axis, keepdims=1)
    return [builder.add("Add", low, zero), builder.add("Add", high, zero)]


def tensor(name: str, kind: int, shape: Sequence[str | int]) -> Any:
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def _inputs(plan: FeaturePlan) -> list[Any]:
    inputs = [tensor("window", DOUBLE, ["B", plan.window_length, len(plan.sensors)])]
    if plan.context:
        inputs.append(tensor("context", DOUBLE, ["B", len(plan.context)]))
    return inputs


def finished_model(
    builder: GraphBuilder, inputs: list[Any], outputs: list[Any], name: str, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """The checked model of what a builder has collected."""
    graph = helper.make_graph(builder.nodes, name, inputs, outputs, builder.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="eagle")
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model
