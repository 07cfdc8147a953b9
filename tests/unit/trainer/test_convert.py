"""Models trained elsewhere become ONNX that gives their answers, or are refused by name."""

import pickle
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from eagle_contract.api import TrainerExit
from eagle_trainer import convert
from eagle_trainer.__main__ import app
from eagle_trainer.errors import ConversionFailed, InvalidConfiguration
from eagle_trainer.foreign import from_lightgbm
from eagle_trainer.series import Floats

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning")
RANDOM = np.random.default_rng(4)
ROWS: Floats = RANDOM.normal(size=(1500, 4))
LEVEL = ROWS[:, 0] + ROWS[:, 1] ** 2 + RANDOM.normal(0.0, 0.5, 1500)
TARGET = (LEVEL > 1.0).astype(int)


def booster(target: Any = TARGET, rows: Floats = ROWS, **parameters: Any) -> lgb.Booster:
    settings = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1, **parameters}
    return lgb.train(settings, lgb.Dataset(rows, label=target), 12)


def answers(model: bytes, rows: Floats, kind: type = np.float64) -> Floats:
    graph = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(graph.run(None, {"features": rows.astype(kind)})[0], np.float64)


def test_lightgbm_in_double_precision_is_exact() -> None:
    model = booster(sigmoid=0.7)
    found = convert.convert(from_lightgbm.of_booster(model), "Double", data=ROWS)
    assert found.max_abs_diff <= 1e-12
    np.testing.assert_allclose(answers(found.model, ROWS), model.predict(ROWS), rtol=0, atol=1e-12)


def test_lightgbm_in_single_precision_keeps_rows_on_their_side_of_every_threshold() -> None:
    model = booster()
    found = convert.convert(from_lightgbm.of_booster(model), "Single", data=ROWS)
    rows = ROWS.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(answers(found.model, rows, np.float32), model.predict(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("objective", "more"),
    [
        ("binary", {"sigmoid": 0.7}),
        ("cross_entropy", {}),
        ("regression", {}),
        ("fair", {}),
        ("mape", {}),
        (lambda margins, data: (margins - data.get_label(), np.ones(len(margins))), {}),
    ],
    ids=["sigmoid", "cross_entropy", "regression", "fair", "mape", "custom"],
)
def test_every_objective_that_is_converted_is_so_in_single_precision_too(objective: Any, more: dict[str, Any]) -> None:
    model = booster(objective=objective, **more)
    assert convert.convert(from_lightgbm.of_booster(model), "Single", data=ROWS).max_abs_diff <= 1e-6


@pytest.mark.parametrize("precision", ["Double", "Single"])
def test_splits_at_zero_and_at_what_is_missing_are_converted_in_both_precisions(precision: convert.Precision) -> None:
    rows = np.where(RANDOM.random(ROWS.shape) < 0.3, 0.0, ROWS)
    rows[:, 0] = np.where(RANDOM.random(len(rows)) < 0.2, np.nan, rows[:, 0] > 0.0)
    model = booster(np.isnan(rows[:, 0]) | (rows[:, 1] < 0.0) | (rows[:, 2] > 0.0), rows)
    foreign = from_lightgbm.of_booster(model)
    assert foreign.trees is not None
    assert np.isinf(foreign.trees.thresholds).any()
    assert any(abs(threshold) < 1e-30 for threshold in foreign.trees.thresholds)
    assert convert.convert(foreign, precision, data=rows).max_abs_diff <= 1e-6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("zero_as_missing", {"zero_as_missing": True}),
        ("linear_tree", {"objective": "regression", "linear_tree": True}),
        ("boosting=rf", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
        ("reg_sqrt", {"objective": "regression", "reg_sqrt": True}),
        ("poisson", {"objective": "poisson"}),
    ],
)
def test_what_converters_get_wrong_without_a_word_is_refused_by_name(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match=name):
        from_lightgbm.of_booster(booster(**parameters))


def test_values_too_large_for_single_precision_are_refused_by_the_name_of_the_feature() -> None:
    rows = ROWS.copy()
    rows[:, 2] = 1.7e9 + RANDOM.integers(0, 4000, len(rows))
    foreign = from_lightgbm.of_booster(booster((rows[:, 2] % 100 > 50).astype(int), rows))
    with pytest.raises(ConversionFailed, match=r"Column_2.*--precision Double"):
        convert.convert(foreign, "Single", data=rows)
    assert convert.convert(foreign, "Double", data=rows).max_abs_diff <= 1e-12


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(8, max_depth=4, random_state=1),
        GradientBoostingClassifier(n_estimators=8, random_state=1),
        make_pipeline(StandardScaler(), LogisticRegression()),
        lgb.LGBMClassifier(n_estimators=8, n_jobs=1, verbosity=-1),
    ],
    ids=["forest", "boosting", "pipeline", "LightGBM"],
)
def test_a_trusted_pickle_is_converted_exactly(model: Any, tmp_path: Path) -> None:
    model.fit(ROWS, TARGET)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    found = convert.convert(convert.read(path, trust=True), "Double")
    assert found.max_abs_diff <= 1e-9


def test_xgboost_is_converted_exactly(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    rows = ROWS.copy()
    rows[RANDOM.random(rows.shape) < 0.05] = np.nan
    settings = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    xgboost.train(settings, xgboost.DMatrix(rows, label=TARGET), 10).save_model(tmp_path / "model.json")
    foreign = convert.read(tmp_path / "model.json", trust=False)
    assert convert.convert(foreign, "Double", data=rows).max_abs_diff <= 1e-9
    assert convert.convert(foreign, "Single", data=rows).max_abs_diff <= 1e-5


def test_a_pickle_is_not_loaded_without_trust(tmp_path: Path) -> None:
    path, touched = tmp_path / "model.pkl", tmp_path / "touched"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (touched,)

    path.write_bytes(pickle.dumps(Bomb()))
    result = CliRunner().invoke(app, ["convert", str(path), "--out", str(tmp_path / "model.onnx")])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "--trust" in result.stderr
    assert not touched.exists()


def test_the_command_writes_the_graph_and_says_how_exact_it_is(tmp_path: Path) -> None:
    booster().save_model(tmp_path / "model.txt")
    result = CliRunner().invoke(
        app, ["convert", str(tmp_path / "model.txt"), "--out", str(tmp_path / "out" / "model.onnx")]
    )
    assert result.exit_code == 0, result.output
    assert "largest difference" in result.stderr
    assert len(answers((tmp_path / "out" / "model.onnx").read_bytes(), ROWS)) == len(ROWS)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.txt", "tree\nversion=v4\n", "model.txt ends before the model does"),
        ("model.txt", "tree\nend of trees\n", "model.txt is not a model that LightGBM reads"),
        ("model.txt", "hello", "is neither a LightGBM model in text"),
        ("model.txt", None, "there is no file"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(name: str, content: str | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    result = CliRunner().invoke(app, ["convert", str(tmp_path / name), "--out", str(tmp_path / "model.onnx")])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert result.stderr.splitlines()[-1].startswith("eagle-train: ")
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "model.onnx").exists()


def test_half_a_model_is_not_converted(tmp_path: Path) -> None:
    """LightGBM reads it without a word, as a model of fewer trees."""
    text = booster().model_to_string()
    (tmp_path / "model.txt").write_text(text[: text.index("Tree=6")])
    with pytest.raises(InvalidConfiguration, match="ends before the model does"):
        convert.read(tmp_path / "model.txt", trust=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there"),
        ("a,b,c,d\n", "has no rows"),
        ("a,b\n1,2\n", "must have the model's 4 features"),
        ("a,b,c,d\n1,x,2,3\n", "must have numbers only"),
        ("a,b,c,d\n1,2020-01-01 00:00:00,2,3\n", "must have numbers only"),
    ],
    ids=["no file", "no rows", "other columns", "text", "time stamps"],
)
def test_rows_that_cannot_prove_anything_are_refused(content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidConfiguration, match=said):
        convert.rows_of(path, ("first", "second", "third", "fourth"))


@pytest.mark.parametrize("command", ["local", "predict", "synthesize", "convert"])
def test_where_nothing_can_be_written_a_sentence_says_so_before_any_work(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    needed = {
        "local": ["--schedule", "nowhere.yaml", "--data", "nowhere"],
        "predict": ["--model", "nowhere", "--data", "nowhere"],
        "synthesize": [],
        "convert": ["nowhere.txt"],
    }[command]
    result = CliRunner().invoke(app, [command, *needed, "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "cannot be made" in " ".join(result.stderr.split())


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["convert", "nowhere.txt", "--out", str(tmp_path)])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "is a folder; name a file" in " ".join(result.stderr.split())


def test_a_graph_that_differs_is_not_written() -> None:
    foreign = from_lightgbm.of_booster(booster())
    assert foreign.trees is not None
    foreign.trees.weights[3] += 1e-6
    with pytest.raises(ConversionFailed, match="differs from the LightGBM"):
        convert.convert(foreign, "Double")
