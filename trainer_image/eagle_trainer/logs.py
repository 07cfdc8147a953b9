"""One JSON object a line, for log collectors; a person at a terminal sees a progress display instead."""

import json
import sys
from datetime import UTC, datetime


class JsonLog:
    """A listener that writes a line when a step is done."""

    def progress(self, step: str, percent: int) -> None:
        """Progress is told through the status, not through the log."""

    def finished(self, step: str, seconds: float, facts: dict[str, object]) -> None:
        """A step is done."""
        say("info", f"{step} done", step=step, seconds=round(seconds, 3), **facts)


def say(level: str, message: str, **facts: object) -> None:
    """Write one line."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message, **facts}
    print(json.dumps(line, default=str), file=sys.stdout, flush=True)
