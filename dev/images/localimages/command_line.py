"""The command `images`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from localcluster.lock import alone
from localcluster.paths import default_paths
from localcluster.progress import StepError

from localimages.base_image import base_key
from localimages.build import build
from localimages.catalog import catalog
from localimages.prune import prune


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    wanted = _parser().parse_args(arguments)
    paths = default_paths()
    try:
        if wanted.command == "names":
            for image in catalog(paths):
                print(f"{image.variable}={image.reference(base_key())}")
            return 0
        with alone(paths.images_lock, "image build"):
            if wanted.command == "build":
                build(wanted.names, paths)
            else:
                prune(paths)
        return 0
    except StepError as failure:
        print(failure.report(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it was", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="images", description="The project's container images.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="build images and bring them to the cluster")
    make.add_argument("names", nargs="*", help="operator, trainer, ...; all by default")
    commands.add_parser("prune", help="remove images that no longer are the newest")
    commands.add_parser("names", help="print the names that the present sources lead to")
    return parser
