"""The part of the demo that runs in the project's own Python environment."""

from __future__ import annotations

import os
import sys

from localcluster.paths import default_paths
from localcluster.progress import StepError

from eagledemo.bootstrap import began
from eagledemo.kube import chosen_cluster
from eagledemo.steps import STEPS
from eagledemo.story import Story
from eagledemo.walkthrough import Walkthrough


def main() -> int:
    """Walk through the demo; return the exit status."""
    paths = default_paths()
    story = Story(STEPS, began(dict(os.environ)))
    try:
        Walkthrough(chosen_cluster(os.environ, paths), story, paths).run()
    except StepError as failure:
        print(failure.report(), file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `make demo` once more continues, `make demo-down` clears away", file=sys.stderr, flush=True)
        # Threads that wait for the cluster would hold the process up.
        os._exit(130)
    return 0


if __name__ == "__main__":
    sys.exit(main())
