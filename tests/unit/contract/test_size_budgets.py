"""An object stays small however long its history is: what etcd and every watch carry has a bound that is held here.

The objects are the largest that honest use comes to: every list that the programs bound is at its bound, every figure
is one that the trainer really writes, names and addresses are long ones, and messages fill what they are cut to.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from tests.unit.operator import builders as make
from tests.unit.trainer.arrays import PERIOD, START, STEP, events, samples_at

from eagle_contract.api import (
    ModelVersionSpec,
    ModelVersionStatus,
    TrainingScheduleSpec,
    TrainingScheduleStatus,
    names,
    resolve,
)
from eagle_contract.api.conditions import Condition
from eagle_contract.api.schedule import MissedSlots, ServedVersion, Service, Statistics
from eagle_contract.api.version import (
    ActiveComparison,
    Artifact,
    DataSummary,
    Evaluation,
    OnnxProof,
    Progress,
    QualityIssue,
    Timing,
    TrainingResult,
)
from eagle_operator.domain.attempts import MESSAGE_LIMIT as ATTEMPT_MESSAGE
from eagle_operator.domain.conditions import MESSAGE_LIMIT
from eagle_operator.domain.ending import LOG_LIMIT
from eagle_operator.domain.following import ATTEMPTS_KEPT, admitted
from eagle_operator.domain.run import Run
from eagle_operator.domain.service_step import HISTORY_LIMIT
from eagle_operator.domain.world import Version
from eagle_trainer.evaluate import Scored, baseline_metrics, holdout_metrics, metrics_in_status
from eagle_trainer.numbers import metric_list
from eagle_trainer.publishing import ISSUES_IN_STATUS, LIBRARIES, comparison_in_status

KIB = 1024
SCHEDULE_BUDGET, VERSION_BUDGET = 16 * KIB, 8 * KIB

SCHEDULE = "injection-moulding-hall-3"
RUN = f"{SCHEDULE}-29924231"
UID = "6f1c3f0e-8a52-4d0c-9f4e-1b2c3d4e5f60"
TIME = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
DIGEST = f"sha256:{'a1' * 32}"
LABEL = names.version_label(TIME, "a1" * 32)
ADDRESS = f"s3://eagle-northern-plastics/northern-plastics/{UID}/{LABEL}/{'a1' * 32}/"
IMAGE = f"registry.example.com/eagle-notifier/eagle-trainer@{DIGEST}"
SENSORS = [f"zone_{zone}_{what}" for zone in range(1, 9) for what in ("temperature", "pressure", "vibration", "speed")]
WORDS = "the database refused the connection of user eagle: no entry for this host, and encryption is off; "
LOG = 'time="2026-11-22T02:00:00Z" level=error msg="connection reset"\n'


def filled(words: str, length: int) -> str:
    """Text of that length."""
    return (words * (length // len(words) + 1))[:length]


def size(resource: dict[str, Any]) -> int:
    """Bytes of the object as the API server stores it."""
    return len(json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode())


def resource(kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """The whole object but for managedFields."""
    owner = {
        "apiVersion": "training.eagle-notifier.io/v1alpha1",
        "kind": "TrainingSchedule",
        "name": SCHEDULE,
        "uid": UID,
    }
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "org-northern-plastics",
        "uid": UID,
        "resourceVersion": "123456789",
        "generation": 123,
        "creationTimestamp": "2026-11-22T02:00:00Z",
        "labels": {
            names.SCHEDULE_LABEL: SCHEDULE,
            names.MANAGED_BY_LABEL: names.OPERATOR_MANAGER,
            "app.kubernetes.io/part-of": "eagle",
        },
    }
    if kind == "ModelVersion":
        metadata["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    return {
        "apiVersion": "training.eagle-notifier.io/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def condition(kind: str, reason: str, message: str = "", status: str = "False") -> Condition:
    return Condition.model_validate(
        {
            "type": kind,
            "status": status,
            "observedGeneration": 123,
            "lastTransitionTime": "2026-11-22T02:00:00Z",
            "reason": reason,
            "message": message,
        }
    )


# --- what the trainer writes


def scored() -> Scored:
    """A holdout whose one failure is caught, so that no figure is missing; none of them is a round number."""
    rows = 1013
    time = START + np.arange(rows) * STEP
    failure = START + 700 * STEP
    target = ((time >= failure - 97 * STEP) & (time < failure)).astype(float)
    probability = np.clip(0.3 + 0.5 * target + 0.19 * np.sin(np.arange(rows)), 0.001, 0.999)
    samples = samples_at(time, target, horizon=97 * STEP)
    return Scored(
        samples=samples,
        probability=probability,
        events=events((0, failure - 97 * STEP, failure)),
        period_seconds=PERIOD,
    )


HOLDOUT = metric_list(metrics_in_status(holdout_metrics(scored(), threshold=0.71, training_rate=0.0123456)))
BASELINES = metric_list(
    baseline_metrics(scored().probability, scored().samples.target, training_rate=0.0123456, threshold=0.71)
)
STEPS = ("extract", "resample", "check", "label", "split", "fit", "evaluate", "refit", "export", "prove", "publish")


def result() -> TrainingResult:
    """Of a run with data that has everything wrong with it, compared with the version in service."""
    return TrainingResult(
        attempt=1000,
        pod_uid=UID,
        schedule_generation=12_345,
        training_hash=DIGEST,
        trained_through=TIME,
        schema_digest=DIGEST,
        artifact=Artifact(
            uri=ADDRESS,
            digest=DIGEST,
            model_digest=DIGEST,
            size_bytes=12_345_678,
            key_id="k0123456789ab",
            signature=DIGEST,
        ),
        data=DataSummary(
            rows=123_456_789,
            positives=1_234_567,
            assets=1_234,
            failures=12_345,
            from_=TIME - timedelta(days=180),
            to=TIME,
            quality_issues=[
                QualityIssue(column=sensor, issue="NotFinite", count=12_345_678)
                for sensor in SENSORS[:ISSUES_IN_STATUS]
            ],
        ),
        evaluation=Evaluation(
            evaluable=False,
            message=filled("the newest 123 days hold 2 failures, and 5 are needed; ", 200),
            holdout_from=TIME - timedelta(days=30),
            holdout_to=TIME,
            holdout_events=1234,
            beats_baseline=False,
            baseline_gain="-0.123456",
            baseline_gain_lower_bound="-0.123456",
            advised_threshold="0.123456",
        ),
        metrics=HOLDOUT,
        baseline_metrics=BASELINES,
        active_version_metrics=comparison_in_status(
            ActiveComparison(
                version=LABEL,
                outcome="Similar",
                message="on 123456 rows and 1234 events that are new to both",
                difference="-0.123456",
                difference_upper_bound="-0.123456",
                metrics=HOLDOUT,
            )
        ),
        timings=[Timing(step=step, seconds="12345.67") for step in STEPS],
        peak_memory_bytes=12_345_678_901,
        onnx=OnnxProof(opset=21, max_abs_diff="1.235e-07", rows_compared=123_456),
        environment={**dict.fromkeys(LIBRARIES, "10.20.30"), "image": IMAGE},
    )


def test_the_figures_here_are_all_that_the_trainer_writes() -> None:
    assert {"event_recall", "median_lead_hours", "roc_auc"} <= {metric.name for metric in HOLDOUT}
    assert {"logistic_log_loss_skill", "majority_accuracy"} <= {metric.name for metric in BASELINES}


# --- versions

ORDER: dict[str, Any] = {
    "scheduleName": SCHEDULE,
    "trigger": "Schedule",
    "scheduledTime": "2026-11-22T02:00:00Z",
    "requestedBy": "schedule",
    "approval": {
        "decision": "Approved",
        "reason": filled("card read, alarms look right, clients are ready; ", 200),
        "by": "oidc:katharina.van-der-berg@northern-plastics.example.com",
    },
}


def tried(*, results: bool, **end: object) -> ModelVersionStatus:
    """The operator's status of a run once more attempts were made than are kept, each with much to say.

    `results`: the attempts before the last came to models that did not pass; `end` is how the last one ended.
    """
    status = ModelVersionStatus(queued_time=TIME, serving_image=IMAGE)
    installation = make.INSTALLATION
    for number in range(1, ATTEMPTS_KEPT + 3):
        version = Version(meta=make.meta(RUN), spec=ModelVersionSpec.model_validate(ORDER), status=status)
        run = Run(make.world(version), version, resolve(make.spec(), make.DEFAULTS), installation, TIME)
        job = make.job(names.attempt_job_name(RUN, number), suspended=False, start_time=TIME)
        status = admitted(run, job).status
        told = {
            "message": filled(WORDS, ATTEMPT_MESSAGE),
            "log_tail": filled(LOG, LOG_LIMIT),
            "reason": "SourceUnavailable",
        }
        if results:
            told = {"message": filled(WORDS, ATTEMPT_MESSAGE), "reason": "ValidationFailed", "model_digest": DIGEST}
        if number == ATTEMPTS_KEPT + 2:
            told = dict(end)
        closed = status.attempts[-1].model_copy(update={"pod_uid": UID, "finish_time": TIME, **told})
        status = status.model_copy(update={"attempts": [*status.attempts[:-1], closed]})
        if results and number < ATTEMPTS_KEPT + 2:
            status = status.model_copy(update={"result": result()})
    return status.model_copy(
        update={
            "version": LABEL,
            "retries_used": 10,
            "trainer_image": IMAGE,
            "progress": Progress(step="evaluate", percent=100, updated_time=TIME),
        }
    )


def version(status: ModelVersionStatus, state: str, *conditions: Condition, **members: object) -> dict[str, Any]:
    known = {"state": state, "conditions": [condition("Admitted", "Admitted", status="True"), *conditions], **members}
    return resource("ModelVersion", RUN, ORDER, status.model_copy(update=known).wire())


CRASHED: dict[str, object] = {
    "reason": "SourceUnavailable",
    "message": filled(WORDS, ATTEMPT_MESSAGE),
    "log_tail": filled(LOG, LOG_LIMIT),
}
FULL_MESSAGE = filled(WORDS, MESSAGE_LIMIT)


def served_version() -> dict[str, Any]:
    """Trained by its last attempt, put into service by an approval, and superseded."""
    completed = "the model is trained, proved and published"
    return version(
        tried(results=True, reason="Completed", message=completed, model_digest=DIGEST),
        "Succeeded",
        condition("Serving", "Superseded", f"{RUN} serves"),
        condition("Trained", "Completed", completed, status="True"),
        condition("Validated", "SchemaChanged", filled("the inputs are others than those in service; ", 300)),
        result=result(),
    )


def failed_version() -> dict[str, Any]:
    """No attempt came to a model, and the last one had much to say."""
    return version(
        tried(results=False, **CRASHED),
        "Failed",
        condition(
            "Retrying", "Exhausted", "all 10 retries of spec.retry.delaysSeconds are used up; a changed spec helps"
        ),
        condition("Trained", "SourceUnavailable", FULL_MESSAGE),
    )


def waiting_version(*, results: bool = False) -> dict[str, Any]:
    """The last attempt failed, and another one follows. Its result goes before that begins: none has an older one's."""
    objection = filled("BelowMinimum: event_recall is 0.123456, below the minimum of 0.9; ", 200)
    refused = {"reason": "ValidationFailed", "message": objection, "model_digest": DIGEST}
    return version(
        tried(results=results, **(refused if results else CRASHED)),
        "WaitingToRetry",
        condition("Retrying", "WaitingToRetry", "attempt 12 follows at 02:00:00 UTC, 10 more after it", status="True"),
        condition("Trained", "WaitingToRetry", filled(objection, 280) if results else FULL_MESSAGE, status="Unknown"),
        next_attempt_time=TIME,
        **({"result": result()} if results else {}),
    )


def test_a_version_that_was_trained_and_served_is_within_its_budget() -> None:
    assert size(served_version()) <= VERSION_BUDGET


def test_a_version_all_of_whose_attempts_failed_is_within_its_budget() -> None:
    assert size(failed_version()) <= VERSION_BUDGET
    assert size(waiting_version()) <= VERSION_BUDGET


def test_so_is_one_whose_last_attempt_came_to_a_model_that_did_not_pass() -> None:
    assert size(waiting_version(results=True)) <= VERSION_BUDGET


# --- schedules

RICH: dict[str, Any] = {
    "organizationId": "northern-plastics",
    "description": filled("Injection moulding machines of hall 3, trained on all shifts; ", 300),
    "schedule": "30 2 * * 0",
    "timeZone": "America/Argentina/Buenos_Aires",
    "suspend": False,
    "startingDeadlineSeconds": 3600,
    "timeoutSeconds": 7200,
    "pendingTimeoutSeconds": 600,
    "concurrencyPolicy": "Forbid",
    "retry": {"delaysSeconds": [300, 900, *[2700] * 8], "retryOn": ["TrainingFailed", "ValidationFailed"]},
    "historyLimits": {"successful": 100, "failed": 100},
    "deletionPolicy": "Retain",
    "source": {
        "connection": {"secretName": "northern-plastics-scada"},
        "dataRangeDays": 180,
        "telemetry": {
            "query": filled(
                "SELECT t.ts, t.machine_id, t.temperature FROM scada.telemetry t JOIN scada.shifts s ", 1000
            ),
            "layout": "Wide",
            "timeColumn": "ts",
            "assetColumn": "machine_id",
            "samplePeriodSeconds": 60,
            "latencySeconds": 600,
        },
        "continuousColumns": [f"Line3/{sensor}" for sensor in SENSORS],
        "columnMapping": {f"Line3/{sensor}": sensor for sensor in SENSORS},
        "events": [
            {
                "name": name,
                "table": f"scada.{name}",
                "timeColumn": "ts",
                "assetColumn": "machine_id",
                "kindColumn": "kind",
            }
            for name in ("errors", "maintenance", "tool_changes")
        ],
        "attributes": {"table": "scada.machines", "assetColumn": "machine_id", "columns": ["model", "age", "vendor"]},
    },
    "label": {
        "failures": {"table": "scada.failures", "timeColumn": "ts", "assetColumn": "machine_id"},
        "horizonSeconds": 86_400,
        "recoverySeconds": 3600,
    },
    "features": {"include": SENSORS, "lagSeconds": [60, 120, 300], "rollingWindows": [5, 10, 30, 60]},
    "model": {
        "name": "injection-moulding-failure",
        "parameters": {f"parameter_{number}": "0.123456" for number in range(12)},
        "thresholds": {"failureProbability": "0.85", "confidence": "0.7"},
        "validation": "BlockedFolds",
        "costs": {"miss": "12500", "falseAlarm": "350"},
    },
    "promotion": {
        "policy": "Manual",
        "minimums": [{"metric": metric.name, "value": metric.value} for metric in HOLDOUT[:6]],
        "mustBeatBaseline": True,
        "maxRegression": "0.02",
    },
    "serving": {
        "mode": "Managed",
        "replicas": 3,
        "pin": {"version": RUN, "reason": filled("held for the audit; ", 200)},
    },
    "trainer": {
        "resources": {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {"cpu": "8", "memory": "32Gi"}},
        "tolerations": [{"key": "training", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
KINDS = (
    "Ready",
    "Training",
    "Serving",
    "StuckJob",
    "LowAccuracy",
    "HighFailureRate",
    "ModelDegradation",
    "A",
    "B",
    "C",
)
"""Ten, more than there are."""


def full_schedule() -> dict[str, Any]:
    """Years old: every list of its status is full."""
    served = ServedVersion(
        name=RUN,
        version=LABEL,
        digest=DIGEST,
        uri=ADDRESS,
        model_name="injection-moulding-failure",
        accuracy="0.998765",
        since=TIME,
    )
    entry = Service(
        name=RUN,
        version=LABEL,
        from_=TIME,
        to=TIME,
        reason="RolledBackTo",
        by=ORDER["approval"]["by"],
    )
    words = filled(WORDS, MESSAGE_LIMIT)
    conditions = [condition(kind, "SourceUnavailable", words if n < 3 else words[:200]) for n, kind in enumerate(KINDS)]
    effective = {
        name: RICH[name]
        for name in (
            "schedule",
            "timeZone",
            "suspend",
            "startingDeadlineSeconds",
            "timeoutSeconds",
            "concurrencyPolicy",
        )
    } | {
        "promotion": RICH["promotion"],
        "historyLimits": RICH["historyLimits"],
        "thresholds": RICH["model"]["thresholds"],
    }
    state = TrainingScheduleStatus.model_validate(
        {
            "observedGeneration": 123,
            "effective": effective,
            "lastScheduleTime": TIME,
            "nextScheduleTime": TIME,
            "lastSuccessfulTime": TIME,
            "notBefore": TIME,
            "clock": f"{RICH['schedule']} {RICH['timeZone']}",
            "missedSlots": MissedSlots(count=12_345, last_time=TIME),
            "activeVersion": served,
            "previousVersion": served,
            "servingHistory": [entry] * HISTORY_LIMIT,
            "statistics": Statistics(
                runs=200,
                success_rate="0.9876",
                mean_accuracy="0.9876",
                mean_training_seconds="1234.5",
                evaluated_time=TIME,
            ),
            "conditions": conditions,
        }
    )
    spec = TrainingScheduleSpec.model_validate(RICH)
    return resource("TrainingSchedule", SCHEDULE, spec.wire(), state.wire())


def test_a_schedule_at_full_history_is_within_its_budget() -> None:
    assert size(full_schedule()) <= SCHEDULE_BUDGET
