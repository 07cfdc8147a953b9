"""The CronJob that is a schedule's clock, and the Jobs of runs that no slot starts."""

from datetime import datetime

from eagle_contract.api import Resolved, names
from eagle_operator.domain import workers
from eagle_operator.domain.manifests import (
    APPLIED_ANNOTATION,
    POD_SECURITY,
    RESTRICTED,
    fingerprint,
    labels,
    owned_by,
    secret_volume,
)
from eagle_operator.domain.world import Installation, Manifest, Schedule, Version

JOBS_KEPT_BY_CRON_JOB = 100
"""The operator removes Jobs itself once they are recorded; Kubernetes' own limits would remove failures too early."""


def cron_job(schedule: Schedule, resolved: Resolved, installation: Installation) -> Manifest:
    """The schedule's clock: at each slot Kubernetes makes a Job, suspended until it is admitted.

    A clock and nothing more: what a slot does while an older run is under way, the operator decides. Kubernetes' own
    Forbid replays old slots, and its Replace kills a run without a record.
    """
    name = schedule.meta.name
    spec: Manifest = {
        "schedule": resolved.schedule,
        "timeZone": resolved.time_zone,
        "suspend": resolved.suspend,
        "concurrencyPolicy": "Allow",
        "startingDeadlineSeconds": resolved.starting_deadline_seconds,
        "successfulJobsHistoryLimit": JOBS_KEPT_BY_CRON_JOB,
        "failedJobsHistoryLimit": JOBS_KEPT_BY_CRON_JOB,
        "jobTemplate": {
            "metadata": {"labels": _job_labels(schedule)},
            "spec": _job_spec(schedule, resolved, installation, {}),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": name,
            "namespace": schedule.meta.namespace,
            "labels": labels(name),
            "annotations": {APPLIED_ANNOTATION: fingerprint(spec)},
            "ownerReferences": owned_by("TrainingSchedule", schedule.meta),
        },
        "spec": spec,
    }


def slot_job(schedule: Schedule, slot: datetime, resolved: Resolved, installation: Installation) -> Manifest:
    """The Job of a slot that Kubernetes did not make, by the name that Kubernetes would have given it."""
    moment = slot.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.slot_name(schedule.meta.name, slot),
            "namespace": schedule.meta.namespace,
            "labels": _job_labels(schedule),
            "annotations": {names.SLOT_ANNOTATION: moment},
            "ownerReferences": owned_by("TrainingSchedule", schedule.meta),
        },
        "spec": _job_spec(schedule, resolved, installation, {}),
    }


def ordered_job(
    schedule: Schedule,
    version: Version,
    resolved: Resolved,
    installation: Installation,
    *,
    attempt: int = 1,
    memory: str | int | None = None,
) -> Manifest:
    """The Job of an attempt that no slot starts, a person's order or a retry: as a slot's, but owned by its version.

    `memory` is the trainer's limit where it is not the schedule's.
    """
    tags = {names.VERSION_LABEL: version.meta.name, names.ATTEMPT_LABEL: str(attempt)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.attempt_job_name(version.meta.name, attempt),
            "namespace": schedule.meta.namespace,
            "labels": {**_job_labels(schedule), **tags},
            "ownerReferences": owned_by("ModelVersion", version.meta),
        },
        "spec": _job_spec(schedule, resolved, installation, tags, memory),
    }


def _job_labels(schedule: Schedule) -> dict[str, str]:
    return labels(schedule.meta.name)


def _job_spec(
    schedule: Schedule,
    resolved: Resolved,
    installation: Installation,
    tags: dict[str, str],
    memory: str | int | None = None,
) -> Manifest:
    spec: Manifest = {
        "suspend": True,
        "backoffLimit": 0,
        "activeDeadlineSeconds": resolved.timeout_seconds,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
            ]
        },
        "template": {
            "metadata": {"labels": labels(schedule.meta.name, **{names.NAME_LABEL: "eagle-trainer", **tags})},
            "spec": _pod_spec(schedule, installation, memory),
        },
    }
    return workers.together(spec, schedule)


def _pod_spec(schedule: Schedule, installation: Installation, memory: str | int | None) -> Manifest:
    trainer = schedule.spec.trainer
    pod: Manifest = {
        "serviceAccountName": names.TRAINER_SERVICE_ACCOUNT,
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [_container(schedule, installation, memory)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            secret_volume("keys", names.KEYS_SECRET),
            secret_volume("signing", names.SIGNING_SECRET),
            {"name": "verification", "configMap": {"name": names.VERIFICATION_CONFIG_MAP}},
        ],
    }
    if installation.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in installation.image_pull_secrets]
    if trainer and trainer.node_selector:
        pod["nodeSelector"] = trainer.node_selector
    if trainer and trainer.tolerations:
        pod["tolerations"] = [toleration.wire() for toleration in trainer.tolerations]
    return pod


def _container(schedule: Schedule, installation: Installation, memory: str | int | None) -> Manifest:
    return {
        "name": "trainer",
        "image": installation.trainer_image,
        "imagePullPolicy": installation.image_pull_policy,
        "args": ["run"],
        "env": [
            _from_field("EAGLE_NAMESPACE", "metadata.namespace"),
            _from_field("EAGLE_POD_NAME", "metadata.name"),
            _from_field("EAGLE_POD_UID", "metadata.uid"),
            _from_field("EAGLE_JOB_NAME", f"metadata.labels['{names.JOB_NAME_LABEL}']"),
            _from_field("EAGLE_MODEL_VERSION", f"metadata.labels['{names.VERSION_LABEL}']"),
            {"name": "EAGLE_TRAINER_IMAGE", "value": installation.trainer_image},
            _from_secret("EAGLE_SOURCE_URI", schedule.spec.source.connection.secret_name, "uri"),
            _from_secret("EAGLE_SOURCE_CA", schedule.spec.source.connection.secret_name, "ca.crt", optional=True),
        ],
        "envFrom": [{"secretRef": {"name": names.STORE_SECRET}}],
        "resources": _with_memory(resources(schedule, installation), memory),
        "securityContext": RESTRICTED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "keys", "mountPath": names.KEYS_FOLDER, "readOnly": True},
            {"name": "signing", "mountPath": names.SIGNING_FOLDER, "readOnly": True},
            {"name": "verification", "mountPath": names.VERIFICATION_FOLDER, "readOnly": True},
        ],
    }


def resources(schedule: Schedule, installation: Installation) -> Manifest:
    """The trainer's requests and limits: the schedule's own over the installation's, name by name."""
    own = schedule.spec.trainer.resources.wire() if schedule.spec.trainer and schedule.spec.trainer.resources else {}
    base = installation.trainer_resources
    merged = {part: {**base.get(part, {}), **own.get(part, {})} for part in ("requests", "limits")}
    return {part: {k: str(v) for k, v in amounts.items()} for part, amounts in merged.items() if amounts}


def memory_limit(schedule: Schedule, installation: Installation) -> str | None:
    """How much memory the trainer may use; None if nothing bounds it."""
    limit: str | None = resources(schedule, installation).get("limits", {}).get("memory")
    return limit


def _with_memory(amounts: Manifest, memory: str | int | None) -> Manifest:
    """The resources with another memory limit, and the same request: that it needs it is known by then."""
    if memory is None:
        return amounts
    return {part: {**amounts.get(part, {}), "memory": str(memory)} for part in ("requests", "limits")}


def _from_field(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    reference = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
