"""From a trained model to a bundle and a result: what is written to the store, and what is reported of it."""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from eagle_contract.api import TrainingResult, names, training_hash
from eagle_contract.api.version import ActiveComparison, Artifact, DataSummary, QualityIssue, Timing
from eagle_contract.bundle import (
    BundleContents,
    BundleError,
    BundleIdentity,
    DecisionThresholds,
    KeyRing,
    Manifest,
    ObjectStore,
    PublishedArtifact,
    Signer,
    StoreUnavailable,
    publish,
)
from eagle_trainer import card, machine
from eagle_trainer.errors import StoreFailed
from eagle_trainer.evaluate import metrics_in_status
from eagle_trainer.fit import lightgbm_parameters
from eagle_trainer.numbers import decimal, metric_list
from eagle_trainer.pipeline import Task, Trained
from eagle_trainer.progress import Timing as StepTiming
from eagle_trainer.series import moment

ISSUES_IN_STATUS = 5
"""The gravest findings; the card has them all."""
COMPARED_IN_STATUS = ("average_precision", "log_loss_skill", "event_recall", "false_alarms_per_asset_month")
"""Of the version in service; the card has all its figures beside the new ones."""
LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxruntime", "pyarrow", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which run this is. `run_time` is the slot, or when the order was made."""

    organization: str
    schedule: str
    schedule_uid: str
    generation: int
    run_time: datetime
    attempt: int
    pod_uid: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where bundles go, and with whose keys."""

    store: ObjectStore
    url: str
    keyring: KeyRing
    signer: Signer


def contents_of(trained: Trained, task: Task, run: Run) -> tuple[str, BundleContents]:
    """The version's label, and what its bundle holds."""
    label = names.version_label(run.run_time, hashlib.sha256(trained.model).hexdigest())
    return label, BundleContents(
        manifest=_manifest(trained, task, run, label),
        model=trained.model,
        golden=trained.golden,
        card=card.render(_card(trained, task, run, label)),
        judged=trained.judged,
    )


def publish_trained(trained: Trained, task: Task, run: Run, destination: Destination) -> PublishedArtifact:
    """Write the bundle. Raises StoreFailed."""
    label, contents = contents_of(trained, task, run)
    identity = BundleIdentity(organization=run.organization, schedule_uid=run.schedule_uid, version=label)
    try:
        return publish(
            destination.store,
            destination.url,
            identity,
            contents,
            keyring=destination.keyring,
            signer=destination.signer,
        )
    except (BundleError, StoreUnavailable) as error:
        raise StoreFailed(str(error)) from error


def result_of(
    trained: Trained, task: Task, run: Run, artifact: PublishedArtifact, timings: list[StepTiming]
) -> TrainingResult:
    """What is reported of the run."""
    return TrainingResult(
        attempt=run.attempt,
        pod_uid=run.pod_uid,
        schedule_generation=run.generation,
        training_hash=training_hash(task.spec),
        trained_through=trained.trained_through,
        schema_digest=trained.schema_digest,
        artifact=Artifact(
            uri=artifact.uri,
            digest=artifact.digest,
            model_digest=artifact.model_digest,
            size_bytes=artifact.size_bytes,
            key_id=artifact.key_id,
            signature=artifact.signature,
        ),
        data=_data(trained),
        evaluation=trained.judgement.evaluation,
        metrics=metric_list(metrics_in_status(trained.judgement.metrics)),
        baseline_metrics=metric_list(trained.judgement.baselines),
        active_version_metrics=comparison_in_status(trained.judgement.comparison),
        timings=[Timing(step=timing.step, seconds=f"{timing.seconds:.2f}") for timing in timings],
        peak_memory_bytes=machine.peak_memory(),
        onnx=trained.proof,
        environment=_environment(run),
    )


def comparison_in_status(comparison: ActiveComparison | None) -> ActiveComparison | None:
    """The comparison with its main figures only: a status is to stay small."""
    if comparison is None:
        return None
    told = [metric for metric in comparison.metrics if metric.name in COMPARED_IN_STATUS]
    return comparison.model_copy(update={"metrics": told})


def _manifest(trained: Trained, task: Task, run: Run, label: str) -> Manifest:
    """No wall-clock and nothing of this machine goes in: the same training is the same manifest."""
    prepared, judgement = trained.prepared, trained.judgement
    report = {
        "trainingHash": training_hash(task.spec),
        "scheduleGeneration": run.generation,
        "schemaDigest": trained.schema_digest,
        "rounds": trained.rounds,
        "learning": trained.recipe.report(),
        "validation": task.resolved.validation,
        "data": _data(trained).wire(),
        "qualityIssues": [
            {name: value for name, value in vars(issue).items() if value not in (None, "")} for issue in prepared.issues
        ],
        "evaluation": judgement.evaluation.wire(),
        "metrics": [metric.wire() for metric in metric_list(judgement.metrics)],
        "baselineMetrics": [metric.wire() for metric in metric_list(judgement.baselines)],
        "intervals": {
            name: {"lower": decimal(interval.lower), "upper": decimal(interval.upper)}
            for name, interval in judgement.intervals.items()
        },
        "onnx": trained.proof.wire(),
    }
    if judgement.advice:
        report["operatingPoint"] = judgement.advice.wire()
    if judgement.comparison:
        report["activeVersionMetrics"] = judgement.comparison.wire()
    return Manifest(
        organization=run.organization,
        schedule_uid=run.schedule_uid,
        model_name=task.resolved.model_name,
        version=label,
        sensors=list(prepared.plan.sensors),
        window_length=prepared.plan.window_length,
        context_columns=list(prepared.plan.context),
        context_definitions=[column.definition() for column in prepared.columns],
        thresholds=DecisionThresholds(
            failure_probability=task.resolved.failure_probability, confidence=task.resolved.confidence
        ),
        trained_through=trained.trained_through,
        result=report,
        schedule_spec=task.spec.wire(),
        libraries=_libraries(),
    )


def _data(trained: Trained) -> DataSummary:
    prepared = trained.prepared
    return DataSummary(
        rows=len(prepared.samples),
        positives=int(prepared.samples.target.sum()),
        assets=len(prepared.series.assets),
        failures=int(np.count_nonzero(prepared.events.positive)),
        from_=moment(int(prepared.series.time.min())),
        to=moment(int(prepared.series.time.max())),
        quality_issues=[
            QualityIssue(column=issue.column, issue=issue.issue, severity=issue.severity, count=issue.count)
            for issue in prepared.issues[:ISSUES_IN_STATUS]
        ],
    )


def _card(trained: Trained, task: Task, run: Run, label: str) -> card.CardInput:
    judgement = trained.judgement
    settings = lightgbm_parameters(trained.recipe.parameters, seed=task.resolved.seed, threads=task.threads)
    del settings["num_threads"]  # The same training is the same card, on any number of CPUs.
    return card.CardInput(
        organization=run.organization,
        schedule=run.schedule,
        description=task.spec.description,
        version=label,
        trained_through=trained.trained_through,
        resolved=task.resolved,
        horizon_seconds=task.spec.label.horizon_seconds,
        window_length=trained.prepared.plan.window_length,
        scored=judgement.scored,
        assets=trained.prepared.series.assets,
        data=_data(trained),
        evaluation=judgement.evaluation,
        metrics=judgement.metrics,
        baselines=judgement.baselines,
        comparison=judgement.comparison,
        importance=trained.importance,
        parameters={**settings, "rounds": trained.rounds},
        onnx=trained.proof,
        environment=_libraries(),
        explained=trained.explained,
        findings=tuple(
            card.Finding(
                column=issue.column,
                issue=issue.issue,
                severity=issue.severity,
                count=issue.count,
                detail=f"{issue.share:.1%} of them." if issue.share is not None else None,
                advice=issue.advice or None,
            )
            for issue in trained.prepared.issues
        ),
        learning=_learning(trained),
        intervals={name: (interval.lower, interval.upper) for name, interval in judgement.intervals.items()},
        advice=card.Advice(threshold=judgement.advice.threshold, sentence=judgement.advice.sentence)
        if judgement.advice
        else None,
        compared=judgement.compared,
    )


def _learning(trained: Trained) -> card.Learning:
    found = trained.recipe.found
    trials = []
    if found:
        trials = [
            card.Trial(
                number=trial.number + 1,
                parameters=trial.parameters,
                score=trial.log_loss,
                state=trial.state,
                chosen=trial.number == found.best,
            )
            for trial in found.trials
        ]
    return card.Learning(lines=trained.recipe.lines, trials=tuple(trials))


def _libraries() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _environment(run: Run) -> dict[str, str]:
    return {**_libraries(), **({"image": run.image[:256]} if run.image else {})}
