"""Ways in which a training ends early, by what has to happen next.

Every message is one sentence for people that names the field of the schedule, the table or the column to change. It
becomes the container's termination message; the exit code tells the operator what kind of end it was.
"""

from eagle_contract.api.exits import TrainerExit


class TrainingEnded(Exception):
    """The run cannot go on; `exit_code` says what kind of end it is."""

    exit_code = TrainerExit.ERROR


class InvalidConfiguration(TrainingEnded):
    """Somebody has to change the schedule (or what it refers to); trying again is useless."""

    exit_code = TrainerExit.INVALID_CONFIGURATION


class SourceUnavailable(TrainingEnded):
    """The database cannot be reached, or does not let us in."""

    exit_code = TrainerExit.SOURCE_UNAVAILABLE


class InsufficientData(TrainingEnded):
    """The data cannot carry a model."""

    exit_code = TrainerExit.INSUFFICIENT_DATA


class ConversionFailed(TrainingEnded):
    """The graph does not give LightGBM's answers exactly, so it must not be published."""

    exit_code = TrainerExit.CONVERSION_FAILED


class StoreFailed(TrainingEnded):
    """The bundle could not be written, or what it needs (keys, store) is not there."""

    exit_code = TrainerExit.STORE_UNAVAILABLE


class WorkerLost(TrainingEnded):
    """Another worker of the same training is gone: what became of it is said there, and this one is made anew."""

    exit_code = TrainerExit.WORKER_LOST


class Terminated(TrainingEnded):
    """Kubernetes (or the person at the terminal) asked the program to end."""

    exit_code = TrainerExit.TERMINATED
