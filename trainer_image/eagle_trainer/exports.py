"""The exports that people ask for at the command line: models from elsewhere, and trained ones in single precision."""

from pathlib import Path

from eagle_trainer import convert as converting
from eagle_trainer import portable
from eagle_trainer.errors import ConversionFailed
from eagle_trainer.inputs import ensure_writable
from eagle_trainer.pipeline import Trained
from eagle_trainer.terminal import Terminal, plain

PORTABLE_FILE = "portable.onnx"
ensure_possible = portable.ensure_possible


def convert(model: Path, out: Path, *, precision: converting.Precision, data: Path | None, trust: bool) -> None:
    """Write somebody else's model as a proven ONNX file. Raises TrainingEnded in one of its kinds."""
    ensure_writable(out, folder=False)
    terminal = Terminal()
    with terminal.showing():
        terminal.progress("read", 0)
        foreign = converting.read(model, trust=trust)
        rows = converting.rows_of(data, foreign.features) if data else None
        found = converting.convert(
            foreign, precision, data=rows, pulse=lambda step, share: terminal.progress(step, 100 * share)
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(found.model)
    from_data = "" if rows is None else f", {len(rows):,} of them from --data"
    figures = [("model", foreign.kind), *_figures(found, len(foreign.features), foreign.answer, precision, from_data)]
    terminal.table(f"{plain(model.name)} in {precision.lower()} precision", ("", ""), figures)
    if rows is None:
        terminal.say("Only made-up rows were compared; give your own with [cyan]--data[/cyan].")
    terminal.say(f"Written to [bold]{plain(out)}[/bold]")


def write_portable(trained: Trained, out: Path, terminal: Terminal) -> None:
    """Write a trained model's portable.onnx into its folder. Raises InvalidConfiguration or ConversionFailed."""
    names = trained.prepared.plan.names
    with terminal.showing():
        rows = portable.rows_to_prove(trained.prepared.blocks)
        try:
            found = portable.portable(
                trained.boosters,
                trained.recipe.calibration,
                names,
                rows,
                pulse=lambda step, share: terminal.progress(step, 100 * share),
            )
        except ConversionFailed as error:
            raise ConversionFailed(f"{PORTABLE_FILE}: {error}") from error
        (out / PORTABLE_FILE).write_bytes(found.model)
    from_training = f", {len(rows):,} of them from training"
    figures = _figures(found, len(names), "failure_probability", "Single", from_training)
    terminal.table(f"{PORTABLE_FILE}, in single precision", ("", ""), figures)
    written = plain(out / PORTABLE_FILE)
    terminal.say(f"Its features, in their order, stand in its metadata. Written to [bold]{written}[/bold]")


def _figures(
    found: converting.Converted, features: int, answer: str, precision: converting.Precision, source: str
) -> list[tuple[str, str]]:
    kind = "DOUBLE" if precision == "Double" else "FLOAT"
    figures = [
        ("input", plain(f"features {kind} [batch, {features}]")),
        ("output", plain(f"{answer} {kind} [batch]")),
        ("size", f"{len(found.model) / 1e3:,.0f} kB"),
        ("largest difference", f"{found.max_abs_diff:.2g} (at most {converting.TOLERANCES[precision]:g} is accepted)"),
        ("rows compared", f"{found.rows_compared:,}{source}"),
    ]
    return [*figures, ("rows changed by rounding", f"{found.astray:.3%}")] if precision == "Single" else figures
