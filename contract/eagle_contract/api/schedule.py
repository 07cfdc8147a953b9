"""TrainingSchedule: what an organization wants trained, when, and what becomes of the model."""

from typing import Annotated, Any, Literal

from pydantic import Field

from eagle_contract.api.conditions import Conditions
from eagle_contract.api.names import RESERVED_ENDINGS, SCHEDULE_NAME_MAX, SCHEDULE_NAME_PATTERN
from eagle_contract.api.source import Features, Label, Source
from eagle_contract.api.types import (
    ApiModel,
    Count,
    Decimal,
    Digest,
    Fraction,
    Name,
    Quantity,
    Reason,
    Seconds,
    Text,
    Time,
    TimeZone,
    Uri,
    User,
    VersionLabel,
    atomic,
    keyed,
    rule,
    rules,
    unordered,
)

MetricName = Annotated[str, Field(min_length=1, max_length=48, pattern="^[a-z][a-z0-9_]*$")]
Parameters = Annotated[
    dict[str, Annotated[str, Field(max_length=256)]],
    Field(max_length=48, description="LightGBM's own names and values, as text."),
]


RetryOn = Literal["TrainingFailed", "ValidationFailed"]


class Retry(ApiModel):
    """When a failed attempt is repeated."""

    delays_seconds: Annotated[
        list[Annotated[int, Field(ge=1, le=86_400)]] | None,
        Field(max_length=10, json_schema_extra=atomic(), description="Built-in default 300, 900, 2700; [] is never."),
    ] = None
    retry_on: Annotated[
        list[RetryOn] | None,
        Field(
            max_length=2,
            json_schema_extra=unordered(),
            description="TrainingFailed: an attempt came to no model. ValidationFailed: its model did not pass the"
            " gate. Built-in default: both.",
        ),
    ] = None
    max_memory: Annotated[
        Quantity | None,
        Field(
            description="After OutOfMemory the next attempt has half as much memory again, up to this limit."
            " Absent: memory stays as it is."
        ),
    ] = None


class HistoryLimits(ApiModel):
    """How many finished versions are kept."""

    successful: Annotated[int | None, Field(ge=1, le=100, description="Built-in default 10.")] = None
    failed: Annotated[int | None, Field(ge=0, le=100, description="Built-in default 5.")] = None


class Thresholds(ApiModel):
    """From which probability on the model speaks up."""

    failure_probability: Annotated[Fraction | None, Field(description="Alarm from here on. Built-in 0.85.")] = None
    confidence: Annotated[Fraction | None, Field(description="`confident` from here on. Built-in 0.7.")] = None


Cost = Annotated[str, Field(max_length=16, pattern=r"^[0-9]{1,12}(\.[0-9]{1,3})?$")]
"""An amount of money, or of anything else that is counted, as text."""


class Costs(ApiModel):
    """What mistakes cost, in any unit: only their ratio counts."""

    miss: Annotated[Cost, Field(description="Of a failure that no alarm announced, beyond one that was announced.")]
    false_alarm: Annotated[Cost, Field(description="Of an alarm that no failure followed.")]


class Search(ApiModel):
    """A search for better parameters: those that model.parameters sets stay as they are."""

    trials: Annotated[int | None, Field(ge=1, le=500, description="How many are tried. Built-in default 30.")] = None
    seconds: Annotated[
        int | None,
        Field(
            ge=10,
            le=86_400,
            description="No trial begins later than this. What a clock ends may differ from run to run.",
        ),
    ] = None


class Model(ApiModel):
    """What is learned."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            description="The model's public name: /v2/models/<name>.",
        ),
    ]
    parameters: Parameters | None = None
    thresholds: Thresholds | None = None
    seed: Annotated[int | None, Field(ge=0, le=2_147_483_647)] = None
    time_budget_seconds: Annotated[
        int | None,
        Field(
            ge=10,
            le=86_400,
            description="What the fits may take on two CPUs, without a search. Folds, seeds and rows are planned to it."
            " Built-in default 600.",
        ),
    ] = None
    search: Annotated[Search | None, Field(description="Absent: no search.")] = None
    validation: Annotated[
        Literal["Holdout", "BlockedFolds"] | None,
        Field(
            description="Holdout, the built-in default: the newest part judges. BlockedFolds: every stretch of time is"
            " judged by a model that has not seen it; for conditions that come back."
        ),
    ] = None
    costs: Annotated[Costs | None, Field(description="For the advice on the threshold; the alarm stays as set.")] = None


class Bound(ApiModel):
    """A bound on a metric of the holdout."""

    metric: MetricName
    value: Decimal


Bounds = Annotated[list[Bound], Field(max_length=16, json_schema_extra=keyed("metric"))]


class Promotion(ApiModel):
    """What a version must show before it serves."""

    policy: Annotated[
        Literal["Automatic", "Manual"] | None, Field(description="Manual: a version needs an approval.")
    ] = None
    minimums: Bounds | None = None
    maximums: Bounds | None = None
    must_beat_baseline: bool | None = None
    max_regression: Annotated[
        Fraction | None,
        Field(description="How much worse than the version in service it may be. Absent: not compared."),
    ] = None


class Pin(ApiModel):
    """Holds one version in service, whatever is trained."""

    version: Annotated[Name, Field(max_length=48, description="The name of a ModelVersion of this schedule.")]
    reason: Text | None = None


class Serving(ApiModel):
    """Where the model serves."""

    mode: Annotated[
        Literal["Managed", "Existing", "None"] | None,
        Field(
            description="Managed: the operator makes a Deployment and a Service. Existing: a Deployment that carries"
            " the label training.eagle-notifier.io/schedule with this schedule's name, by which its owner consents."
            " None: models are only kept."
        ),
    ] = None
    deployment_name: Annotated[Name | None, Field(max_length=63, description="Mode Existing.")] = None
    replicas: Annotated[
        int | None, Field(ge=0, le=100, description="Absent: the Deployment's replicas are left to an autoscaler.")
    ] = None
    progress_deadline_seconds: Annotated[int | None, Field(ge=30, le=3600)] = None
    pin: Pin | None = None


class Monitoring(ApiModel):
    """When an alert is raised."""

    accuracy_threshold: Fraction | None = None
    failure_rate_threshold: Fraction | None = None
    stuck_after_seconds: Seconds | None = None
    window_runs: Annotated[int | None, Field(ge=1, le=100)] = None


class Channel(ApiModel):
    """Where notifications go."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    type: Literal["Slack", "Teams", "Webhook", "Email"]
    secret_name: Name


class Notifications(ApiModel):
    """Who is told, and of what."""

    on_success: bool | None = None
    on_failure: bool | None = None
    on_alert: bool | None = None
    channels: Annotated[list[Channel] | None, Field(max_length=10, json_schema_extra=keyed("name"))] = None


class Resources(ApiModel):
    """Requests and limits of the trainer's container."""

    requests: Annotated[dict[str, Quantity] | None, Field(max_length=8)] = None
    limits: Annotated[dict[str, Quantity] | None, Field(max_length=8)] = None


class Toleration(ApiModel):
    """A taint that trainer pods tolerate."""

    key: Annotated[str | None, Field(max_length=317)] = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Annotated[str | None, Field(max_length=63)] = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int | None, Field(ge=0, le=31_536_000)] = None


class Trainer(ApiModel):
    """Where and with what the trainer's pod runs, within the installation's bounds."""

    resources: Resources | None = None
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]] | None, Field(max_length=16)] = None
    tolerations: Annotated[list[Toleration] | None, Field(max_length=16, json_schema_extra=atomic())] = None
    queue_name: Annotated[str | None, Field(max_length=63, description="A Kueue LocalQueue.")] = None
    workers: Annotated[
        int | None,
        Field(ge=1, le=16, description="How many pods, each with these resources, learn one model; default 1."),
    ] = None


class TrainingScheduleSpec(ApiModel):
    """What is to be trained, when, and what becomes of it."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.features) || !has(self.features.lagSeconds) ||"
                " self.features.lagSeconds.all(l, l % self.source.telemetry.samplePeriodSeconds == 0)",
                "must be multiples of source.telemetry.samplePeriodSeconds",
                fieldPath=".features.lagSeconds",
            ),
            rule(
                "!has(self.serving) || (has(self.serving.mode) && self.serving.mode == 'Existing')"
                " == has(self.serving.deploymentName)",
                "must have deploymentName with mode Existing, and not with another mode",
                fieldPath=".serving",
            ),
        )
    }

    organization_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=48,
            pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            json_schema_extra=rules(
                rule("self == oldSelf", "must not change; delete the schedule and make it anew where it belongs")
            ),
            description="The organization of this namespace.",
        ),
    ]
    description: Text | None = None
    schedule: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description='Five cron fields, or @hourly, @daily, @weekly, @monthly, @yearly. Built-in "0 2 * * 0".',
            json_schema_extra=rules(
                rule("!self.contains('TZ=')", "must not contain a time zone; set timeZone instead"),
                rule(
                    "self.startsWith('@') ? self in ['@hourly', '@daily', '@midnight', '@weekly', '@monthly',"
                    " '@yearly', '@annually'] : self.matches('^ *[^ ]+( +[^ ]+){4} *$')",
                    "must be five fields (minute hour day month weekday), as in '0 2 * * 0', or one of @hourly,"
                    " @daily, @midnight, @weekly, @monthly, @yearly, @annually",
                ),
            ),
        ),
    ] = None
    time_zone: Annotated[
        TimeZone | None,
        Field(description="IANA name, as Europe/Berlin. Built-in default Etc/UTC."),
    ] = None
    suspend: bool | None = None
    starting_deadline_seconds: Annotated[
        int | None,
        Field(ge=60, le=604_800, description="How late a slot may still begin. Built-in default 3600."),
    ] = None
    timeout_seconds: Annotated[
        int | None, Field(ge=60, le=86_400, description="Per attempt, from admission. Built-in default 7200.")
    ] = None
    pending_timeout_seconds: Annotated[
        int | None, Field(ge=10, le=86_400, description="How long a pod may fail to start. Built-in default 600.")
    ] = None
    concurrency_policy: Annotated[
        Literal["Forbid", "Replace"] | None,
        Field(
            description="What a slot does while an older slot's run is under way. Forbid: it waits for its end, the"
            " newest one only, up to startingDeadlineSeconds. Replace: it takes its place."
        ),
    ] = None
    retry: Retry | None = None
    history_limits: HistoryLimits | None = None
    deletion_policy: Annotated[
        Literal["Retain", "Delete"] | None, Field(description="What becomes of the bundles with the schedule.")
    ] = None
    source: Source
    label: Label
    features: Features | None = None
    model: Model
    promotion: Promotion | None = None
    serving: Serving | None = None
    monitoring: Monitoring | None = None
    notifications: Notifications | None = None
    trainer: Trainer | None = None


class Effective(ApiModel):
    """The values that apply after all defaults."""

    schedule: Annotated[str | None, Field(max_length=128)] = None
    time_zone: Annotated[str | None, Field(max_length=64)] = None
    suspend: bool | None = None
    starting_deadline_seconds: Seconds | None = None
    timeout_seconds: Seconds | None = None
    pending_timeout_seconds: Seconds | None = None
    concurrency_policy: Annotated[str | None, Field(max_length=16)] = None
    retry: Retry | None = None
    history_limits: HistoryLimits | None = None
    stuck_after_seconds: Seconds | None = None
    data_range_days: Annotated[int | None, Field(ge=0, le=3650)] = None
    thresholds: Thresholds | None = None
    promotion: Promotion | None = None
    serving_mode: Annotated[str | None, Field(max_length=16)] = None
    progress_deadline_seconds: Seconds | None = None


class ServedVersion(ApiModel):
    """A version that is or was in service."""

    name: Annotated[str, Field(max_length=63)]
    version: VersionLabel
    digest: Digest
    uri: Uri
    model_name: Annotated[str, Field(max_length=63)]
    accuracy: Decimal | None = None
    since: Time


class Service(ApiModel):
    """One stretch of service in the history."""

    name: Annotated[str, Field(max_length=63)]
    version: VersionLabel
    from_: Annotated[Time, Field(alias="from")]
    to: Time | None = None
    reason: Reason
    by: User | None = None


class MissedSlots(ApiModel):
    """Slots that passed without a run."""

    count: Count
    last_time: Time | None = None
    last_reason: Annotated[
        Reason | None,
        Field(
            description="Why the last one was missed: Suspended, ScheduleChanged, Cancelled, TooLate or NameConflict."
        ),
    ] = None


class Statistics(ApiModel):
    """How training went lately."""

    runs: Count
    success_rate: Decimal | None = None
    mean_accuracy: Decimal | None = None
    mean_training_seconds: Decimal | None = None
    trend: Literal["Improving", "Stable", "Declining", "Unknown"] = "Unknown"
    evaluated_time: Time | None = None


class TrainingScheduleStatus(ApiModel):
    """What the operator saw and did; written by the operator alone."""

    observed_generation: Count | None = None
    effective: Effective | None = None
    conditions: Conditions = []
    last_schedule_time: Time | None = None
    next_schedule_time: Time | None = None
    last_successful_time: Time | None = None
    not_before: Annotated[Time | None, Field(description="Slots up to this moment do not run any more.")] = None
    clock: Annotated[
        str | None,
        Field(max_length=200, description="The schedule and time zone that notBefore was last moved for."),
    ] = None
    missed_slots: MissedSlots | None = None
    active_version: ServedVersion | None = None
    previous_version: ServedVersion | None = None
    serving_history: Annotated[list[Service] | None, Field(max_length=10, json_schema_extra=atomic())] = None
    statistics: Statistics | None = None


def print_column(name: str, path: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "jsonPath": path, "type": kind, **more}


def condition_path(kind: str, field: str = "status") -> str:
    return f".status.conditions[?(@.type=='{kind}')].{field}"


class TrainingSchedule(ApiModel):
    """A model that is kept fresh: what it learns from, when, and where it serves."""

    spec: TrainingScheduleSpec
    status: TrainingScheduleStatus = TrainingScheduleStatus()


NAME_RULES = [
    rule(
        f"self.metadata.name.size() <= {SCHEDULE_NAME_MAX} && self.metadata.name.matches('{SCHEDULE_NAME_PATTERN}')",
        f"metadata.name must be at most {SCHEDULE_NAME_MAX} characters of a-z, 0-9 and '-', beginning with a letter",
    ),
    rule(
        " && ".join(f"!self.metadata.name.matches('{ending}')" for ending in RESERVED_ENDINGS),
        "metadata.name must not end in '-' and eight or more digits or in '-retry-' and a number:"
        " such names belong to runs",
    ),
]
PRINT_COLUMNS = [
    print_column("Schedule", ".status.effective.schedule"),
    print_column("Time zone", ".status.effective.timeZone"),
    print_column("Suspend", ".status.effective.suspend", "boolean"),
    print_column("Active version", ".status.activeVersion.version"),
    print_column("Accuracy", ".status.activeVersion.accuracy"),
    print_column("Last success", ".status.lastSuccessfulTime", "date"),
    print_column("Next", ".status.nextScheduleTime"),
    print_column("Ready", condition_path("Ready")),
    print_column("Age", ".metadata.creationTimestamp", "date"),
    print_column("Training", condition_path("Training", "reason"), priority=1),
    print_column("Serving", condition_path("Serving", "reason"), priority=1),
    print_column("Message", condition_path("Ready", "message"), priority=1),
]
