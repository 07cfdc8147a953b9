"""The command `cluster`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster.lock import alone
from localcluster.node_images import NodeImages
from localcluster.paths import Paths, default_paths
from localcluster.progress import StepError
from localcluster.start import up
from localcluster.status import status
from localcluster.stop import down, purge
from localcluster.tools import ensure_tool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    wanted = _parser().parse_args(arguments)
    paths = default_paths()
    try:
        return _run(wanted, paths)
    except StepError as failure:
        print(failure.report(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it was", file=sys.stderr)
        return 130


def _run(wanted: argparse.Namespace, paths: Paths) -> int:
    if wanted.command == "status":
        return 0 if status(paths) else 1
    if wanted.command == "kubeconfig":
        print(paths.admin_kubeconfig)
        return 0
    with alone(paths.lock, "`cluster` command"):
        if wanted.command == "up":
            up(paths)
        elif wanted.command == "down":
            down(paths)
            if wanted.purge:
                with alone(paths.images_lock, "image build"):
                    purge(paths)
        elif wanted.command == "load":
            NodeImages(paths).load(wanted.archive)
        elif wanted.command == "tool":
            for name in wanted.names:
                ensure_tool(name, paths)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description="A local Kubernetes from source.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it, or make whole what is there")
    stop = commands.add_parser("down", help="end it and take back what it changed on the machine")
    stop.add_argument("--purge", action="store_true", help="remove built programs and images too")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("kubeconfig", help="print the path of the admin kubeconfig")
    load = commands.add_parser("load", help="put an image archive into the node")
    load.add_argument("archive", type=Path)
    tool = commands.add_parser("tool", help="bring programs that the cluster does not need into the bin folder")
    tool.add_argument("names", nargs="+", metavar="name")
    return parser
