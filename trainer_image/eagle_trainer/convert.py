"""Turns models that were trained elsewhere into ONNX, and proves that they give the same answers.

In double precision Eagle writes the trees itself. In single precision the usual converters do, for runtimes that know
neither double precision nor newer operators. Either way the proof decides, not the converter: rows of the user's own
data, rows drawn between the model's thresholds, rows right beside every threshold, missing, infinite and huge values,
and batches of one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from eagle_trainer.errors import ConversionFailed, InvalidConfiguration
from eagle_trainer.features import session
from eagle_trainer.foreign import from_lightgbm
from eagle_trainer.foreign.model import Foreign
from eagle_trainer.probes import rows_at_splits
from eagle_trainer.series import Floats

Precision = Literal["Single", "Double"]
TOLERANCES: dict[Precision, float] = {"Double": 1e-9, "Single": 1e-5}
"""The largest difference that is accepted, for values relative to those above 1."""
MOST_ASTRAY = 0.001
"""The part of rows that may change their answer because a feature is rounded to single precision."""
_DRAWN_ROWS = 4000
_THRESHOLDS = 3000
_MOST_DATA_ROWS = 200_000
_SINGLY = 32
_PICKLES = (".pkl", ".pickle", ".joblib")

Pulse = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A proven model. `astray` is the part of rows whose answer changes by rounding (0 in double precision)."""

    model: bytes
    max_abs_diff: float
    rows_compared: int
    astray: float


def read(path: Path, *, trust: bool) -> Foreign:
    """The model in a file, by its ending or content. Raises InvalidConfiguration.

    Pickles are loaded only with `trust`, as loading one runs whatever code it holds.
    """
    if not path.is_file():
        raise InvalidConfiguration(
            f"there is no file {path}; give a LightGBM text, XGBoost JSON or scikit-learn pickle"
        )
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if path.suffix.lower() in _PICKLES or start[:1] == b"\x80":
        if not trust:
            raise InvalidConfiguration(
                f"{path} is a pickle, and loading one runs whatever code it holds; if you know who made it, say --trust"
            )
        from eagle_trainer.foreign import from_sklearn

        return from_sklearn.read(path)
    if start.startswith(b"{"):
        from eagle_trainer.foreign import from_xgboost

        return from_xgboost.read(path)
    if start.startswith(b"tree"):
        return from_lightgbm.read(path)
    raise InvalidConfiguration(
        f"{path} is neither a LightGBM model in text (save_model), nor an XGBoost model in JSON (save_model('x.json')),"
        " nor a pickle"
    )


def rows_of(path: Path, features: tuple[str, ...]) -> Floats:
    """Rows [n,F] of a Parquet or CSV file, by the features' names, or by position where it has just as many columns.

    Raises InvalidConfiguration.
    """
    if not path.is_file():
        raise InvalidConfiguration(f"--data {path} is not there; give a Parquet or CSV file")
    try:
        table = pa.csv.read_csv(path) if path.suffix.lower() == ".csv" else pa.parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidConfiguration(f"--data {path} cannot be read as Parquet or CSV: {error}") from error
    if set(features) <= set(table.column_names) and len(set(table.column_names)) == table.num_columns:
        table = table.select(list(features))
    elif table.num_columns != len(features):
        raise InvalidConfiguration(
            f"--data {path} must have the model's {len(features)} features as columns ({', '.join(features[:5])}, …);"
            f" it has {', '.join(table.column_names[:5])}, …"
        )
    if not table.num_rows:
        raise InvalidConfiguration(f"--data {path} has no rows; leave --data out, or give some")
    step = max(1, -(-table.num_rows // _MOST_DATA_ROWS))
    chosen = table.take(pa.array(np.arange(0, table.num_rows, step)))
    try:
        return np.column_stack([column.cast(pa.float64(), safe=False).to_numpy() for column in chosen.columns])
    except pa.ArrowException as error:
        raise InvalidConfiguration(f"--data {path} must have numbers only: {error}") from error


def convert(
    foreign: Foreign,
    precision: Precision,
    *,
    data: Floats | None = None,
    seed: int = 7,
    pulse: Pulse = lambda step, share: None,
) -> Converted:
    """The model as ONNX with its proof. `data` [n,F] are rows to compare beside the made-up ones.

    Its input is `features` [B,F] and its output `probability` or `value` [B], in the precision asked for. Raises
    ConversionFailed when any row differs by more than `TOLERANCES`, or too many are changed by rounding.
    """
    pulse("export", 0.1)
    model = foreign.double() if precision == "Double" else foreign.single()
    content = _labelled(model, foreign, precision).SerializeToString(deterministic=True)
    proof = _Proof(foreign, session(content), np.float32 if precision == "Single" else np.float64)
    random = np.random.default_rng(seed)
    usual = _drawn(foreign, random)
    if data is not None and len(data):
        usual = np.concatenate([usual, data])
    proof.compare("usual values", usual)
    for kind, rows in _odd(usual):
        pulse("prove", 0.4)
        proof.compare(kind, rows)
    for rows in _beside_splits(foreign, usual, random, precision):
        pulse("prove", 0.7)
        proof.compare("values at the thresholds", rows)
    proof.compare_singly(usual[:: max(1, len(usual) // _SINGLY)][:_SINGLY])
    astray = proof.astray(usual)
    if not proof.worst <= TOLERANCES[precision]:
        raise ConversionFailed(
            f"The graph differs from the {foreign.kind} model by {proof.worst:.3g} on rows with {proof.worst_kind} (at"
            f" most {TOLERANCES[precision]:g} is accepted), so it was not written"
            + (f"; {foreign.instead}." if precision == "Single" else ".")
        )
    if astray > MOST_ASTRAY:
        raise ConversionFailed(
            f"In single precision {astray:.1%} of rows get another answer (at most {MOST_ASTRAY:.1%} is accepted): the"
            f" values of {proof.most_rounded(usual)!r} are too large to be told apart; {foreign.instead}."
        )
    return Converted(model=content, max_abs_diff=proof.worst, rows_compared=proof.rows, astray=astray)


class _Proof:
    """Compares a graph with the model it was made of, and keeps the largest difference."""

    def __init__(self, foreign: Foreign, graph: Any, kind: npt.DTypeLike) -> None:
        self._foreign, self._graph, self._kind = foreign, graph, kind
        self.worst, self.worst_kind, self.rows = 0.0, "", 0

    def compare(self, kind: str, rows: Floats) -> None:
        """Rows as the graph sees them: in its own precision. Those that the library refuses are left out."""
        seen = self._seen(rows)
        try:
            expected = self._foreign.predict(seen)
        except ValueError:
            return
        self._note(kind, self._given(seen), expected)
        self.rows += len(rows)

    def compare_singly(self, rows: Floats) -> None:
        """Rows asked one by one against the same rows in one batch."""
        seen = self._seen(rows)
        alone = np.concatenate([self._given(row[None]) for row in seen])
        self._note("one row at a time", alone, self._given(seen))

    def astray(self, rows: Floats) -> float:
        """The part of rows whose answer changes where the graph rounds features that the library does not."""
        if self._kind is np.float64 or not len(rows):
            return 0.0
        moved = _apart(self._given(self._seen(rows)), self._foreign.predict(rows)) > TOLERANCES["Single"]
        return float(moved.mean())

    def most_rounded(self, rows: Floats) -> str:
        """The feature whose rounding changes the most answers."""
        exact = self._foreign.predict(rows)
        changed = []
        for place in range(rows.shape[1]):
            rounded = rows.copy()
            rounded[:, place] = self._seen(rows[:, place])
            changed.append(int((_apart(self._foreign.predict(rounded), exact) > TOLERANCES["Single"]).sum()))
        return self._foreign.features[int(np.argmax(changed))]

    def _note(self, kind: str, given: Floats, expected: Floats) -> None:
        apart = float(_apart(given, expected).max(initial=0.0))
        if apart > self.worst:
            self.worst, self.worst_kind = apart, kind

    def _seen(self, rows: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return np.asarray(rows.astype(self._kind), np.float64)

    def _given(self, rows: Floats) -> Floats:
        found = self._graph.run([self._foreign.answer], {"features": rows.astype(self._kind)})[0]
        return np.asarray(found, np.float64)


def _apart(given: Floats, expected: Floats) -> Floats:
    """Absolute differences, relative for values above 1; infinite where either is not a number."""
    difference = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
    return np.where(np.isfinite(difference), difference, np.inf)


def _drawn(foreign: Foreign, random: np.random.Generator) -> Floats:
    """Rows that reach all parts of the model: between its thresholds, or around 0 where it has none."""
    width = len(foreign.features)
    rows = 3.0 * random.normal(size=(_DRAWN_ROWS, width))
    if foreign.trees is None:
        return rows
    for place in range(width):
        nodes = [node for node, feature in enumerate(foreign.trees.features) if feature == place]
        codes = [code for node in nodes for code in foreign.trees.members.get(node, ())]
        known = np.array([foreign.trees.thresholds[node] for node in nodes if node not in foreign.trees.members])
        known = known[np.isfinite(known)]
        if codes:
            rows[:, place] = random.integers(0, int(max(codes)) + 2, _DRAWN_ROWS)
        elif len(known):
            low, high = float(known.min()), float(known.max())
            edge = 0.1 * (high - low) or 1.0
            rows[:, place] = random.uniform(low - edge, high + edge, _DRAWN_ROWS)
    return rows


def _odd(usual: Floats) -> Iterator[tuple[str, Floats]]:
    """Batches, and what is odd in them, with every single feature, and all of them, missing, infinite, zero or huge."""
    some = usual[: max(8, min(64, len(usual)))]
    kinds = {"missing values": np.nan, "zeros": 0.0, "huge values": 1e30, "huge negative values": -1e30}
    for kind, value in (kinds | {"infinity": np.inf, "negative infinity": -np.inf}).items():
        yield kind, np.full_like(some[:1], value)
        one = np.repeat(some[:8], usual.shape[1], axis=0)
        one[np.arange(len(one)), np.tile(np.arange(usual.shape[1]), len(some[:8]))] = value
        yield kind, one


def _beside_splits(
    foreign: Foreign, usual: Floats, random: np.random.Generator, precision: Precision
) -> Iterator[Floats]:
    if foreign.trees is not None:
        single = precision == "Single" or foreign.rounds_inputs
        yield from rows_at_splits(foreign.trees, usual, random, most=_THRESHOLDS, single=single)


def _labelled(model: onnx.ModelProto, foreign: Foreign, precision: Precision) -> onnx.ModelProto:
    """With what a user of the file wants to know of it."""
    facts = {"source": foreign.kind, "precision": precision, "features": ",".join(foreign.features)}
    onnx.helper.set_model_props(model, facts)
    return model
