"""A made-up fleet can be learned from, has the faults of real data, and is the same every time."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from eagle_contract.api import TrainingScheduleSpec
from eagle_trainer.synthesize import Synthetic, synthesize

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PERIOD = 3600
TABLES = ("telemetry", "errors", "maintenance", "failures", "machines")


def fleet(folder: Path, *, seed: int = 3, sensors: int = 4) -> Synthetic:
    return synthesize(folder, assets=20, days=60, period_seconds=PERIOD, sensors=sensors, seed=seed, now=NOW)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return fleet(tmp_path_factory.mktemp("fleet"))


def column(made: Synthetic, table: str, name: str) -> np.ndarray:
    return np.asarray(pq.read_table(made.folder / f"{table}.parquet").column(name).to_numpy())


def test_the_same_arguments_write_the_same_data(made: Synthetic, tmp_path: Path) -> None:
    again, other = fleet(tmp_path / "again"), fleet(tmp_path / "other", seed=4)
    for table in TABLES:
        assert pq.read_table(made.folder / f"{table}.parquet").equals(pq.read_table(again.folder / f"{table}.parquet"))
    assert made.schedule.read_bytes() == again.schedule.read_bytes()
    assert not np.array_equal(column(made, "failures", "ts"), column(other, "failures", "ts"))


def test_the_newest_row_is_about_a_period_before_now(made: Synthetic) -> None:
    age = np.datetime64(NOW.replace(tzinfo=None)) - column(made, "telemetry", "ts").max()
    assert 0.9 * PERIOD <= age / np.timedelta64(1, "s") <= 1.1 * PERIOD


def test_what_is_told_is_what_was_written(made: Synthetic) -> None:
    assert made.rows == len(column(made, "telemetry", "ts"))
    assert made.failures == len(column(made, "failures", "ts"))
    assert made.failures > 20


def test_rows_are_missing_values_are_missing_and_a_sensor_is_stuck(made: Synthetic) -> None:
    rows = len(column(made, "telemetry", "ts"))
    assert 0.9 * 20 * 60 * 24 < rows < 20 * 60 * 24
    assert 0 < np.isnan(column(made, "telemetry", "temperature")).sum() < 0.01 * rows
    assert set(column(made, "telemetry", "current")) == {50.0}
    assert len(set(column(made, "telemetry", "vibration"))) > 0.9 * rows


def test_one_sensor_alone_is_not_stuck(tmp_path: Path) -> None:
    assert len(set(column(fleet(tmp_path, sensors=1), "telemetry", "temperature"))) > 1000


def test_sensors_move_and_errors_become_more_frequent_before_a_failure(made: Synthetic) -> None:
    near = before_failures(made, "telemetry")
    value = column(made, "telemetry", "temperature")
    normal, worn = value[~near], value[near]
    apart = abs(np.nanmean(worn) - np.nanmean(normal)) / np.nanstd(normal)
    assert apart > 0.3
    share_of_time = near.mean()
    assert before_failures(made, "errors").mean() > 2 * share_of_time


def before_failures(made: Synthetic, table: str) -> np.ndarray:
    """Which rows of a table lie within the horizon before a failure of their machine."""
    time, machine = column(made, table, "ts"), column(made, table, "machine_id")
    near = np.zeros(len(time), bool)
    seconds = yaml.safe_load(made.schedule.read_text())["spec"]["label"]["horizonSeconds"]
    horizon = np.timedelta64(seconds, "s")
    for moment, owner in zip(column(made, "failures", "ts"), column(made, "failures", "machine_id"), strict=True):
        near |= (machine == owner) & (time < moment) & (time >= moment - horizon)
    return near


def test_every_failure_is_mended(made: Synthetic) -> None:
    pairs = [
        set(zip(column(made, table, "ts").tolist(), column(made, table, "machine_id").tolist(), strict=True))
        for table in ("failures", "maintenance")
    ]
    assert pairs[0] < pairs[1]


def test_the_schedule_is_valid_and_names_what_was_written(made: Synthetic) -> None:
    manifest = yaml.safe_load(made.schedule.read_text())
    spec = TrainingScheduleSpec.model_validate(manifest["spec"], extra="forbid")
    assert set(spec.source.continuous_columns) < set(pq.read_schema(made.folder / "telemetry.parquet").names)
    named = [spec.source.telemetry, *(spec.source.events or []), spec.source.attributes, spec.label.failures]
    assert {table.table for table in named if table} == set(TABLES)
