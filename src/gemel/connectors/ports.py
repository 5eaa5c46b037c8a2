"""Free ports of this machine, for processes that are started beside it."""

import secrets
import socket

__all__ = ["free_port", "is_free"]


_FROM, _TO = 20_000, 32_000
"""Below what systems give to connections that go out (Linux from 32768, others from 49152): none takes it meanwhile."""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on (at this moment), by chance one of 12,000."""
    while True:
        port = _FROM + secrets.randbelow(_TO - _FROM)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens on this TCP port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
