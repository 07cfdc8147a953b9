"""What is wrong with the data is found, counted and weighed; a model of no plant is refused in a sentence."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.trainer.arrays import PERIOD, START, STEP, telemetry

from eagle_trainer.check import Issue, findings, refuse_errors
from eagle_trainer.errors import InsufficientData
from eagle_trainer.resample import resample
from eagle_trainer.series import DAY, Attributes, Floats, Strangers, Telemetry

ROWS = 2000


@pytest.fixture
def values() -> Floats:
    return np.random.default_rng(8).normal(50, 2, size=(ROWS, 2))


def found(given: Telemetry, **more: object) -> dict[tuple[str, str], Issue]:
    """The findings by column and name."""
    series = resample(given, period_seconds=PERIOD, longest_gap=10)
    issues = findings(given, series, **more)  # type: ignore[arg-type]
    return {(issue.column, issue.issue): issue for issue in issues}


def refusal(given: Telemetry, **more: object) -> str:
    with pytest.raises(InsufficientData) as refused:
        refuse_errors(tuple(found(given, **more).values()))
    return str(refused.value)


def test_sound_data_have_no_findings(values: Floats) -> None:
    assert found(telemetry(values), until=START + ROWS * STEP, window_length=60) == {}


@pytest.mark.parametrize(
    ("share", "severity"), [(0.001, "Info"), (0.15, "Info"), (0.25, "Warning"), (0.85, "Warning"), (0.95, "Error")]
)
def test_missing_values_weigh_by_their_share(values: Floats, share: float, severity: str) -> None:
    gone = np.random.default_rng(1).permutation(ROWS)[: round(share * ROWS)]
    values[gone, 1] = np.nan
    issue = found(telemetry(values))["b", "Missing"]
    assert (issue.severity, issue.count, issue.share) == (severity, len(gone), pytest.approx(share))


def test_a_sensor_that_is_nearly_always_missing_ends_the_run_with_its_name(values: Floats) -> None:
    values[100:, 1] = np.nan
    said = refusal(telemetry(values))
    assert said.startswith("sensor 'b' has a value in only 100 of 2000 samples (5.0%)")
    assert "source.continuousColumns" in said


def test_a_sensor_without_any_value_ends_the_run(values: Floats) -> None:
    values[:, 1] = np.inf
    assert refusal(telemetry(values)).startswith("sensor 'b' has not one usable value in 2000 samples")


def test_several_sensors_that_end_the_run_are_named_together(values: Floats) -> None:
    values[:] = np.nan
    said = refusal(telemetry(values))
    assert "sensor 'a'" in said
    assert said.endswith("(and the same for b)")


def test_infinite_values_are_a_warning_and_count_as_missing(values: Floats) -> None:
    values[:3, 0] = [np.inf, -np.inf, np.nan]
    issues = found(telemetry(values))
    assert (issues["a", "NotFinite"].severity, issues["a", "NotFinite"].count) == ("Warning", 2)
    assert issues["a", "Missing"].count == 1


def test_a_sensor_that_some_assets_do_not_have_is_not_missing_on_the_others(values: Floats) -> None:
    values[: ROWS // 4, 1] = np.nan
    issues = found(telemetry(values, assets=4))
    assert ("b", "Missing") not in issues
    assert (issues["b", "AbsentOnAssets"].severity, issues["b", "AbsentOnAssets"].count) == ("Info", 1)


def test_a_constant_sensor_is_stuck(values: Floats) -> None:
    values[:, 1] = 3.0
    issue = found(telemetry(values))["b", "Stuck"]
    assert (issue.severity, issue.count) == ("Warning", ROWS)


def test_when_no_sensor_ever_moves_there_is_nothing_to_learn(values: Floats) -> None:
    values[:] = 3.0
    assert "none of the sensors (a, b) ever changes" in refusal(telemetry(values))


def test_a_moving_sensor_that_stands_still_for_long_is_told(values: Floats) -> None:
    values[500:700, 0] = 51.0
    issue = found(telemetry(values))["a", "StandsStill"]
    assert (issue.severity, issue.count) == ("Warning", 200)


@pytest.mark.parametrize("level", [0.0, None])
def test_rest_at_zero_and_coarse_sensors_do_not_stand_still(values: Floats, level: float | None) -> None:
    values[500:700, 0] = 0.0
    if level is None:
        values[:, 0] = np.repeat(values[: ROWS // 200, 0], 200)
    assert ("a", "StandsStill") not in found(telemetry(values))


def test_far_values_are_outliers_and_one_repeated_far_value_is_an_error_code(values: Floats) -> None:
    values[:5, 0] = [500, 700, -300, 400, 900]
    values[::20, 1] = -9999.0
    issues = found(telemetry(values))
    assert (issues["a", "Outliers"].severity, issues["a", "Outliers"].count) == ("Info", 5)
    assert (issues["b", "ErrorCode"].severity, issues["b", "ErrorCode"].count) == ("Warning", ROWS // 20)


def test_outliers_are_found_where_most_values_are_the_same(values: Floats) -> None:
    values[:, 0] = np.where(np.arange(ROWS) % 3 == 0, values[:, 0] * 0.01, 0.5)
    values[7, 0] = 1e6
    assert found(telemetry(values))["a", "Outliers"].count == 1


def test_repeated_and_unordered_rows_are_counted(values: Floats) -> None:
    time = START + np.arange(ROWS) * STEP
    time[10] = time[11]
    time[[20, 21]] = time[[21, 20]]
    issues = found(telemetry(values, time=time))
    assert (issues["time", "DuplicateRows"].severity, issues["time", "DuplicateRows"].count) == ("Info", 1)
    assert issues["time", "OutOfOrder"].count == 1
    assert issues["time", "Gaps"].count == 1


def test_gaps_weigh_by_the_time_that_they_take(values: Floats) -> None:
    keep = np.ones(ROWS, bool)
    keep[500:1200] = False
    time = (START + np.arange(ROWS) * STEP)[keep]
    issue = found(telemetry(values[keep], time=time))["time", "Gaps"]
    assert (issue.severity, issue.count) == ("Warning", 1)
    assert issue.share == pytest.approx(700 / 1999)


def test_rows_more_seldom_than_the_period_end_the_run_with_the_right_period(values: Floats) -> None:
    time = START + np.arange(ROWS) * 5 * STEP
    said = refusal(telemetry(values, time=time))
    assert "a row about every 300 s, but samplePeriodSeconds is 60: 80% of the samples would be missing" in said
    assert said.endswith("set source.telemetry.samplePeriodSeconds to 300")


def test_rows_more_often_than_the_period_are_said_to_be_left_out(values: Floats) -> None:
    time = START + np.arange(ROWS) * STEP // 4
    assert found(telemetry(values, time=time))["time", "Thinned"].count == pytest.approx(ROWS * 3 / 4, abs=2)


@pytest.mark.parametrize(("days", "severity"), [(0.5, None), (2, "Info"), (10, "Warning")])
def test_data_that_end_before_the_training_are_old(values: Floats, days: float, severity: str | None) -> None:
    issues = found(telemetry(values), until=START + ROWS * STEP + round(days * DAY))
    issue = issues.get(("time", "OldData"))
    assert (issue.severity if issue else None) == severity


def test_assets_that_fell_silent_or_never_fill_a_window_are_counted(values: Floats) -> None:
    time = np.concatenate([START + np.arange(ROWS - 30) * STEP, START + 30 * DAY + np.arange(30) * STEP])
    given = replace(telemetry(values, time=time), assets=("old", "new"))
    given = replace(given, asset=np.repeat([0, 1], [ROWS - 30, 30]))
    issues = found(given, window_length=60)
    assert issues["asset", "SilentAssets"].count == 1
    assert issues["asset", "ShortAssets"].count == 1


def test_rows_without_asset_or_time_are_counted_and_left_out(values: Floats) -> None:
    given = telemetry(values)
    asset = given.asset.copy()
    asset[:7] = -1
    given = replace(given, asset=asset, timeless=3)
    issues = found(given)
    assert issues["asset", "NoAsset"].count == 7
    assert issues["time", "NoTime"].count == 3
    assert ("time", "Thinned") not in issues


FAILURES = Strangers(place="label.failures.assetColumn 'unit'", count=5, rows=5, names=("M-1", "M-2"))


def test_failures_of_unknown_machines_alone_end_the_run_with_both_spellings(values: Floats) -> None:
    said = refusal(telemetry(values), strangers=(FAILURES,))
    assert "none of the 5 rows of label.failures belongs to an asset" in said
    assert "label.failures.assetColumn 'unit' has 'M-1', 'M-2'" in said
    assert "source.telemetry.assetColumn has 'machine 0'" in said


@pytest.mark.parametrize(
    ("change", "severity"),
    [({"rows": 9}, "Info"), ({"place": "source.events[error].assetColumn 'unit'"}, "Warning"), ({"count": 0}, None)],
)
def test_other_rows_of_unknown_machines_are_told(
    values: Floats, change: dict[str, object], severity: str | None
) -> None:
    strangers = replace(FAILURES, **change)  # type: ignore[arg-type]
    issue = found(telemetry(values), strangers=(strangers,)).get((strangers.place, "UnknownAssets"))
    assert (issue.severity if issue else None) == severity


def test_attributes_that_are_missing_or_only_name_the_asset_are_told(values: Floats) -> None:
    serial = np.stack([np.arange(10.0), np.full(10, np.nan)], axis=1)
    given = Attributes(columns=("serial", "age"), values=serial, categories={"serial": tuple("abcdefghij")})
    issues = found(telemetry(values, assets=10), attributes=given)
    assert issues["serial", "AttributeIdentifies"].severity == "Warning"
    assert (issues["age", "AttributeMissing"].severity, issues["age", "AttributeMissing"].count) == ("Warning", 10)


def test_a_label_that_is_often_missing_is_told(values: Floats) -> None:
    label = np.where(np.arange(ROWS) % 2, np.nan, 1.0)
    issue = found(telemetry(values, label=label), label_column="fault")["fault", "Missing"]
    assert (issue.severity, issue.count) == ("Warning", ROWS // 2)


def test_the_gravest_come_first_and_there_is_an_end(values: Floats) -> None:
    wide = np.random.default_rng(2).normal(size=(ROWS, 8))
    wide[:100] = np.inf
    wide[1900:, 3] = np.nan
    wide[:, 5] = np.nan
    given = telemetry(wide)
    issues = findings(given, resample(given, period_seconds=PERIOD, longest_gap=10))
    assert [issue.severity for issue in issues] == sorted(
        (issue.severity for issue in issues), key=["Error", "Warning", "Info"].index
    )
    assert issues[0].column == "f"
    assert len(issues) <= 100
