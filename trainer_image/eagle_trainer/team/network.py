"""LightGBM's network, in a thread of its own.

Its state belongs to the thread that begins it: all others make datasets as if there were no network, and may see that a
worker is gone while this one waits for it in vain.
"""

import ctypes
import queue
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

import lightgbm as lgb
import numpy as np

# Booster.set_network would have it begun by a booster, and ended with that.
from lightgbm.basic import _LIB  # type: ignore[attr-defined]
from lightgbm.basic import _safe_call as _checked

_T = TypeVar("_T")
BROKEN_SECONDS = 5.0
"""So long after its connections broke it may take to be known whose worker is gone."""
_LOOK_SECONDS = 1.0
_LONGEST_MINUTES = 120


class Network:
    """The thread, and what is done in it. A process can begin one network."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._begun = False
        # A daemon: it may be waiting for a worker that is gone, and the process is to end all the same.
        Thread(target=self._loop, name="lightgbm-network", daemon=True).start()

    def connect(self, machines: list[str], own_port: int) -> None:
        """Connect all `machines` (IPv4 address:port, in the order of the workers); to be called by `call`.

        Raises LightGBMError.
        """
        _checked(
            _LIB.LGBM_NetworkInit(
                ctypes.c_char_p(",".join(machines).encode()),
                ctypes.c_int(own_port),
                ctypes.c_int(_LONGEST_MINUTES),
                ctypes.c_int(len(machines)),
            )
        )
        self._begun = True

    def call(self, work: Callable[[], _T], look: Callable[[], None]) -> _T:
        """What `work` returns, done in the thread. `look` is called now and then meanwhile, and may raise to give up.

        Raises what either raises.
        """
        future: Future[_T] = Future()
        self._work.put((future, work))
        while True:
            try:
                return future.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                look()

    def end(self) -> None:
        """Let go of the connections, if all is well."""
        if self._begun:
            self._begun = False
            self.call(lambda: _checked(_LIB.LGBM_NetworkFree()), lambda: None)

    def _loop(self) -> None:
        _quieten()
        while True:
            future, work = self._work.get()
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was ordered
                future.set_exception(error)


def _quieten() -> None:
    """LightGBM's log level is the thread's as well, and is set by whatever has parameters."""
    lgb.Dataset(np.eye(2), label=[0.0, 1.0], params={"verbosity": -1}).construct()


_OF_THE_NETWORK = "Socket", "onnecting to rank", "Binding port"


def is_of_network(error: Exception) -> bool:
    """Whether LightGBM complains of a connection, not of what it was asked to do."""
    return isinstance(error, lgb.basic.LightGBMError) and any(words in str(error) for words in _OF_THE_NETWORK)
