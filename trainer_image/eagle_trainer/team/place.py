"""A pod's place among the workers of its Job, as the operator's template and Kubernetes tell it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from eagle_contract.api import names
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.team.alone import ALONE, Team
from eagle_trainer.team.helper import help_out
from eagle_trainer.team.leader import Leader

_PATIENCE_SECONDS = 600.0
"""As long as a pod may usually wait for a place on a node."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """This pod is `worker` (0 leads) of `size`, all of the Job `job`."""

    worker: int
    size: int
    job: str
    service: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Place":
        """Alone where nothing else is said. Raises InvalidConfiguration for a template that is not the operator's."""
        size, worker = environment.get("EAGLE_WORKERS", "1"), environment.get("JOB_COMPLETION_INDEX", "0")
        job, service = environment.get("EAGLE_JOB_NAME", ""), environment.get("EAGLE_WORKERS_SERVICE", "")
        sound = size.isdecimal() and worker.isdecimal() and int(worker) < int(size)
        if not sound or (int(size) > 1 and not (job and service)):
            raise InvalidConfiguration(
                f"EAGLE_WORKERS is {size!r} and JOB_COMPLETION_INDEX is {worker!r}, which do not fit; several workers"
                " are for Jobs that the operator makes"
            )
        return cls(worker=int(worker), size=int(size), job=job, service=service)

    def team(self) -> AbstractContextManager[Team]:
        """Worker 0's team, for one training."""
        if self.size == 1:
            return nullcontext(ALONE)
        return Leader(
            self.size,
            run=self.job,
            port=names.WORKERS_PORT,
            learning_port=names.LEARNING_PORT,
            patience_seconds=_PATIENCE_SECONDS,
        )

    def help_out(self, threads: int) -> None:
        """What the others do. Raises TrainingEnded, or WorkerLost when worker 0 is gone before the end."""
        help_out(
            self.worker,
            run=self.job,
            leader=(names.worker_host(self.job, 0, self.service), names.WORKERS_PORT),
            learning_port=names.LEARNING_PORT,
            threads=threads,
            patience_seconds=_PATIENCE_SECONDS,
        )
