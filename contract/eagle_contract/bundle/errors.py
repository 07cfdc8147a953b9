"""What can go wrong with a bundle, by consequence.

`BundleError`: this bundle, these keys or this configuration will not work until somebody changes them.
`StoreUnavailable`: the same call may work later. Every message is one sentence that says what to do.
"""

from eagle_contract.bundle.failures import ServingExit


class BundleError(Exception):
    """Something that trying again does not mend. `exit_code` is what a server ends with."""

    exit_code = ServingExit.ERROR


class BundleMissing(BundleError):
    """A file of the bundle is not in the store."""

    exit_code = ServingExit.BUNDLE_MISSING


class DigestMismatch(BundleError):
    """The bundle is not the one that was asked for, or a file of it is not the one that was published."""

    exit_code = ServingExit.DIGEST_MISMATCH


class SignatureInvalid(BundleError):
    """No trusted key has signed the manifest."""

    exit_code = ServingExit.SIGNATURE_INVALID


class DecryptionFailed(BundleError):
    """A file cannot be decrypted with the organization's keys."""

    exit_code = ServingExit.DECRYPTION_FAILED


class SchemaUnsupported(BundleError):
    """The manifest or the golden predictions are of a form that this program does not know."""

    exit_code = ServingExit.SCHEMA_UNSUPPORTED


class BundleConflict(BundleError):
    """Another content lies where this bundle is to be published."""


class BundleTooLarge(BundleError):
    """A file is larger than servers accept."""


class KeysInvalid(BundleError):
    """A key, a certificate or their folder cannot be used."""

    exit_code = ServingExit.CONFIGURATION_INVALID


class StoreInvalid(BundleError):
    """The store's address, options or credentials cannot be used."""

    exit_code = ServingExit.CONFIGURATION_INVALID


class StoreUnavailable(Exception):
    """The store did not answer as it should; the same call may work later."""
