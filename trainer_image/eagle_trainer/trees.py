"""LightGBM's trees as the tables that ONNX's TreeEnsemble takes; several boosters become one weighted sum.

Calibration costs no node of its own: its slope is multiplied into every leaf and its offset is added to the leaves of
the first tree, of which exactly one is reached.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb

from eagle_trainer.errors import ConversionFailed

_TINY = 1.0000000180025095e-35
"""Up to here LightGBM takes a value for 0 when it predicts (its kZeroThreshold, 1e-35 in single precision)."""


@dataclass(frozen=True)
class TreeTable:
    """The attributes of a TreeEnsemble. Indices point at nodes, or at leaves where the `*_leafs` flag is 1."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    true_nodes: list[int] = field(default_factory=list)
    false_nodes: list[int] = field(default_factory=list)
    true_leafs: list[int] = field(default_factory=list)
    false_leafs: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


def tree_table(boosters: Sequence[lgb.Booster], *, slope: float, offset: float) -> TreeTable:
    """The table whose sum is slope * (mean of the boosters' margins) + offset.

    Raises ConversionFailed for trees that TreeEnsemble cannot express exactly.
    """
    table = TreeTable()
    scale = slope / len(boosters)
    for booster in boosters:
        for tree in booster.dump_model()["tree_info"]:
            first = not table.roots
            _add_tree(table, tree["tree_structure"], scale=scale, bias=offset if first else 0.0)
    if not table.roots:
        raise ConversionFailed("LightGBM made no tree at all; raise model.parameters num_iterations.")
    return table


def _add_tree(table: TreeTable, root: Mapping[str, Any], *, scale: float, bias: float) -> None:
    table.roots.append(len(table.features))
    if "split_feature" not in root:
        # A tree that is one leaf: TreeEnsemble wants a node, so a split with the same weight on both sides.
        node = _add_node(table, feature=0, threshold=0.0, missing_true=True)
        weight = float(root["leaf_value"]) * scale + bias
        table.true_nodes[node], table.false_nodes[node] = _add_leaf(table, weight), _add_leaf(table, weight)
        table.true_leafs[node] = table.false_leafs[node] = 1
        return
    pending: list[tuple[Mapping[str, Any], int, bool]] = [(root, -1, True)]
    while pending:
        item, parent, on_true = pending.pop()
        is_leaf = "split_feature" not in item
        if is_leaf:
            index = _add_leaf(table, float(item["leaf_value"]) * scale + bias)
        else:
            index = _add_split(table, item)
            pending += [(item["right_child"], index, False), (item["left_child"], index, True)]
        if parent >= 0:
            (table.true_nodes if on_true else table.false_nodes)[parent] = index
            (table.true_leafs if on_true else table.false_leafs)[parent] = int(is_leaf)


def _add_split(table: TreeTable, item: Mapping[str, Any]) -> int:
    if item["decision_type"] != "<=" or item["missing_type"] not in ("None", "NaN"):
        raise ConversionFailed(
            f"A split of type {item['decision_type']!r} with missing values as {item['missing_type']!r} cannot be"
            " exported exactly; remove the model.parameters that cause it."
        )
    threshold = float(item["threshold"])
    # Where training met no missing value, LightGBM takes one for 0.
    missing_true = bool(item["default_left"]) if item["missing_type"] == "NaN" else threshold >= 0.0
    return _add_node(
        table, feature=int(item["split_feature"]), threshold=_beside_zero(threshold), missing_true=missing_true
    )


def _beside_zero(threshold: float) -> float:
    """The threshold that sends values as they are where LightGBM sends them after taking the tiny ones for 0."""
    if -_TINY <= threshold < 0.0:
        return math.nextafter(-_TINY, -math.inf)
    return _TINY if 0.0 <= threshold < _TINY else threshold


def _add_node(table: TreeTable, *, feature: int, threshold: float, missing_true: bool) -> int:
    table.features.append(feature)
    table.thresholds.append(threshold)
    table.missing_true.append(int(missing_true))
    for column in (table.true_nodes, table.false_nodes, table.true_leafs, table.false_leafs):
        column.append(0)
    return len(table.features) - 1


def _add_leaf(table: TreeTable, weight: float) -> int:
    table.weights.append(weight)
    return len(table.weights) - 1
