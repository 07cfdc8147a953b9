"""Conditions as the Kubernetes API conventions define them."""

from typing import Annotated, Literal

from pydantic import Field

from eagle_contract.api.types import ApiModel, Count, Time, keyed

ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(ApiModel):
    """One aspect of an object's state, with a reason for programs and a message for people."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    status: ConditionStatus
    observed_generation: Count | None = None
    last_transition_time: Time
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str, Field(max_length=2048)] = ""


Conditions = Annotated[list[Condition], Field(max_length=12, json_schema_extra=keyed("type"))]
