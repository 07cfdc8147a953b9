"""For all tests: made-up cases differ from run to run, so that more is found over time; in CI they are the same."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
