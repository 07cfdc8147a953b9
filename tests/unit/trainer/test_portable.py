"""A trained model in single precision gives its answers, or is not written."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.models import CALIBRATION, fitted
from tests.unit.trainer.plants import small_plant
from tests.unit.trainer.truths import NOW
from typer.testing import CliRunner, Result

from eagle_contract.api import TrainerExit, resolve
from eagle_contract.bundle import Golden, Manifest
from eagle_trainer.__main__ import app
from eagle_trainer.calibrate import Calibration, sigmoid
from eagle_trainer.dataset import feature_plan
from eagle_trainer.errors import ConversionFailed, InvalidConfiguration
from eagle_trainer.features import session
from eagle_trainer.fit import margins_of
from eagle_trainer.foreign.in_single import graph_in_single
from eagle_trainer.graph import feature_graph
from eagle_trainer.portable import portable, rows_to_prove
from eagle_trainer.predict import context_columns, schedule_of
from eagle_trainer.series import Floats

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")


def answers(model: bytes, rows: Floats) -> Floats:
    graph = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(graph.run(["failure_probability"], {"features": rows.astype(np.float32)})[0], np.float64)


def facts(model: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_from_string(model).metadata_props}


def boosters(rows: Floats, target: Floats, **parameters: object) -> list[lgb.Booster]:
    settings = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1, **parameters}
    categories = [1] if parameters.get("cat_smooth") else []
    return [
        lgb.train({**settings, "bagging_seed": seed}, lgb.Dataset(rows, target, categorical_feature=categories), 12)
        for seed in (1, 2)
    ]


def expected(found: list[lgb.Booster], rows: Floats) -> Floats:
    rounded = rows.astype(np.float32).astype(np.float64)
    return sigmoid(margins_of(found, rounded, slope=CALIBRATION.slope, offset=CALIBRATION.offset))


@pytest.mark.parametrize("gaps", [True, False], ids=["with missing values", "without"])
def test_it_gives_the_calibrated_mean_of_the_boosters(gaps: bool) -> None:
    model = fitted(gaps=gaps, rows=800)
    rows = rows_to_prove(model.blocks)
    found = portable(model.boosters, CALIBRATION, model.plan.names, rows)
    assert found.rows_compared > len(rows)
    assert 0.0 < found.max_abs_diff <= 1e-6
    given = answers(found.model, rows)
    np.testing.assert_allclose(given, expected(model.boosters, rows), rtol=0, atol=1e-6)
    assert given.shape == (len(rows),)
    assert np.ptp(given) > 0.2


def test_it_needs_single_precision_and_old_operators_alone() -> None:
    model = fitted(rows=600)
    found = portable(model.boosters, CALIBRATION, model.plan.names, rows_to_prove(model.blocks))
    graph = onnx.load_from_string(found.model)
    assert {opset.domain: opset.version for opset in graph.opset_import} == {"": 9, "ai.onnx.ml": 1}
    kinds = [value.type.tensor_type.elem_type for value in (*graph.graph.input, *graph.graph.output)]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT]
    assert facts(found.model)["features"] == ",".join(model.plan.names)


def test_categories_go_where_lightgbm_sends_them() -> None:
    random = np.random.default_rng(3)
    codes = random.integers(0, 12, 2000).astype(float)
    level = random.normal(size=12)
    rows = np.column_stack([random.normal(size=2000), codes])
    target = (rows[:, 0] + level[codes.astype(int)] > 0.0).astype(float)
    rows[random.random(2000) < 0.05, 1] = np.nan
    found = boosters(rows, target, cat_smooth=1, max_cat_to_onehot=1, min_data_per_group=5)
    assert "num_cat=0" not in found[0].model_to_string().split("Tree=1")[0]
    model = portable(found, CALIBRATION, ("number", "kind"), rows).model
    strange = np.column_stack([random.normal(size=40), np.arange(40) - 8.0])
    for given in (rows, strange):
        np.testing.assert_allclose(answers(model, given), expected(found, given), rtol=0, atol=1e-6)


def test_values_that_single_precision_cannot_tell_apart_are_refused_by_the_name_of_the_feature() -> None:
    random = np.random.default_rng(5)
    rows = np.column_stack([random.normal(size=1500), 1.7e9 + random.integers(0, 4000, 1500)])
    found = boosters(rows, (rows[:, 1] % 100 > 50).astype(float))
    with pytest.raises(ConversionFailed, match=r"'last_service' are too large .*; use model\.onnx, which is exact\.$"):
        portable(found, Calibration(), ("level", "last_service"), rows)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("zero_as_missing", {"zero_as_missing": True}),
        ("linear_tree", {"objective": "regression", "linear_tree": True}),
        ("boosting=rf", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
        ("reg_sqrt", {"objective": "regression", "reg_sqrt": True}),
    ],
)
def test_what_converters_get_wrong_without_a_word_is_refused_by_name(name: str, parameters: dict[str, object]) -> None:
    rows = np.random.default_rng(6).normal(size=(600, 2))
    found = boosters(rows, (rows[:, 0] > 0).astype(float), **parameters)
    with pytest.raises(InvalidConfiguration, match=name):
        portable(found, Calibration(), ("a", "b"), rows)


def test_a_graph_that_differs_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(rows=600)

    def without_offset(*given: Any, **calibration: Any) -> Any:
        return graph_in_single(*given, **{**calibration, "offset": 0.0})

    monkeypatch.setattr("eagle_trainer.portable.graph_in_single", without_offset)
    with pytest.raises(ConversionFailed, match=r"differs from the trained model .* use model\.onnx"):
        portable(model.boosters, CALIBRATION, model.plan.names, rows_to_prove(model.blocks))


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    small_plant(folder)
    return folder


def trained(plant: Path, out: Path, *more: str) -> Result:
    arguments = ["--schedule", str(plant / "schedule.yaml"), "--data", str(plant), "--out", str(out)]
    return CliRunner().invoke(app, ["local", *arguments, "--now", NOW.isoformat(), *more])


def test_a_local_training_writes_it_on_request_and_removes_that_of_an_earlier_one(plant: Path, tmp_path: Path) -> None:
    """Its features are those of the published graph: golden windows get their golden answers, nearly."""
    result = trained(plant, tmp_path, "--portable")
    assert result.exit_code == 0, result.output
    assert "largest difference" in result.stderr
    model = (tmp_path / "portable.onnx").read_bytes()
    golden = Golden.from_bytes((tmp_path / "golden.npz").read_bytes())
    manifest = Manifest.from_bytes((tmp_path / "manifest.json").read_bytes())
    spec = schedule_of(manifest)
    plan = feature_plan(spec, replace(resolve(spec), sensors=tuple(manifest.sensors)), context_columns(manifest))
    features = session(feature_graph(plan)).run(None, {"window": golden.window, "context": golden.context})[0]
    np.testing.assert_allclose(answers(model, features), golden.failure_probability, rtol=0, atol=1e-5)
    assert facts(model)["features"] == ",".join(plan.names)
    assert trained(plant, tmp_path).exit_code == 0
    assert not (tmp_path / "portable.onnx").exists()


def test_where_it_is_refused_everything_else_is_written(plant: Path, tmp_path: Path) -> None:
    for path in plant.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pq.read_table(plant / "telemetry.parquet")
    place = table.column_names.index("temperature")
    shifted = table.column("temperature").to_numpy() + 1.7e9
    pq.write_table(table.set_column(place, "temperature", [shifted]), tmp_path / "telemetry.parquet")
    result = trained(tmp_path, tmp_path / "out", "--portable")
    assert result.exit_code == TrainerExit.CONVERSION_FAILED, result.output
    assert result.stderr.splitlines()[-1].startswith("eagle-train: portable.onnx: In single precision")
    assert "'temperature" in result.stderr.splitlines()[-1]
    assert (tmp_path / "out" / "result.json").exists()
    assert (tmp_path / "out" / "model.onnx").exists()
    assert not (tmp_path / "out" / "portable.onnx").exists()


def test_without_onnxmltools_nothing_is_trained_and_a_sentence_says_how_to_install_it(
    plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    result = trained(plant, tmp_path / "out", "--portable")
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "pip install 'eagle-training[convert]'" in result.stderr
    assert not (tmp_path / "out").exists()
