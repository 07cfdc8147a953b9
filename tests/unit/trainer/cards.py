"""Model cards to look at: a holdout with failures, made up but plausible."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from eagle_contract.api import InstallationDefaults, TrainingScheduleSpec, resolve
from eagle_contract.api.version import ActiveComparison, DataSummary, Evaluation, Metric, OnnxProof, QualityIssue
from eagle_trainer.calibrate import sigmoid
from eagle_trainer.card import Advice, CardInput, Explained, Finding, Learning, Part, Trial
from eagle_trainer.card.alarms import alarms
from eagle_trainer.evaluate import Scored, baseline_metrics, holdout_metrics
from eagle_trainer.series import SECOND, LabelEvents, Samples, micros, moment

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3600 * SECOND


def card(
    *,
    assets: int = 8,
    hours: int = 1200,
    failures: int = 9,
    noise: float = 1.0,
    text: str = "Machines of the press shop",
    by_failures: bool = True,
    evaluable: bool = True,
    seed: int = 1,
) -> CardInput:
    """A card whose model sees most failures coming; `text` stands wherever people may write."""
    scored = replace(
        _scored(assets=assets, hours=hours, failures=failures, noise=noise, seed=seed), by_failures=by_failures
    )
    resolved = resolve(_spec(text), InstallationDefaults())
    target = scored.samples.target
    rate = float(target.mean()) * 0.9 + 0.001
    metrics = holdout_metrics(scored, threshold=float(resolved.failure_probability), training_rate=rate)
    beats = metrics.get("average_precision", 0.0) > 0.3
    return CardInput(
        organization="acme",
        schedule="press",
        description=text,
        version="v2026-04-21T02-00-00-000Z_a1b2c3d4",
        trained_through=moment(int(scored.samples.time.max())),
        resolved=replace(resolved, sensors=("temperature", "vibration", "pressure", text[:40])),
        horizon_seconds=86_400 if by_failures else None,
        window_length=24,
        scored=scored,
        assets=tuple(f"{text[:20]} {number + 1}" for number in range(assets)),
        data=DataSummary(
            rows=assets * hours * 4,
            positives=int(target.sum()) * 4,
            assets=assets,
            failures=failures * 4 if by_failures else None,
            from_=datetime(2025, 10, 23, tzinfo=UTC),
            to=moment(int(scored.samples.time.max())),
            quality_issues=[
                QualityIssue(column=text[:60], issue="Missing", severity="Warning", count=5120),
                QualityIssue(column="pressure", issue="Stuck", severity="Error", count=38_400),
                QualityIssue(column="time", issue="Gaps", severity="Info", count=12),
            ],
        ),
        evaluation=Evaluation(
            evaluable=evaluable,
            message=None if evaluable else "the data have 5 failures, and the holdout alone needs 8",
            holdout_from=moment(int(scored.samples.time.min())),
            holdout_to=moment(int(scored.samples.time.max())),
            holdout_events=failures,
            beats_baseline=beats,
            baseline_gain="0.412",
            baseline_gain_lower_bound="0.351" if beats else "-0.02",
        ),
        metrics=metrics,
        baselines=baseline_metrics(sigmoid(target * 2 - 4), target, training_rate=rate, threshold=0.85),
        comparison=None,
        importance=tuple((f"{text[:30]}__mean_{window}", 100.0 / window) for window in range(1, 30)),
        parameters={"learning_rate": 0.05, "num_leaves": 31, "rounds": 143, text[:50]: text},
        onnx=OnnxProof(opset=21, max_abs_diff="2.220e-16", rows_compared=184_320),
        environment={"lightgbm": "4.6.0", "onnxruntime": "1.23.2", "image": text},
    )


def full_card(text: str = "Machines of the press shop") -> CardInput:
    """A card with every part that a training may have; `text` stands wherever people may write."""
    content = card(text=text, noise=2.0)
    raised = alarms(content.scored, content.threshold)[-3:]
    samples = content.scored.samples
    explained = tuple(
        Explained(
            asset=alarm.asset,
            time=int(samples.time[alarm.first]),
            probability=float(content.scored.probability[alarm.first]),
            kind="right" if alarm.right else "false",
            usual=-4.0,
            parts=(
                Part(feature="temperature__mean_24", value="81.2", push=3.5),
                Part(feature=text[:60], value=text[:60], push=-0.4),
            ),
            rest=0.2,
        )
        for alarm in raised
    )
    served = ActiveComparison(
        version="v2026-03-01T02-00-00-000Z_0badcafe",
        outcome="Similar",
        message=text[:200],
        difference="0.0123",
        difference_upper_bound="0.0441",
        metrics=[Metric(name=name, value="0.5") for name in ("average_precision", "event_recall", "accuracy")],
    )
    return replace(
        content,
        explained=explained,
        findings=(
            Finding(column=text[:60], issue="Missing", severity="Warning", count=5120, advice=text),
            Finding(column="pressure", issue="Stuck", severity="Error", count=38_400, detail=text),
            Finding(column="time", issue="Unheard", severity="Info", count=12),
        ),
        learning=Learning(
            lines=(text, "4 folds and 3 seeds, every row"),
            trials=(
                Trial(number=1, parameters={"num_leaves": 31, text[:20]: text}, score=0.051, state="complete"),
                Trial(number=2, parameters={"num_leaves": 15}, score=0.049, state="complete", chosen=True),
                Trial(number=3, parameters={"num_leaves": 255}, score=None, state="pruned"),
            ),
        ),
        intervals={"average_precision": (0.41, 0.87), "event_recall": (0.5, 1.0)},
        advice=Advice(threshold=0.35, sentence=text),
        comparison=served,
        compared={"average_precision": 0.5123, "event_recall": 0.75},
    )


def _scored(*, assets: int, hours: int, failures: int, noise: float, seed: int) -> Scored:
    random = np.random.default_rng(seed)
    asset = np.repeat(np.arange(assets), hours)
    time = np.tile(micros(START) + np.arange(hours) * HOUR, assets)
    owner = np.sort(random.integers(0, max(assets - 2, 1), failures))
    end = micros(START) + random.integers(30, max(hours - 1, 31), failures) * HOUR
    order = np.lexsort((end, owner))
    owner, end = owner[order], end[order]
    target, margin = np.zeros(len(asset)), np.full(len(asset), -4.5)
    for code, moment_of_failure in zip(owner, end, strict=True):
        ahead = (moment_of_failure - time) / HOUR
        mine = (asset == code) & (ahead > 0) & (ahead <= 24)
        target[mine] = 1.0
        margin[mine] += 11.0 * np.sqrt(1 - ahead[mine] / 26) * (random.random() > 0.2)
    drift = np.convolve(random.normal(size=len(asset)), np.ones(6) / 2.4, mode="same")[: len(asset)]
    samples = Samples(row=np.arange(len(asset)), asset=asset, time=time, until=time + 24 * HOUR, target=target)
    kept = (asset != 1) | (np.arange(len(asset)) % hours < 300) | (np.arange(len(asset)) % hours > 420)
    events = LabelEvents(asset=owner, start=end - 24 * HOUR, end=end, positive=np.ones(failures, bool))
    return Scored(
        samples=samples.take(kept),
        probability=sigmoid(margin + noise * drift)[kept],
        events=events,
        period_seconds=3600,
    )


def _spec(text: str) -> TrainingScheduleSpec:
    return TrainingScheduleSpec.model_validate(
        {
            "organizationId": "acme",
            "description": text,
            "source": {
                "connection": {"secretName": "scada"},
                "telemetry": {"table": "telemetry", "layout": "Wide", "timeColumn": "ts", "samplePeriodSeconds": 3600},
                "continuousColumns": ["temperature", "vibration", "pressure"],
            },
            "label": {"failures": {"table": "failures", "timeColumn": "ts"}, "horizonSeconds": 86_400},
            "features": {"lagSeconds": [3600, 7200], "rollingWindows": [3, 24]},
            "model": {"name": "press-failure"},
            "promotion": {
                "minimums": [{"metric": "accuracy", "value": "0.75"}],
                "maximums": [{"metric": "false_alarms_per_asset_month", "value": "2"}],
            },
        }
    )
