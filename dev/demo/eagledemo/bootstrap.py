"""From a machine with Python and make to one that can run the rest: environment, cluster, images.

Only the standard library is used here; what follows runs with the project's own environment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from localcluster.paths import REPOSITORY, Paths, default_paths
from localcluster.progress import StepError

from eagledemo.kube import chosen_cluster, names_own_cluster
from eagledemo.steps import STEPS
from eagledemo.story import Story

_BEGAN = "EAGLE_DEMO_BEGAN"
_PYTHON = REPOSITORY / ".venv" / "bin" / "python"


def main() -> int:
    """Run `up` or `down`; return the exit status."""
    parser = argparse.ArgumentParser(prog="demo", description="Two organizations with real data, and their models.")
    parser.add_argument("command", choices=["up", "down"], nargs="?", default="up")
    wanted = parser.parse_args()
    paths = default_paths()
    try:
        return _up(paths) if wanted.command == "up" else _down(paths)
    except StepError as failure:
        print(failure.report(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `make demo` once more continues, `make demo-down` clears away", file=sys.stderr)
        return 130


def _up(paths: Paths) -> int:
    story = Story(STEPS, time.time())
    own = names_own_cluster(os.environ, paths)
    story.say(_opening(own))
    story.step(1)
    _make("venv")
    story.step(2)
    if own:
        story.say(f"using the cluster of KUBECONFIG={os.environ['KUBECONFIG']}")
    else:
        _make("cluster-up")
    story.step(3)
    _make("images")
    here = Path(__file__).resolve().parent.parent
    search = os.pathsep.join([str(here), str(here.parent / "cluster")])
    environment = {**os.environ, "PYTHONPATH": search, _BEGAN: str(story.began), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([_PYTHON, "-m", "eagledemo"], env=environment, check=False).returncode


def _down(paths: Paths) -> int:
    from eagledemo.teardown import remove_demo

    remove_demo(chosen_cluster(os.environ, paths))
    return 0


def began(environment: dict[str, str]) -> float:
    """Return when the demo began, in seconds since the epoch: told by the process that started this one."""
    return float(environment.get(_BEGAN, time.time()))


def _make(target: str) -> None:
    status = subprocess.run(["make", "--no-print-directory", target], cwd=REPOSITORY, check=False).returncode
    if status:
        raise StepError(f"make {target}", "it failed; its own message is above")


def _opening(own: bool) -> str:
    place = "the cluster of your KUBECONFIG" if own else "a Kubernetes on this machine (`make cluster-down` ends it)"
    return "\n".join(
        [
            "Eagle keeps predictive-maintenance models fresh. Two organizations on real data:",
            "  acme   a fleet of 20 machines: which one fails within 24 hours? Trained by the slot of its schedule.",
            "  hydra  a hydraulic rig: does its pump leak? Trained because a person orders it.",
            f"Everything happens on {place}.",
            "The first time programs and images are built (about a quarter of an hour); then it takes about 5 minutes.",
        ]
    )
