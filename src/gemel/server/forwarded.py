"""Whose address asks: the one that connects, or, behind a proxy that the operator named, the one it tells of."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from gemel.errors import InvalidInput

__all__ = ["Networks", "caller", "networks"]

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(named: Sequence[str]) -> Networks:
    """Addresses and networks, 127.0.0.1 or 10.1.0.0/16. Raises InvalidInput."""
    try:
        return tuple(ipaddress.ip_network(one) for one in named)
    except ValueError as error:
        raise InvalidInput(f"--proxy takes addresses or networks, 127.0.0.1 or 10.1.0.0/16: {error}") from None


def caller(peer: str, forwarded: bytes, proxies: Networks) -> str:
    """The last address of X-Forwarded-For that is no proxy of ours; `peer` if that is none, or tells nothing.

    What stands further left was told by who sent the request: it is not believed.
    """
    address = peer
    for told in reversed(forwarded.decode("latin-1").split(",")):
        if not _within(address, proxies) or not _is_address(told.strip()):
            break
        address = told.strip()
    return address


def _within(address: str, proxies: Networks) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in one for one in proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
