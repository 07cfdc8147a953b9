"""Trainings on made-up fleets, measured against the truth about them."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import yaml

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.metrics import average_precision
from eagle_trainer.pipeline import Task, Trained, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.series import Floats, Samples
from eagle_trainer.sources.files import Files
from eagle_trainer.synthesize import Synthetic

NOW = datetime(2026, 5, 1, tzinfo=UTC)
_LATER = 1 << 52
"""Microseconds beyond every moment: asset by asset, and so for a thousand of them without overflow."""


@dataclass(frozen=True)
class Measured:
    """Average precision on the holdout: of the model, and of the exact probabilities from the same windows."""

    trained: Trained
    reached: float
    best: float

    @property
    def share(self) -> float:
        return self.reached / self.best


def train_on_windows(
    made: Synthetic,
    *,
    parameters: dict[str, str] | None = None,
    windows: tuple[int, ...] | None = None,
    threads: int = 1,
) -> Measured:
    """Trains on the telemetry alone, which is what the truth from windows knows.

    `windows` are other rolling windows than the schedule's; the longest is to be the same.
    """
    schedule = yaml.safe_load(made.telemetry_schedule.read_text())
    if windows:
        schedule["spec"]["features"]["rollingWindows"] = list(windows)
    spec = TrainingScheduleSpec.model_validate(schedule["spec"])
    resolved = resolve(spec)
    resolved.parameters.update(parameters or {})
    task = Task(spec=spec, resolved=resolved, now=NOW, threads=threads)
    trained = train(Files(made.folder), task, Stopwatch(()))
    scored = trained.judgement.scored
    target = scored.samples.target
    exact = exact_probabilities(made, trained.prepared.series.assets, scored.samples)
    return Measured(trained, average_precision(scored.probability, target), average_precision(exact, target))


def exact_probabilities(made: Synthetic, assets: tuple[str, ...], samples: Samples) -> Floats:
    """The truth from windows for the given samples; checks on the way that it has the same label for each."""
    truth = pq.read_table(made.folder / "truth.parquet")
    code = {name: number for number, name in enumerate(assets)}
    owner = np.array([code[name] for name in truth.column("machine_id").to_pylist()])
    moment = truth.column("ts").to_numpy().astype("datetime64[us]").astype(np.int64)
    order = np.lexsort((moment, owner))
    key = owner * _LATER + moment
    place = order[np.searchsorted(key[order], samples.asset * _LATER + samples.time)]
    assert np.array_equal(moment[place], samples.time)
    failing = truth.column("failing").to_numpy(zero_copy_only=False)[place]
    known = np.array([value is not None for value in failing])
    assert np.array_equal(failing[known].astype(float), samples.target[known])
    return np.asarray(truth.column("from_window").to_numpy()[place], np.float64)
