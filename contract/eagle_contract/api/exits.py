"""How a trainer says, by its exit code, what kind of end it came to.

The one sentence for people goes into the container's termination message beside it.
"""

from enum import IntEnum


class TrainerExit(IntEnum):
    """Exit codes of `eagle-train`; `reason` gives the reason of the Trained condition."""

    COMPLETED = 0
    ERROR = 1
    INVALID_CONFIGURATION = 10
    SOURCE_UNAVAILABLE = 11
    INSUFFICIENT_DATA = 12
    CONVERSION_FAILED = 13
    STORE_UNAVAILABLE = 14
    WORKER_LOST = 15
    TERMINATED = 143

    @property
    def reason(self) -> str:
        """The reason that the operator records for an attempt that ends this way."""
        return _REASONS.get(self, "Error")


_REASONS = {
    TrainerExit.COMPLETED: "Completed",
    TrainerExit.INVALID_CONFIGURATION: "InvalidConfiguration",
    TrainerExit.SOURCE_UNAVAILABLE: "SourceUnavailable",
    TrainerExit.INSUFFICIENT_DATA: "InsufficientData",
    TrainerExit.CONVERSION_FAILED: "ConversionFailed",
    TrainerExit.STORE_UNAVAILABLE: "StoreUnavailable",
}


def reason_of_exit(code: int) -> str:
    """The Trained reason for any exit code, also for those no trainer of this version knows."""
    return TrainerExit(code).reason if code in set(TrainerExit) else "Error"
