"""Manifests of neighbouring releases are read, those of others are refused, and the bytes are always the same."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.support.bundles import golden, manifest

from eagle_contract.bundle import BundleIdentity, DigestMismatch, Golden, Manifest, SchemaUnsupported
from eagle_contract.bundle.manifest import SCHEMA_VERSION


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(manifest().to_bytes()), **fields}).encode()


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.from_bytes(manifest().to_bytes()) == manifest()


def test_the_same_manifest_is_the_same_bytes_whatever_the_order_of_its_parts() -> None:
    one = manifest().model_copy(update={"libraries": {"a": "1", "b": "2"}})
    other = manifest().model_copy(update={"libraries": {"b": "2", "a": "1"}})
    assert one.to_bytes() == other.to_bytes()


def test_what_the_next_release_adds_is_ignored() -> None:
    found = Manifest.from_bytes(changed(schemaVersion=SCHEMA_VERSION + 1, novelty={"x": 1}))
    assert found.sensors == manifest().sensors


def test_a_file_that_this_program_does_not_know_is_no_hindrance() -> None:
    entry = {"digest": f"sha256:{'0' * 64}", "sizeBytes": 1}
    assert set(Manifest.from_bytes(changed(files={"model.onnx": entry, "novel.bin": entry})).files) > {"model.onnx"}


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 2, SCHEMA_VERSION - 2, "1", None, [], 1.5])
def test_a_schema_further_away_is_refused(version: object) -> None:
    with pytest.raises(SchemaUnsupported, match="this program reads 1 to 2"):
        Manifest.from_bytes(changed(schemaVersion=version))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'"text"', b"null"])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(SchemaUnsupported, match="is not a JSON object with a schemaVersion"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"sensors": []}, "sensors"),
        ({"windowLength": 0}, "windowLength"),
        ({"organization": "../rival"}, "organization"),
        ({"version": "a/b"}, "version"),
        ({"thresholds": {"failureProbability": "2"}}, "thresholds.failureProbability"),
        ({"files": {"model.onnx": {"digest": "md5:1", "sizeBytes": 1}}}, "files.model.onnx.digest"),
    ],
)
def test_a_field_that_cannot_be_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(SchemaUnsupported, match=f"field {named} cannot be read"):
        Manifest.from_bytes(changed(**fields))


def test_numbers_that_json_does_not_know_are_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        manifest().model_copy(update={"result": {"x": float("nan")}}).to_bytes()


@pytest.mark.parametrize("part", ["", "..", "a/b", "a b", ".hidden", "x" * 129])
def test_an_identity_is_always_a_path_of_three_parts(part: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        BundleIdentity("acme", part, "v1")


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/a/b", "", "file:///a/../b/c"])
def test_an_address_without_an_identity_is_refused(uri: str) -> None:
    with pytest.raises(DigestMismatch, match="must end in ORGANIZATION"):
        BundleIdentity.of_uri(uri)


windows = hnp.arrays(np.float64, hnp.array_shapes(min_dims=3, max_dims=3, max_side=4))


@given(window=windows, data=st.data())
def test_golden_predictions_come_back_bit_by_bit(window: Any, data: st.DataObject) -> None:
    rows = len(window)
    probability = data.draw(hnp.arrays(np.float64, rows))
    alarm = data.draw(hnp.arrays(np.bool_, rows))
    context = data.draw(st.none() | hnp.arrays(np.float64, (rows, 2)))
    found = Golden.from_bytes(Golden(window, probability, alarm, ~alarm, context).to_bytes())
    assert found.window.tobytes() == window.tobytes()
    assert found.failure_probability.tobytes() == probability.tobytes()
    assert np.array_equal(found.alarm, alarm)
    assert np.array_equal(found.confident, ~alarm)
    assert (found.context is None) == (context is None)


def test_the_same_golden_predictions_are_the_same_bytes() -> None:
    assert golden().to_bytes() == golden().to_bytes()


def test_golden_predictions_must_fit_together() -> None:
    good = golden()
    with pytest.raises(ValueError, match="same number of rows"):
        Golden(good.window, good.failure_probability[:2], good.alarm, good.confident)
    with pytest.raises(ValueError, match="at least one"):
        Golden(good.window[:0], good.failure_probability[:0], good.alarm[:0], good.confident[:0])
    with pytest.raises(ValueError, match="alarm must be bool"):
        Golden(good.window, good.failure_probability, good.alarm.astype(np.float64), good.confident)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused_as_golden_predictions(data: bytes) -> None:
    with pytest.raises(SchemaUnsupported):
        Golden.from_bytes(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_file_gives_predictions_or_a_typed_refusal(position: int, change: int) -> None:
    data = bytearray(golden().to_bytes())
    data[position % len(data)] ^= change
    with suppress(SchemaUnsupported):
        Golden.from_bytes(bytes(data))
