"""Pieces that every manifest of the operator's shares."""

import hashlib
import json
import re
from decimal import Decimal

from eagle_contract.api.names import API_VERSION, GROUP, MANAGED_BY_LABEL, OPERATOR_MANAGER, SCHEDULE_LABEL
from eagle_operator.domain.world import Manifest, Meta

APPLIED_ANNOTATION = f"{GROUP}/applied"
"""A digest of what was last applied: what is taken out of it cannot be seen in the object, which has defaults too."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def labels(schedule: str, **more: str) -> dict[str, str]:
    """The labels by which the operator finds what is its own."""
    return {MANAGED_BY_LABEL: OPERATOR_MANAGER, SCHEDULE_LABEL: schedule, **more}


def owned_by(kind: str, owner: Meta) -> list[Manifest]:
    """The owner reference: the garbage collector removes the object with its owner."""
    return [
        {
            "apiVersion": f"{GROUP}/{API_VERSION}",
            "kind": kind,
            "name": owner.name,
            "uid": owner.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]


def is_owned(found: Manifest, owner: Meta) -> bool:
    """Whether an object names that owner, by its UID."""
    return any(reference.get("uid") == owner.uid for reference in found["metadata"].get("ownerReferences", []))


def secret_volume(name: str, secret: str) -> Manifest:
    """A volume of a Secret that only the pod's own group can read."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def fingerprint(spec: Manifest) -> str:
    """The value of APPLIED_ANNOTATION for a spec."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def covers(observed: object, desired: object) -> bool:
    """Whether everything desired is already so: defaults that the API server added do not count.

    Lists of named members are compared member by member; quantities by their amount.
    """
    if isinstance(desired, dict):
        return isinstance(observed, dict) and all(covers(observed.get(k), v) for k, v in desired.items())
    if isinstance(desired, list):
        if not isinstance(observed, list):
            return False
        if desired and all(isinstance(member, dict) and "name" in member for member in desired):
            by_name = {member.get("name"): member for member in observed}
            return all(covers(by_name.get(member["name"]), member) for member in desired)
        return len(observed) == len(desired) and all(map(covers, observed, desired))
    if observed == desired:
        return True
    if observed is None:
        return desired in (False, "", 0)
    return isinstance(observed, str | int) and _amount(observed) == _amount(desired) is not None


_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|[KMGTPE]i?)?")
_SUFFIXES = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)} | {
    unit + suffix: Decimal(base) ** power
    for power, unit in enumerate("KMGTPE", start=1)
    for suffix, base in (("i", 1024), ("", 1000))
}


def _amount(quantity: object) -> Decimal | None:
    found = _QUANTITY.fullmatch(str(quantity))
    return Decimal(found[1]) * _SUFFIXES[found[2] or ""] if found else None


def amount(quantity: str | int) -> Decimal:
    """A Kubernetes quantity as an exact number: 500m is 0.5, 2Gi is 2147483648. Raises ValueError for anything else."""
    parsed = _amount(quantity)
    if parsed is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return parsed
