"""The life of one run: queued, admitted, running, ended, perhaps tried again. One step at a time."""

from datetime import datetime

from eagle_contract.api import Resolved
from eagle_operator.domain.ending import rest
from eagle_operator.domain.following import follow
from eagle_operator.domain.run import FINISHED, Run, Step
from eagle_operator.domain.waiting import enter, wait, wait_to_retry
from eagle_operator.domain.world import Installation, Version, World

__all__ = ["FINISHED", "Step", "advance"]


def advance(world: World, version: Version, resolved: Resolved, installation: Installation, now: datetime) -> Step:
    """One step of the run's life. `resolved` are the schedule's values; the order's overrides are the trainer's."""
    run = Run(world, version, resolved, installation, now)
    match version.status.state:
        case None:
            return enter(run)
        case "Queued":
            return wait(run)
        case "WaitingToRetry":
            return wait_to_retry(run)
        case "Running":
            return follow(run)
        case _:
            return rest(run)
