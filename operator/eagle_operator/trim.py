"""From what the API server sends to the small facts that decisions need.

A cluster with thousands of runs must fit into little memory, so nothing is kept that no decision reads.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from eagle_contract.api import names
from eagle_operator.domain.serving_deployment import MODELS_VARIABLE
from eagle_operator.domain.world import Deployment, Job, Meta, Pod

Raw = Mapping[str, Any]


def meta(raw: Raw) -> Meta:
    """Who the object is."""
    metadata = raw["metadata"]
    owner: Raw = next((o for o in metadata.get("ownerReferences", []) if o.get("controller")), {})
    return Meta(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        created=moment(metadata["creationTimestamp"]),
        owner_uid=owner.get("uid"),
        owner_kind=owner.get("kind"),
        deleting="deletionTimestamp" in metadata,
        ours=metadata.get("labels", {}).get(names.MANAGED_BY_LABEL) == names.OPERATOR_MANAGER,
    )


def job(raw: Raw) -> Job:
    """A Job of an attempt."""
    labels, annotations = raw["metadata"].get("labels", {}), raw["metadata"].get("annotations", {})
    spec, status = raw["spec"], raw.get("status", {})
    true = {c["type"]: c for c in status.get("conditions", []) if c.get("status") == "True"}
    failure = true.get("Failed") or true.get("FailureTarget") or {}
    slot = annotations.get(names.SLOT_ANNOTATION)
    start = status.get("startTime")
    return Job(
        meta=meta(raw),
        schedule=labels.get(names.SCHEDULE_LABEL, ""),
        version=labels.get(names.VERSION_LABEL),
        attempt=_attempt(labels.get(names.ATTEMPT_LABEL, "")),
        slot=moment(slot) if slot else None,
        suspended=bool(spec.get("suspend")),
        start_time=moment(start) if start else None,
        pods=status.get("active", 0) + status.get("terminating", 0),
        complete="Complete" in true,
        failed="Failed" in true,
        failing="FailureTarget" in true,
        failure_reason=failure.get("reason", ""),
        failure_message=failure.get("message", ""),
        deadline_seconds=spec.get("activeDeadlineSeconds"),
        recorded=names.RECORDED_LABEL in labels,
        queued_elsewhere=names.KUEUE_LABEL in labels,
    )


def pod(raw: Raw) -> Pod:
    """A trainer's or a server's pod."""
    identity, status = meta(raw), raw.get("status", {})
    labels = raw["metadata"].get("labels", {})
    container: Raw = next(iter(status.get("containerStatuses", [])), {})
    state, last = container.get("state", {}), container.get("lastState", {}).get("terminated", {})
    ended, waiting = state.get("terminated", {}), state.get("waiting", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    deletion = raw["metadata"].get("deletionTimestamp")
    index = labels.get(names.INDEX_LABEL, "")
    return Pod(
        meta=identity,
        job_uid=identity.owner_uid if identity.owner_kind == "Job" else None,
        schedule=labels.get(names.SCHEDULE_LABEL, ""),
        phase=status.get("phase", "Pending"),
        started=bool(ended or last or "running" in state),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", ""),
        exit_message=ended.get("message", ""),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        last_exit_code=last.get("exitCode"),
        last_exit_message=last.get("message", ""),
        disrupted=conditions.get("DisruptionTarget", {}).get("status") == "True",
        models=_models(raw),
        index=int(index) if index.isdecimal() else None,
        ended_at=moment(ended["finishedAt"]) if ended.get("finishedAt") else None,
        deletion_time=moment(deletion) if deletion else None,
    )


def deployment(raw: Raw) -> Deployment:
    """A serving Deployment."""
    status = raw.get("status", {})
    progressing: Raw = next((c for c in status.get("conditions", []) if c["type"] == "Progressing"), {})
    return Deployment(
        meta=meta(raw),
        labels=dict(raw["metadata"].get("labels", {})),
        spec=raw["spec"],
        observed_generation=status.get("observedGeneration", 0),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        progressing_reason=progressing.get("reason", ""),
        progressing_message=progressing.get("message", ""),
        served_version=raw["metadata"].get("annotations", {}).get(names.SERVED_VERSION_ANNOTATION, ""),
    )


def moment(text: str) -> datetime:
    """An RFC 3339 time as Kubernetes writes it."""
    return datetime.fromisoformat(text)


def _attempt(label: str) -> int:
    """A slot's Job has no such label, and somebody may have written anything into it."""
    return int(label) if label.isdecimal() else 1


def _models(raw: Raw) -> str:
    for container in raw["spec"].get("containers", []):
        for variable in container.get("env", []):
            if variable["name"] == MODELS_VARIABLE:
                return str(variable.get("value", ""))
    return ""
