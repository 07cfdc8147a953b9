"""What the schedule asks of the past is bounded before anything is computed of it."""

import pytest
from tests.unit.trainer.arrays import PERIOD

from eagle_contract.api import TrainingScheduleSpec, resolve
from eagle_trainer.dataset import MOST_WINDOW_VALUES, feature_plan
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.plan import FeaturePlan


def planned(sensors: int, **features: object) -> FeaturePlan:
    spec = TrainingScheduleSpec.model_validate(
        {
            "organizationId": "acme",
            "source": {
                "connection": {"secretName": "scada"},
                "telemetry": {"table": "t", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": PERIOD},
                "continuousColumns": [f"s{number}" for number in range(sensors)],
            },
            "label": {"column": "fault"},
            "features": features,
            "model": {"name": "press"},
        }
    )
    return feature_plan(spec, resolve(spec), ())


def test_the_longest_rolling_windows_of_all_sensors_are_allowed() -> None:
    plan = planned(64, rollingWindows=[10_080])
    assert plan.window_length * len(plan.sensors) <= MOST_WINDOW_VALUES


def test_a_window_that_no_client_could_send_is_refused_with_what_to_shorten() -> None:
    month = 30 * 86_400
    assert planned(20, lagSeconds=[month]).window_length == month // PERIOD + 1
    with pytest.raises(InvalidConfiguration, match=r"^features\.lagSeconds and .*43201 samples of 60 s back, with 64"):
        planned(64, lagSeconds=[month])


def test_a_lag_between_two_samples_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match=r"multiples of source\.telemetry\.samplePeriodSeconds \(60\)"):
        planned(1, lagSeconds=[90])
