"""No model takes traffic before it is proved; what waiting does not mend ends the server with a cause."""

import base64
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.support.bundles import IDENTITY, organization_keys
from tests.support.graphs import tiny_golden, tiny_graph
from tests.support.ports import free_port
from tests.support.serving import MODEL, Published, publish_tiny, running_server

import eagle_serving
from eagle_contract.bundle import BundleError, DigestMismatch, ServingExit, StoreUnavailable
from eagle_serving import loading
from eagle_serving.loading import load_all
from eagle_serving.settings import Settings
from eagle_serving.state import ServingState

Variables = dict[str, str]


def folder_of(published: Published) -> Path:
    return Path(published.artifact.uri.removeprefix("file://"))


def flipped(name: str) -> Callable[[Path], Variables]:
    def prepare(folder: Path) -> Variables:
        published = publish_tiny(folder)
        file = folder_of(published) / name
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
        return published.environment()

    return prepare


def wrong_golden(folder: Path) -> Variables:
    good = tiny_golden()
    off = good.failure_probability.copy()
    off[5] += 2e-9
    return publish_tiny(folder, answers=replace(good, failure_probability=off)).environment()


def wrong_alarm(folder: Path) -> Variables:
    good = tiny_golden()
    return publish_tiny(folder, answers=replace(good, alarm=~good.alarm)).environment()


def other_golden_shape(folder: Path) -> Variables:
    good = tiny_golden()
    return publish_tiny(folder, answers=replace(good, window=np.zeros((8, 3, 2)))).environment()


def missing_bundle(folder: Path) -> Variables:
    published = publish_tiny(folder)
    shutil.rmtree(folder_of(published))
    return published.environment()


def other_key(folder: Path) -> Variables:
    published = publish_tiny(folder)
    (published.keys_folder / "k1.key").write_text(base64.b64encode(bytes(32)).decode())
    return published.environment()


def key_is_gone(folder: Path) -> Variables:
    published = publish_tiny(folder)
    (published.keys_folder / "k1.key").rename(published.keys_folder / "k2.key")
    (published.keys_folder / "current").write_text("k2")
    return published.environment()


def other_signer(folder: Path) -> Variables:
    published = publish_tiny(folder)
    (published.verification_folder / "signing.pem").write_bytes(organization_keys(2).public_pem)
    return published.environment()


def other_version(folder: Path) -> Variables:
    published = publish_tiny(folder)
    return published.environment(published.order(version="v2026-11-29T01-00-00-000Z_00000000"))


def replayed(folder: Path) -> Variables:
    """An old bundle, digest and all, in the place of a newer one."""
    published = publish_tiny(folder)
    newer = "v2026-11-29T01-00-00-000Z_00000000"
    target = folder_of(published).parents[1] / newer / folder_of(published).name
    shutil.copytree(folder_of(published), target)
    return published.environment(published.order(version=newer, uri=f"{target.as_uri()}/"))


def other_organization(folder: Path) -> Variables:
    published = publish_tiny(folder)
    target = folder_of(published).parents[3] / "rival" / Path(*folder_of(published).parts[-3:])
    shutil.copytree(folder_of(published), target)
    return published.environment(published.order(uri=f"{target.as_uri()}/"))


def newer_schema(folder: Path) -> Variables:
    return publish_tiny(folder, changes={"schema_version": 9}).environment()


def no_model(folder: Path) -> Variables:
    return publish_tiny(folder).environment(EAGLE_MODELS="")


def no_keys(folder: Path) -> Variables:
    return publish_tiny(folder).environment(EAGLE_KEYS_FOLDER=str(folder / "none"))


def no_tls(folder: Path) -> Variables:
    published = publish_tiny(folder)
    uri = f"s3://bucket/{IDENTITY}/{published.artifact.digest.removeprefix('sha256:')}/"
    return published.environment(published.order(uri=uri), AWS_ENDPOINT="http://store:7070")


def no_graph(folder: Path) -> Variables:
    return publish_tiny(folder, graph=b"not a graph").environment()


def other_graph(folder: Path) -> Variables:
    return publish_tiny(folder, graph=tiny_graph(length=3)).environment()


FAILURES: dict[str, tuple[Callable[[Path], Variables], ServingExit, str]] = {
    "missing": (missing_bundle, ServingExit.BUNDLE_MISSING, "manifest.json is not in the store"),
    "manifest changed": (flipped("manifest.json"), ServingExit.DIGEST_MISMATCH, "is to be served"),
    "signature changed": (flipped("manifest.sig"), ServingExit.SIGNATURE_INVALID, ""),
    "model changed": (flipped("model.onnx.enc"), ServingExit.DECRYPTION_FAILED, "model.onnx cannot be decrypted"),
    "golden changed": (flipped("golden.npz.enc"), ServingExit.DECRYPTION_FAILED, "golden.npz cannot be decrypted"),
    "other key": (other_key, ServingExit.DECRYPTION_FAILED, "restore the key"),
    "key is gone": (key_is_gone, ServingExit.DECRYPTION_FAILED, "put k1.key back into the Secret eagle-keys"),
    "other signer": (other_signer, ServingExit.SIGNATURE_INVALID, "no trusted key has signed"),
    "other version": (other_version, ServingExit.DIGEST_MISMATCH, "order the bundle of that version"),
    "replayed": (replayed, ServingExit.SIGNATURE_INVALID, "for another manifest"),
    "other organization": (other_organization, ServingExit.SIGNATURE_INVALID, "for another manifest"),
    "wrong golden": (wrong_golden, ServingExit.GOLDEN_MISMATCH, "golden window 5 gives failure_probability"),
    "wrong alarm": (wrong_alarm, ServingExit.GOLDEN_MISMATCH, "golden window 0 gives alarm"),
    "golden shape": (other_golden_shape, ServingExit.GOLDEN_MISMATCH, "train again"),
    "newer schema": (newer_schema, ServingExit.SCHEMA_UNSUPPORTED, "schemaVersion 9, but this program reads 1 to 2"),
    "no model": (no_model, ServingExit.CONFIGURATION_INVALID, "EAGLE_MODELS must be a JSON list"),
    "no keys": (no_keys, ServingExit.CONFIGURATION_INVALID, "mount the Secret eagle-keys there"),
    "no TLS": (no_tls, ServingExit.CONFIGURATION_INVALID, "set AWS_ALLOW_HTTP to true"),
    "no graph": (no_graph, ServingExit.MODEL_INVALID, "cannot load the model"),
    "other graph": (other_graph, ServingExit.MODEL_INVALID, "not FP64 [-1, 2, 2] as the manifest says"),
}
NEED_NO_STORE = {"no model"}


@pytest.mark.parametrize("case", sorted(set(FAILURES) - NEED_NO_STORE))
def test_a_model_that_is_not_proved_is_never_served(tmp_path: Path, case: str) -> None:
    prepare, code, sentence = FAILURES[case]
    settings = Settings.from_environment(prepare(tmp_path))
    state = ServingState(model.name for model in settings.models)
    with pytest.raises(BundleError) as failure:
        load_all(settings, state, threads=1)
    assert failure.value.exit_code == code
    assert sentence in str(failure.value)
    assert "\n" not in str(failure.value)
    assert state.loaded(MODEL) is None
    assert state.why_not_ready() is not None


@pytest.mark.parametrize("case", ["wrong golden", "no model"])
def test_the_process_ends_with_the_cause_in_its_last_words(tmp_path: Path, case: str) -> None:
    prepare, code, sentence = FAILURES[case]
    with running_server(tmp_path, prepare(tmp_path)) as server:
        assert server.ended() == code
        assert server.last_words.startswith(f"{code.reason}: ")
        assert sentence in server.last_words
        assert "\n" not in server.last_words
        assert len(server.last_words) <= 1024
        server.until_logged(server.last_words)
        assert not any(line["message"] == "model is ready" for line in server.log())


def test_every_exit_code_is_documented() -> None:
    for code in set(ServingExit) - {ServingExit.STOPPED}:
        assert f"| {int(code)} | {code.reason} |" in (eagle_serving.__doc__ or "")


def test_one_bad_model_keeps_the_whole_server_from_traffic(tmp_path: Path) -> None:
    good = publish_tiny(tmp_path)
    settings = Settings.from_environment(
        good.environment(good.order(), good.order("other", digest="sha256:" + "0" * 64))
    )
    state = ServingState(model.name for model in settings.models)
    with pytest.raises(DigestMismatch):
        load_all(settings, state, threads=1)
    assert state.why_not_ready(MODEL) is None
    assert state.why_not_ready() == "model other is being fetched and checked"


def test_golden_predictions_may_differ_by_rounding(tmp_path: Path) -> None:
    good = tiny_golden()
    near = replace(good, failure_probability=good.failure_probability + 5e-10)
    settings = Settings.from_environment(publish_tiny(tmp_path, answers=near).environment())
    state = ServingState([MODEL])
    load_all(settings, state, threads=1)
    assert state.all_loaded


def test_a_model_with_context_is_proved_with_its_context(tmp_path: Path) -> None:
    graph, answers = tiny_graph(context=2), tiny_golden(context=2)
    changes = {"context_columns": ["errors_day", "age"]}
    good = publish_tiny(tmp_path, graph=graph, answers=answers, changes=changes)
    state = ServingState([MODEL])
    load_all(Settings.from_environment(good.environment()), state, threads=1)
    assert state.all_loaded


def test_a_bundle_of_an_old_key_is_served_after_rotation(tmp_path: Path) -> None:
    published = publish_tiny(tmp_path)
    (published.keys_folder / "k2.key").write_text(base64.b64encode(bytes(32)).decode() + "\n")
    (published.keys_folder / "current").write_text("k2\n")
    state = ServingState([MODEL])
    load_all(Settings.from_environment(published.environment()), state, threads=1)
    assert state.all_loaded


def unreachable(folder: Path) -> Variables:
    published = publish_tiny(folder)
    uri = f"s3://bucket/{IDENTITY}/{published.artifact.digest.removeprefix('sha256:')}/"
    endpoint = {"AWS_ENDPOINT": f"http://127.0.0.1:{free_port()}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    return published.environment(published.order(uri=uri), AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", **endpoint)


class EnoughError(Exception):
    """Ends a test's wait."""


def test_passing_trouble_with_the_store_is_waited_out_with_growing_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    def sleep(seconds: float) -> None:
        delays.append(seconds)
        if len(delays) == 8:
            raise EnoughError

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store did not answer")

    monkeypatch.setattr(loading, "fetch", unavailable)
    state = ServingState([MODEL])
    with pytest.raises(EnoughError):
        load_all(Settings.from_environment(unreachable(tmp_path)), state, threads=1, sleep=sleep, jitter=lambda: 0.0)
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]
    assert (
        state.why_not_ready(MODEL)
        == "model press-failure waits for the store, next try in 30 s: the store did not answer"
    )


def test_a_server_that_waits_for_its_store_lives_says_so_and_leaves_when_asked(tmp_path: Path) -> None:
    with running_server(tmp_path, unreachable(tmp_path)) as server:

        def why() -> str:
            answer = httpx.get(f"{server.url}/v2/health/ready")
            assert answer.status_code == 503
            return str(answer.json()["error"])

        server.until(lambda: "waits for the store" in why())
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        assert httpx.get(f"{server.url}/v2/models/{MODEL}/ready").status_code == 503
        refusal = httpx.post(f"{server.url}/v2/models/{MODEL}/infer", json={})
        assert refusal.status_code == 503
        assert "waits for the store" in refusal.json()["error"]
        assert f'eagle_model_ready{{model="{MODEL}"}} 0.0' in httpx.get(f"{server.url}/metrics").text
        server.process.terminate()
        assert server.ended(timeout=4) == 0
        assert server.last_words == ""
