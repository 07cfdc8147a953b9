"""What ends the server, and what a request is refused with."""

from eagle_contract.bundle import BundleError, ServingExit


class ConfigurationInvalid(BundleError):
    """A setting of the server cannot be used."""

    exit_code = ServingExit.CONFIGURATION_INVALID


class GoldenMismatch(BundleError):
    """The model gives other answers here than it gave for the trainer."""

    exit_code = ServingExit.GOLDEN_MISMATCH


class ModelInvalid(BundleError):
    """The graph cannot be loaded, or it is not the one that the manifest describes."""

    exit_code = ServingExit.MODEL_INVALID


class RequestRefused(Exception):
    """A request that is answered with an error: `status` and one sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
