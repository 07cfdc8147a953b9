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

_INFINITE = 1e300
"""What LightGBM dumps for an infinite threshold, at most which is everything but a missing value."""

AT_MOST, MEMBER = 0, 6
"""Modes of a split, as TreeEnsemble numbers them: the value is at most the threshold, or one of a set."""


@dataclass(frozen=True)
class TreeTable:
    """The attributes of a TreeEnsemble. Indices point at nodes, or at leaves where the `*_leafs` flag is 1.

    `members` has the set of every node whose mode is MEMBER.
    """

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    true_nodes: list[int] = field(default_factory=list)
    false_nodes: list[int] = field(default_factory=list)
    true_leafs: list[int] = field(default_factory=list)
    false_leafs: list[int] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    members: dict[int, tuple[float, ...]] = field(default_factory=dict)

    @property
    def membership(self) -> list[float]:
        """All sets, in the order of their nodes, with a NaN after each."""
        return [value for node in sorted(self.members) for value in (*self.members[node], math.nan)]

    def add_split(self, *, feature: int, threshold: float, missing_true: bool, members: tuple[float, ...] = ()) -> int:
        """A node whose branches are still to be set; returns its index."""
        node = len(self.features)
        self.features.append(feature)
        self.modes.append(MEMBER if members else AT_MOST)
        self.thresholds.append(threshold)
        self.missing_true.append(int(missing_true))
        for column in (self.true_nodes, self.false_nodes, self.true_leafs, self.false_leafs):
            column.append(0)
        if members:
            self.members[node] = members
        return node

    def add_leaf(self, weight: float) -> int:
        """Returns the leaf's index."""
        self.weights.append(weight)
        return len(self.weights) - 1

    def attach(self, node: int, *, on_true: bool, index: int, leaf: bool) -> None:
        """Sets a branch of a node."""
        (self.true_nodes if on_true else self.false_nodes)[node] = index
        (self.true_leafs if on_true else self.false_leafs)[node] = int(leaf)

    def add_single_leaf(self, weight: float) -> None:
        """A tree that is one leaf: TreeEnsemble wants a node, so a split with the same weight on both sides."""
        self.roots.append(len(self.features))
        node = self.add_split(feature=0, threshold=0.0, missing_true=True)
        for on_true in (True, False):
            self.attach(node, on_true=on_true, index=self.add_leaf(weight), leaf=True)


def tree_table(boosters: Sequence[lgb.Booster], *, slope: float, offset: float, rounds: int | None = None) -> TreeTable:
    """The table whose sum is slope * (mean of the boosters' margins) + offset.

    `rounds`: only so many trees of each booster. Raises ConversionFailed for trees that TreeEnsemble cannot express
    exactly.
    """
    table = TreeTable()
    scale = slope / len(boosters)
    for booster in boosters:
        for tree in booster.dump_model(num_iteration=rounds)["tree_info"]:
            first = not table.roots
            _add_tree(table, tree["tree_structure"], scale=scale, bias=offset if first else 0.0)
    if not table.roots:
        raise ConversionFailed("LightGBM made no tree at all; raise model.parameters num_iterations.")
    return table


def _add_tree(table: TreeTable, root: Mapping[str, Any], *, scale: float, bias: float) -> None:
    if "split_feature" not in root:
        table.add_single_leaf(float(root["leaf_value"]) * scale + bias)
        return
    table.roots.append(len(table.features))
    pending: list[tuple[Mapping[str, Any], int, bool]] = [(root, -1, True)]
    while pending:
        item, parent, on_true = pending.pop()
        is_leaf = "split_feature" not in item
        if is_leaf:
            index = table.add_leaf(float(item["leaf_value"]) * scale + bias)
        else:
            index = _add_split(table, item)
            pending += [(item["right_child"], index, False), (item["left_child"], index, True)]
        if parent >= 0:
            table.attach(parent, on_true=on_true, index=index, leaf=is_leaf)


def _add_split(table: TreeTable, item: Mapping[str, Any]) -> int:
    feature = int(item["split_feature"])
    if item["decision_type"] == "==" and item["missing_type"] in ("None", "NaN"):
        # A category that is missing, or that no training row had, goes right in LightGBM.
        members = tuple(float(code) for code in str(item["threshold"]).split("||"))
        return table.add_split(feature=feature, threshold=0.0, missing_true=False, members=members)
    if item["decision_type"] != "<=" or item["missing_type"] not in ("None", "NaN"):
        raise ConversionFailed(
            f"A split of type {item['decision_type']!r} with missing values as {item['missing_type']!r} cannot be"
            " exported exactly; remove the model.parameters that cause it."
        )
    threshold = math.inf if float(item["threshold"]) >= _INFINITE else float(item["threshold"])
    # Where training met no missing value, LightGBM takes one for 0.
    missing_true = bool(item["default_left"]) if item["missing_type"] == "NaN" else threshold >= 0.0
    return table.add_split(feature=feature, threshold=beside_zero(threshold), missing_true=missing_true)


def beside_zero(threshold: float) -> float:
    """The threshold that sends values as they are where LightGBM sends them after taking the tiny ones for 0."""
    if -_TINY <= threshold < 0.0:
        return math.nextafter(-_TINY, -math.inf)
    return _TINY if 0.0 <= threshold < _TINY else threshold
