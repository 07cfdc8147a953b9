"""Settings: what an installation may say, and how it learns that it said something wrong."""

from decimal import Decimal

import pytest

from eagle_operator.domain.admission import Limits
from eagle_operator.domain.manifests import amount
from eagle_operator.settings import Settings, SettingsError, from_environment

REQUIRED = {"EAGLE_TRAINER_IMAGE": "trainer:1", "EAGLE_SERVING_IMAGE": "serving:1"}


def settings(**more: str) -> Settings:
    return from_environment({**REQUIRED, **more})


def test_two_images_are_all_that_must_be_said() -> None:
    built_in = settings()
    assert (built_in.installation.trainer_image, built_in.installation.serving_image) == ("trainer:1", "serving:1")
    assert built_in.limits == Limits(total=5, per_organization=1)
    assert built_in.admission_enabled
    assert (built_in.defaults.timeout_seconds, built_in.defaults.accuracy_threshold) == (7200, "0.75")
    assert built_in.namespace == "eagle-system"
    assert built_in.defaults.retry_attempts == 3
    assert built_in.installation.max_waiting_manual_runs == 5
    assert (built_in.identity, built_in.lease_times.duration) == ("", 30)
    assert (built_in.workers, built_in.resync_seconds) == (8, 300)
    assert (built_in.health_address, built_in.metrics_port) == ("http://0.0.0.0:8080", 9090)


def test_the_longest_write_ends_before_a_successor_begins() -> None:
    for seconds in (3, 30, 600):
        times = settings(EAGLE_LEASE_SECONDS=str(seconds)).lease_times
        assert times.writes_for + times.longest_write < times.duration
        assert 2 * times.renew_every < times.writes_for


def test_the_lease_knows_the_operator_by_its_identity_else_by_its_host() -> None:
    assert settings(HOSTNAME="pod-1").identity == "pod-1"
    assert settings(HOSTNAME="pod-1", EAGLE_IDENTITY="me").identity == "me"


def test_a_setting_that_is_there_but_empty_is_not_set() -> None:
    assert settings(TRAINING_TIMEOUT_HOURS="", MAX_CONCURRENT_RUNS="").limits.total == 5


def test_all_that_may_be_said() -> None:
    said = settings(
        MAX_CONCURRENT_RUNS="20",
        MAX_CONCURRENT_RUNS_PER_ORGANIZATION="3",
        TRAINING_SCHEDULE_ENABLED="False",
        TRAINING_TIMEOUT_HOURS="1.5",
        ACCURACY_THRESHOLD="0.9",
        EAGLE_NAMESPACE="elsewhere",
        EAGLE_IMAGE_PULL_POLICY="Never",
        EAGLE_IMAGE_PULL_SECRETS='["registry"]',
        EAGLE_TRAINER_RESOURCES='{"limits": {"memory": "2Gi"}}',
        EAGLE_SERVING_RESOURCES='{"requests": {"cpu": "100m"}}',
        EAGLE_TRAINER_MAX_CPU="4",
        EAGLE_TRAINER_MAX_MEMORY="8Gi",
        TRAINING_RETRY_ATTEMPTS="0",
        MAX_WAITING_MANUAL_RUNS="2",
        EAGLE_WORKERS="2",
        EAGLE_RESYNC_SECONDS="20",
        EAGLE_METRICS_PORT="9191",
        EAGLE_HEALTH_ADDRESS="http://127.0.0.1:8181/healthz",
    )
    assert (said.defaults.retry_attempts, said.installation.max_waiting_manual_runs) == (0, 2)
    assert (said.workers, said.resync_seconds, said.metrics_port) == (2, 20, 9191)
    assert said.health_address == "http://127.0.0.1:8181/healthz"
    assert said.limits == Limits(total=20, per_organization=3)
    assert not said.admission_enabled
    assert (said.defaults.timeout_seconds, said.defaults.accuracy_threshold) == (5400, "0.9")
    assert said.installation.image_pull_secrets == ("registry",)
    assert said.installation.trainer_resources == {"limits": {"memory": "2Gi"}}
    assert said.installation.serving_resources == {"requests": {"cpu": "100m"}}
    assert amount(said.installation.max_trainer["memory"]) == Decimal(8 * 2**30)
    assert (said.namespace, said.installation.image_pull_policy) == ("elsewhere", "Never")


@pytest.mark.parametrize("name", REQUIRED)
def test_an_image_must_be_set(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be set"):
        from_environment({**REQUIRED, name: ""})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_CONCURRENT_RUNS", "0"),
        ("MAX_CONCURRENT_RUNS", "-1"),
        ("MAX_CONCURRENT_RUNS", "0.5"),
        ("MAX_CONCURRENT_RUNS", "many"),
        ("MAX_CONCURRENT_RUNS_PER_ORGANIZATION", "0"),
        ("MAX_CONCURRENT_RUNS_PER_ORGANIZATION", "nan"),
        ("TRAINING_TIMEOUT_HOURS", "0"),
        ("TRAINING_TIMEOUT_HOURS", "nan"),
        ("TRAINING_TIMEOUT_HOURS", "inf"),
        ("TRAINING_TIMEOUT_HOURS", "0.0001"),
        ("TRAINING_TIMEOUT_HOURS", "25"),
        ("ACCURACY_THRESHOLD", "1.1"),
        ("ACCURACY_THRESHOLD", "-0.1"),
        ("ACCURACY_THRESHOLD", "nan"),
        ("TRAINING_SCHEDULE_ENABLED", "maybe"),
        ("EAGLE_IMAGE_PULL_POLICY", "Sometimes"),
        ("EAGLE_IMAGE_PULL_SECRETS", "registry"),
        ("EAGLE_IMAGE_PULL_SECRETS", '{"name": "registry"}'),
        ("EAGLE_IMAGE_PULL_SECRETS", "[1]"),
        ("EAGLE_TRAINER_RESOURCES", "[]"),
        ("EAGLE_TRAINER_RESOURCES", "{"),
        ("EAGLE_TRAINER_RESOURCES", '{"limits": {"memory": "much"}}'),
        ("EAGLE_TRAINER_RESOURCES", '{"limit": {"memory": "1Gi"}}'),
        ("EAGLE_SERVING_RESOURCES", '"1Gi"'),
        ("EAGLE_TRAINER_MAX_CPU", "much"),
        ("EAGLE_TRAINER_MAX_MEMORY", "8 GB"),
        ("TRAINING_RETRY_ATTEMPTS", "11"),
        ("TRAINING_RETRY_ATTEMPTS", "-1"),
        ("TRAINING_RETRY_ATTEMPTS", "three"),
        ("MAX_WAITING_MANUAL_RUNS", "0"),
        ("EAGLE_LEASE_SECONDS", "2"),
        ("EAGLE_LEASE_SECONDS", "30s"),
        ("EAGLE_WORKERS", "0"),
        ("EAGLE_RESYNC_SECONDS", "0"),
        ("EAGLE_METRICS_PORT", "0"),
        ("EAGLE_METRICS_PORT", "70000"),
        ("EAGLE_HEALTH_ADDRESS", "0.0.0.0:8080"),
        ("EAGLE_HEALTH_ADDRESS", "https://0.0.0.0:8080"),
        ("EAGLE_HEALTH_ADDRESS", "http://0.0.0.0:99999"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_says(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{name: text})
    assert str(caught.value).startswith(f"{name} is {text!r}: ")
