"""What applies where a schedule says nothing: schedule, then installation, then built in; an order over its own run."""

from typing import Any

import pytest
from tests.unit.contract.test_models import FULL
from tests.unit.operator import builders as b

from eagle_contract.api import InstallationDefaults, ModelVersionSpec, Resolved, TrainingScheduleSpec, resolve
from eagle_contract.api.schedule import Bound

ACCURACY = (Bound(metric="accuracy", value="0.75"),)
BUILT_IN = Resolved(
    schedule="0 2 * * 0",
    time_zone="Etc/UTC",
    suspend=False,
    starting_deadline_seconds=3600,
    timeout_seconds=7200,
    pending_timeout_seconds=600,
    concurrency_policy="Forbid",
    retry_delays_seconds=(300, 900, 2700),
    retry_on=frozenset({"TrainingFailed", "ValidationFailed"}),
    max_memory=None,
    stuck_after_seconds=7200,
    keep_successful=10,
    keep_failed=5,
    data_range_days=180,
    failure_probability="0.85",
    confidence="0.7",
    seed=7,
    recovery_seconds=0,
    lag_seconds=(),
    rolling_windows=(5, 10),
    missing="Propagate",
    sensors=("temp",),
    parameters={},
    model_name="press-failure",
    promotion_policy="Automatic",
    minimums=ACCURACY,
    maximums=(),
    must_beat_baseline=True,
    max_regression=None,
    serving_mode="Managed",
    progress_deadline_seconds=300,
    not_acted_on=(),
)


def resolved(order: dict[str, Any] | None = None, **changes: Any) -> Resolved:
    ordered = ModelVersionSpec.model_validate({"scheduleName": b.NAME, "trigger": "Manual", **order}) if order else None
    return resolve(b.spec(**changes), order=ordered)


def test_the_built_in_values() -> None:
    assert resolve(b.spec()) == BUILT_IN


def test_empty_parts_say_nothing() -> None:
    empty: dict[str, Any] = {"features": {}, "promotion": {}, "serving": {}, "trainer": {}}
    assert resolve(b.spec(**empty)) == BUILT_IN


def test_an_installations_values_come_before_the_built_in_ones() -> None:
    installation = InstallationDefaults(
        schedule="@daily", time_zone="Europe/Berlin", timeout_seconds=60, accuracy_threshold="0.9"
    )
    found = resolve(b.spec(), installation)
    assert (found.schedule, found.time_zone, found.timeout_seconds) == ("@daily", "Europe/Berlin", 60)
    assert found.minimums == (Bound(metric="accuracy", value="0.9"),)


@pytest.mark.parametrize(
    ("attempts", "delays"), [(0, ()), (1, (300,)), (3, (300, 900, 2700)), (5, (300, 900, 2700, 2700, 2700))]
)
def test_an_installation_says_how_many_retries_there_are(attempts: int, delays: tuple[int, ...]) -> None:
    assert resolve(b.spec(), InstallationDefaults(retry_attempts=attempts)).retry_delays_seconds == delays
    own = resolve(b.spec(retry={"delaysSeconds": [5]}), InstallationDefaults(retry_attempts=attempts))
    assert own.retry_delays_seconds == (5,)


def test_a_schedules_values_come_first() -> None:
    found = resolve(TrainingScheduleSpec.model_validate(FULL), InstallationDefaults(timeout_seconds=60))
    assert (found.timeout_seconds, found.time_zone, found.promotion_policy) == (7200, "Europe/Berlin", "Manual")
    assert (found.max_regression, found.missing, found.sensors) == ("0.02", "Skip", ("temperature",))
    assert found.lag_seconds == (60, 120)
    assert found.maximums == (Bound(metric="false_alarms_per_asset_month", value="1"),)


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"suspend": True}, "suspend", True),
        ({"historyLimits": {"failed": 0}}, "keep_failed", 0),
        ({"retry": {"delaysSeconds": []}}, "retry_delays_seconds", ()),
        ({"retry": {"retryOn": []}}, "retry_on", frozenset()),
        ({"monitoring": {"stuckAfterSeconds": 0}}, "stuck_after_seconds", 0),
        ({"model": {"name": "m", "seed": 0}}, "seed", 0),
        ({"promotion": {"mustBeatBaseline": False}}, "must_beat_baseline", False),
        ({"promotion": {"minimums": []}}, "minimums", ()),
        ({"features": {"rollingWindows": []}}, "rolling_windows", ()),
    ],
)
def test_nothing_zero_and_false_are_values_too(changes: dict[str, Any], name: str, value: object) -> None:
    assert getattr(resolved(**changes), name) == value


def test_sensors_are_the_columns_by_their_own_names() -> None:
    source = {**b.spec_wire()["source"], "continuousColumns": ["t", "p"], "columnMapping": {"t": "temperature"}}
    assert resolved(source=source).sensors == ("temperature", "p")


def test_sets_have_one_order_however_they_are_written() -> None:
    features = {"lagSeconds": [120, 60], "rollingWindows": [10, 5]}
    found = resolved(features=features)
    assert (found.lag_seconds, found.rolling_windows) == ((60, 120), (5, 10))


def test_an_order_overrides_for_its_own_run() -> None:
    order = {"dataRangeDays": 30, "modelName": "trial", "parameters": {"num_leaves": "7", "max_depth": "3"}}
    model = {"name": "press-failure", "parameters": {"num_leaves": "31", "learning_rate": "0.1"}}
    found = resolved(order, model=model)
    assert (found.data_range_days, found.model_name) == (30, "trial")
    assert found.parameters == {"num_leaves": "7", "learning_rate": "0.1", "max_depth": "3"}


def test_an_order_that_overrides_nothing_changes_nothing() -> None:
    assert resolved({"description": "just so"}) == BUILT_IN


def test_fields_that_this_release_does_not_act_on_are_named_as_users_know_them() -> None:
    found = resolve(TrainingScheduleSpec.model_validate(FULL)).not_acted_on
    assert set(found) == {
        "monitoring.accuracyThreshold", "monitoring.failureRateThreshold", "monitoring.windowRuns", "notifications",
    }  # fmt: skip
    assert resolved(monitoring={"stuckAfterSeconds": 60}).not_acted_on == ()
