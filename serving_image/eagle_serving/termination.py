"""Last words: why the server ends, in its log and in the container's termination message, and the exit code for it."""

import logging
from pathlib import Path

from eagle_contract.bundle import BundleError, ServingExit

_LOG = logging.getLogger(__name__)
_MOST_BYTES = 1024


def give_up(failure: BaseException, termination_log: Path) -> int:
    """The exit code for a failure, after saying `<reason>: <sentence>` to whoever looks at the pod.

    The kubelet makes the file before the container starts; outside of a pod there is none, and the log is enough.
    """
    code = failure.exit_code if isinstance(failure, BundleError) else ServingExit.ERROR
    sentence = str(failure) if isinstance(failure, BundleError) else f"the server failed ({failure!r}); see its log"
    words = f"{code.reason}: {sentence}"
    unexpected = failure if code is ServingExit.ERROR else None
    _LOG.error(words, exc_info=unexpected, extra={"fields": {"exitCode": int(code), "reason": code.reason}})
    if termination_log.exists():
        termination_log.write_bytes(words.encode()[:_MOST_BYTES].decode(errors="ignore").encode())
    return int(code)
