"""Ports on loopback for programs that tests start."""

import random
import socket

_FIRST, _BEYOND = 15_000, 30_000
"""Below those that the system gives to connections, each of which may take the port before the program listens."""
_random = random.SystemRandom()


def free_port() -> int:
    """A port that nobody listens on now."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _random.randrange(_FIRST, _BEYOND)))
            except OSError:
                continue
            return int(probe.getsockname()[1])
