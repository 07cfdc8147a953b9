"""The API reference for people, `docs/api.md`, from the same definitions as the CRDs."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def reference(definitions: list[Schema]) -> str:
    """One Markdown page: a table of fields per resource, and the rules that the API server holds."""
    parts = ["# API reference", "", "Generated from the models; do not edit.", ""]
    for crd in definitions:
        names = crd["spec"]["names"]
        version = crd["spec"]["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        parts += [f"## {names['kind']}", "", f"Short name `{names['shortNames'][0]}`. {schema['description']}", ""]
        for section in ("spec", "status"):
            rows = list(_rows(schema["properties"][section], section))
            parts += [f"### {names['kind']} {section}", "", "| field | type | what |", "|---|---|---|", *rows, ""]
        parts += ["### Rules", "", *(f"- {message}" for message in _messages(schema, "")), ""]
    return "\n".join(parts)


def _rows(node: Schema, path: str) -> Iterator[str]:
    required = set(node.get("required", []))
    for name, child in node.get("properties", {}).items():
        inner = child.get("items", child) if child.get("type") == "array" else child
        suffix = "[]" if child.get("type") == "array" else ""
        here = f"{path}.{name}{suffix}"
        text = (child.get("description") or inner.get("description") or "").replace("|", "\\|").replace("\n", " ")
        star = " (required)" if name in required else ""
        yield f"| `{here}`{star} | {_type(child)} | {text} |"
        if path.count(".") < 4 and name != "conditions":
            yield from _rows(inner, here)


def _type(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if "enum" in node:
        return " \\| ".join(node["enum"])
    if node.get("format") == "date-time":
        return "time"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    kind: str = node.get("type", "any")
    bounds = [str(node[key]) for key in ("minimum", "maximum") if key in node]
    return f"{kind} {' to '.join(bounds)}" if len(bounds) == 2 else kind


def _messages(node: Schema, path: str) -> Iterator[str]:
    for item in node.get("x-kubernetes-validations", []):
        where = (path + item.get("fieldPath", "")).lstrip(".")
        yield f"`{where}` {item['message']}" if where else item["message"]
    for name, child in node.get("properties", {}).items():
        yield from _messages(child, f"{path}.{name}")
    if "items" in node:
        yield from _messages(node["items"], f"{path}[]")
