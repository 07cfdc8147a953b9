"""The CronJob that is a schedule's clock, and the Jobs of runs that no slot starts."""

from eagle_contract.api import Resolved, names
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
    """The schedule's clock: at each slot Kubernetes makes a Job, suspended until it is admitted."""
    name = schedule.meta.name
    spec: Manifest = {
        "schedule": resolved.schedule,
        "timeZone": resolved.time_zone,
        "suspend": resolved.suspend,
        "concurrencyPolicy": resolved.concurrency_policy,
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


def ordered_job(schedule: Schedule, version: Version, resolved: Resolved, installation: Installation) -> Manifest:
    """The Job of a run that a person ordered: as a slot's, but owned by its version."""
    tags = {names.VERSION_LABEL: version.meta.name, names.ATTEMPT_LABEL: "1"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.attempt_job_name(version.meta.name, 1),
            "namespace": schedule.meta.namespace,
            "labels": {**_job_labels(schedule), **tags},
            "ownerReferences": owned_by("ModelVersion", version.meta),
        },
        "spec": _job_spec(schedule, resolved, installation, tags),
    }


def _job_labels(schedule: Schedule) -> dict[str, str]:
    queue = schedule.spec.trainer.queue_name if schedule.spec.trainer else None
    kueue = {"kueue.x-k8s.io/queue-name": queue} if queue else {}
    return labels(schedule.meta.name, **kueue)


def _job_spec(schedule: Schedule, resolved: Resolved, installation: Installation, tags: dict[str, str]) -> Manifest:
    return {
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
            "spec": _pod_spec(schedule, installation),
        },
    }


def _pod_spec(schedule: Schedule, installation: Installation) -> Manifest:
    trainer = schedule.spec.trainer
    pod: Manifest = {
        "serviceAccountName": names.TRAINER_SERVICE_ACCOUNT,
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        "containers": [_container(schedule, installation)],
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


def _container(schedule: Schedule, installation: Installation) -> Manifest:
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
            {
                "name": "EAGLE_SOURCE_URI",
                "valueFrom": {"secretKeyRef": {"name": schedule.spec.source.connection.secret_name, "key": "uri"}},
            },
        ],
        "envFrom": [{"secretRef": {"name": names.STORE_SECRET}}],
        "resources": resources(schedule, installation),
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


def _from_field(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
