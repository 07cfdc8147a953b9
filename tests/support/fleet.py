"""Many organizations and schedules at once, made as fast as an API server takes them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
from tests.support.api import Object, resource_path
from tests.support.eagle import Organization, manual_order, schedule
from tests.support.lab import Lab
from tests.support.runs import Script, all_pass

from eagle_contract.api import names

_AT_ONCE = 16
YEARLY = "0 0 1 1 *"


def organizations(lab: Lab, number: int, script: Script = all_pass) -> list[Organization]:
    """So many organizations, which go with the lab; their trainers do as the script says."""
    return [lab.organization(script) for _ in range(number)]


def many_schedules(places: list[Organization], number: int, **spec: Any) -> list[Object]:
    """Schedules spread over the organizations, named line-0, line-1 and so on."""
    plain = {"suspend": False, "schedule": YEARLY, "serving": {"mode": "None"}, "retry": {"delaysSeconds": []}}
    return [schedule(places[n % len(places)], f"line-{n}", **{**plain, **spec}) for n in range(number)]


def order_of(made: Object) -> Object:
    """A run that a person orders of that schedule."""
    place = Organization(id="", namespace=made["metadata"]["namespace"], release="")
    return manual_order(place, made["metadata"]["name"])


def create_all(lab: Lab, objects: Iterable[Object], timeout: float = 900) -> None:
    """Create them, several at once. A `status` that an object has is written as well."""
    lab.loop.call(_create_all(lab.client, list(objects)), timeout)


async def _create_all(client: httpx.AsyncClient, objects: list[Object]) -> None:
    todo = iter(objects)

    async def work() -> None:
        for resource in todo:
            await _create(client, resource)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


async def _create(client: httpx.AsyncClient, resource: Object) -> None:
    metadata = resource["metadata"]
    path = resource_path(resource["kind"], resource["apiVersion"], metadata["namespace"])
    answer = await client.post(path, json=resource)
    answer.raise_for_status()
    if "status" not in resource:
        return
    body = {"apiVersion": resource["apiVersion"], "kind": resource["kind"], "status": resource["status"]}
    named = {"metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}}
    answer = await client.patch(
        f"{path}/{metadata['name']}/status?fieldManager={names.OPERATOR_MANAGER}&force=true",
        json={**body, **named},
        headers={"Content-Type": "application/apply-patch+yaml"},
    )
    answer.raise_for_status()
