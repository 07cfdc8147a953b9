"""What is known of a model that somebody else trained, and the graphs that can be made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.graph import DOUBLE, GraphBuilder, finished_model, tensor, tree_node
from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable

Answer = Literal["probability", "value", "failure_probability"]
"""Of the second class of two; or a number as it is; or what Eagle's own models answer."""

PORTABLE_OPSET = 9
"""For what is added to graphs of single precision: as old as the operators of trees that converters write."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A model of another library. `predict` is that library's own answer [n] to rows [n,F] in double precision.

    It may raise ValueError for rows that it does not take. `trees` are its trees, where it has any, whose sum is the
    answer, or its log odds for probabilities. With `rounds_inputs` the library looks at features in single precision.
    `single` makes the graph in single precision, with the input `features`; `instead` says what to do where it is too
    far from the model.
    """

    kind: str
    features: tuple[str, ...]
    answer: Answer
    predict: Callable[[Floats], Floats]
    double: Callable[[], onnx.ModelProto]
    single: Callable[[], onnx.ModelProto]
    trees: TreeTable | None = None
    rounds_inputs: bool = False
    instead: str = "try --precision Double"


def trees_in_double(trees: TreeTable, *, features: int, answer: Answer, links: bool, rounds: bool) -> onnx.ModelProto:
    """The graph of trees: `features` [B,F] in double to `probability` or `value` [B].

    With `links` the sum is log odds; with `rounds` features are rounded to single precision first, as the library does.
    """
    builder = GraphBuilder()
    given = "features"
    if rounds:
        given = builder.add("Cast", builder.add("Cast", given, to=TensorProto.FLOAT), to=DOUBLE)
    builder.nodes.append(tree_node(trees, given, "sum"))
    axes = builder.constant([1], np.int64)
    if links:
        builder.add("Sigmoid", builder.add("Squeeze", "sum", axes), output=answer)
    else:
        builder.add("Squeeze", "sum", axes, output=answer)
    inputs = [tensor("features", DOUBLE, ["B", features])]
    return finished_model(builder, inputs, [tensor(answer, DOUBLE, ["B"])], "eagle-converted", {})


def one_output(model: onnx.ModelProto, answer: Answer) -> onnx.ModelProto:
    """A converter's model with its answer alone, as `probability` or `value` [B].

    Converters give a label and the probabilities [B,2] of both classes, or numbers [B,1].
    """
    graph = model.graph
    if not any(opset.domain == "" for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", PORTABLE_OPSET))
    outputs = {output.name: output for output in graph.output}
    chosen = outputs.get("probabilities") or list(graph.output)[-1]
    kind = chosen.type.tensor_type.elem_type
    column = numpy_helper.from_array(np.array(1 if answer == "probability" else 0, np.int64), "answer_column")
    graph.initializer.append(column)
    graph.node.append(helper.make_node("Gather", [chosen.name, column.name], [answer], axis=1))
    for known in list(graph.output):
        graph.output.remove(known)
    graph.output.append(tensor(answer, kind, ["B"]))
    onnx.checker.check_model(model)
    return model


def needed(library: str, extra: str = "convert") -> InvalidConfiguration:
    """What to say where an optional library is not installed."""
    return InvalidConfiguration(
        f"{library} is not installed here; install all that converting needs: pip install 'eagle-training[{extra}]'"
    )


def names_of(count: int, given: Any = None) -> tuple[str, ...]:
    """The features' names, or f0, f1, … where the model has none."""
    names = tuple(str(name) for name in given) if given is not None else ()
    return names if len(names) == count else tuple(f"f{number}" for number in range(count))
