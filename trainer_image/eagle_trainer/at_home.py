"""The commands for a laptop: the same pipeline as in a pod, with its result in a folder to look at."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from eagle_contract.api import TrainingResult, resolve
from eagle_contract.bundle import BundleContents, Manifest, PublishedArtifact
from eagle_contract.bundle.layout import CARD_FILE, GOLDEN_FILE, JUDGED_FILE, MANIFEST_FILE, MODEL_FILE
from eagle_contract.bundle.manifest import sha256_digest
from eagle_trainer import exports, machine, predict, synthesize
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.inputs import LOCAL, end_of_data, ensure_writable, moment_of, schedule_of, source_of
from eagle_trainer.pipeline import Task, Trained, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.publishing import Run, contents_of, result_of
from eagle_trainer.series import moment
from eagle_trainer.terminal import Terminal, plain

_SHOWN_ASSETS = 10
_FIGURES = {
    "average_precision": ("average precision", "logistic_average_precision"),
    "log_loss_skill": ("log loss skill", "logistic_log_loss_skill"),
    "accuracy": ("accuracy", "majority_accuracy"),
    "event_recall": ("failures caught", None),
    "false_alarms_per_asset_month": ("false alarms per asset and month", None),
    "median_lead_hours": ("hours from alarm to failure", None),
    "base_rate": ("rows before a failure", None),
}
"""What the summary shows, in which words, and beside which baseline's figure."""


def local(schedule_file: Path, data: str, out: Path, *, now: str | None, portable: bool) -> None:
    """Train and write the folder, with portable.onnx on request. Raises TrainingEnded in one of its kinds."""
    ensure_writable(out, folder=True)
    if portable:
        exports.ensure_possible()
    terminal = Terminal()
    name, schedule = schedule_of(schedule_file)
    given = moment_of(now)
    source = source_of(data)
    watch = Stopwatch((terminal,))
    with terminal.showing():
        try:
            moment_of_training = given or end_of_data(source, schedule.spec)
            task = Task(
                spec=schedule.spec,
                resolved=resolve(schedule.spec),
                now=moment_of_training,
                threads=machine.cpu_limit(),
                portable=portable,
            )
            trained = train(source, task, watch)
        finally:
            source.close()
        with watch.step("publish"):
            run = Run(
                organization=schedule.spec.organization_id,
                schedule=name,
                schedule_uid=LOCAL,
                generation=0,
                run_time=moment_of_training,
                attempt=1,
                pod_uid=LOCAL,
                image="",
            )
            label, contents = contents_of(trained, task, run)
            artifact = _write(out, contents)
    result = result_of(trained, task, run, artifact, watch.timings)
    (out / "result.json").write_text(json.dumps(result.wire(), indent=2) + "\n")
    _summary(terminal, label, trained, result)
    if contents.judged is not None:
        terminal.say(
            f"The figures are of [bold]{plain(out / JUDGED_FILE)}[/bold], which has not seen the newest part of the"
            f" data; [bold]{MODEL_FILE}[/bold] has learned from all of them."
        )
    terminal.say(f"Open [bold]{plain(out / 'card.html')}[/bold] in a browser. Score data with this model:")
    shown = "postgresql://…" if "://" in data else data  # no password in a log
    command = f"eagle-train predict --model {out} --data {shown} --out {out / 'predictions.parquet'}"
    terminal.say(f"  [cyan]{plain(command)}[/cyan]")
    if portable:
        exports.write_portable(trained, out, terminal)


def score(
    data: str,
    out: Path,
    *,
    folder: Path | None,
    bundle: str | None,
    keys: Path,
    verification: Path,
    now: str | None,
    days: int | None,
    judged: bool,
) -> None:
    """Write the model's answers to all rows of new data. Raises TrainingEnded in one of its kinds.

    `judged`: not those of the model that serves, but of the one that its figures are of.
    """
    ensure_writable(out, folder=False)
    terminal = Terminal()
    given = moment_of(now)
    if (folder is None) == (bundle is None):
        raise InvalidConfiguration("give exactly one of --model (what `eagle-train local` wrote) and --bundle")
    with terminal.showing():
        terminal.progress("model", 0)
        if folder is not None:
            model = predict.from_folder(folder, judged=judged)
        else:
            model = predict.from_bundle(
                str(bundle), keys=keys, verification=verification, environment=dict(os.environ), judged=judged
            )
        terminal.progress("read", 10)
        source = source_of(data)
        started = time.monotonic()
        try:
            found = predict.predict(
                model,
                source,
                now=given or end_of_data(source, predict.schedule_of(model.manifest)),
                days=days,
                threads=machine.cpu_limit(),
                pulse=lambda share: terminal.progress("score", 30 + 70 * share),
            )
        finally:
            source.close()
        terminal.finished("scored", time.monotonic() - started, {"rows": len(found), "assets": len(found.assets)})
        predict.write(found, out)
    newest = found.newest()[:_SHOWN_ASSETS]
    terminal.table(
        f"Newest answers of {model.manifest.model_name} {model.manifest.version}",
        ("asset", "time (UTC)", "probability", "alarm", "confident"),
        [
            (
                plain(found.assets[found.asset[row]]),
                f"{moment(int(found.time[row])):%Y-%m-%d %H:%M:%S}",
                f"{found.probability[row]:.4f}",
                "[red]yes[/red]" if found.alarm[row] else "no",
                "yes" if found.confident[row] else "no",
            )
            for row in newest
        ],
        note=None
        if len(newest) == len(found.newest())
        else f"the {len(newest)} highest of {len(found.newest())} assets",
    )
    terminal.say(f"{len(found):,} rows, {int(found.alarm.sum()):,} with an alarm: written to [bold]{plain(out)}[/bold]")


def make_up(
    out: Path, *, assets: int, days: int, period_seconds: int, sensors: int, noise: float, signal: float, seed: int
) -> None:
    """Make up a plant and say how to train on it. Raises InvalidConfiguration for a folder that cannot be written."""
    ensure_writable(out, folder=True)
    terminal = Terminal()
    with terminal.showing():
        made = synthesize.synthesize(
            out,
            assets=assets,
            days=days,
            period_seconds=period_seconds,
            sensors=sensors,
            seed=seed,
            now=datetime.now(UTC),
            noise=noise,
            signal=signal,
            pulse=lambda step, share: terminal.progress(step, 100 * share),
        )
    rows = [
        ("rows of telemetry", f"{made.rows:,}"),
        ("failures", f"{made.failures:,}"),
        ("horizon", f"{made.horizon_seconds / 3600:g} hours"),
    ]
    if made.best:
        rows += [
            ("best possible average precision, from all tables", f"{made.best[0]:.4f}"),
            ("best possible average precision, from windows of telemetry", f"{made.best[1]:.4f}"),
        ]
    terminal.table(f"{assets} machines, {days} days", ("", ""), rows)
    terminal.say(f"Written to [bold]{plain(out)}[/bold]. Train on it:")
    command = f"eagle-train local --schedule {made.schedule} --data {out} --out {out / 'model'}"
    terminal.say(f"  [cyan]{plain(command)}[/cyan]  (or {made.telemetry_schedule.name})")


def _write(out: Path, contents: BundleContents) -> PublishedArtifact:
    """The bundle's files as they are before encryption, and none of an earlier run."""
    out.mkdir(parents=True, exist_ok=True)
    manifest: Manifest = contents.manifest
    files = {
        MODEL_FILE: contents.model,
        CARD_FILE: contents.card,
        GOLDEN_FILE: contents.golden.to_bytes(),
        MANIFEST_FILE: json.dumps(manifest.wire(), indent=2).encode(),
    }
    if contents.judged is not None:
        files[JUDGED_FILE] = contents.judged
    else:
        (out / JUDGED_FILE).unlink(missing_ok=True)
    (out / exports.PORTABLE_FILE).unlink(missing_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return PublishedArtifact(
        uri=out.resolve().as_uri(),
        digest=sha256_digest(files[MANIFEST_FILE]),
        size_bytes=sum(map(len, files.values())),
        key_id="",
        signature="",
        model_digest=sha256_digest(contents.model),
    )


def _summary(terminal: Terminal, label: str, trained: Trained, result: TrainingResult) -> None:
    judgement = trained.judgement
    rows = []
    for name, (words, rival) in _FIGURES.items():
        if name in judgement.metrics:
            other = judgement.baselines.get(rival or "")
            rows.append((words, f"{judgement.metrics[name]:.4f}", "" if other is None else f"{other:.4f}"))
    terminal.table(f"Model {label}", ("on the newest part of the data", "model", "baseline"), rows)
    for issue in result.data.quality_issues:
        terminal.say(
            f"[yellow]![/yellow] {plain(issue.column)}: {issue.issue} in {issue.count:,} rows ({issue.severity})"
        )
    terminal.say(_verdict(trained))
    seconds = sum(float(timing.seconds) for timing in result.timings)
    terminal.say(
        f"The graph gives LightGBM's answers to {result.onnx.max_abs_diff} on {result.onnx.rows_compared:,} rows."
        f" {seconds:.0f} s, {(result.peak_memory_bytes or 0) / 1e6:.0f} MB at most."
    )


def _verdict(trained: Trained) -> str:
    """What is to be thought of the model, in one sentence."""
    evaluation = trained.judgement.evaluation
    if not evaluation.evaluable:
        return f"[yellow]Not evaluable:[/yellow] {plain(evaluation.message)}"
    gain = f"average precision {evaluation.baseline_gain} more" if evaluation.baseline_gain else "no figure of the gain"
    if evaluation.beats_baseline:
        return f"[green]It beats its baselines[/green] ({gain}, at least {evaluation.baseline_gain_lower_bound})."
    return f"[red]It does not beat its baselines[/red] ({gain}): no better than chance or a simple rule."
