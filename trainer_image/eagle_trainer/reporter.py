"""The trainer's word in the cluster: reads its order, reports progress and result in the status of its ModelVersion.

Only the pod that the operator has recorded may report; until then the API server answers 403, and the trainer waits.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from eagle_contract.api import ModelVersion, Progress, TrainingResult, TrainingSchedule, names
from eagle_trainer.errors import TrainingEnded
from eagle_trainer.logs import say

_ADMITTED_WITHIN_SECONDS = 120.0
_PATIENCE_SECONDS = 300.0
_HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the pod was started for."""

    namespace: str
    name: str
    version: ModelVersion
    created: datetime
    schedule_name: str
    schedule: TrainingSchedule
    schedule_uid: str
    schedule_generation: int


class Api:
    """The two resources, as this pod's ServiceAccount may see and write them."""

    def __init__(
        self,
        api_client: client.ApiClient,
        namespace: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._custom = client.CustomObjectsApi(api_client)
        self._namespace, self._sleep, self._clock = namespace, sleep, clock

    def order(self, name: str) -> Order:
        """The ModelVersion of that name and its schedule."""
        version = self._get(names.VERSIONS, name)
        schedule_name = version["spec"]["scheduleName"]
        schedule = self._get(names.SCHEDULES, schedule_name)
        return Order(
            namespace=self._namespace,
            name=name,
            version=ModelVersion.model_validate(version),
            created=datetime.fromisoformat(version["metadata"]["creationTimestamp"]),
            schedule_name=schedule_name,
            schedule=TrainingSchedule.model_validate(schedule),
            schedule_uid=schedule["metadata"]["uid"],
            schedule_generation=schedule["metadata"]["generation"],
        )

    def report(self, name: str, status: dict[str, Any], *, patience: float = _PATIENCE_SECONDS) -> None:
        """Apply the trainer's part of the status; tries again while it may still be allowed or go through."""
        body = {
            "apiVersion": f"{names.GROUP}/{names.API_VERSION}",
            "kind": "ModelVersion",
            "metadata": {"name": name, "namespace": self._namespace},
            "status": status,
        }

        def apply() -> None:
            self._custom.patch_namespaced_custom_object_status(
                names.GROUP,
                names.API_VERSION,
                self._namespace,
                names.VERSIONS,
                name,
                body,
                field_manager=names.TRAINER_MANAGER,
                force=True,
                _content_type="application/apply-patch+yaml",
                _request_timeout=30,
            )

        self._patiently("report", apply, patience)

    def _get(self, plural: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def get() -> None:
            answer: Any = self._custom.get_namespaced_custom_object(
                names.GROUP, names.API_VERSION, self._namespace, plural, name, _request_timeout=30
            )
            found.update(answer)

        self._patiently(f"read {plural}/{name}", get, _PATIENCE_SECONDS)
        return found

    def _patiently(self, what: str, call: Callable[[], None], patience: float) -> None:
        deadline, delay = self._clock() + patience, 0.5
        while True:
            try:
                call()
            except (ApiException, HTTPError) as error:
                if not _may_pass(error) or self._clock() + delay > deadline:
                    raise TrainingEnded(f"cannot {what}: {_words(error)}") from error
                self._sleep(delay)
                delay = min(delay * 1.7, 10.0)
            else:
                return


class Heartbeat:
    """A listener that writes `status.progress`: at most once in 30 seconds, and at least once in a minute."""

    def __init__(self, api: Api, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._name, self._clock = api, name, clock
        self._last: float | None = None
        self._where: tuple[str, int] = ("start", 0)
        self._telling = Lock()

    def progress(self, step: str, percent: int) -> None:
        """Tell, unless it was told a moment ago. The first time it waits until this pod may speak at all."""
        self._where = (step, percent)
        if self._last is None:
            self._tell(patience=_ADMITTED_WITHIN_SECONDS)
        elif self._clock() - self._last >= _HEARTBEAT_SECONDS:
            self._tell_if_possible()

    def finished(self, step: str, seconds: float, facts: dict[str, object]) -> None:
        """Steps are told by the log."""

    @contextmanager
    def beating(self, every_seconds: float = 2 * _HEARTBEAT_SECONDS) -> Iterator[None]:
        """While it lasts, the last progress is told again and again: a long query tells of none, and is alive."""
        over = Event()
        thread = Thread(target=self._beat, args=(over, every_seconds), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: Event, every_seconds: float) -> None:
        while not over.wait(every_seconds):
            if self._last is not None and self._clock() - self._last >= every_seconds:
                self._tell_if_possible()

    def _tell_if_possible(self) -> None:
        try:
            self._tell(patience=0.0)
        except TrainingEnded as error:
            say("warning", f"the heartbeat was lost: {error}")

    def _tell(self, *, patience: float) -> None:
        with self._telling:
            self._last = self._clock()
            step, percent = self._where
            current = Progress(step=step, percent=percent, updated_time=datetime.now(UTC))
            self._api.report(self._name, {"progress": current.wire()}, patience=patience)


def result_status(result: TrainingResult) -> dict[str, Any]:
    """The trainer's last word: its result, and progress at the end."""
    done = Progress(step="report", percent=100, updated_time=datetime.now(UTC))
    return {"result": result.wire(), "progress": done.wire()}


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, ApiException) or error.status in (0, 403, 409, 429) or error.status >= 500


def _words(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"the API server answers {error.status}: {str(error.body or error.reason)[:400]}"
    return repr(error)[:400]
