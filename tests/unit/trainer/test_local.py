"""`eagle-train local`, as a person uses it: from tables in a folder to a proven model, its card and its result."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

from eagle_contract.api import TrainerExit, TrainingResult
from eagle_contract.bundle import Golden, Manifest
from eagle_trainer.__main__ import app
from eagle_trainer.synthesize import synthesize

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FEW_TREES = {"num_iterations": "30", "num_leaves": "7", "learning_rate": "0.15"}


@contextmanager
def one_cpu() -> Iterator[None]:
    """The tests share their CPUs, and threads that wait for each other there are slower than one alone."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@dataclass(frozen=True)
class Plant:
    """A made-up fleet and its schedule."""

    folder: Path

    def train(self, out: Path, *, schedule: dict[str, Any] | None = None) -> Result:
        path = self.folder / "schedule.yaml"
        if schedule is not None:
            path = out.with_suffix(".yaml")
            path.write_text(yaml.safe_dump(schedule))
        arguments = ["--schedule", str(path), "--data", str(self.folder), "--out", str(out), "--now", NOW.isoformat()]
        with one_cpu():
            return CliRunner().invoke(app, ["local", *arguments])

    @property
    def schedule(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "schedule.yaml").read_text())
        return found


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    found = Plant(tmp_path_factory.mktemp("plant"))
    synthesize(found.folder, assets=12, days=50, period_seconds=3600, sensors=4, seed=5, now=NOW)
    schedule = found.schedule
    schedule["spec"]["model"]["parameters"] = FEW_TREES
    (found.folder / "schedule.yaml").write_text(yaml.safe_dump(schedule))
    return found


@pytest.fixture(scope="module")
def trained(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    result = plant.train(out)
    assert result.exit_code == 0, result.output
    return out


def result_in(folder: Path) -> TrainingResult:
    return TrainingResult.model_validate_json((folder / "result.json").read_bytes())


def test_a_training_writes_model_manifest_card_and_result(trained: Path) -> None:
    found = result_in(trained)
    manifest = Manifest.from_bytes((trained / "manifest.json").read_bytes())
    assert manifest.sensors == ["temperature", "vibration", "pressure", "current"]
    assert manifest.window_length == 24
    assert float(found.onnx.max_abs_diff) <= 1e-9
    assert found.data.assets == 12
    assert found.evaluation.evaluable
    assert (trained / "card.html").read_bytes().startswith(b"<!doctype html>")


def test_the_model_that_the_figures_are_of_is_there_and_named(plant: Plant, trained: Path, tmp_path: Path) -> None:
    judged = (trained / "judged.onnx").read_bytes()
    assert judged != (trained / "model.onnx").read_bytes()
    (tmp_path / "judged.onnx").write_bytes(b"of an earlier run")
    result = plant.train(tmp_path)
    assert (tmp_path / "judged.onnx").read_bytes() == judged
    assert "judged.onnx" in "".join(result.output.split())


def test_where_several_models_are_judged_there_is_no_such_model_not_even_an_older_one(
    plant: Plant, tmp_path: Path
) -> None:
    schedule = plant.schedule
    schedule["spec"]["model"]["validation"] = "BlockedFolds"
    (tmp_path / "judged.onnx").write_bytes(b"of an earlier run")
    result = plant.train(tmp_path, schedule=schedule)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "judged.onnx").exists()
    assert "judged.onnx" not in "".join(result.output.split())


def test_the_model_has_learned_to_see_failures_coming(trained: Path) -> None:
    metrics = {metric.name: float(metric.value) for metric in result_in(trained).metrics}
    assert metrics["average_precision"] > 2 * metrics["base_rate"]
    assert metrics["log_loss_skill"] > 0


def test_the_stuck_sensor_is_found(trained: Path) -> None:
    issues = {(issue.column, issue.issue) for issue in result_in(trained).data.quality_issues}
    assert ("current", "Stuck") in issues


def test_the_published_graph_gives_the_golden_answers(trained: Path) -> None:
    golden = Golden.from_bytes((trained / "golden.npz").read_bytes())
    graph = ort.InferenceSession((trained / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    feed = {"window": golden.window, "context": golden.context}
    probability, alarm, confident = graph.run(["failure_probability", "alarm", "confident"], feed)
    np.testing.assert_allclose(probability, golden.failure_probability, rtol=0, atol=1e-15)  # threads add in any order
    np.testing.assert_array_equal(alarm, golden.alarm)
    np.testing.assert_array_equal(confident, golden.confident)
    assert len(probability) == 64
    assert np.ptp(probability) > 0.1


def test_the_same_data_and_seed_give_the_same_model_and_manifest(plant: Plant, trained: Path, tmp_path: Path) -> None:
    assert plant.train(tmp_path / "again").exit_code == 0
    for name in ("model.onnx", "judged.onnx", "manifest.json", "card.html", "golden.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes(), name


def test_only_the_past_of_now_is_read(plant: Plant, trained: Path) -> None:
    newest = pq.read_table(plant.folder / "telemetry.parquet").column("ts").to_numpy().max()
    assert np.datetime64(result_in(trained).data.to.replace(tzinfo=None)) <= newest + np.timedelta64(1, "s")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("model", "parameters", {"boosting": "rf"}), TrainerExit.INVALID_CONFIGURATION, "model.parameters.boosting"),
        (("features", "lagSeconds", [100]), TrainerExit.INVALID_CONFIGURATION, "features.lagSeconds"),
        (("features", "include", ["nowhere"]), TrainerExit.INVALID_CONFIGURATION, "features.include"),
        (("source", "continuousColumns", ["nowhere"]), TrainerExit.INVALID_CONFIGURATION, "nowhere"),
        (("source", "dataRangeDays", 1), TrainerExit.INSUFFICIENT_DATA, "source.dataRangeDays"),
        (("label", "horizonSeconds", 31_000_000), TrainerExit.INSUFFICIENT_DATA, "label.horizonSeconds"),
    ],
)
def test_a_training_that_cannot_work_names_the_field_to_change(
    plant: Plant, tmp_path: Path, change: tuple[str, str, Any], code: TrainerExit, said: str
) -> None:
    schedule = plant.schedule
    part, field, value = change
    schedule["spec"][part][field] = value
    result = plant.train(tmp_path / "out", schedule=schedule)
    assert result.exit_code == code
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("eagle-train: ")
    assert said in result.stderr
    assert not (tmp_path / "out" / "model.onnx").exists()


@pytest.mark.parametrize("name", ["telemetry.csv", "telemetry.parquet"])
def test_a_file_that_is_no_table_is_refused_by_its_name(plant: Plant, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"a,b\n1\n\xff\xfe\n")
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(plant.schedule))
    result = Plant(tmp_path).train(tmp_path / "out")
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert f"{name} cannot be read as" in " ".join(result.stderr.split())


def test_a_schedule_without_a_spec_is_refused_by_that_field(plant: Plant, tmp_path: Path) -> None:
    result = plant.train(tmp_path / "out", schedule={"kind": "TrainingSchedule"})
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "this field must be given" in result.stderr


def test_without_failures_there_is_nothing_to_tell_apart(plant: Plant, tmp_path: Path) -> None:
    table = pq.read_table(plant.folder / "failures.parquet")
    for path in plant.folder.glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pq.write_table(table.slice(0, 0), tmp_path / "failures.parquet")
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(plant.schedule))
    result = Plant(tmp_path).train(tmp_path / "out")
    assert result.exit_code == TrainerExit.INSUFFICIENT_DATA
    assert "no failure among them" in result.stderr


def test_labels_by_column_train_as_well(plant: Plant, tmp_path: Path) -> None:
    """Runs of a label take the place of failures: here, whether a machine's temperature was lately above its usual."""
    table = pq.read_table(plant.folder / "telemetry.parquet")
    value = np.nan_to_num(table.column("temperature").to_numpy(), nan=50.0)
    lately = np.convolve(value, np.ones(48) / 48, mode="full")[: len(value)]
    label = (lately > np.quantile(lately, 0.8)).astype(float)
    pq.write_table(table.append_column("hot", [label]), tmp_path / "telemetry.parquet")
    schedule = plant.schedule
    schedule["spec"]["label"] = {"column": "hot"}
    for name in ("events", "attributes"):
        del schedule["spec"]["source"][name]
    (tmp_path / "schedule.yaml").write_text(yaml.safe_dump(schedule))
    result = Plant(tmp_path).train(tmp_path / "out")
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["contextColumns"] == []
    assert "the label is 1 now" in (tmp_path / "out" / "card.html").read_text()
