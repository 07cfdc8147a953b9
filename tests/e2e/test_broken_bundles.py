"""A model that is not what was published never takes a question: it is refused, and the last good one goes on."""

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.e2e.lab.operator import Operator
from tests.e2e.lab.pair import Pair, unfailing
from tests.e2e.lab.schedule import condition
from tests.e2e.lab.store import Vault, opened_vault
from tests.e2e.lab.watch import watched

from eagle_contract.api import names
from eagle_contract.bundle import BundleContents, BundleIdentity, publish

_MODEL_FILE = "model.onnx.enc"
_READY = '{.object.status.conditions[?(@.type=="Ready")].status}'
_MODELS = '{.object.spec.containers[0].env[?(@.name=="EAGLE_MODELS")].value}'


@dataclass(frozen=True)
class Workshop:
    """What it takes to break a bundle."""

    pair: Pair
    vault: Vault
    operator: Operator


@pytest.fixture
def workshop(pair: Pair, operator: Operator, tmp_path: Path) -> Iterator[Workshop]:
    pair.begin()
    with opened_vault(pair.plant, tmp_path) as vault:
        yield Workshop(pair, vault, operator)


@contextmanager
def one_flipped_byte(shop: Workshop) -> Iterator[None]:
    version = shop.pair.schedule.version(shop.pair.second)
    content = shop.vault.read(version, _MODEL_FILE)
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    shop.vault.overwrite(version, _MODEL_FILE, flipped)
    try:
        yield
    finally:
        shop.vault.overwrite(version, _MODEL_FILE, content)


@contextmanager
def other_bytes_under_the_key_id(shop: Workshop) -> Iterator[None]:
    right = shop.pair.plant.get("v1", "Secret", names.KEYS_SECRET)
    wrong = base64.b64encode(base64.b64encode(secrets.token_bytes(32))).decode()
    file = f"{shop.vault.keyring.current_id}.key"
    shop.pair.plant.api.merge(right, {"data": {file: wrong}})
    try:
        yield
    finally:
        shop.pair.plant.api.merge(right, {"data": {file: right["data"][file]}})


@contextmanager
def wrong_golden_answers(shop: Workshop) -> Iterator[None]:
    """A bundle in which everything is in order, signature included, but what the model is said to have answered."""
    version = shop.pair.schedule.version(shop.pair.second)
    opened = shop.vault.open(version)
    wrong = replace(opened.golden, failure_probability=opened.golden.failure_probability + 0.01)
    contents = BundleContents(opened.manifest, opened.model, wrong, b"<!doctype html>")
    identity = BundleIdentity.of(opened.manifest)
    made = publish(
        shop.vault.store, shop.vault.store.url, identity, contents, keyring=shop.vault.keyring, signer=shop.vault.signer
    )
    _report(shop, {"uri": made.uri, "digest": made.digest, "signature": made.signature, "sizeBytes": made.size_bytes})
    try:
        yield
    finally:
        _report(shop, version["status"]["result"]["artifact"])


def _report(shop: Workshop, artifact: dict[str, object]) -> None:
    """Write the result of `second` anew, as its trainer wrote it but for the artifact."""
    version = shop.pair.schedule.version(shop.pair.second)
    result = version["status"]["result"]
    body = {
        "apiVersion": version["apiVersion"],
        "kind": version["kind"],
        "metadata": {"name": shop.pair.second, "namespace": shop.pair.plant.namespace},
        "status": {"result": {**result, "artifact": {**result["artifact"], **artifact}}},
    }
    shop.operator.caller.apply(body, names.TRAINER_MANAGER, "status", force="true")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (one_flipped_byte, "model.onnx"),
        (other_bytes_under_the_key_id, "key"),
        (wrong_golden_answers, "golden window 0 gives failure_probability"),
    ],
    ids=["flipped byte", "wrong key", "wrong golden answers"],
)
def test_a_broken_bundle_is_never_ready_and_the_last_good_version_goes_on(
    workshop: Workshop, broken: Callable[[Workshop], AbstractContextManager[None]], why: str
) -> None:
    pair, schedule = workshop.pair, workshop.pair.schedule
    selector = f"{names.SCHEDULE_LABEL}={schedule.name},{names.NAME_LABEL}=eagle-serving"
    with (
        broken(workshop),
        watched(pair.plant.cluster, pair.plant.namespace, "pods", selector, f"{_READY} {_MODELS}") as pods,
        pair.asked() as load,
    ):
        digest = schedule.version(pair.second)["status"]["result"]["artifact"]["digest"]
        schedule.decide(pair.second, "Approved", f"not knowing of the {broken.__name__}")
        schedule.until_reason(pair.second, "Serving", "RolloutFailed")
        schedule.until_serving(pair.first)
        tally = unfailing(load.stop())

    assert set(tally.versions) == {pair.label(pair.first)}
    assert any(digest in line for line in pods), "no server was told to serve the broken bundle"
    assert not [line for line in pods if digest in line and line.split()[1] == "True"]

    said = condition(schedule.version(pair.second), "Serving")
    assert said["status"] == "False"
    assert why in said["message"]
    serving = condition(schedule.look(), "Serving")
    assert serving["status"] == "True"
    assert pair.label(pair.first) in serving["message"]
    events = [event for event in schedule.events() if event["reason"] == "RolloutFailed"]
    assert any(event["type"] == "Warning" and why in event["message"] for event in events)
    assert any(f"{pair.label(pair.first)} goes on serving" in event["message"] for event in events)


def test_a_mended_bundle_goes_in_when_it_is_approved_again(workshop: Workshop) -> None:
    schedule, second = workshop.pair.schedule, workshop.pair.second
    with one_flipped_byte(workshop):
        schedule.decide(second, "Approved", "not knowing that a byte is wrong")
        schedule.until_reason(second, "Serving", "RolloutFailed")
        schedule.until_serving(workshop.pair.first)
    schedule.decide(second, "Approved", "the byte is right again")
    schedule.until_serving(second)
