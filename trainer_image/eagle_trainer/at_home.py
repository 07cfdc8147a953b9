"""`eagle-train local` and `synthesize`: the same pipeline on a laptop, with its result in a folder to look at."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from eagle_contract.api import TrainingResult, TrainingSchedule, TrainingScheduleSpec, resolve
from eagle_contract.bundle import BundleContents, Manifest, PublishedArtifact
from eagle_contract.bundle.manifest import sha256_digest
from eagle_trainer import machine
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.pipeline import Task, Trained, train
from eagle_trainer.progress import Stopwatch
from eagle_trainer.publishing import Run, contents_of, result_of
from eagle_trainer.series import moment
from eagle_trainer.sources.database import Database
from eagle_trainer.sources.files import Files
from eagle_trainer.sources.request import Request, Source
from eagle_trainer.synthesize import synthesize as make_up

LOCAL = "local"


def local(schedule_file: Path, data: str, out: Path, *, now: str | None) -> None:
    """Train and write the folder. Raises TrainingEnded in one of its kinds."""
    console = Console(stderr=True)
    name, schedule = _schedule(schedule_file)
    source = _source(data)
    moment_of_training = _now(now) or _end_of_data(source, schedule)
    task = Task(
        spec=schedule.spec,
        resolved=resolve(schedule.spec),
        now=moment_of_training,
        threads=machine.cpu_limit(),
    )
    with _display(console) as progress:
        watch = Stopwatch((_Bar(progress, console),))
        try:
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
    console.print(_summary(label, trained, result))
    console.print(
        f"Written to [bold]{out}[/bold]: card.html (open it in a browser), model.onnx, manifest.json, result.json"
    )


def synthesize(out: Path, *, assets: int, days: int, period_seconds: int, seed: int) -> None:
    """Make up a plant and say how to train on it."""
    make_up(out, assets=assets, days=days, period_seconds=period_seconds, sensors=3, seed=seed, now=datetime.now(UTC))
    console = Console(stderr=True)
    console.print(f"{assets} assets, {days} days: written to [bold]{out}[/bold]. Train on it with")
    console.print(f"  eagle-train local --schedule {out}/schedule.yaml --data {out} --out {out}/model", style="cyan")


class _Bar:
    """A listener for a person at a terminal."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress, self._console = progress, console
        self._bar = progress.add_task("start", total=100)

    def progress(self, step: str, percent: int) -> None:
        self._progress.update(self._bar, description=step, completed=percent)

    def finished(self, step: str, seconds: float, facts: dict[str, object]) -> None:
        told = ", ".join(f"{name} {value}" for name, value in facts.items())
        self._progress.console.print(f"[green]✓[/green] {step:<9} {seconds:7.1f} s  [dim]{told}[/dim]")


def _display(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _schedule(path: Path) -> tuple[str, TrainingSchedule]:
    try:
        manifest = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InvalidConfiguration(f"--schedule {path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != "TrainingSchedule":
        raise InvalidConfiguration(f"--schedule {path} is not a TrainingSchedule; its kind must say so")
    try:
        spec = TrainingScheduleSpec.model_validate(manifest.get("spec"), extra="forbid")
        return manifest.get("metadata", {}).get("name", LOCAL), TrainingSchedule(spec=spec)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidConfiguration(f"spec.{field} in {path}: {first['msg']}") from error


def _source(data: str) -> Source:
    if data.startswith(("postgresql://", "postgres://")):
        return Database(data)
    path = Path(data)
    if not path.exists():
        raise InvalidConfiguration(f"--data {data} is not there; give a folder, a file, or a postgresql:// address")
    return Files(path)


def _now(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidConfiguration(f"--now {text!r} is not a moment such as 2026-11-22T01:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _end_of_data(source: Source, schedule: TrainingSchedule) -> datetime:
    """Just after the newest telemetry of files, whose data may be old; for a database, now."""
    if isinstance(source, Database):
        return datetime.now(UTC)
    table = schedule.spec.source.telemetry
    rows = source.read(Request(field="source.telemetry", table=table.table, query=table.query, time=table.time_column))
    if rows.time is None or not rows.count:
        return datetime.now(UTC)
    return moment(int(rows.time.max())) + timedelta(seconds=1)


def _write(out: Path, contents: BundleContents) -> PublishedArtifact:
    """The bundle's files as they are before encryption."""
    out.mkdir(parents=True, exist_ok=True)
    manifest: Manifest = contents.manifest
    files = {
        "model.onnx": contents.model,
        "card.html": contents.card,
        "golden.npz": contents.golden.to_bytes(),
        "manifest.json": json.dumps(manifest.wire(), indent=2).encode(),
    }
    for name, content in files.items():
        (out / name).write_bytes(content)
    return PublishedArtifact(
        uri=out.resolve().as_uri(),
        digest=sha256_digest(files["manifest.json"]),
        size_bytes=sum(map(len, files.values())),
        key_id="",
        signature="",
        model_digest=sha256_digest(contents.model),
    )


def _summary(label: str, trained: Trained, result: TrainingResult) -> Table:
    table = Table(title=f"Model {label}", title_justify="left")
    table.add_column("figure")
    table.add_column("model", justify="right")
    table.add_column("baseline", justify="right")
    judgement = trained.judgement
    rivals = {
        "average_precision": "logistic_average_precision",
        "accuracy": "majority_accuracy",
        "log_loss": "base_rate_log_loss",
    }
    shown = ("average_precision", "accuracy", "log_loss", "event_recall", "false_alarms_per_asset_month", "base_rate")
    for name in shown:
        if name in judgement.metrics:
            rival = judgement.baselines.get(rivals.get(name, ""))
            table.add_row(name, f"{judgement.metrics[name]:.4f}", "" if rival is None else f"{rival:.4f}")
    evaluation = judgement.evaluation
    word = "yes" if evaluation.beats_baseline else "no"
    table.add_row("beats its baselines", word if evaluation.evaluable else f"not evaluable: {evaluation.message}", "")
    table.add_row("ONNX against LightGBM", f"{result.onnx.max_abs_diff} at most", "")
    table.add_row("peak memory", f"{(result.peak_memory_bytes or 0) / 1e6:.0f} MB", "")
    return table
