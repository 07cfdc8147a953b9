"""What the evaluation has to say on real data: good where the data are good, weak where they are weak, and not
evaluable where nothing can be said.

The bounds are of figures, not of seconds, and hold on any machine. The rig's other conditions are not among the
examples' columns; the publisher's profile.txt has them, and the load cycles at which they change stand here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from eagle_contract.api import TrainingResult, TrainingScheduleSpec, resolve
from eagle_contract.bundle import PublishedArtifact
from eagle_operator.domain.gate import Evidence, Verdict
from eagle_operator.domain.gate import judge as gate
from eagle_trainer import machine
from eagle_trainer.judge import Judgement
from eagle_trainer.pipeline import Task, Trained, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.publishing import Run, result_of
from eagle_trainer.sources.files import Files

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FLEET_END = datetime(2015, 4, 1, 6, tzinfo=UTC)
RIG_END = datetime(2000, 1, 2, 12, 45, tzinfo=UTC)
CYCLE = 60
CYCLES = 2205
ACCUMULATOR = (
    (0, 130), (333, 115), (466, 100), (599, 90), (932, 130), (1065, 115),
    (1198, 100), (1331, 90), (1664, 130), (1797, 115), (1930, 100), (2063, 90),
)  # fmt: skip
"""From which load cycle on the accumulator has which pressure, in bar; below 130 it has lost some."""
COOLER = ((0, 3), (732, 20), (1464, 100))
"""From which load cycle on the cooler has which efficiency, in per cent; below 100 it is impaired."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """A training, and what the gate says to it."""

    trained: Trained
    verdict: Verdict

    @property
    def judgement(self) -> Judgement:
        return self.trained.judgement

    def figure(self, name: str) -> float:
        return self.judgement.metrics[name]


def schedule(name: str) -> dict[str, Any]:
    """The spec of an example."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "schedule.yaml").read_text())["spec"]
    return found


def outcome(spec: dict[str, Any], data: Path, now: datetime) -> Outcome:
    """The training as `eagle-train local` makes it, and the gate's verdict on its result."""
    checked = TrainingScheduleSpec.model_validate(spec, extra="forbid")
    task = Task(spec=checked, resolved=resolve(checked), now=now, threads=machine.cpu_limit())
    source, watch = Files(data), Stopwatch(())
    try:
        trained = train(source, task, watch)
    finally:
        source.close()
    return Outcome(trained, gate(Evidence(result(trained, task, watch), task.resolved, None)))


def result(trained: Trained, task: Task, watch: Stopwatch) -> TrainingResult:
    run = Run(
        organization="bench",
        schedule="bench",
        schedule_uid="bench",
        generation=1,
        run_time=task.now,
        attempt=1,
        pod_uid="bench",
        image="",
    )
    digest = f"sha256:{'0' * 64}"
    artifact = PublishedArtifact(
        uri="file:///bench", digest=digest, size_bytes=1, key_id="bench", signature="", model_digest=digest
    )
    return result_of(trained, task, run, artifact, watch.timings)


def told(found: Outcome, *names: str) -> str:
    judgement = found.judgement
    parts = []
    for name in names:
        bounds = judgement.intervals.get(name)
        around = f" ({bounds.lower:.4f} to {bounds.upper:.4f})" if bounds else ""
        parts.append(f"{name} {judgement.metrics[name]:.4f}{around}")
    return ", ".join(parts)


# --- the fleet

EVENT_FIGURES = ("average_precision", "event_recall", "false_alarms_per_asset_month", "log_loss_skill")


def test_the_fleets_failures_are_announced_by_all_of_its_tables(report: Report) -> None:
    found = outcome(schedule("fleet"), EXAMPLES / "fleet", FLEET_END)
    report(f"fleet, all tables: {told(found, *EVENT_FIGURES)}; {found.verdict.reason}")
    assert found.judgement.evaluation.evaluable
    assert found.figure("average_precision") >= 0.99
    assert found.figure("event_recall") >= 0.9
    assert found.figure("false_alarms_per_asset_month") < 1.0
    assert found.judgement.evaluation.beats_baseline
    assert found.verdict.passed


def test_telemetry_alone_is_told_as_the_weak_model_it_is(report: Report) -> None:
    spec = schedule("fleet")
    del spec["source"]["events"]
    del spec["source"]["attributes"]
    found = outcome(spec, EXAMPLES / "fleet", FLEET_END)
    report(f"fleet, telemetry alone: {told(found, *EVENT_FIGURES)}; {found.verdict.reason}: {found.verdict.message}")
    assert 0.15 < found.figure("average_precision") < 0.35
    assert found.verdict.reason == "WorseThanBaseline"


# --- the rig


def rig(folder: Path, label: str, levels: tuple[tuple[int, int], ...], healthy: int) -> dict[str, Any]:
    """The rig's telemetry with another condition as its label, and the schedule for it."""
    table = pq.read_table(EXAMPLES / "rig" / "telemetry.parquet")
    edges = [cycle for cycle, _ in levels] + [CYCLES]
    value = np.repeat([level for _, level in levels], np.diff(edges) * CYCLE)
    pq.write_table(table.append_column(label, [(value < healthy).astype(np.int8)]), folder / "telemetry.parquet")
    spec = schedule("rig")
    spec["label"] = {"column": label}
    return spec


@pytest.mark.parametrize(("validation", "least"), [("Holdout", 0.975), ("BlockedFolds", 0.99)])
def test_the_pumps_leakage_is_seen(report: Report, validation: str, least: float) -> None:
    spec = schedule("rig")
    spec["model"]["validation"] = validation
    found = outcome(spec, EXAMPLES / "rig", RIG_END)
    report(f"rig, pump, {validation}: {told(found, 'accuracy', 'average_precision')}; {found.verdict.reason}")
    assert found.judgement.evaluation.evaluable
    assert found.figure("accuracy") >= least
    assert found.verdict.passed


@pytest.mark.parametrize("validation", ["Holdout", "BlockedFolds"])
def test_a_cooler_of_three_long_conditions_is_not_evaluable(tmp_path: Path, report: Report, validation: str) -> None:
    spec = rig(tmp_path, "cooler_impaired", COOLER, 100)
    spec["model"]["validation"] = validation
    found = outcome(spec, tmp_path, RIG_END)
    report(f"rig, cooler, {validation}: {found.verdict.reason}: {found.verdict.message}")
    assert not found.judgement.evaluation.evaluable
    assert found.verdict.reason == "NotEvaluable"


@pytest.mark.parametrize("validation", ["Holdout", "BlockedFolds"])
def test_the_accumulator_is_judged_no_better_than_the_majority(tmp_path: Path, report: Report, validation: str) -> None:
    spec = rig(tmp_path, "accumulator_low", ACCUMULATOR, 130)
    spec["model"]["validation"] = validation
    found = outcome(spec, tmp_path, RIG_END)
    majority = found.judgement.baselines["majority_accuracy"]
    report(
        f"rig, accumulator, {validation}: {told(found, 'accuracy', 'log_loss_skill')}, majority {majority:.4f};"
        f" {found.verdict.reason}"
    )
    assert found.figure("accuracy") <= majority + 0.01
    assert not found.judgement.evaluation.beats_baseline
    assert not found.verdict.passed
