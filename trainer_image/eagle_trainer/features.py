"""Training's features, computed by the feature part of the published graph, in blocks.

A matrix of all features is kept only where it is small; else a block is computed anew whenever it is needed, since
computing is cheap and memory is what a training pod lacks.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort

from eagle_trainer.context_rows import ContextRows
from eagle_trainer.graph import feature_graph, tree_graph
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.series import Flags, Floats, Integers, Samples, Series
from eagle_trainer.trees import TreeTable

_BLOCK_BYTES, _PIECE_BYTES = 24_000_000, 1_000_000
"""Of a block's windows and of what is computed from them. A piece is what one run of the graph gets: what lies between
its nodes is to stay in the processor's cache, and the heap is not to be given back after each run. In a process that
does nothing else, a row of 24 samples of 5 sensors takes 3.5 microseconds so, in pieces twice as large 7."""
_KEPT_BYTES = 160_000_000


def session(model: onnx.ModelProto | bytes, threads: int = 1) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU; it sends no telemetry and keeps no memory arena."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class Windows:
    """The model's inputs of any sample: `window` [B,T,S] and `context` [B,C]."""

    def __init__(self, series: Series, samples: Samples, context: Floats | ContextRows, window_length: int) -> None:
        self._row = samples.row
        self._context = context
        self._shape = window_length, len(series.sensors)
        values = np.ascontiguousarray(series.values)
        stride = values.strides[0] if len(values) else 0
        # A window is one piece of memory, from its oldest row on; windows lie over each other.
        self._window = np.lib.stride_tricks.as_strided(
            values,
            (max(len(values) - window_length + 1, 0), window_length * len(series.sensors)),
            (stride, values.itemsize),
            writeable=False,
        )

    def __len__(self) -> int:
        return len(self._row)

    def take(self, chosen: Integers | slice) -> dict[str, Floats]:
        """The graph's feed for the chosen samples; `context` only where the model has one."""
        return self._feed(self._row[chosen], self._context_of(chosen))

    def pieces(self, chosen: Integers | slice, size: int) -> Iterator[dict[str, Floats]]:
        """The same in pieces of `size` samples."""
        rows, context = self._row[chosen], self._context_of(chosen)
        for start in range(0, len(rows), size):
            place = slice(start, start + size)
            yield self._feed(rows[place], None if context is None else context[place])

    def _context_of(self, chosen: Integers | slice) -> Floats | None:
        return self._context[chosen] if self._context.shape[1] else None

    def _feed(self, rows: Integers, context: Floats | None) -> dict[str, Floats]:
        length, sensors = self._shape
        feed = {"window": self._window[rows - (length - 1)].reshape(-1, length, sensors)}
        return feed if context is None else feed | {"context": context}


class FeatureBlocks:
    """Features [N,F] of all samples, by blocks of rows."""

    def __init__(self, plan: FeaturePlan, windows: Windows, *, threads: int, kept_bytes: int = _KEPT_BYTES) -> None:
        self.plan = plan
        self._windows = windows
        self._session = session(feature_graph(plan))
        self._threads = threads
        self._map = ThreadPoolExecutor(threads, "features").map if threads > 1 else map
        row_bytes = 8 * plan.window_length * len(plan.sensors) * (1 + len(plan.windows))
        self.block_rows = int(np.clip(_BLOCK_BYTES // row_bytes, 1, 8192))
        self.piece_rows = int(np.clip(_PIECE_BYTES // row_bytes, 1, self.block_rows))
        size = len(windows), len(plan.names)
        # One piece of memory: many small ones between the graph's own would keep the heap from shrinking.
        self._kept: Floats | None = np.empty(size) if size[0] * size[1] * 8 <= kept_bytes else None
        self._known: Flags = np.zeros(-(-len(windows) // self.block_rows), bool)

    @property
    def rows(self) -> int:
        return len(self._windows)

    def block(self, index: int) -> Floats:
        """The features of rows index * block_rows and following."""
        place = slice(index * self.block_rows, (index + 1) * self.block_rows)
        if self._kept is None:
            return self._computed(place)
        if not self._known[index]:
            self._kept[place] = self._computed(place)
            self._known[index] = True
        return self._kept[place]

    def chosen(self, rows: Integers) -> Iterator[tuple[slice, Floats]]:
        """The features of sorted rows, block by block, with their place among the chosen."""
        if self._kept is None:
            # Of the blocks perhaps a few rows only are wanted.
            for start in range(0, len(rows), self.block_rows):
                place = slice(start, min(start + self.block_rows, len(rows)))
                yield place, self._computed(rows[place])
            return
        owner = rows // self.block_rows
        edges = np.flatnonzero(np.diff(owner, prepend=-1, append=-1)).tolist()
        for first, end in pairwise(edges):
            index = int(owner[first])
            yield slice(first, end), self.block(index)[rows[first:end] - index * self.block_rows]

    def matrix(self, rows: Integers) -> Floats:
        """All features of the chosen rows at once; for few rows."""
        matrix = np.empty((len(rows), len(self.plan.names)))
        for place, block in self.chosen(rows):
            matrix[place] = block
        return matrix

    def scored(self, rows: Integers, trees: TreeTable) -> Floats:
        """The trees' sums [N] for sorted rows, block by block, on all threads."""
        graph = session(tree_graph(trees, len(self.plan.names)))
        sums = np.empty(len(rows))
        for place, block in self.chosen(rows):
            self._share(partial(_score, graph, block, sums[place]), len(block))
        return sums

    def ask(self, rows: Integers, run: Callable[[dict[str, Floats]], Floats], answers: Floats) -> None:
        """Put what `run` gives for the rows' inputs into `answers` [N, …], piece by piece, on all threads."""

        def ask(part: slice) -> None:
            first = part.start
            for feed in self._windows.pieces(rows[part], self.piece_rows):
                piece = run(feed)
                answers[first : first + len(piece)] = piece
                first += len(piece)

        self._share(ask, len(rows))

    def _computed(self, rows: Integers | slice) -> Floats:
        chosen = np.arange(*rows.indices(len(self._windows))) if isinstance(rows, slice) else rows
        features = np.empty((len(chosen), len(self.plan.names)))
        self.ask(chosen, lambda feed: self._session.run(None, feed)[0], features)
        return features

    def _share(self, work: Callable[[slice], None], count: int) -> None:
        """Have each thread do its part of so many rows."""
        edges = np.linspace(0, count, self._threads + 1).astype(np.int64).tolist()
        parts = [slice(first, end) for first, end in pairwise(edges) if end > first]
        deque(self._map(work, parts), maxlen=0)


def _score(graph: ort.InferenceSession, features: Floats, sums: Floats, part: slice) -> None:
    sums[part] = graph.run(None, {"features": features[part]})[0][:, 0]


class RowSequence(lgb.Sequence):
    """Sorted rows of the features as LightGBM reads them, in batches."""

    def __init__(self, blocks: FeatureBlocks, rows: Integers) -> None:
        self._blocks = blocks
        self._rows = rows
        self.batch_size = blocks.block_rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | list[int]) -> Floats:
        features = self._blocks.matrix(np.atleast_1d(self._rows[index]))
        return features[0] if isinstance(index, int) else features
