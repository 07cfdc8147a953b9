"""From what was read to rows that can be learned from: resampled, labelled, with windows and context."""

from dataclasses import dataclass

import numpy as np

from eagle_contract.api import Resolved, TrainingScheduleSpec
from eagle_trainer import check
from eagle_trainer.context import ContextColumn, context_columns
from eagle_trainer.context_rows import ContextRows
from eagle_trainer.errors import InsufficientData, InvalidConfiguration
from eagle_trainer.features import FeatureBlocks, Windows
from eagle_trainer.labels import complete_rows, label_by_column, label_by_failures
from eagle_trainer.plan import FeaturePlan
from eagle_trainer.progress import Stopwatch
from eagle_trainer.resample import resample
from eagle_trainer.series import SECOND, Extracted, LabelEvents, Samples, Series

MOST_WINDOW_VALUES = 1_000_000
"""Samples times sensors of a window. A client sends them for each answer, and in training each row takes so much."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything that fitting and judging need."""

    series: Series
    samples: Samples
    events: LabelEvents
    plan: FeaturePlan
    columns: tuple[ContextColumn, ...]
    windows: Windows
    blocks: FeatureBlocks
    issues: tuple[check.Issue, ...]

    @property
    def span(self) -> int:
        """The time between the oldest and the newest sample of a window, in microseconds."""
        return self.plan.span_seconds * SECOND


def prepare(
    data: Extracted,
    spec: TrainingScheduleSpec,
    resolved: Resolved,
    *,
    known_until: int,
    threads: int,
    watch: Stopwatch,
) -> Prepared:
    """Rows with their windows, context and labels.

    `known_until` (microseconds) is until when failures are recorded. Raises InvalidConfiguration or InsufficientData.
    """
    columns = context_columns(data)
    plan = feature_plan(spec, resolved, columns)
    with watch.step("resample") as facts:
        series = resample(data.telemetry, period_seconds=plan.period_seconds, longest_gap=plan.window_length)
        facts |= {"rows": len(series.time), "assets": len(series.assets)}
    with watch.step("check") as facts:
        issues = check.findings(
            data.telemetry,
            series,
            label_column=spec.label.column,
            strangers=data.strangers,
            attributes=data.attributes,
            window_length=plan.window_length,
            until=known_until,
        )
        facts |= {"issues": len(issues)}
        check.refuse_errors(issues)
    with watch.step("label") as facts:
        samples, events = _labelled(series, data, spec, resolved, plan, known_until)
        _refuse_one_class(samples, spec)
        facts |= {"samples": len(samples), "positives": int(samples.target.sum())}
        context = ContextRows(
            columns, {table.name: table for table in data.events}, data.attributes, samples.asset, samples.time
        )
        windows = Windows(series, samples, context, plan.window_length)
    return Prepared(
        series=series,
        samples=samples,
        events=events,
        plan=plan,
        columns=columns,
        windows=windows,
        blocks=FeatureBlocks(plan, windows, threads=threads),
        issues=issues,
    )


def feature_plan(spec: TrainingScheduleSpec, resolved: Resolved, columns: tuple[ContextColumn, ...]) -> FeaturePlan:
    """The features of the schedule.

    Raises InvalidConfiguration for a lag that is no multiple of the period, and for windows that nobody could send.
    """
    period = spec.source.telemetry.sample_period_seconds
    uneven = [lag for lag in resolved.lag_seconds if lag % period]
    if uneven:
        raise InvalidConfiguration(
            f"features.lagSeconds must be multiples of source.telemetry.samplePeriodSeconds ({period}),"
            f" which {uneven[0]} is not"
        )
    plan = FeaturePlan(
        sensors=resolved.sensors,
        period_seconds=period,
        lags=tuple(lag // period for lag in resolved.lag_seconds),
        windows=resolved.rolling_windows,
        missing=resolved.missing,
        context=tuple(column.name for column in columns),
        categorical=tuple(column.name for column in columns if column.categories is not None),
    )
    values = plan.window_length * len(plan.sensors)
    if values > MOST_WINDOW_VALUES:
        raise InvalidConfiguration(
            f"features.lagSeconds and features.rollingWindows reach {plan.window_length} samples of {period} s back,"
            f" with {len(plan.sensors)} sensors {values:,} values for one answer, of at most {MOST_WINDOW_VALUES:,};"
            " shorten them, name fewer sensors in features.include, or raise source.telemetry.samplePeriodSeconds"
        )
    return plan


def _labelled(
    series: Series,
    data: Extracted,
    spec: TrainingScheduleSpec,
    resolved: Resolved,
    plan: FeaturePlan,
    known_until: int,
) -> tuple[Samples, LabelEvents]:
    rows = complete_rows(series, plan.window_length)
    if spec.label.column:
        return label_by_column(series, rows, column=spec.label.column)
    if data.failure_asset is None or data.failure_time is None or spec.label.horizon_seconds is None:
        raise InvalidConfiguration("label must have column, or failures with horizonSeconds")
    return label_by_failures(
        series,
        rows,
        data.failure_asset,
        data.failure_time,
        horizon_seconds=spec.label.horizon_seconds,
        recovery_seconds=resolved.recovery_seconds,
        known_until=known_until if data.failures_known_until is None else data.failures_known_until,
    )


def _refuse_one_class(samples: Samples, spec: TrainingScheduleSpec) -> None:
    if not len(samples):
        raise InsufficientData(
            "no row has a whole window behind it and a known label; raise source.dataRangeDays,"
            " or shorten features.rollingWindows or label.horizonSeconds"
        )
    if not 0.0 < float(np.mean(samples.target)) < 1.0:
        kind = "failure" if samples.target[0] == 0.0 else "row without one"
        where = f"column {spec.label.column!r}" if spec.label.column else "label.failures"
        raise InsufficientData(
            f"{len(samples)} rows, but no {kind} among them: there is nothing to tell apart;"
            f" check {where} and source.dataRangeDays"
        )
