"""What applies where a schedule says nothing: schedule, then the installation's settings, then the built-in values.

The CRD itself has no defaults: the API server would store them, and a later change of an installation's default
would never reach the objects that exist.
"""

from dataclasses import dataclass, field
from typing import Literal

from eagle_contract.api.schedule import Bound, RetryOn, TrainingScheduleSpec
from eagle_contract.api.version import ModelVersionSpec


@dataclass(frozen=True, kw_only=True)
class InstallationDefaults:
    """The defaults that an installation may set; the values here are the built-in ones."""

    schedule: str = "0 2 * * 0"
    time_zone: str = "Etc/UTC"
    timeout_seconds: int = 7200
    accuracy_threshold: str = "0.75"
    retry_attempts: int = 3
    """How many retries follow a failed attempt, after 5, 15, 45 and again 45 minutes."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """Every policy value of a schedule after all defaults. Durations in seconds, probabilities from 0 to 1."""

    schedule: str
    time_zone: str
    suspend: bool
    starting_deadline_seconds: int
    timeout_seconds: int
    pending_timeout_seconds: int
    concurrency_policy: Literal["Forbid", "Replace"]
    retry_delays_seconds: tuple[int, ...]
    retry_on: frozenset[RetryOn]
    max_memory: str | None
    stuck_after_seconds: int
    keep_successful: int
    keep_failed: int
    data_range_days: int
    failure_probability: str
    confidence: str
    seed: int
    time_budget_seconds: int = 600
    search_trials: int = 0
    """0: no search."""
    search_seconds: int | None = None
    validation: Literal["Holdout", "BlockedFolds"] = "Holdout"
    miss_cost: str | None = None
    """Set together with false_alarm_cost, or neither."""
    false_alarm_cost: str | None = None
    recovery_seconds: int
    lag_seconds: tuple[int, ...]
    rolling_windows: tuple[int, ...]
    missing: Literal["Propagate", "Skip"]
    sensors: tuple[str, ...]
    parameters: dict[str, str]
    model_name: str
    promotion_policy: Literal["Automatic", "Manual"]
    minimums: tuple[Bound, ...]
    maximums: tuple[Bound, ...] = ()
    must_beat_baseline: bool = True
    max_regression: str | None = None
    serving_mode: Literal["Managed", "Existing", "None"] = "Managed"
    progress_deadline_seconds: int = 300
    not_acted_on: tuple[str, ...] = field(default=())
    """Fields that are set, accepted and kept, but that this release does not act on."""


_RETRY_DELAYS_SECONDS = (300, 900, *[2700] * 8)

_RESERVED_FIELDS = {
    "monitoring.accuracy_threshold": "monitoring.accuracyThreshold",
    "monitoring.failure_rate_threshold": "monitoring.failureRateThreshold",
    "monitoring.window_runs": "monitoring.windowRuns",
    "notifications": "notifications",
}


def resolve(
    spec: TrainingScheduleSpec,
    installation: InstallationDefaults | None = None,
    *,
    order: ModelVersionSpec | None = None,
) -> Resolved:
    """The values that apply to a schedule, or to one run of it when its `order` overrides some of them."""
    base = installation or InstallationDefaults()
    features, promotion, serving, history = spec.features, spec.promotion, spec.serving, spec.history_limits
    retry, monitoring = spec.retry, spec.monitoring
    delays = retry.delays_seconds if retry and retry.delays_seconds is not None else None
    retry_on: list[RetryOn] = ["TrainingFailed", "ValidationFailed"]
    if retry and retry.retry_on is not None:
        retry_on = retry.retry_on
    thresholds = spec.model.thresholds
    mapping = spec.source.column_mapping or {}
    measured = tuple(mapping.get(column, column) for column in spec.source.continuous_columns)
    minimums = promotion.minimums if promotion and promotion.minimums is not None else None
    return Resolved(
        schedule=spec.schedule or base.schedule,
        time_zone=spec.time_zone or base.time_zone,
        suspend=bool(spec.suspend),
        starting_deadline_seconds=_or(spec.starting_deadline_seconds, 3600),
        timeout_seconds=_or(spec.timeout_seconds, base.timeout_seconds),
        pending_timeout_seconds=_or(spec.pending_timeout_seconds, 600),
        concurrency_policy=spec.concurrency_policy or "Forbid",
        retry_delays_seconds=tuple(_RETRY_DELAYS_SECONDS[: base.retry_attempts] if delays is None else delays),
        retry_on=frozenset(retry_on),
        max_memory=str(retry.max_memory) if retry and retry.max_memory is not None else None,
        stuck_after_seconds=_or(monitoring.stuck_after_seconds if monitoring else None, 7200),
        keep_successful=_or(history.successful if history else None, 10),
        keep_failed=_or(history.failed if history else None, 5),
        data_range_days=_or(order.data_range_days if order else None, _or(spec.source.data_range_days, 180)),
        failure_probability=(thresholds and thresholds.failure_probability) or "0.85",
        confidence=(thresholds and thresholds.confidence) or "0.7",
        seed=_or(spec.model.seed, 7),
        time_budget_seconds=_or(spec.model.time_budget_seconds, 600),
        search_trials=_or(spec.model.search.trials, 30) if spec.model.search else 0,
        search_seconds=spec.model.search.seconds if spec.model.search else None,
        validation=spec.model.validation or "Holdout",
        miss_cost=spec.model.costs.miss if spec.model.costs else None,
        false_alarm_cost=spec.model.costs.false_alarm if spec.model.costs else None,
        recovery_seconds=_or(spec.label.recovery_seconds, 0),
        lag_seconds=tuple(sorted(features.lag_seconds)) if features and features.lag_seconds else (),
        rolling_windows=tuple(sorted(features.rolling_windows))
        if features and features.rolling_windows is not None
        else (5, 10),
        missing=(features and features.missing) or "Propagate",
        sensors=tuple(features.include) if features and features.include else measured,
        parameters={**(spec.model.parameters or {}), **((order.parameters if order else None) or {})},
        model_name=(order and order.model_name) or spec.model.name,
        promotion_policy=(promotion and promotion.policy) or "Automatic",
        minimums=tuple(minimums)
        if minimums is not None
        else (Bound(metric="accuracy", value=base.accuracy_threshold),),
        maximums=tuple(promotion.maximums) if promotion and promotion.maximums else (),
        must_beat_baseline=promotion.must_beat_baseline
        if promotion and promotion.must_beat_baseline is not None
        else True,
        max_regression=promotion.max_regression if promotion else None,
        serving_mode=(serving and serving.mode) or "Managed",
        progress_deadline_seconds=_or(serving.progress_deadline_seconds if serving else None, 300),
        not_acted_on=tuple(wire for path, wire in _RESERVED_FIELDS.items() if _is_set(spec, path)),
    )


def _is_set(spec: TrainingScheduleSpec, path: str) -> bool:
    found: object = spec
    for name in path.split("."):
        found = getattr(found, name, None)
    return found is not None


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
