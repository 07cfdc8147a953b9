"""The command `eagle-train`."""

import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from eagle_contract.api.exits import TrainerExit
from eagle_trainer.errors import Terminated, TrainingEnded
from eagle_trainer.logs import say

TERMINATION_MESSAGE = Path("/dev/termination-log")
_MESSAGE_BYTES = 1024

app = typer.Typer(
    help="Learn a failure model from a SCADA database, prove its ONNX form, and publish it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def run() -> None:
    """Train in a pod that the operator has started. The order comes from the ModelVersion of the pod's Job."""
    from eagle_trainer import in_pod

    _ending(in_pod.run, message_file=TERMINATION_MESSAGE)


@app.command(
    epilog="**Example:** `eagle-train local --schedule examples/fleet/schedule.yaml --data examples/fleet"
    " --out build/fleet`"
)
def local(
    schedule: Annotated[Path, typer.Option(help="The TrainingSchedule, the very YAML that production uses.")],
    data: Annotated[
        str, typer.Option(help="A folder with a Parquet or CSV file per table, one such file, or postgresql://…")
    ],
    out: Annotated[Path, typer.Option(help="The folder for card.html, model.onnx, manifest.json, result.json.")],
    now: Annotated[
        str | None, typer.Option(help="Train as if it were this moment (ISO 8601); default: the end of the data.")
    ] = None,
) -> None:
    """Train without a cluster: the same pipeline, the result in a folder."""
    from eagle_trainer import at_home

    _ending(lambda: at_home.local(schedule, data, out, now=now))


@app.command(epilog="**Example:** `eagle-train synthesize --out build/plant --assets 10 --days 60`")
def synthesize(
    out: Annotated[Path, typer.Option(help="The folder for the tables and a schedule.yaml that fits them.")],
    assets: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    days: Annotated[int, typer.Option(min=7, max=3650)] = 90,
    period_seconds: Annotated[int, typer.Option(min=1, max=86_400)] = 600,
    seed: Annotated[int, typer.Option(min=0)] = 7,
) -> None:
    """Make up a plant with wear, failures and maintenance, for a first try."""
    from eagle_trainer import at_home

    _ending(lambda: at_home.synthesize(out, assets=assets, days=days, period_seconds=period_seconds, seed=seed))


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    minimum_age_hours: Annotated[
        int, typer.Option(min=0, max=8760, help="Bundles younger than this are kept in any case.")
    ] = 24,
) -> None:
    """Remove the organization's bundles that nothing refers to any more, in a pod of the chart eagle-organization."""
    from eagle_trainer import sweep as sweeping

    age = timedelta(hours=minimum_age_hours)
    _ending(lambda: sweeping.run(dry_run=dry_run, minimum_age=age), message_file=TERMINATION_MESSAGE)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    app()


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated("asked to end")


def _ending(work: Callable[[], None], message_file: Path | None = None) -> None:
    """Every end has an exit code and one sentence; what was not foreseen has its traceback in the log besides."""
    try:
        work()
    except TrainingEnded as ended:
        _leave(ended.exit_code, str(ended), message_file)
    except MemoryError:
        _leave(TrainerExit.ERROR, "the trainer ran out of memory; raise spec.trainer.resources", message_file)
    except Exception as error:  # noqa: BLE001 - the last frame: it must leave a sentence and a code, whatever it was
        traceback.print_exc()
        _leave(TrainerExit.ERROR, f"unexpected {type(error).__name__}: {error}", message_file)


def _leave(code: TrainerExit, message: str, message_file: Path | None) -> None:
    sentence = " ".join(message.split())
    if message_file:
        say("error", sentence, exitCode=int(code))
        message_file.write_bytes(sentence.encode()[:_MESSAGE_BYTES])
    else:
        print(f"eagle-train: {sentence}", file=sys.stderr)
    sys.exit(int(code))


if __name__ == "__main__":
    main()
