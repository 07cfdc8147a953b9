"""From an order to a proved model. Passing trouble with the store is waited out, for as long as it takes; whoever
ordered the model has a deadline of its own."""

import logging
import random
import time
from collections.abc import Callable, Iterator

from eagle_contract.bundle import (
    DigestMismatch,
    KeyRing,
    OpenedBundle,
    StoreUnavailable,
    Verifier,
    fetch,
    open_store,
)
from eagle_serving.models import Model, load_model
from eagle_serving.proof import prove
from eagle_serving.settings import ServedModel, Settings
from eagle_serving.state import ServingState

_LOG = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0


def load_all(
    settings: Settings,
    state: ServingState,
    *,
    threads: int,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Puts every ordered model into `state`. Raises BundleError for what waiting does not mend."""
    keyring = KeyRing.from_folder(settings.keys_folder)
    verifier = Verifier.from_folder(settings.verification_folder)
    for order in settings.models:
        started = time.monotonic()
        bundle = _fetch_patiently(order, settings, state, keyring, verifier, sleep=sleep, jitter=jitter)
        model = _proved(order, bundle, threads)
        state.put(model)
        seconds = round(time.monotonic() - started, 3)
        fields = {"model": order.name, "version": model.version, "seconds": seconds, "bytes": len(bundle.model)}
        _LOG.info("model is ready", extra={"fields": fields})


def _proved(order: ServedModel, bundle: OpenedBundle, threads: int) -> Model:
    if bundle.manifest.version != order.version:
        raise DigestMismatch(
            f"the bundle ordered as version {order.version} of {order.name} is {bundle.manifest.version};"
            " order the bundle of that version"
        )
    model = load_model(order.name, bundle.manifest, bundle.model, threads=threads)
    prove(model, bundle.golden)
    return model


def _fetch_patiently(
    order: ServedModel,
    settings: Settings,
    state: ServingState,
    keyring: KeyRing,
    verifier: Verifier,
    *,
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> OpenedBundle:
    store = open_store(order.uri, settings.environment)
    for delay in _delays(jitter):
        try:
            return fetch(store, order.uri, order.digest, keyring=keyring, verifier=verifier)
        except StoreUnavailable as trouble:
            sentence = f"model {order.name} waits for the store, next try in {delay:.0f} s: {trouble}"
            state.wait(order.name, sentence)
            _LOG.warning(sentence, extra={"fields": {"model": order.name}})
            sleep(delay)
    raise AssertionError("the delays never end")


def _delays(jitter: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait: twice as long each time up to a limit, each less up to a half by chance."""
    delay = FIRST_DELAY_SECONDS
    while True:
        yield delay * (1 - jitter() / 2)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)
