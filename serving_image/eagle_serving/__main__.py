"""`python -m eagle_serving`: serves the models that EAGLE_MODELS names."""

import logging
import os
import sys
from pathlib import Path

from eagle_serving.errors import ConfigurationInvalid
from eagle_serving.logs import log_json_lines
from eagle_serving.server import serve
from eagle_serving.settings import Settings
from eagle_serving.termination import give_up


def main() -> None:
    """Runs the server and ends the process with its exit code."""
    log_json_lines("INFO")
    termination_log = Path(os.environ.get("EAGLE_TERMINATION_LOG", "/dev/termination-log"))
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigurationInvalid as failure:
        sys.exit(give_up(failure, termination_log))
    log_json_lines(settings.log_level)
    ended_by = serve(settings)
    if ended_by is not None:
        sys.exit(give_up(ended_by, termination_log))
    logging.getLogger(__name__).info("stopped")


if __name__ == "__main__":
    main()
