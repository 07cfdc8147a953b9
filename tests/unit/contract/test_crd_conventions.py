"""The generated CRDs keep the conventions of the Kubernetes API, node by node."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eagle_contract.generate.__main__ import ROOT, generated

Schema = dict[str, Any]

DEFINITIONS = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))}
KINDS = {"trainingschedules": ("TrainingSchedule", "ts"), "modelversions": ("ModelVersion", "mv")}
FROM_KUBERNETES = {"apiVersion", "kind", "metadata"}


def version_of(definition: Schema) -> Schema:
    (version,) = definition["spec"]["versions"]
    return dict(version)


def walk(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every node of a schema with its path, but for what Kubernetes itself describes."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        if path.count(".") or name not in FROM_KUBERNETES:
            yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], f"{path}{{}}")


def nodes() -> list[Any]:
    """All nodes of all definitions, as parameters of a test."""
    found = []
    for name, definition in DEFINITIONS.items():
        for path, node in walk(version_of(definition)["schema"]["openAPIV3Schema"], name):
            found.append(pytest.param(node, id=path))
    return found


def of_type(kind: str) -> list[Any]:
    return [case for case in nodes() if case.values[0].get("type") == kind]


def messages() -> list[Any]:
    return [
        pytest.param(rule, id=f"{case.id}-{number}")
        for case in nodes()
        for number, rule in enumerate(case.values[0].get("x-kubernetes-validations", []))
    ]


def test_there_is_a_definition_of_each_kind() -> None:
    assert set(DEFINITIONS) == set(KINDS)


@pytest.mark.parametrize("node", of_type("string"))
def test_every_string_has_a_greatest_length(node: Schema) -> None:
    assert node.get("format") == "date-time" or node.get("enum") or 0 < node["maxLength"] <= 8192


@pytest.mark.parametrize("node", of_type("array"))
def test_every_list_has_a_greatest_size_and_says_how_it_is_merged(node: Schema) -> None:
    assert 0 < node["maxItems"] <= 100
    kind = node["x-kubernetes-list-type"]
    assert kind in ("atomic", "set", "map")
    if kind == "map":
        keys = node["x-kubernetes-list-map-keys"]
        assert keys
        assert set(keys) <= set(node["items"]["required"])
    if kind == "set":
        assert node["items"]["type"] in ("string", "integer")


@pytest.mark.parametrize("node", of_type("integer"))
def test_every_number_has_bounds(node: Schema) -> None:
    assert node["minimum"] <= node["maximum"] <= 2**53 - 1
    assert node["format"] == "int64"


@pytest.mark.parametrize("node", [case for case in nodes() if "additionalProperties" in case.values[0]])
def test_every_map_has_a_greatest_size(node: Schema) -> None:
    assert 0 < node["maxProperties"] <= 64
    assert isinstance(node["additionalProperties"], dict)


@pytest.mark.parametrize("node", nodes())
def test_every_node_says_what_it_is_and_nothing_loose(node: Schema) -> None:
    assert node.get("type") in ("object", "array", "string", "integer", "boolean") or node.get(
        "x-kubernetes-int-or-string"
    )
    forbidden = {"nullable", "default", "x-kubernetes-preserve-unknown-fields", "anyOf", "oneOf", "title", "$ref"}
    assert not forbidden & node.keys()
    if node.get("type") == "object":
        assert "properties" in node or "additionalProperties" in node


@pytest.mark.parametrize("node", [case for case in nodes() if "x-kubernetes-int-or-string" in case.values[0]])
def test_a_quantity_has_a_pattern_and_a_length(node: Schema) -> None:
    assert "type" not in node
    assert node["maxLength"] <= 32
    assert node["pattern"].startswith("^")


@pytest.mark.parametrize("node", [case for case in nodes() if "pattern" in case.values[0]])
def test_every_pattern_holds_for_the_whole_text(node: Schema) -> None:
    assert node["pattern"].startswith("^")
    assert node["pattern"].endswith("$")


@pytest.mark.parametrize("rule", messages())
def test_every_rule_tells_the_user_what_must_be(rule: Schema) -> None:
    assert "must" in rule["message"]
    assert "\n" not in rule["message"]
    assert len(rule["message"]) <= 200


@pytest.mark.parametrize("node", nodes())
def test_conditions_are_as_kubernetes_has_them(node: Schema) -> None:
    conditions = node.get("properties", {}).get("conditions")
    if conditions is None:
        return
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    wanted = {"type", "status", "lastTransitionTime", "reason"}
    assert wanted <= set(conditions["items"]["required"])
    assert set(conditions["items"]["properties"]) == wanted | {"observedGeneration", "message"}
    assert set(conditions["items"]["properties"]["status"]["enum"]) == {"True", "False", "Unknown"}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_is_named_grouped_and_shortened(name: str) -> None:
    definition, (kind, short) = DEFINITIONS[name], KINDS[name]
    assert definition["metadata"]["name"] == f"{name}.training.eagle-notifier.io"
    assert definition["spec"]["group"] == "training.eagle-notifier.io"
    assert definition["spec"]["scope"] == "Namespaced"
    assert definition["spec"]["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": name,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["eagle"],
    }


@pytest.mark.parametrize("name", DEFINITIONS)
def test_status_is_a_subresource_and_v1alpha1_is_stored(name: str) -> None:
    version = version_of(DEFINITIONS[name])
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert version["schema"]["openAPIV3Schema"]["required"] == ["spec"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_print_columns_read_conditions_by_type(name: str) -> None:
    for column in version_of(DEFINITIONS[name])["additionalPrinterColumns"]:
        path = column["jsonPath"]
        assert ".status.conditions[" not in path or "?(@.type==" in path
        assert column["type"] in ("string", "date", "boolean", "integer")


def columns(name: str) -> list[str]:
    return [c["name"] for c in version_of(DEFINITIONS[name])["additionalPrinterColumns"] if not c.get("priority")]


def test_a_schedule_shows_what_people_ask_for_first() -> None:
    assert columns("trainingschedules") == [
        "Schedule", "Time zone", "Suspend", "Active version", "Accuracy", "Last success", "Next", "Ready", "Age",
    ]  # fmt: skip


def test_versions_can_be_selected_by_schedule_trigger_and_state() -> None:
    paths = [field["jsonPath"] for field in version_of(DEFINITIONS["modelversions"])["selectableFields"]]
    assert paths == [".spec.scheduleName", ".spec.trigger", ".status.state"]


@pytest.mark.parametrize("node", nodes())
def test_every_property_is_written_in_camel_case(node: Schema) -> None:
    for name in node.get("properties", {}):
        assert name[0].islower()
        assert name.isalnum()


def fields(definition: Schema, of: str) -> dict[str, Schema]:
    return dict(walk(version_of(definition)["schema"]["openAPIV3Schema"]["properties"][of], of))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_durations_have_their_unit_in_the_name(name: str) -> None:
    for path in fields(DEFINITIONS[name], "spec"):
        leaf = path.rsplit(".", 1)[-1].rstrip("[]")
        assert not leaf.lower().endswith(("timeout", "duration", "delay", "deadline", "interval"))


# --- what is generated is what is committed


@pytest.mark.parametrize("file", generated(), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_committed_file_is_as_generated(file: Path) -> None:
    assert file.read_text() == generated()[file], "run python -m eagle_contract.generate"


def test_the_check_for_drift_ends_well_when_there_is_none() -> None:
    subprocess.run([sys.executable, "-m", "eagle_contract.generate", "--check"], check=True, capture_output=True)
