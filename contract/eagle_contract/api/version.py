"""ModelVersion: the order of one run, and then its result."""

from typing import Annotated, Literal

from pydantic import Field

from eagle_contract.api.conditions import Conditions
from eagle_contract.api.names import VERSION_NAME_MAX
from eagle_contract.api.schedule import MetricName, Parameters, condition_path, print_column
from eagle_contract.api.types import (
    ApiModel,
    Count,
    Decimal,
    Digest,
    Fraction,
    Name,
    Quantity,
    Reason,
    Text,
    Time,
    Uid,
    Uri,
    User,
    VersionLabel,
    atomic,
    keyed,
    rule,
    rules,
)

RunState = Literal["Queued", "Running", "WaitingToRetry", "Succeeded", "Failed", "Cancelled"]

_IMMUTABLE = ("scheduledTime", "modelName", "description", "dataRangeDays", "parameters", "artifact", "requestedBy")
_UNCHANGED = " && ".join(
    ["self.scheduleName == oldSelf.scheduleName", "self.trigger == oldSelf.trigger"]
    + [f"has(self.{f}) == has(oldSelf.{f}) && (!has(self.{f}) || self.{f} == oldSelf.{f})" for f in _IMMUTABLE]
)


class Cancellation(ApiModel):
    """The wish that a run ends. It cannot be taken back."""

    reason: Text | None = None
    by: Annotated[User | None, Field(description="Stamped by the API server.")] = None


class Approval(ApiModel):
    """A person's word on a version."""

    decision: Literal["Approved", "Rejected"]
    reason: Text | None = None
    by: Annotated[User | None, Field(description="Stamped by the API server.")] = None


class ImportedArtifact(ApiModel):
    """A finished bundle that is to be taken over."""

    uri: Uri
    digest: Digest


class ModelVersionSpec(ApiModel):
    """The order of a run."""

    model_config = {
        "json_schema_extra": rules(
            rule(_UNCHANGED, "must not change, but for cancellation and approval; make a new ModelVersion instead"),
            rule(
                "!has(oldSelf.cancellation) || (has(self.cancellation) && self.cancellation == oldSelf.cancellation)",
                "must not be taken back or changed; make a new ModelVersion to train again",
                fieldPath=".cancellation",
            ),
            rule(
                "!has(oldSelf.approval) || has(self.approval)",
                "must not be removed; set decision to Approved or Rejected",
                fieldPath=".approval",
            ),
            rule(
                "(self.trigger == 'Schedule') == has(self.scheduledTime)",
                "must have scheduledTime with trigger Schedule, and not with another trigger",
            ),
            rule(
                "(self.trigger == 'Import') == has(self.artifact)",
                "must have artifact with trigger Import, and not with another trigger",
            ),
        )
    }

    schedule_name: Annotated[Name, Field(max_length=39)]
    trigger: Annotated[
        Literal["Schedule", "Drift", "Manual", "Import"], Field(description="People order runs with Manual.")
    ]
    scheduled_time: Annotated[Time | None, Field(description="The slot that this run belongs to.")] = None
    model_name: Annotated[str | None, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = (
        None
    )
    description: Text | None = None
    data_range_days: Annotated[int | None, Field(ge=1, le=3650)] = None
    parameters: Parameters | None = None
    artifact: ImportedArtifact | None = None
    requested_by: Annotated[User | None, Field(description="Stamped by the API server.")] = None
    cancellation: Cancellation | None = None
    approval: Approval | None = None


class Attempt(ApiModel):
    """One pod's try at a run."""

    number: Annotated[int, Field(ge=1, le=1000)]
    job_name: Annotated[str, Field(max_length=63)]
    pod_uid: Annotated[Uid | None, Field(alias="podUID")] = None
    start_time: Time | None = None
    finish_time: Time | None = None
    reason: Reason | None = None
    message: Text | None = None
    model_digest: Annotated[
        Digest | None, Field(description="Of the model that it came to, as in result.artifact.")
    ] = None
    log_tail: Annotated[
        str | None, Field(max_length=2048, description="The log's end, of the newest attempt if it failed.")
    ] = None


class Progress(ApiModel):
    """How far the trainer is; also its heartbeat."""

    step: Annotated[str, Field(max_length=32)]
    percent: Annotated[int, Field(ge=0, le=100)]
    updated_time: Time


class Metric(ApiModel):
    """A number by its name."""

    name: MetricName
    value: Decimal


Metrics = Annotated[list[Metric], Field(max_length=40, json_schema_extra=keyed("name"))]


class Artifact(ApiModel):
    """Where the published model lies and how to know that it is the right one."""

    uri: Uri
    digest: Annotated[Digest, Field(description="SHA-256 of the manifest.")]
    model_digest: Annotated[Digest, Field(description="SHA-256 of the plaintext ONNX file.")]
    size_bytes: Count
    key_id: Annotated[str, Field(max_length=63)]
    signature: Annotated[str, Field(max_length=256, description="SHA-256 of the signature envelope.")]


class QualityIssue(ApiModel):
    """Something that is wrong with the data."""

    column: Annotated[str, Field(max_length=128)]
    issue: Annotated[str, Field(max_length=64, pattern="^[A-Z][A-Za-z]*$")]
    severity: Literal["Info", "Warning", "Error"] = "Warning"
    count: Count


class DataSummary(ApiModel):
    """What the model learned from."""

    rows: Count
    positives: Count
    assets: Count
    failures: Annotated[Count | None, Field(description="Failure events in the data.")] = None
    from_: Annotated[Time, Field(alias="from")]
    to: Time
    quality_issues: Annotated[list[QualityIssue], Field(max_length=20, json_schema_extra=atomic())] = []


class Evaluation(ApiModel):
    """Whether the holdout could judge the model, and how it compares with doing nothing."""

    evaluable: bool
    message: Annotated[Text | None, Field(description="Why the data cannot judge the model.")] = None
    holdout_from: Time | None = None
    holdout_to: Time | None = None
    holdout_events: Count | None = None
    beats_baseline: bool | None = None
    baseline_gain: Annotated[Decimal | None, Field(description="Average precision beyond the best baseline's.")] = None
    baseline_gain_lower_bound: Annotated[Decimal | None, Field(description="Of 90 % of bootstrap samples.")] = None
    advised_threshold: Annotated[
        Fraction | None,
        Field(description="Advice for thresholds.failureProbability, from the training part; the card has its worth."),
    ] = None


class ActiveComparison(ApiModel):
    """The version in service, scored on rows that it was not trained on."""

    version: VersionLabel
    outcome: Literal["Better", "Similar", "Worse", "NotCompared"]
    message: Text | None = None
    difference: Annotated[Decimal | None, Field(description="Average precision: this version less that one.")] = None
    difference_upper_bound: Annotated[Decimal | None, Field(description="Of 90 % of paired bootstrap samples.")] = None
    metrics: Metrics = []


class Timing(ApiModel):
    """How long a step took."""

    step: Annotated[str, Field(max_length=32)]
    seconds: Decimal


class OnnxProof(ApiModel):
    """How exactly the published graph gives LightGBM's answers."""

    opset: Annotated[int, Field(ge=1, le=100)]
    max_abs_diff: Decimal
    rows_compared: Count


class TrainingResult(ApiModel):
    """What a trainer reports; written by the trainer alone."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    pod_uid: Annotated[Uid, Field(alias="podUID")]
    schedule_generation: Count
    training_hash: Digest
    trained_through: Time
    schema_digest: Annotated[
        Digest, Field(description="Of the model's inputs: sensors, window, context. A change breaks clients.")
    ]
    artifact: Artifact
    data: DataSummary
    evaluation: Evaluation
    metrics: Metrics
    baseline_metrics: Metrics = []
    active_version_metrics: ActiveComparison | None = None
    timings: Annotated[list[Timing], Field(max_length=24, json_schema_extra=keyed("step"))] = []
    peak_memory_bytes: Count | None = None
    onnx: OnnxProof
    environment: Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=16)] = {}


class ModelVersionStatus(ApiModel):
    """What became of the order. `result` and `progress` are the trainer's, all else the operator's."""

    state: RunState | None = None
    version: Annotated[VersionLabel | None, Field(description="Set once, by the attempt that passes.")] = None
    conditions: Conditions = []
    queued_time: Annotated[
        Time | None,
        Field(description="Since when it waits for its turn; a run that took a waiting one's place has its time."),
    ] = None
    attempts: Annotated[
        list[Attempt],
        Field(max_length=11, json_schema_extra=keyed("number"), description="The newest; their Jobs may be gone."),
    ] = []
    reporter_uid: Annotated[Uid | None, Field(alias="reporterUID", description="The one pod that may report now.")] = (
        None
    )
    next_attempt_time: Time | None = None
    retries_used: Annotated[
        Count | None,
        Field(description="How many of spec.retry.delaysSeconds are used up since what is trained last changed."),
    ] = None
    training_hash: Annotated[
        Digest | None, Field(description="Fingerprint of what the newest attempt trains; a change is tried at once.")
    ] = None
    memory_limit: Annotated[
        Quantity | None, Field(description="The trainer's memory from the next attempt on, after OutOfMemory.")
    ] = None
    trainer_image: Annotated[str | None, Field(max_length=512, description="Recorded at admission.")] = None
    serving_image: Annotated[str | None, Field(max_length=512, description="Recorded at promotion.")] = None
    progress: Progress | None = None
    result: TrainingResult | None = None


class ModelVersion(ApiModel):
    """One run of a schedule: its order, its result, and whether the model serves."""

    spec: ModelVersionSpec
    status: ModelVersionStatus = ModelVersionStatus()


NAME_RULES = [
    rule(
        f"self.metadata.name.size() <= {VERSION_NAME_MAX} && !self.metadata.name.contains('.')",
        f"metadata.name must be at most {VERSION_NAME_MAX} characters without dots",
    ),
    rule(
        "self.metadata.name.startsWith(self.spec.scheduleName + '-')",
        "metadata.name must begin with spec.scheduleName and '-'; use generateName: <scheduleName>-m-",
    ),
    rule(
        "self.spec.trigger != 'Manual' || self.metadata.name.startsWith(self.spec.scheduleName + '-m-')",
        "metadata.name of a manual run must begin with spec.scheduleName and '-m-';"
        " use generateName: <scheduleName>-m-",
    ),
    rule("!self.metadata.name.matches('-retry-[0-9]+$')", "metadata.name must not end in '-retry-' and a number"),
    rule(
        "!has(self.spec.cancellation) || has(oldSelf.spec.cancellation) || !has(oldSelf.status) ||"
        " !has(oldSelf.status.state) || !(oldSelf.status.state in ['Succeeded', 'Failed', 'Cancelled'])",
        "spec.cancellation must not be added: the run has ended, and there is nothing to cancel; to take its model out"
        " of service set spec.approval.decision to Rejected",
    ),
]
PRINT_COLUMNS = [
    print_column("Schedule", ".spec.scheduleName"),
    print_column("Trigger", ".spec.trigger"),
    print_column("State", ".status.state"),
    print_column("Version", ".status.version"),
    print_column("Accuracy", ".status.result.metrics[?(@.name=='accuracy')].value"),
    print_column("Validated", condition_path("Validated", "reason")),
    print_column("Serving", condition_path("Serving", "reason")),
    print_column("Age", ".metadata.creationTimestamp", "date"),
    print_column("Step", ".status.progress.step", priority=1),
    print_column("Average precision", ".status.result.metrics[?(@.name=='average_precision')].value", priority=1),
    print_column("Requested by", ".spec.requestedBy", priority=1),
    print_column("Message", condition_path("Trained", "message"), priority=1),
]
SELECTABLE_FIELDS = [".spec.scheduleName", ".spec.trigger", ".status.state"]
