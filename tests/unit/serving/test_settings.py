"""Settings are read from the environment; what cannot be is refused by name."""

import json
import logging
from pathlib import Path

import pytest

from eagle_serving.errors import ConfigurationInvalid
from eagle_serving.logs import JsonLines
from eagle_serving.processors import processor_limit
from eagle_serving.settings import Settings
from eagle_serving.termination import give_up

MODEL = {"name": "press-failure", "version": "v1", "uri": "s3://b/acme/uid/v1/0/", "digest": "sha256:" + "0" * 64}


def test_a_pods_environment_needs_the_models_alone() -> None:
    settings = Settings.from_environment({"EAGLE_MODELS": json.dumps([MODEL]), "EAGLE_PORT": ""})
    assert settings.models[0].name == "press-failure"
    assert settings.port == 8080
    assert str(settings.keys_folder) == "/etc/eagle/keys"
    assert str(settings.verification_folder) == "/etc/eagle/verification"
    assert settings.settle_seconds + settings.drain_seconds < 30


def test_what_the_store_reads_does_not_show_in_logs() -> None:
    settings = Settings.from_environment({"EAGLE_MODELS": json.dumps([MODEL]), "AWS_SECRET_ACCESS_KEY": "hush"})
    assert settings.environment["AWS_SECRET_ACCESS_KEY"] == "hush"
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    "models",
    [
        "",
        "{}",
        "[]",
        "not json",
        json.dumps([{**MODEL, "digest": "sha256:0"}]),
        json.dumps([{**MODEL, "name": "a/b"}]),
        json.dumps([{"name": "x"}]),
    ],
)
def test_models_that_cannot_be_are_refused(models: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="EAGLE_MODELS must be a JSON list"):
        Settings.from_environment({"EAGLE_MODELS": models})


def test_a_name_stands_for_one_model() -> None:
    with pytest.raises(ConfigurationInvalid, match="names a model twice"):
        Settings.from_environment({"EAGLE_MODELS": json.dumps([MODEL, MODEL])})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EAGLE_PORT", "http", "EAGLE_PORT must be a number, not 'http'"),
        ("EAGLE_PORT", "99999", "EAGLE_PORT must be from 0 to 65535, not 99999"),
        ("EAGLE_SETTLE_SECONDS", "-1", "EAGLE_SETTLE_SECONDS must be from 0 to 3600"),
        ("EAGLE_DRAIN_SECONDS", "nan", "EAGLE_DRAIN_SECONDS must be from 0 to 3600"),
        ("EAGLE_MAX_BODY_MIB", "0", "EAGLE_MAX_BODY_MIB must be from 1 to 1024"),
        ("EAGLE_THREADS", "1000", "EAGLE_THREADS must be from 0 to 256"),
        ("EAGLE_LOG_LEVEL", "loud", "EAGLE_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, not 'loud'"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=message):
        Settings.from_environment({"EAGLE_MODELS": json.dumps([MODEL]), name: value})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "25000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu.max": "99900000 100000\n"}, None),
    ],
)
def test_threads_follow_the_cpu_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    assert processor_limit(tmp_path) == (expected or 4)


def test_a_fractional_cpu_limit_is_rounded_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    assert processor_limit(tmp_path) == 2


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("eagle", logging.WARNING, "f", 1, "two\nlines %d", (7,), None)
    record.fields = {"model": "press-failure"}
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "two\nlines 7"
    assert json.loads(text)["model"] == "press-failure"


def test_last_words_are_cut_to_what_a_pod_may_say(tmp_path: Path) -> None:
    file = tmp_path / "termination-log"
    file.touch()
    assert give_up(ConfigurationInvalid("ü" * 5000), file) == 26
    assert file.read_text().startswith("ConfigurationInvalid: ü")
    assert len(file.read_bytes()) <= 1024


def test_an_unexpected_failure_is_an_error_without_a_termination_file(tmp_path: Path) -> None:
    assert give_up(RuntimeError("odd"), tmp_path / "none") == 1
    assert not (tmp_path / "none").exists()
