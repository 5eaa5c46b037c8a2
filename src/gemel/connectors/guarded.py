"""Connections to permitted addresses only: the very address that is connected to is the one that was looked at.

A name is resolved once, here, and the connection goes to what it resolved to: a second answer of the name server
(DNS rebinding) is never asked for.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any, Protocol

import httpcore

from gemel.connectors.base import Undelivered

__all__ = ["Guarded"]


class Permits(Protocol):
    """What is asked of a port."""

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether this machine may be made to talk to an IP address."""


class Guarded(httpcore.AsyncNetworkBackend):
    """The network of a connection pool, behind `permits`."""

    def __init__(self, outlet: Permits, *, encrypted: bool) -> None:
        self._outlet, self._encrypted = outlet, encrypted
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises Undelivered when the host has no address that may be sent to."""
        return await self._network.connect_tcp(
            await self._address(host, port),
            port,
            timeout=timeout,
            local_address=local_address,
            socket_options=socket_options,
        )

    async def _address(self, host: str, port: int) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Undelivered(f"{host} has no address: {error.strerror or error}") from None
        addresses = [str(one[4][0]).partition("%")[0] for one in found]
        for address in addresses:
            if self._outlet.permits(address, encrypted=self._encrypted):
                return address
        why = "is not public" if self._encrypted else "may be sent to with https only"
        told = host if addresses == [host] else f"{host} ({', '.join(addresses[:3])})"
        raise Undelivered(
            f"{told} {why}; whoever runs the server can allow its network with webhook_networks in gemel.yaml"
        )
