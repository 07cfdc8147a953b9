"""The trainer's part, played over the API: reports of pods that kwok plays, and orders to those pods how to end."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import httpx
from tests.support import kwok
from tests.support.api import Object
from tests.support.loop_thread import LoopThread
from tests.support.watching import Change, Watch

from eagle_contract.api import names

API_PATH = f"/apis/{names.GROUP}/{names.API_VERSION}"
PODS = "/api/v1/pods"
JOBS = "/apis/batch/v1/jobs"
VERSIONS = f"{API_PATH}/{names.VERSIONS}"
_MOMENT = "2026-11-22T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt ends: what the trainer reports, then its exit."""

    accuracy: str | None = "0.98"
    """The reported result's; None: no result is reported."""
    exit_code: int = 0
    reason: str = ""
    """The container's, OOMKilled for instance."""
    message: str = ""
    after_seconds: float = 0.0


PASSES = Ending()
FAILS = Ending(accuracy=None, exit_code=11, message="the database did not answer")
OUT_OF_MEMORY = Ending(accuracy=None, exit_code=137, reason="OOMKilled")
SAYS_NOTHING = Ending(accuracy=None)


@dataclass(frozen=True)
class Played:
    """A trainer's pod that may report now."""

    namespace: str
    version: str
    attempt: int
    pod: Object = field(repr=False)


Script = Callable[[Played], Ending | None]
"""How the attempt ends; None: it goes on until something else ends it."""


def all_pass(played: Played) -> Ending | None:
    """The script by which every attempt succeeds."""
    return PASSES


def passes_at_attempt(number: int) -> Script:
    """The script by which attempts before that one fail."""

    def script(played: Played) -> Ending | None:
        return PASSES if played.attempt >= number else FAILS

    return script


def version_of(pod: Object) -> str:
    """The version that a trainer's pod trains: by its label, else by the name of its Job."""
    labels = pod["metadata"].get("labels", {})
    return str(labels.get(names.VERSION_LABEL) or labels.get(names.JOB_NAME_LABEL, ""))


class Trainers:
    """Plays every trainer's pod as soon as the operator has recorded it as the reporter."""

    def __init__(self, loop: LoopThread, client: httpx.AsyncClient, pods: Watch, versions: Watch) -> None:
        self._loop, self._client, self._pods, self._versions = loop, client, pods, versions
        self._scripts: dict[str, Script] = {}
        self._begun: set[str] = set()
        self._numbers = itertools.count(1)
        self.played: list[Played] = []
        pods.listeners.append(self._pod_changed)
        versions.listeners.append(self._version_changed)

    def follow(self, namespace: str, script: Script) -> None:
        """Play the pods of that namespace by the script, from now on."""
        self._scripts[namespace] = script
        self._loop.soon(lambda: self._look_at_all(namespace))

    def played_in(self, namespace: str) -> list[Played]:
        """The pods of that namespace that were played, in their order."""
        return [played for played in list(self.played) if played.namespace == namespace]

    def _look_at_all(self, namespace: str) -> None:
        for pod in self._pods.objects(namespace):
            self._look(pod)

    def _pod_changed(self, change: Change) -> None:
        if change.kind != "DELETED":
            self._look(change.object)

    def _version_changed(self, change: Change) -> None:
        namespace, name = change.key
        uid = change.object.get("status", {}).get("reporterUID")
        if not uid or uid in self._begun:
            return
        for pod in self._pods.objects(namespace):
            if pod["metadata"]["uid"] == uid and version_of(pod) == name:
                self._look(pod)

    def _look(self, pod: Object) -> None:
        metadata, status = pod["metadata"], pod.get("status", {})
        script = self._scripts.get(metadata["namespace"])
        over = status.get("phase") != "Running" or "deletionTimestamp" in metadata
        if script is None or over or metadata["uid"] in self._begun or names.JOB_NAME_LABEL not in metadata["labels"]:
            return
        version = self._versions.now.get((metadata["namespace"], version_of(pod)), {}).get("status", {})
        if version.get("reporterUID") != metadata["uid"]:
            return
        self._begun.add(metadata["uid"])
        played = Played(metadata["namespace"], version_of(pod), version["attempts"][-1]["number"], pod)
        self.played.append(played)
        ending = script(played)
        if ending:
            self._loop.begin(self._play(played, ending))

    async def _play(self, played: Played, ending: Ending) -> None:
        await asyncio.sleep(ending.after_seconds)
        if ending.accuracy is not None:
            await self._report(played, result(played, ending.accuracy, next(self._numbers)))
        pod = f"/api/v1/namespaces/{played.namespace}/pods/{played.pod['metadata']['name']}"
        told = kwok.ending(ending.exit_code, reason=ending.reason, message=ending.message)
        await self._patch(pod, {"metadata": {"annotations": told}}, "application/merge-patch+json")

    async def _report(self, played: Played, reported: Object) -> None:
        path = f"{API_PATH}/namespaces/{played.namespace}/{names.VERSIONS}/{played.version}"
        body = {
            "apiVersion": f"{names.GROUP}/{names.API_VERSION}",
            "kind": "ModelVersion",
            "metadata": {"name": played.version, "namespace": played.namespace},
            "status": {"result": reported},
        }
        target = f"{path}/status?fieldManager={names.TRAINER_MANAGER}&force=true"
        await self._patch(target, body, "application/apply-patch+yaml")

    async def _patch(self, target: str, body: Object, content: str) -> None:
        """Tries again while the API server does not answer; what is gone is left alone."""
        while True:
            try:
                answer = await self._client.patch(target, json=body, headers={"Content-Type": content})
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code in (409, 429) or answer.status_code >= 500:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code != 404:
                answer.raise_for_status()
            return


def result(played: Played, accuracy: str, number: int) -> Object:
    """What a trainer reports; `number` makes the model differ from all others."""
    digest = f"sha256:{number:064x}"
    return {
        "attempt": played.attempt,
        "podUID": played.pod["metadata"]["uid"],
        "scheduleGeneration": 1,
        "trainingHash": "sha256:" + "1" * 64,
        "trainedThrough": _MOMENT,
        "schemaDigest": "sha256:" + "2" * 64,
        "artifact": {
            "uri": f"s3://eagle/{played.namespace}/{number}/",
            "digest": digest,
            "modelDigest": digest,
            "sizeBytes": 10,
            "keyId": "k1",
            "signature": "s",
        },
        "data": {"rows": 10, "positives": 1, "assets": 1, "from": _MOMENT, "to": _MOMENT},
        "evaluation": {"evaluable": True, "beatsBaseline": True},
        "metrics": [{"name": "accuracy", "value": accuracy}],
        "onnx": {"opset": 21, "maxAbsDiff": "0", "rowsCompared": 10},
    }


def ends_after(seconds: float, ending: Ending = PASSES) -> Ending:
    """That ending, so many seconds after the pod may report."""
    return replace(ending, after_seconds=seconds)
