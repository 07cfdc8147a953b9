"""Rows made to find errors in exported trees: each comes by one split, with the feature right beside its threshold."""

from collections.abc import Iterator

import numpy as np

from eagle_trainer.series import Floats
from eagle_trainer.trees import TreeTable

_HUGE = 1e300
"""Beyond it there is no threshold but an infinite one, which all numbers are below."""


def rows_at_splits(
    trees: TreeTable, rows: Floats, random: np.random.Generator, *, most: int, single: bool = False
) -> Iterator[Floats]:
    """Batches of rows [n,F], made from `rows` with as few features as possible changed.

    In the batches the feature of the row's split is at the threshold, just below it, just above it and missing; for
    a split by a set of categories it is one of them, none of them, and missing. `most` bounds n. With `single` the
    neighbours are those in single precision. A row that takes another way through the tree would not notice a wrong
    threshold.
    """
    nodes = np.sort(random.choice(len(trees.features), min(most, len(trees.features)), replace=False))
    feature = np.array(trees.features)[nodes]
    base = _rows_at(trees, nodes.tolist(), rows[np.arange(len(nodes)) % len(rows)])
    beside = [_beside(trees, node, single) for node in nodes.tolist()]
    for values in zip(*beside, strict=True):
        moved = base.copy()
        moved[np.arange(len(nodes)), feature] = values
        yield moved


def _beside(trees: TreeTable, node: int, single: bool) -> tuple[float, float, float, float]:
    if node in trees.members:
        members = trees.members[node]
        return members[0], members[-1], max(members) + 1.0, np.nan
    threshold = trees.thresholds[node]
    if abs(threshold) >= _HUGE:
        return threshold, float(np.nextafter(threshold, 0.0)), threshold, np.nan
    if single:
        near = np.float32(threshold)
        low, high = np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))
        return float(near), float(low), float(high), np.nan
    return threshold, float(np.nextafter(threshold, -np.inf)), float(np.nextafter(threshold, np.inf)), np.nan


def _rows_at(trees: TreeTable, nodes: list[int], rows: Floats) -> Floats:
    above, on_true = _ways_up(trees)
    changed = rows.copy()
    for row, start in zip(changed, nodes, strict=True):
        low, high = np.full(rows.shape[1], -np.inf), np.full(rows.shape[1], np.inf)
        sets: dict[int, list[tuple[bool, tuple[float, ...]]]] = {}
        node = start
        while (parent := above[node]) >= 0:
            feature = trees.features[parent]
            if parent in trees.members:
                sets.setdefault(feature, []).append((on_true[node], trees.members[parent]))
            elif on_true[node]:
                high[feature] = min(high[feature], trees.thresholds[parent], _HUGE)
            else:
                low[feature] = max(low[feature], trees.thresholds[parent])
            node = parent
        wanted = (low > -np.inf) | (high < np.inf)
        astray = wanted & ~((row > low) & (row <= high))
        row[astray] = np.where(high < np.inf, high, np.nextafter(low, np.inf))[astray]
        # Beyond an infinite threshold there is nothing but what is missing.
        row[low >= _HUGE] = np.nan
        for feature, conditions in sets.items():
            row[feature] = _category(row[feature], conditions)
    return changed


def _category(value: float, conditions: list[tuple[bool, tuple[float, ...]]]) -> float:
    """A category that is in all the sets that are wanted and in none of the others; the value itself if it is."""
    known = sorted({member for _, members in conditions for member in members})
    for code in (value, *known, known[-1] + 1.0):
        if all((code in members) == inside for inside, members in conditions):
            return code
    return value


def _ways_up(trees: TreeTable) -> tuple[list[int], list[bool]]:
    """Every node's parent (-1 for a root), and whether it is reached where the parent's split is true."""
    above, on_true = [-1] * len(trees.features), [False] * len(trees.features)
    for node in range(len(trees.features)):
        if not trees.true_leafs[node]:
            above[trees.true_nodes[node]], on_true[trees.true_nodes[node]] = node, True
        if not trees.false_leafs[node]:
            above[trees.false_nodes[node]] = node
    return above, on_true
