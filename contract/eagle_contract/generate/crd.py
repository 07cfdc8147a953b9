"""Custom resource definitions from the pydantic models.

Pydantic writes JSON Schema with references, `anyOf` and titles; Kubernetes wants a structural schema: every node
with its own type, nothing shared. This module translates the one into the other and adds what Kubernetes alone knows.
"""

from typing import Any

from pydantic import BaseModel

from eagle_contract.api import ModelVersion, TrainingSchedule, names, schedule, version

Schema = dict[str, Any]

_KEPT = {
    "type",
    "description",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "format",
}


def structural(model: type[BaseModel]) -> Schema:
    """The structural OpenAPI v3 schema of a model's JSON form."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _node(raw, raw.get("$defs", {}))


def _node(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    raw = _without_optional(_resolved(raw, definitions), definitions)
    node: Schema = {key: raw[key] for key in sorted(_KEPT & raw.keys())}
    node |= {key: raw[key] for key in sorted(raw) if key.startswith("x-kubernetes-")}
    if "const" in raw:
        node |= {"type": "string", "enum": [raw["const"]]}
    if node.get("x-kubernetes-int-or-string"):
        node.pop("type", None)
    if node.get("enum"):
        node["type"] = "string"
    if "properties" in raw:
        node["properties"] = {key: _node(value, definitions) for key, value in raw["properties"].items()}
        if raw.get("required"):
            node["required"] = list(raw["required"])
    elif isinstance(raw.get("additionalProperties"), dict):
        node["additionalProperties"] = _node(raw["additionalProperties"], definitions)
    if "items" in raw:
        node["items"] = _node(raw["items"], definitions)
    if node.get("type") == "integer":
        node["format"] = "int64"
    return node


def _resolved(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" not in raw:
        return raw
    target = definitions[raw["$ref"].rsplit("/", 1)[1]]
    return {**target, **{key: value for key, value in raw.items() if key != "$ref"}}


def _without_optional(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    """`X | None` is simply X that may be absent; int-or-string keeps its outer facts and loses its two types."""
    options = [option for option in raw.get("anyOf", []) if option.get("type") != "null"]
    outer = {key: value for key, value in raw.items() if key != "anyOf"}
    if len(options) == 1:
        return {**_resolved(options[0], definitions), **outer}
    return outer


def _definition(
    model: type[BaseModel], *, kind: str, plural: str, short: str, name_rules: list[Schema], more: Schema
) -> Schema:
    schema = structural(model)
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    schema["x-kubernetes-validations"] = name_rules
    schema["required"] = ["spec"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["eagle"],
            },
            "versions": [
                {
                    "name": names.API_VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                    **more,
                }
            ],
        },
    }


def training_schedules() -> Schema:
    """The CRD of TrainingSchedule."""
    return _definition(
        TrainingSchedule,
        kind="TrainingSchedule",
        plural=names.SCHEDULES,
        short="ts",
        name_rules=schedule.NAME_RULES,
        more={"additionalPrinterColumns": schedule.PRINT_COLUMNS},
    )


def model_versions() -> Schema:
    """The CRD of ModelVersion."""
    return _definition(
        ModelVersion,
        kind="ModelVersion",
        plural=names.VERSIONS,
        short="mv",
        name_rules=version.NAME_RULES,
        more={
            "additionalPrinterColumns": version.PRINT_COLUMNS,
            "selectableFields": [{"jsonPath": path} for path in version.SELECTABLE_FIELDS],
        },
    )
