"""Start and stop: settings, the process, kopf's watches, signals."""

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from itertools import chain, repeat
from typing import Any

import kopf

from eagle_contract.api.names import OPERATOR_MANAGER
from eagle_operator import watches
from eagle_operator.logs import log_json_lines
from eagle_operator.process import Process, first_of
from eagle_operator.settings import Settings, SettingsError, from_environment

log = logging.getLogger("eagle_operator")

_WATCHES_END_SECONDS = 5.0
_PAUSES_SECONDS = (1.0, 5.0, 15.0, 30.0)


class _AllTasks(Collection[Any]):
    """Every task. kopf ends whatever task it finds when it ends itself, were it not told whose these are."""

    def __contains__(self, task: object) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(asyncio.all_tasks())

    def __len__(self) -> int:
        return len(asyncio.all_tasks())


async def operate(settings: Settings, identity: str) -> None:
    """Run until told to stop. What raises is a bug; the Lease is released then, too."""
    told, watching_ends = asyncio.Event(), asyncio.Event()
    _on_order(told.set)
    process = Process(settings, identity)
    await process.start()
    watching = asyncio.create_task(_watch(process, identity, told, watching_ends), name="watches")
    order = asyncio.create_task(told.wait(), name="order to stop")
    await asyncio.wait({watching, order}, return_when=asyncio.FIRST_COMPLETED)
    order.cancel()
    log.info("stopping")
    await process.stop()
    watching_ends.set()
    await asyncio.wait({watching}, timeout=_WATCHES_END_SECONDS)
    if watching.done():
        watching.result()


async def _watch(process: Process, identity: str, told: asyncio.Event, ends: asyncio.Event) -> None:
    """Let kopf watch until the end. It gives up on errors that it does not expect; then it begins anew.

    Not before everything was listed: kopf takes twice as long to tell of it, and what is known costs little then.
    """
    await first_of(process.knows_all(), ends.wait())
    pauses = chain(_PAUSES_SECONDS, repeat(_PAUSES_SECONDS[-1]))
    name: Any = identity  # kopf's own type for it is not public
    while not ends.is_set():
        try:
            kopf_tasks = await kopf.spawn_tasks(
                registry=watches.registry_for(process.watcher),
                settings=watches.settings(),
                clusterwide=True,
                standalone=True,
                identity=name,
                stop_flag=ends,
            )
            # kopf has just installed its own, which would end the watches first and let the workers go on meanwhile.
            _on_order(told.set)
            await kopf.run_tasks(kopf_tasks, ignored=_AllTasks())
        except Exception:
            log.exception("the watches ended")
        if not ends.is_set():
            pause = next(pauses)
            log.warning("beginning to watch anew in %.0f s", pause)
            await asyncio.sleep(pause)


def _on_order(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, act)


def main() -> None:
    """Run until told to stop."""
    log_json_lines()
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.exit(f"eagle-operator: {error}")
    identity = settings.identity or f"{OPERATOR_MANAGER}-{secrets.token_hex(4)}"
    try:
        asyncio.run(operate(settings, identity))
    except Exception:
        log.exception("ended by an error; Kubernetes starts another one")
        sys.exit(1)


if __name__ == "__main__":
    main()
