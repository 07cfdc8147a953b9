"""LightGBM's trees in single precision: each model's trees by onnxmltools, and around them what is the same for all.

The graph has operators of 2018, so that old runtimes load it.
"""

import re
from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eagle_trainer.errors import ConversionFailed
from eagle_trainer.foreign.model import PORTABLE_OPSET, Answer, needed
from eagle_trainer.graph import tensor
from eagle_trainer.trees import beside_zero

_ML_OPSET, _IR_VERSION = 1, 4


def graph_in_single(
    texts: Sequence[str], width: int, answer: Answer, *, slope: float, offset: float, links: bool
) -> onnx.ModelProto:
    """`features` FLOAT [B,F] to the answer FLOAT [B]: slope * (mean of the models' sums) + offset.

    `texts` are models as LightGBM saves them. With `links` the answer is the sigmoid of that. Raises
    InvalidConfiguration where onnxmltools is not installed, and ConversionFailed when it makes something else.
    """
    nodes = [_sum_of_trees(text, width) for text in texts]
    for number, node in enumerate(nodes):
        node.name = node.output[0] = f"sum_{number}"
    numbers = {"slope": slope / len(texts), "offset": offset}
    constants = [numpy_helper.from_array(np.array([value], np.float32), name) for name, value in numbers.items()]
    constants.append(numpy_helper.from_array(np.array(0, np.int64), "column"))
    nodes += [
        helper.make_node("Sum", [node.name for node in nodes], ["total"]),
        helper.make_node("Mul", ["total", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["margin"]),
        *([helper.make_node("Sigmoid", ["margin"], ["linked"])] if links else []),
        helper.make_node("Gather", ["linked" if links else "margin", "column"], [answer], axis=1),
    ]
    inputs = [tensor("features", TensorProto.FLOAT, ["B", width])]
    outputs = [tensor(answer, TensorProto.FLOAT, ["B"])]
    graph = helper.make_graph(nodes, "eagle-single", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", PORTABLE_OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="eagle")
    onnx.checker.check_model(model)
    return model


def _sum_of_trees(text: str, width: int) -> Any:
    """onnxmltools' node [B,1] for the trees of one model, with every threshold rounded down first.

    onnxmltools rounds thresholds to the nearest number in single precision; where that is above the threshold, rows on
    it go to the wrong side. Rounded down, all inputs in single precision go where LightGBM sends them.
    """
    try:
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ImportError as error:
        raise needed("onnxmltools") from error
    # The sizes of the trees in the text are no longer right, and LightGBM reads it without them.
    text = re.sub(r"^(tree_sizes|objective)=.*\n|^\[objective: .*\n", "", text, flags=re.MULTILINE)
    # Of the objectives that onnxmltools knows, this one answers with the sum itself.
    text = re.sub(r"^(max_feature_idx=.*)$", r"\1\nobjective=regression", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^threshold=(.*)$", lambda line: f"threshold={_rounded_down(line[1])}", text, flags=re.MULTILINE)
    given = [("features", FloatTensorType([None, width]))]
    model = convert_lightgbm(lgb.Booster(model_str=text), initial_types=given, zipmap=False)
    found = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    if len(found) != 1:
        raise ConversionFailed("this onnxmltools does not make one node of a model's trees; install another release")
    return found[0]


def _rounded_down(thresholds: str) -> str:
    exact = [beside_zero(float(word)) for word in thresholds.split()]
    with np.errstate(over="ignore"):
        nearest = [np.float32(value) for value in exact]
    lower = [
        near if float(near) <= value else np.nextafter(near, np.float32(-np.inf))
        for near, value in zip(nearest, exact, strict=True)
    ]
    return " ".join(repr(float(value)) for value in lower)
