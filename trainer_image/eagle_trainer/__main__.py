"""The command `eagle-train`."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from eagle_contract.api.exits import TrainerExit
from eagle_contract.api.names import KEYS_FOLDER, VERIFICATION_FOLDER
from eagle_trainer.errors import Terminated, TrainingEnded
from eagle_trainer.logs import say

TERMINATION_MESSAGE = Path("/dev/termination-log")
_MESSAGE_BYTES = 1024

_DATA = "A folder with a Parquet or CSV file per table, one such file, or postgresql://…"


class PrecisionOption(StrEnum):
    """What a converted graph computes in."""

    SINGLE = "Single"
    DOUBLE = "Double"


def _examples(*commands: str) -> str:
    return "**Examples**\n\n" + "\n\n".join(f"`{command}`" for command in commands)


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
    epilog=_examples(
        "eagle-train local --schedule examples/fleet/schedule.yaml --data examples/fleet --out build/fleet",
        "eagle-train local --schedule fleet.yaml --data postgresql://reader@scada/plant --out build/fleet"
        " --now 2026-11-22T01:00:00Z",
        "eagle-train local --schedule fleet.yaml --data tables --out build/fleet --portable",
    )
)
def local(
    schedule: Annotated[Path, typer.Option(help="The TrainingSchedule, the very YAML that production uses.")],
    data: Annotated[str, typer.Option(help=_DATA)],
    out: Annotated[Path, typer.Option(help="The folder for card.html, model.onnx, judged.onnx, result.json.")],
    now: Annotated[
        str | None, typer.Option(help="Train as if it were this moment (ISO 8601); default: the end of the data.")
    ] = None,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Write portable.onnx, too: from features to the probability, in single precision."
        ),
    ] = False,
) -> None:
    """Train without a cluster: the same pipeline, the result in a folder."""
    from eagle_trainer import at_home

    _ending(lambda: at_home.local(schedule, data, out, now=now, portable=portable))


@app.command(
    epilog=_examples(
        "eagle-train predict --model build/fleet --data examples/fleet --out build/predictions.parquet",
        "eagle-train predict --bundle s3://models/acme/UID/VERSION/DIGEST --keys keys --verification trusted"
        " --data postgresql://reader@scada/plant --days 7 --out predictions.csv",
    )
)
def predict(
    data: Annotated[str, typer.Option(help=_DATA)],
    out: Annotated[Path, typer.Option(help="The file for the answers, Parquet or .csv: a row per asset and moment.")],
    model: Annotated[Path | None, typer.Option(help="The folder that `local` wrote.")] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            help="A published model: status.result.artifact.uri, or a folder with a copy of it; its last parts must be"
            " ORGANIZATION/SCHEDULE-UID/VERSION/DIGEST. The store's credentials come from the environment."
        ),
    ] = None,
    keys: Annotated[
        Path, typer.Option(help="With --bundle: the folder with the keys of the Secret eagle-keys.")
    ] = Path(KEYS_FOLDER),
    verification: Annotated[
        Path, typer.Option(help="With --bundle: the folder with the certificates of eagle-verification.")
    ] = Path(VERIFICATION_FOLDER),
    now: Annotated[
        str | None, typer.Option(help="Read data before this moment (ISO 8601); default: the end of the data.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How many days to read; default: as many as in training.")
    ] = None,
    judged: Annotated[
        bool,
        typer.Option("--judged", help="Score with the model that the figures are of, not the one that serves."),
    ] = False,
) -> None:
    """Score new data with a trained model: probability, alarm and confidence for every row with a whole window."""
    from eagle_trainer import at_home

    _ending(
        lambda: at_home.score(
            data,
            out,
            folder=model,
            bundle=bundle,
            keys=keys,
            verification=verification,
            now=now,
            days=days,
            judged=judged,
        )
    )


@app.command(
    epilog=_examples(
        "eagle-train synthesize --out build/plant --assets 10 --days 60",
        "eagle-train synthesize --out build/plant --assets 10 --sensors 5 --days 180 --period-seconds 60",
        "eagle-train synthesize --out build/noise --signal 0",
    )
)
def synthesize(
    out: Annotated[Path, typer.Option(help="The folder for the tables, the truth, and two schedules that fit them.")],
    assets: Annotated[int, typer.Option(min=1, max=1000, help="How many machines.")] = 10,
    days: Annotated[int, typer.Option(min=7, max=3650, help="How long they are watched, until now.")] = 90,
    period_seconds: Annotated[int, typer.Option(min=1, max=86_400, help="The time between two samples.")] = 600,
    sensors: Annotated[int, typer.Option(min=1, max=64, help="Of two or more, the last one is stuck.")] = 4,
    noise: Annotated[float, typer.Option(min=0.01, max=100.0, help="Standard deviation of the sensors' noise.")] = 0.6,
    signal: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="How far wear moves the sensors; 0: it does not, all is noise.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same plant.")] = 7,
) -> None:
    """Make up a plant with wear, failures, services, gaps and a stuck sensor, and the truth about it.

    truth.parquet has, for every row, the exact probability of a failure within the horizon: what the best possible
    model would say.
    """
    from eagle_trainer import at_home

    _ending(
        lambda: at_home.make_up(
            out,
            assets=assets,
            days=days,
            period_seconds=period_seconds,
            sensors=sensors,
            noise=noise,
            signal=signal,
            seed=seed,
        )
    )


@app.command(
    epilog=_examples(
        "eagle-train convert model.txt --out model.onnx",
        "eagle-train convert model.json --out model.onnx --precision Single --data rows.parquet",
        "eagle-train convert pipeline.pkl --trust --out model.onnx",
    )
)
def convert(
    model: Annotated[
        Path, typer.Argument(help="A LightGBM model in text, an XGBoost model in JSON, or a pickle of scikit-learn.")
    ],
    out: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    precision: Annotated[
        PrecisionOption, typer.Option(help="Single: for runtimes that know no double precision; less exact.")
    ] = PrecisionOption.DOUBLE,
    data: Annotated[
        Path | None, typer.Option(help="Rows to prove it on, Parquet or CSV with the features as columns.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Load a pickle, which runs whatever code it holds.")] = False,
) -> None:
    """Turn a model that was trained elsewhere into ONNX, and prove that it gives the same answers."""
    from eagle_trainer import exports

    _ending(lambda: exports.convert(model, out, precision=precision.value, data=data, trust=trust))


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
    except KeyboardInterrupt:
        _leave(TrainerExit.TERMINATED, "stopped from the keyboard; nothing was published", message_file)
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
        sys.stderr.flush()
        # Nothing is left to tidy up, and a thread of LightGBM's may be waiting for another worker in vain.
        os._exit(int(code))
    print(f"eagle-train: {sentence}", file=sys.stderr)
    sys.exit(int(code))


if __name__ == "__main__":
    main()
