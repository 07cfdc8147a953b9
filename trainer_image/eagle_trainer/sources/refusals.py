"""What went wrong in the database: whether it may pass by itself, and one sentence for whoever can mend it."""

import re
from urllib.parse import unquote

from adbc_driver_manager import Error as DatabaseError

from eagle_trainer.errors import InvalidConfiguration, SourceUnavailable, TrainingEnded
from eagle_trainer.sources.request import Request

TRANSIENT = ("08", "40", "53", "57")
"""SQLSTATE classes that may pass: connection, rollback, resources, operator intervention."""
_OF_THE_QUERY = ("0A", "21", "22", "42")
"""What the table or the query asks for and cannot have: no support, wrong cardinality, wrong data, wrong names."""
_STATEMENT_TIMEOUT = "57014"
_NO_RIGHT = "42501"
_CERTAIN = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "no password supplied",
    "certificate verify failed",
    "does not match host name",
    "does not support SSL",
    "invalid ",
)
"""Words of the refusals in connecting that come back every time."""
_LONGEST = 600
_SHORTEST_PASSWORD = 4
"""A shorter one would take pieces out of words, and is no secret."""


def may_pass(error: DatabaseError) -> bool:
    """The driver gives no SQLSTATE for what went wrong while connecting: there the words must do.

    A statement that took too long takes too long again.
    """
    if error.sqlstate:
        return error.sqlstate[:2] in TRANSIENT and error.sqlstate != _STATEMENT_TIMEOUT
    return not any(words in str(error) for words in _CERTAIN)


def ended(request: Request, error: DatabaseError, uri: str, statement_seconds: int) -> TrainingEnded:
    """The end of the run: the schedule's fault (InvalidConfiguration) or the database's (SourceUnavailable)."""
    said = _without_password(_sentence(error), uri)
    state = error.sqlstate or ""
    if state[:2] == "25":
        return InvalidConfiguration(f"{request.field}: the query writes, and a training only reads: {said}")
    if state[:2] in _OF_THE_QUERY and state != _NO_RIGHT:
        return InvalidConfiguration(f"{request.field}: the database says: {said}")
    if state == _STATEMENT_TIMEOUT:
        return SourceUnavailable(
            f"{request.field}: reading took longer than {statement_seconds} s, or somebody ended it;"
            f" an index on the time column or a shorter source.dataRangeDays helps; the database says: {said}"
        )
    return SourceUnavailable(f"{request.field}: the database says: {said}")


def _sentence(error: DatabaseError) -> str:
    """The server's own words, without the driver's frame around them, on one line."""
    text = " ".join(str(error).split())
    for start in ("ERROR: ", "FATAL: ", "connection to server ", "Failed to connect: "):
        if start in text:
            text = text[text.index(start) :].removeprefix("ERROR: ").removeprefix("FATAL: ")
            text = text.removeprefix("Failed to connect: ")
            break
    for end in (" Query was:", " LINE 1:", " SQLSTATE:", " Vendor code:"):
        text = text.split(end)[0]
    return text.rstrip(" .")[:_LONGEST]


def _without_password(text: str, uri: str) -> str:
    """libpq quotes the part of an address that it cannot read, which may be in the password."""
    found = [*re.findall("://[^:/@?]*:([^@]*)@", uri), *re.findall("[?&]password=([^&]*)", uri)]
    for password in {word for each in found for word in (each, unquote(each)) if len(word) >= _SHORTEST_PASSWORD}:
        text = text.replace(password, "…")
    return text
