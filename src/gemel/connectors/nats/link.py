"""One connection to a NATS server; its end is a future."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client, RawCredentials
from nats.errors import SlowConsumerError

from gemel.connectors.base import Port
from gemel.connectors.nats.settings import NatsSettings
from gemel.connectors.tls import context_of

__all__ = ["ANSWER_S", "Link", "connect"]

ANSWER_S = 10
"""For a server to take us, and to answer what it is asked."""
_CLOSE_S = 2
_PING_S = 10


class Link:
    """`client`, and `lost`: a future that holds the ConnectionError when the connection has ended."""

    def __init__(self, settings: NatsSettings, port: Port) -> None:
        self._settings, self._port = settings, port
        self.client = Client()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reason = ""

    async def open(self) -> None:
        """Raises ConnectionError."""
        settings = self._settings
        more = self._identity()
        if settings.url.startswith("tls:"):
            more["tls"] = await asyncio.to_thread(context_of, settings.tls, self._port)
        try:
            await self.client.connect(
                settings.url,
                name=f"gemel-{self._port.spec.id}",
                allow_reconnect=False,  # the supervisor does, and tells of it
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=ANSWER_S,
                ping_interval=_PING_S,
                error_cb=self._failed,
                closed_cb=self._closed,
                **more,
            )
        except Exception as error:
            reason = self._reason or f"{type(error).__name__}: {error}"
            raise ConnectionRefusedError(f"{settings.url} cannot be reached: {reason}") from error

    def _identity(self) -> dict[str, Any]:
        settings, secret = self._settings, self._port.secret
        if settings.password is not None:
            return {"user": settings.user, "password": secret(settings.password)}
        if settings.token is not None:
            return {"token": secret(settings.token)}
        if settings.nkey is not None:
            return {"nkeys_seed_str": secret(settings.nkey)}
        if settings.credentials is not None:
            return {"user_credentials": RawCredentials(secret(settings.credentials))}
        return {}

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            self._port.reject("we were too slow, and the server's messages were dropped: use jetstream", b"")
            return
        self._reason = str(error) or type(error).__name__
        if "permissions violation" in self._reason.lower() and not self.lost.done():
            self.lost.set_exception(ConnectionRefusedError(f"{self._settings.url}: {self._reason}"))

    async def _closed(self) -> None:
        if not self.lost.done():
            reason = self._reason or "closed"
            self.lost.set_exception(ConnectionResetError(f"the connection to {self._settings.url} was lost: {reason}"))


@asynccontextmanager
async def connect(settings: NatsSettings, port: Port) -> AsyncIterator[Link]:
    """An open connection, closed at the end. Raises ConnectionError."""
    link = Link(settings, port)
    try:
        await link.open()
        yield link
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):  # after a failed handshake the client waits for ever
                await link.client.close()
        if link.lost.done() and not link.lost.cancelled():
            link.lost.exception()
