"""`eagle-train predict` says what the published graph says, row by row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.support.bundles import organization_keys
from tests.unit.trainer.plants import small_plant
from tests.unit.trainer.truths import NOW
from typer.testing import CliRunner, Result

from eagle_contract.api import TrainerExit
from eagle_contract.bundle import BundleContents, BundleIdentity, open_store, publish
from eagle_trainer.__main__ import app
from eagle_trainer.context import ContextColumn
from eagle_trainer.predict import as_trained, from_folder
from eagle_trainer.series import Attributes


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    small_plant(folder)
    arguments = ["--schedule", str(folder / "schedule.yaml"), "--data", str(folder), "--out", str(folder / "model")]
    result = CliRunner().invoke(app, ["local", *arguments, "--now", NOW.isoformat()])
    assert result.exit_code == 0, result.output
    return folder


def predicted(plant: Path, out: Path, *more: str) -> Result:
    arguments = ["--model", str(plant / "model"), "--data", str(plant), "--out", str(out), *more]
    return CliRunner().invoke(app, ["predict", *arguments])


def test_golden_windows_get_their_golden_answers_from_the_raw_tables(plant: Path, tmp_path: Path) -> None:
    result = predicted(plant, tmp_path / "p.parquet", "--now", NOW.isoformat())
    assert result.exit_code == 0, result.output
    given = pq.read_table(tmp_path / "p.parquet")
    assert given.column_names == ["asset", "time", "failure_probability", "alarm", "confident"]
    golden = from_folder(plant / "model").golden
    assert golden is not None
    probability = given.column("failure_probability").to_numpy()
    nearest = np.abs(probability[:, None] - golden.failure_probability).min(axis=0)
    assert nearest.max() < 1e-12
    assert np.array_equal(given.column("alarm").to_numpy(zero_copy_only=False), probability >= 0.5)


def test_new_data_need_no_failures(plant: Path, tmp_path: Path) -> None:
    for name in ("telemetry", "errors", "maintenance", "machines"):
        (tmp_path / f"{name}.parquet").write_bytes((plant / f"{name}.parquet").read_bytes())
    arguments = ["--model", str(plant / "model"), "--data", str(tmp_path), "--out", str(tmp_path / "p.csv")]
    result = CliRunner().invoke(app, ["predict", *arguments, "--days", "5"])
    assert result.exit_code == 0, result.output
    assert 0 < len((tmp_path / "p.csv").read_text().splitlines()) <= 1 + 12 * 5 * 24


def test_the_model_that_was_judged_answers_when_it_is_asked_for(plant: Path, tmp_path: Path) -> None:
    assert predicted(plant, tmp_path / "published.parquet", "--days", "5").exit_code == 0
    result = predicted(plant, tmp_path / "judged.parquet", "--days", "5", "--judged")
    assert result.exit_code == 0, result.output
    given, served = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("judged", "published"))
    assert given.select(["asset", "time"]).equals(served.select(["asset", "time"]))
    assert not given.equals(served)


def test_a_folder_without_a_judged_model_says_so(plant: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "model.onnx", "golden.npz"):
        (tmp_path / name).write_bytes((plant / "model" / name).read_bytes())
    arguments = ["--model", str(tmp_path), "--data", str(plant), "--out", str(tmp_path / "p.parquet"), "--judged"]
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "has no judged.onnx" in result.stderr


def test_brackets_in_the_users_own_names_are_no_markup(plant: Path, tmp_path: Path) -> None:
    out = tmp_path / "[" / "b] [m] answers.csv"
    result = predicted(plant, out, "--days", "5")
    assert result.exit_code == 0, result.output
    assert str(out) in "".join(result.stderr.split("\n"))


def test_exactly_one_model_must_be_named(plant: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["predict", "--data", str(plant), "--out", str(tmp_path / "p.parquet")])
    assert result.exit_code == TrainerExit.INVALID_CONFIGURATION
    assert "--model" in result.stderr


def test_a_model_that_does_not_know_its_golden_answers_is_not_used(plant: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (plant / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    golden = from_folder(folder).golden
    assert golden is not None
    wrong = replace(golden, failure_probability=golden.failure_probability + 1e-6)
    (folder / "golden.npz").write_bytes(wrong.to_bytes())
    arguments = ["--model", str(folder), "--data", str(plant), "--out", str(tmp_path / "p.parquet")]
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert result.exit_code == TrainerExit.CONVERSION_FAILED
    assert not (tmp_path / "p.parquet").exists()


def test_a_bundle_without_keys_is_refused_in_one_sentence(plant: Path, tmp_path: Path) -> None:
    address = f"file://{tmp_path}/acme/uid/v1/{'0' * 64}"
    arguments = ["--bundle", address, "--keys", str(tmp_path), "--data", str(plant), "--out", str(tmp_path / "p")]
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert result.exit_code == TrainerExit.STORE_UNAVAILABLE
    assert result.stderr.strip().splitlines()[-1].startswith("eagle-train: --bundle")


def test_a_published_bundle_gives_what_the_folder_gives(plant: Path, tmp_path: Path) -> None:
    local, judged, keys = from_folder(plant / "model"), from_folder(plant / "model", judged=True), organization_keys()
    assert local.golden is not None
    url = (tmp_path / "store").as_uri()
    (tmp_path / "store").mkdir()
    artifact = publish(
        open_store(url, {}),
        url,
        BundleIdentity.of(local.manifest),
        BundleContents(local.manifest, local.graph, local.golden, b"<!doctype html>", judged.graph),
        keyring=keys.keyring,
        signer=keys.signer,
    )
    folders = keys.write(tmp_path)
    named = ["--keys", str(folders[0]), "--verification", str(folders[1]), "--data", str(plant)]
    addresses = {"uri": artifact.uri, "copy": artifact.uri.removeprefix("file://")}
    for more in ((), ("--judged",)):
        predicted(plant, tmp_path / "folder.parquet", "--days", "5", *more)
        for name, address in addresses.items():
            out = tmp_path / f"{name}.parquet"
            arguments = ["--bundle", address, *named, "--out", str(out), "--days", "5", *more]
            result = CliRunner().invoke(app, ["predict", *arguments])
            assert result.exit_code == 0, result.output
            assert pq.read_table(out).equals(pq.read_table(tmp_path / "folder.parquet"))


def test_categories_are_coded_as_in_training() -> None:
    column = ContextColumn(name="attribute_model", source="model", statistic="attribute", categories=("a", "b", "c"))
    given = Attributes(
        columns=("model",), values=np.array([[0.0], [1.0], [np.nan]]), categories={"model": ("c", "never seen")}
    )
    np.testing.assert_array_equal(as_trained(given, (column,)).values[:, 0], [2.0, np.nan, np.nan])
