"""Scores new data with a model that was trained: what serving would say, row by row, for whole tables at once.

Everything needed is in the model's manifest: which tables and columns it was trained on, how the context is computed,
how long a window is. The windows go through the published graph itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import ValidationError

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_contract.api.source import Label
from eagle_contract.bundle import (
    BundleError,
    Golden,
    KeyRing,
    Manifest,
    StoreUnavailable,
    Verifier,
    fetch,
    fetch_judged,
    open_store,
)
from eagle_contract.bundle.layout import GOLDEN_FILE, JUDGED_FILE, MANIFEST_FILE, MODEL_FILE
from eagle_trainer.context import ContextColumn, context_values
from eagle_trainer.errors import ConversionFailed, InsufficientData, InvalidConfiguration, StoreFailed
from eagle_trainer.extract import extract
from eagle_trainer.features import Windows, session
from eagle_trainer.labels import complete_rows
from eagle_trainer.resample import resample
from eagle_trainer.series import Attributes, Extracted, Flags, Floats, Integers, Samples
from eagle_trainer.sources.request import Source

_BLOCK_VALUES = 1_000_000
_EXACT = 1e-9
ANSWERS = ("failure_probability", "alarm", "confident")


@dataclass(frozen=True)
class Model:
    """A trained model: what it is, its graph (an ONNX file), and answers that it must give."""

    manifest: Manifest
    graph: bytes
    golden: Golden | None


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """A row per moment that has a whole window behind it: `asset` points into `assets`, `time` in microseconds."""

    assets: tuple[str, ...]
    asset: Integers
    time: Integers
    probability: Floats
    alarm: Flags
    confident: Flags

    def __len__(self) -> int:
        return len(self.time)

    def newest(self) -> Integers:
        """The position of every asset's newest row, the highest probability first."""
        last = np.flatnonzero(np.append(self.asset[1:] != self.asset[:-1], len(self.asset) > 0))
        return np.asarray(last[np.argsort(-self.probability[last], kind="stable")], np.int64)


def from_folder(folder: Path, *, judged: bool = False) -> Model:
    """The model that `eagle-train local` wrote, or the one that its figures are of. Raises InvalidConfiguration."""
    if judged and folder.is_dir() and not (folder / JUDGED_FILE).exists():
        raise InvalidConfiguration(
            f"--judged: {folder} has no {JUDGED_FILE}: its figures are of several models (validation BlockedFolds), or"
            " it is of an older release; leave --judged out"
        )
    try:
        manifest = Manifest.from_bytes((folder / MANIFEST_FILE).read_bytes())
        graph = (folder / (JUDGED_FILE if judged else MODEL_FILE)).read_bytes()
        golden = None if judged else Golden.from_bytes((folder / GOLDEN_FILE).read_bytes())
    except OSError as error:
        raise InvalidConfiguration(f"--model {folder} is no folder that `eagle-train local` wrote: {error}") from error
    except BundleError as error:
        raise InvalidConfiguration(f"--model {folder}: {error}") from error
    return Model(manifest, graph, golden)


def from_bundle(
    address: str, *, keys: Path, verification: Path, environment: dict[str, str], judged: bool = False
) -> Model:
    """The published bundle at a URI, or in a folder that is a copy of a store; digests and signature are checked.

    `judged`: the model that the bundle's figures are of, which has no golden answers. The last part of the address is
    the digest of the manifest. Raises StoreFailed.
    """
    uri = (address if "://" in address else Path(address).resolve().as_uri()).rstrip("/")
    digest = f"sha256:{uri.rsplit('/', 1)[-1]}"
    try:
        store = open_store(uri.rsplit("/", 4)[0], environment)
        ring, verifier = KeyRing.from_folder(keys), Verifier.from_folder(verification)
        if judged:
            found = fetch_judged(store, uri, digest, keyring=ring, verifier=verifier)
            return Model(found.manifest, found.model, None)
        bundle = fetch(store, uri, digest, keyring=ring, verifier=verifier)
    except (BundleError, StoreUnavailable) as error:
        raise StoreFailed(f"--bundle {address}: {error}") from error
    return Model(bundle.manifest, bundle.model, bundle.golden)


def predict(
    model: Model,
    source: Source,
    *,
    now: datetime,
    days: int | None = None,
    threads: int = 1,
    pulse: Callable[[float], None] = lambda share: None,
) -> Predictions:
    """The model's answers to all rows of the last `days` (None: as many as in training) before `now`.

    `pulse` is told the share that is done. Raises InvalidConfiguration, SourceUnavailable or InsufficientData.
    """
    graph = session(model.graph, threads)
    _recall(model, threads)
    spec = schedule_of(model.manifest)
    resolved = replace(resolve(spec), sensors=tuple(model.manifest.sensors))
    if days is not None:
        resolved = replace(resolved, data_range_days=days)
    data = extract(source, spec, resolved, now=now)
    length = model.manifest.window_length
    period = spec.source.telemetry.sample_period_seconds
    series = resample(data.telemetry, period_seconds=period, longest_gap=length)
    rows = complete_rows(series, length)
    if not len(rows):
        raise InsufficientData(
            f"no row has a whole window of {length} samples behind it; give more data, or a higher --days"
        )
    time = series.time[rows]
    samples = Samples(row=rows, asset=series.asset[rows], time=time, until=time, target=np.zeros(len(rows)))
    windows = Windows(series, samples, _context(model.manifest, data, samples), length)
    size = max(1, _BLOCK_VALUES // (length * len(model.manifest.sensors)))
    parts: list[list[Any]] = []
    for start in range(0, len(rows), size):
        parts.append(graph.run(list(ANSWERS), windows.take(slice(start, start + size))))
        pulse(min(1.0, (start + size) / len(rows)))
    probability, alarm, confident = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Predictions(
        assets=series.assets,
        asset=samples.asset,
        time=time,
        probability=probability,
        alarm=alarm,
        confident=confident,
    )


def write(predictions: Predictions, path: Path) -> None:
    """The columns asset, time (UTC), failure_probability, alarm and confident, as Parquet, or as CSV by its ending."""
    names = pa.array(predictions.assets, pa.string())
    table = pa.table(
        {
            "asset": names.take(pa.array(predictions.asset)),
            "time": pa.array(predictions.time, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "failure_probability": predictions.probability,
            "alarm": predictions.alarm,
            "confident": predictions.confident,
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)


def schedule_of(manifest: Manifest) -> TrainingScheduleSpec:
    """What was trained, less its label, which new data do not have. Raises InvalidConfiguration."""
    try:
        spec = TrainingScheduleSpec.model_validate(manifest.schedule_spec)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InvalidConfiguration(
            f"the schedule in the manifest cannot be read ({field}); use the release that trained the model"
        ) from error
    return spec.model_copy(update={"label": Label()})


def context_columns(manifest: Manifest) -> tuple[ContextColumn, ...]:
    """The columns of the context as the manifest defines them."""
    return tuple(
        ContextColumn(
            name=given["name"],
            source=given["source"],
            statistic=given["statistic"],
            kind=given.get("kind"),
            window_seconds=given.get("windowSeconds"),
            latency_seconds=given.get("latencySeconds", 0),
            categories=tuple(given["categories"]) if "categories" in given else None,
        )
        for given in manifest.context_definitions
    )


def _context(manifest: Manifest, data: Extracted, samples: Samples) -> Floats:
    columns = context_columns(manifest)
    attributes = as_trained(data.attributes, columns) if data.attributes else None
    return context_values(
        columns, {table.name: table for table in data.events}, attributes, samples.asset, samples.time
    )


def as_trained(attributes: Attributes, columns: tuple[ContextColumn, ...]) -> Attributes:
    """Text as its position among the categories of training; missing where training had none such."""
    values = attributes.values.copy()
    for column in columns:
        if column.statistic == "attribute" and column.categories is not None:
            place = attributes.columns.index(column.source)
            found = attributes.categories.get(column.source, ())
            code = {name: float(number) for number, name in enumerate(column.categories)}
            translated = np.array([*(code.get(name, np.nan) for name in found), np.nan])
            given = attributes.values[:, place]
            values[:, place] = translated[np.where(np.isnan(given), len(found), given).astype(np.int64)]
    known = {column.source: column.categories for column in columns if column.categories is not None}
    return Attributes(columns=attributes.columns, values=values, categories=known)


def _recall(model: Model, threads: int) -> None:
    """The golden answers must come out on this machine too. Raises ConversionFailed."""
    golden = model.golden
    if golden is None:
        return
    feed = {"window": golden.window} | ({} if golden.context is None else {"context": golden.context})
    given = session(model.graph, threads).run(["failure_probability"], feed)[0]
    worst = float(np.abs(given - golden.failure_probability).max())
    if not worst <= _EXACT:
        raise ConversionFailed(
            f"the model does not give its own golden answers here (difference {worst:.3g}, at most {_EXACT:g}):"
            " model.onnx and golden.npz do not belong together, or this ONNX Runtime is broken"
        )
