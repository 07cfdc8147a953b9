"""The only module that talks to the API server on the operator's own behalf: lists and writes."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.types import CascadeType, PatchType

from eagle_contract.api.names import (
    API_VERSION,
    ATTEMPT_LABEL,
    GROUP,
    KUEUE_LABEL,
    OPERATOR_MANAGER,
    RECORDED_LABEL,
    RESTORED_LABEL,
    VERSION_LABEL,
)
from eagle_operator.domain.manifests import labels, owned_by
from eagle_operator.domain.world import END_NOW_SECONDS, Job, Manifest, Meta, Pod
from eagle_operator.domain.writes import (
    Adopt,
    Apply,
    Create,
    DeleteJob,
    DeleteVersion,
    EndJob,
    ForgetResult,
    HandToKueue,
    MarkRecorded,
    ReadLog,
    Report,
    SetScheduleStatus,
    SetVersionStatus,
    TagJob,
    Write,
)
from eagle_operator.mirror import Mirror, Raw

log = logging.getLogger(__name__)


class InvalidSpecError(Exception):
    """The API server will not have what a spec leads to; it is of no use to try before the spec changes."""


class NameTakenError(InvalidSpecError):
    """An object of the name is there that is somebody else's."""


class TransientError(Exception):
    """It may well go better next time: a conflict, a time-out, a server that is busy."""


class ConflictError(TransientError):
    """The object was changed meanwhile; the next try begins with how it is now."""


class BusyError(TransientError):
    """The API server answered that it cannot just now."""


class ForbiddenError(TransientError):
    """A quota, a webhook of others' or a missing right is in the way: trying again may help, but people must know."""


RESOURCES: dict[str, Any] = {
    "Namespace": create_global_resource("", "v1", "Namespace", "namespaces"),
    "TrainingSchedule": create_namespaced_resource(GROUP, API_VERSION, "TrainingSchedule", "trainingschedules"),
    "ModelVersion": create_namespaced_resource(GROUP, API_VERSION, "ModelVersion", "modelversions"),
    "CronJob": create_namespaced_resource("batch", "v1", "CronJob", "cronjobs"),
    "Job": create_namespaced_resource("batch", "v1", "Job", "jobs"),
    "Pod": create_namespaced_resource("", "v1", "Pod", "pods"),
    "Deployment": create_namespaced_resource("apps", "v1", "Deployment", "deployments"),
    "Service": create_namespaced_resource("", "v1", "Service", "services"),
    "Event": create_namespaced_resource("", "v1", "Event", "events"),
}

LIST_CHUNK = 50
"""Objects of a list that are asked for at once: as text, parsed and on their way they take 20 times what is kept."""
_LOG_LINES = 60
_LOG_SECONDS = 10.0
_INVALID = (400, 422)


class Cluster:
    """Lists and writes. What a write answers goes into the mirror, so that the next decision knows of it."""

    def __init__(self, client: AsyncClient, mirror: Mirror, reporter: str) -> None:
        self._client, self._mirror, self._reporter = client, mirror, reporter

    async def list_all(self, kind: str, label: str | None, take: Callable[[Raw], None]) -> str:
        """Have `take` take each object of a kind, or of it those with the label; the list's resource version."""
        namespace = None if kind == "Namespace" else "*"
        labels: dict[str, Any] | None = {label: None} if label else None
        found = self._client.list(RESOURCES[kind], namespace=namespace, labels=labels, chunk_size=LIST_CHUNK)
        async for item in found:
            take(item)
        return str(found.resourceVersion)

    async def write(self, write: Write) -> None:
        """Do one write. Raises InvalidSpecError or TransientError; anything else is a bug."""
        try:
            await self._write(write)
        except ApiError as error:
            raise await self._translated(write, error) from error
        except httpx2.TransportError as error:
            raise TransientError(f"{type(write).__name__}: {error!r}") from error

    async def unsuspend(self, job: Job) -> None:
        """Let a waiting Job go. Raises TransientError; whether it went may then be unknown."""
        patch = {"metadata": {"resourceVersion": job.meta.resource_version}, "spec": {"suspend": False}}
        try:
            await self._patch("Job", job.meta, patch)
        except ApiError as error:
            raise TransientError(f"unsuspending {job.meta.name}: {error}") from error
        except httpx2.TransportError as error:
            raise TransientError(f"unsuspending {job.meta.name}: {error!r}") from error

    async def refresh(self, kind: str, meta: Meta) -> None:
        """See how an object is now: after a conflict the mirror may be behind."""
        try:
            fresh = await self._client.get(RESOURCES[kind], meta.name, namespace=meta.namespace)
        except ApiError as error:
            if error.status.code != 404:
                raise
            self._mirror.forget(kind, {"metadata": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid}})
            return
        self._mirror.refresh(kind, dict(fresh))

    async def _write(self, write: Write) -> None:
        match write:
            case Apply(manifest):
                await self._apply(manifest)
            case Create(manifest):
                await self._create(manifest)
            case SetScheduleStatus(schedule, status):
                await self._set_status("TrainingSchedule", schedule.meta, status.wire())
            case SetVersionStatus(version, status):
                body = status.wire()
                for trainers_own in ("result", "progress"):
                    body.pop(trainers_own, None)
                await self._set_status("ModelVersion", version.meta, body)
            case Adopt(version, _):
                await self._patch("ModelVersion", version.meta, _ownership(write))
            case DeleteJob(job):
                await self._delete("Job", job.meta)
            case DeleteVersion(version):
                await self._delete_version(version.meta)
            case ForgetResult(version):
                await self._forget_result(version.meta)
            case HandToKueue(job, queue):
                await self._patch("Job", job.meta, {"metadata": {"labels": {KUEUE_LABEL: queue}}})
            case TagJob(job, name):
                await self._patch("Job", job.meta, _tags(name))
            case ReadLog(pod, version):
                await self.refresh("ModelVersion", version.meta)
                self._mirror.keep_log_tail(pod, await self._log_tail(pod))
            case EndJob(job):
                await self._patch("Job", job.meta, {"spec": {"activeDeadlineSeconds": END_NOW_SECONDS}})
            case MarkRecorded(job):
                await self._patch("Job", job.meta, {"metadata": {"labels": {RECORDED_LABEL: "true"}}})
            case Report():
                await self._report(write)

    async def _apply(self, manifest: Manifest) -> None:
        """An object that was never seen is looked at first: applying merges into a stranger's without a word."""
        kind, metadata = manifest["kind"], manifest["metadata"]
        if "ownerReferences" in metadata and not self._mirror.knows(kind, (metadata["namespace"], metadata["name"])):
            await self._refuse_stranger(manifest)
        applied = await self._client.apply(RESOURCES[kind](manifest), field_manager=OPERATOR_MANAGER, force=True)
        self._mirror.remember(kind, dict(applied))

    async def _create(self, manifest: Manifest) -> None:
        kind = manifest["kind"]
        try:
            created = await self._client.create(RESOURCES[kind](manifest), field_manager=OPERATOR_MANAGER)
        except ApiError as error:
            if error.status.code != 409 or error.status.reason != "AlreadyExists":
                raise
            created = await self._refuse_stranger(manifest)
            if created is None:
                raise
        self._mirror.remember(kind, dict(created))

    async def _refuse_stranger(self, manifest: Manifest) -> Any:
        """The object of that name, or None. Raises InvalidSpecError when somebody else owns it."""
        kind, metadata = manifest["kind"], manifest["metadata"]
        try:
            found = await self._client.get(RESOURCES[kind], metadata["name"], namespace=metadata["namespace"])
        except ApiError as error:
            if error.status.code != 404:
                raise
            return None
        owners = {owner.uid for owner in found.metadata.ownerReferences or []}
        if owners.isdisjoint(owner["uid"] for owner in metadata["ownerReferences"]):
            raise NameTakenError(
                f"a {kind} named {metadata['name']!r} is there that is not the schedule's; remove or rename one"
            )
        return found

    async def _forget_result(self, meta: Meta) -> None:
        """The result is the trainer's own, which an apply of the operator's does not touch."""
        changed = await self._client.patch(
            RESOURCES["ModelVersion"].Status,
            meta.name,
            {"metadata": {"resourceVersion": meta.resource_version}, "status": {"result": None}},
            namespace=meta.namespace,
            patch_type=PatchType.MERGE,
            field_manager=OPERATOR_MANAGER,
        )
        self._mirror.refresh("ModelVersion", dict(changed))

    async def _delete(self, kind: str, meta: Meta) -> None:
        try:
            await self._client.delete(
                RESOURCES[kind], meta.name, namespace=meta.namespace, cascade=CascadeType.BACKGROUND
            )
        except ApiError as error:
            if error.status.code != 404:
                raise
        await self.refresh(kind, meta)

    async def _delete_version(self, meta: Meta) -> None:
        """The client has no preconditions for deletions, so the version is looked at in the moment before."""
        fresh = await self._client.get(RESOURCES["ModelVersion"], meta.name, namespace=meta.namespace)
        if fresh.metadata.resourceVersion != meta.resource_version:
            self._mirror.refresh("ModelVersion", dict(fresh))
            raise ConflictError(f"{meta.name} changed before it was to be removed")
        await self._delete("ModelVersion", meta)

    async def _log_tail(self, pod: Pod) -> str:
        """The last lines of a pod's log. That there is none to be had must not keep an attempt from ending."""
        try:
            async with asyncio.timeout(_LOG_SECONDS):
                lines = [
                    line
                    async for line in self._client.log(
                        pod.meta.name, namespace=pod.meta.namespace, tail_lines=_LOG_LINES
                    )
                ]
        except (ApiError, httpx2.TransportError, TimeoutError) as error:
            log.info("no log of pod %s/%s: %r", pod.meta.namespace, pod.meta.name, error)
            return f"(the log could not be read: {_words(error)})"
        return "".join(lines)

    async def _set_status(self, kind: str, meta: Meta, status: Manifest) -> None:
        resource = RESOURCES[kind]
        body = {
            "apiVersion": f"{GROUP}/{API_VERSION}",
            "kind": kind,
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            },
            "status": status,
        }
        changed = await self._client.patch(
            resource.Status,
            meta.name,
            body,
            namespace=meta.namespace,
            patch_type=PatchType.APPLY,
            field_manager=OPERATOR_MANAGER,
            force=True,
        )
        self._mirror.refresh(kind, dict(changed))

    async def _patch(self, kind: str, meta: Meta, patch: Manifest) -> None:
        changed = await self._client.patch(
            RESOURCES[kind],
            meta.name,
            patch,
            namespace=meta.namespace,
            patch_type=PatchType.MERGE,
            field_manager=OPERATOR_MANAGER,
        )
        self._mirror.refresh(kind, dict(changed))

    async def _report(self, report: Report) -> None:
        """An Event whose name is made from what happened: it exists once, however often it is written."""
        digest = hashlib.sha256(json.dumps([report.uid, report.reason, report.about]).encode()).hexdigest()[:16]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{report.name}.{digest}", "namespace": report.namespace},
            "type": "Warning" if report.warning else "Normal",
            "reason": report.reason,
            "message": report.message[:1000],
            "involvedObject": {
                "apiVersion": f"{GROUP}/{API_VERSION}",
                "kind": report.kind,
                "name": report.name,
                "namespace": report.namespace,
                "uid": report.uid,
            },
            "source": {"component": OPERATOR_MANAGER},
            "reportingComponent": OPERATOR_MANAGER,
            "reportingInstance": self._reporter,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._client.create(RESOURCES["Event"](event))
        except ApiError as error:
            if error.status.code != 409:
                raise

    async def _translated(self, write: Write, error: ApiError) -> Exception:
        what = type(write).__name__
        code = error.status.code or 0
        target = _target(write)
        if target and code in (404, 409):
            await self.refresh(*target)
        if target and code == 404:
            return TransientError(f"{what}: the object is gone")
        if code in _INVALID and isinstance(write, Apply | Create):
            return InvalidSpecError(error.status.message or str(error))
        if code in _INVALID:
            return error
        if code == 403:
            return ForbiddenError(error.status.message or str(error))
        kind = ConflictError if code == 409 else BusyError if code == 429 or code >= 500 else TransientError
        return kind(f"{what}: {code} {error.status.message}")


def _target(write: Write) -> tuple[str, Meta] | None:
    """The object that a write changes, and its kind; None for a write that needs none to be there."""
    match write:
        case SetScheduleStatus(schedule, _):
            return "TrainingSchedule", schedule.meta
        case SetVersionStatus(version, _) | Adopt(version, _) | DeleteVersion(version) | ForgetResult(version):
            return "ModelVersion", version.meta
        case EndJob(job) | MarkRecorded(job) | DeleteJob(job) | HandToKueue(job, _) | TagJob(job, _):
            return "Job", job.meta
        case _:
            return None


def _ownership(adopt: Adopt) -> Manifest:
    restored = {RESTORED_LABEL: "true"} if adopt.restored else {}
    return {
        "metadata": {
            "resourceVersion": adopt.version.meta.resource_version,
            "ownerReferences": owned_by("TrainingSchedule", adopt.owner),
            "labels": labels(adopt.owner.name, **restored),
        }
    }


def _tags(version: str) -> Manifest:
    """On the Job for the operator, on its template for the trainer."""
    tags = {"metadata": {"labels": {VERSION_LABEL: version, ATTEMPT_LABEL: "1"}}}
    return {**tags, "spec": {"template": tags}}


def _words(error: Exception) -> str:
    return str(error.status.message) if isinstance(error, ApiError) else repr(error)
