"""The Deployment and the Service that serve a schedule's model."""

import json

from eagle_contract.api import Resolved, names
from eagle_operator.domain.manifests import POD_SECURITY, RESTRICTED, labels, owned_by, secret_volume
from eagle_operator.domain.world import Deployment, Installation, Manifest, Schedule

MODELS_VARIABLE = "EAGLE_MODELS"
CONTAINER = "server"
PORT = 8080


def models_value(*, model_name: str, version: str, uri: str, digest: str) -> str:
    """What tells a server which models to serve: one today."""
    return json.dumps([{"name": model_name, "version": version, "uri": uri, "digest": digest}], sort_keys=True)


def served_models(deployment: Deployment) -> str | None:
    """What the Deployment's pods are told to serve; None if nothing."""
    for container in deployment.spec.get("template", {}).get("spec", {}).get("containers", []):
        for variable in container.get("env", []):
            if variable.get("name") == MODELS_VARIABLE:
                value: str | None = variable.get("value")
                return value
    return None


def image_of(deployment: Deployment) -> str | None:
    """The image of the Deployment's server; None if there is none."""
    containers = deployment.spec.get("template", {}).get("spec", {}).get("containers", [])
    return next((c.get("image") for c in containers if c.get("name") == CONTAINER), None)


def managed(
    schedule: Schedule, resolved: Resolved, installation: Installation, *, models: str, image: str, version: str
) -> Manifest:
    """The Deployment that the operator makes itself. `version` is the name of the version whose model it serves."""
    serving = schedule.spec.serving
    spec: Manifest = {
        "selector": {"matchLabels": _selector(schedule)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "progressDeadlineSeconds": resolved.progress_deadline_seconds,
        "revisionHistoryLimit": 2,
        "minReadySeconds": 1,
        "template": {
            "metadata": {"labels": labels(schedule.meta.name, **_selector(schedule))},
            "spec": _pod_spec(installation, models=models, image=image),
        },
    }
    if serving and serving.replicas is not None:
        spec["replicas"] = serving.replicas
    made = _object(schedule, "apps/v1", "Deployment", spec)
    made["metadata"]["annotations"] = {names.SERVED_VERSION_ANNOTATION: version}
    return made


def service(schedule: Schedule) -> Manifest:
    """The address that clients know; it outlives every Deployment behind it."""
    return _object(
        schedule,
        "v1",
        "Service",
        {"selector": _selector(schedule), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    )


def existing(schedule: Schedule, deployment_name: str, *, models: str, version: str) -> Manifest:
    """What the operator sets in a Deployment of the user's own: one variable, and whose model it is."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name,
            "namespace": schedule.meta.namespace,
            "annotations": {names.SERVED_VERSION_ANNOTATION: version},
        },
        "spec": {
            "template": {
                "spec": {"containers": [{"name": CONTAINER, "env": [{"name": MODELS_VARIABLE, "value": models}]}]}
            }
        },
    }


def _selector(schedule: Schedule) -> dict[str, str]:
    return {names.NAME_LABEL: "eagle-serving", names.SCHEDULE_LABEL: schedule.meta.name}


def _object(schedule: Schedule, api_version: str, kind: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": names.serving_name(schedule.meta.name),
            "namespace": schedule.meta.namespace,
            "labels": labels(schedule.meta.name, **_selector(schedule)),
            "ownerReferences": owned_by("TrainingSchedule", schedule.meta),
        },
        "spec": spec,
    }


def _pod_spec(installation: Installation, *, models: str, image: str) -> Manifest:
    pod: Manifest = {
        "serviceAccountName": names.SERVING_SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": POD_SECURITY,
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": installation.image_pull_policy,
                "env": [{"name": MODELS_VARIABLE, "value": models}],
                "envFrom": [{"secretRef": {"name": names.STORE_SECRET}}],
                "ports": [{"name": "http", "containerPort": PORT}],
                "readinessProbe": _probe("/v2/health/ready", period=2, failures=2),
                "livenessProbe": _probe("/v2/health/live", period=10, failures=6),
                "resources": installation.serving_resources,
                "securityContext": RESTRICTED,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "keys", "mountPath": names.KEYS_FOLDER, "readOnly": True},
                    {"name": "verification", "mountPath": names.VERIFICATION_FOLDER, "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            secret_volume("keys", names.KEYS_SECRET),
            {"name": "verification", "configMap": {"name": names.VERIFICATION_CONFIG_MAP}},
        ],
    }
    if installation.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in installation.image_pull_secrets]
    return pod


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
