"""Reading Kubernetes objects: is it ready?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def has_condition(item: Mapping[str, Any] | None, kind: str) -> bool:
    """Tell whether the object's condition of that type is True."""
    if item is None:
        return False
    conditions = item.get("status", {}).get("conditions", [])
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)
