"""An API server whose answers may get lost, for tests of what is written to it."""

from typing import Any

from tests.unit.operator import builders as b
from tests.unit.operator import raw

from eagle_operator.cluster import Cluster, TransientError
from eagle_operator.domain.world import Job, Meta
from eagle_operator.mirror import Mirror
from eagle_operator.settings import from_environment

SETTINGS = from_environment({"EAGLE_TRAINER_IMAGE": "t", "EAGLE_SERVING_IMAGE": "s", "MAX_CONCURRENT_RUNS": "2"})


class Answers(Cluster):
    """An API server that takes an unsuspend, and whose answers may get lost."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.let_go: list[str] = []
        self.takes_it = True
        self.answers = True
        self.tells_how_it_is = True
        self.stored: dict[str, raw.Raw] = {}

    async def unsuspend(self, job: Job) -> None:
        self.let_go.append(job.meta.namespace)
        if self.takes_it:
            self.stored[job.meta.namespace] = a_job(job.meta.namespace, 2, suspend=False)
        if not self.answers:
            raise TransientError("time-out")

    async def refresh(self, kind: str, meta: Meta) -> None:
        if not self.tells_how_it_is:
            raise TransientError("time-out")
        self.mirror.refresh(kind, self.stored.get(meta.namespace, a_job(meta.namespace)))


def a_job(namespace: str, version: int = 1, **more: Any) -> raw.Raw:
    made = raw.job(b.slot_name(), version, slot=raw.TIME, uid=f"uid-{namespace}", **more)
    made["metadata"]["namespace"] = namespace
    return made
