"""Names that several programs, charts and users rely on. Changing one is a change of the contract."""

import re
from datetime import UTC, datetime

GROUP = "training.eagle-notifier.io"
API_VERSION = "v1alpha1"
SCHEDULES = "trainingschedules"
VERSIONS = "modelversions"

ORGANIZATION_LABEL = f"{GROUP}/organization"
SCHEDULE_LABEL = f"{GROUP}/schedule"
VERSION_LABEL = f"{GROUP}/model-version"
ATTEMPT_LABEL = f"{GROUP}/attempt"
RECORDED_LABEL = f"{GROUP}/recorded"
RESTORED_LABEL = f"{GROUP}/restored"
SERVED_VERSION_ANNOTATION = f"{GROUP}/served-version"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
NAME_LABEL = "app.kubernetes.io/name"

SLOT_ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
KUEUE_LABEL = "kueue.x-k8s.io/queue-name"

OPERATOR_MANAGER = "eagle-operator"
TRAINER_MANAGER = "eagle-trainer"
TRAINER_SERVICE_ACCOUNT = "eagle-trainer"
SERVING_SERVICE_ACCOUNT = "eagle-serving"
STORE_SECRET = "eagle-store"
KEYS_SECRET = "eagle-keys"
SIGNING_SECRET = "eagle-signing"
VERIFICATION_CONFIG_MAP = "eagle-verification"
KEYS_FOLDER = "/etc/eagle/keys"
SIGNING_FOLDER = "/etc/eagle/signing"
VERIFICATION_FOLDER = "/etc/eagle/verification"

WORKERS_PORT = 12400
"""Where worker 0 of a training is told who else is there."""
LEARNING_PORT = 12401
"""Where LightGBM's workers speak to each other."""

SCHEDULE_NAME_MAX = 39
VERSION_NAME_MAX = 48
SCHEDULE_NAME_PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
RESERVED_ENDINGS = ("-[0-9]{8,}$", "-retry-[0-9]+$")


def serving_name(schedule: str) -> str:
    """The name of the Deployment and of the Service that serve a schedule's model."""
    return f"{schedule}-serving"


def workers_name(schedule: str) -> str:
    """The name of the Service by which the workers of a schedule's trainings find each other."""
    return f"{schedule}-workers"


def worker_host(job: str, worker: int, service: str) -> str:
    """The name, within its namespace, of a pod of a Job with several workers, as Kubernetes gives it."""
    return f"{job}-{worker}.{service}"


def manual_prefix(schedule: str) -> str:
    """What the name of every manually ordered version begins with (a `generateName`)."""
    return f"{schedule}-m-"


def slot_name(schedule: str, slot: datetime) -> str:
    """The name Kubernetes' CronJob controller gives to the Job of a slot: minutes since the epoch."""
    return f"{schedule}-{int(slot.timestamp()) // 60}"


def adopted_name(schedule: str, job_uid: str) -> str:
    """The version of a Job that somebody made with `kubectl create job --from=cronjob/…`."""
    return f"{manual_prefix(schedule)}{job_uid[:6]}"


def attempt_job_name(version: str, attempt: int) -> str:
    """The Job of an attempt, counted from 1: the first bears the version's own name."""
    return version if attempt == 1 else f"{version}-retry-{attempt - 1}"


def version_label(run_time: datetime, model_sha256: str) -> str:
    """The label people and servers know a model by: the run's time (UTC, milliseconds) and the start of its digest.

    `model_sha256` is the hexadecimal SHA-256 of the plaintext ONNX file. Raises ValueError if it is not.
    """
    if not re.fullmatch("[0-9a-f]{64}", model_sha256):
        raise ValueError(f"model_sha256 must be 64 hexadecimal digits, not {model_sha256!r}")
    moment = run_time.astimezone(UTC)
    return f"v{moment:%Y-%m-%dT%H-%M-%S}-{moment.microsecond // 1000:03d}Z_{model_sha256[:8]}"
