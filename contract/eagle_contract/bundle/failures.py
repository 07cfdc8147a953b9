"""Why a published model cannot be served, as a program's exit code.

`eagle_serving` ends with one of these and writes `<name>: <one sentence>` into the container's termination message, so
that whoever watches the pod learns the cause from its last state alone. Standard library only.
"""

from enum import IntEnum


class ServingExit(IntEnum):
    """Exit codes of the serving program; `reason` is the name people see."""

    STOPPED = 0
    ERROR = 1
    BUNDLE_MISSING = 20
    DIGEST_MISMATCH = 21
    SIGNATURE_INVALID = 22
    DECRYPTION_FAILED = 23
    GOLDEN_MISMATCH = 24
    SCHEMA_UNSUPPORTED = 25
    CONFIGURATION_INVALID = 26
    MODEL_INVALID = 27

    @property
    def reason(self) -> str:
        """The CamelCase name that begins the termination message."""
        return "".join(word.capitalize() for word in self.name.split("_"))
