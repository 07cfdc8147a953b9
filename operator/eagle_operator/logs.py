"""Logs for machines: one JSON object a line on standard error, with the words that every program of Eagle uses."""

import json
import logging
import sys
from datetime import UTC, datetime

_NOISE = ("httpx2", "kopf.objects", "kopf.activities.probe", "aiohttp.access")
"""They tell of every request and every probe, also when nothing happens."""


class JsonLines(logging.Formatter):
    """A record as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_json_lines() -> None:
    """Send every log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _NOISE:
        logging.getLogger(name).setLevel(logging.WARNING)
