"""One connection to a broker, as futures and an event of the connector's loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gemel.connectors.base import Port
from gemel.connectors.mqtt.session import Session
from gemel.connectors.mqtt.settings import BrokerSettings
from gemel.connectors.tls import context_of

__all__ = ["Link"]

_ANSWER_TIMEOUT_S = 20.0
_FILTERS_PER_PACKET = 200
_IN_FLIGHT = 10_000
_RESUMED_S = 60.0
"""Brokers that crashed send again without a mark (DUP), some only after their own timeout."""


class Link:
    """One connection: paho's callbacks, which come on the network thread, as futures and an event of this loop."""

    def __init__(self, settings: BrokerSettings, port: Port, *, clean: bool = False) -> None:
        self._settings, self._port, self._clean = settings, port, clean
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int | str, asyncio.Future[Any]] = {}
        self._woken = False
        self.event = asyncio.Event()
        self.failure: ConnectionError | None = None
        self.kept = False
        """The broker kept our session: what we missed comes now."""
        self._opened_s = 0.0
        self.session = self._build()

    def _build(self) -> Session:
        settings, five = self._settings, self._settings.version == "5"
        password = self._port.secret(settings.password) if settings.password else None  # before anything is open
        session = Session(
            settings.client_id or f"gemel-{self._port.spec.id}",
            five=five,
            maximum_bytes=settings.maximum_bytes,
            arrived=self._arrived,
            transport="websockets" if settings.scheme in ("ws", "wss") else "tcp",
            **({} if five else {"clean_session": self._clean}),
        )
        if settings.scheme in ("ws", "wss"):
            session.ws_set_options(path=settings.path)
        if settings.user:
            session.username_pw_set(settings.user, password)
        session.on_connect = self._on_connect
        session.on_subscribe = self._on_subscribe
        session.on_disconnect = self._on_disconnect
        session.on_publish = self._on_publish
        return session

    async def open(self, wanted: Sequence[str]) -> None:
        """Connect and subscribe. Raises ConnectionError or OSError saying what the broker refused."""
        settings, session = self._settings, self.session
        if settings.scheme in ("mqtts", "wss"):
            session.tls_set_context(await asyncio.to_thread(context_of, settings.tls, self._port))
        more: dict[str, Any] = {}
        if settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
            properties.SessionExpiryInterval = 0 if self._clean else settings.session_expiry_s
            properties.ReceiveMaximum = _IN_FLIGHT
            more = {"clean_start": self._clean, "properties": properties}
        connected = self._expect("connect")
        await asyncio.to_thread(session.connect, settings.host, settings.port, settings.keep_alive_s, **more)
        session.start()
        self.kept = await self._answer(connected, "did not answer the connection")
        self._opened_s = self._port.clock.monotonic()
        granted = [
            code
            for start in range(0, len(wanted), _FILTERS_PER_PACKET)
            for code in await self._subscribe(wanted[start : start + _FILTERS_PER_PACKET])
        ]
        refused = [topic for topic, code in zip(wanted, granted, strict=True) if code >= 128]
        if refused:
            raise ConnectionRefusedError(
                f"the broker refuses to subscribe us to {refused[0]!r}; check its access rules"
            )
        detail = f"{settings.url}, {len(wanted)} subscription(s)"
        if min(granted, default=settings.qos) < settings.qos:
            detail += f", quality of service {min(granted)} granted instead of {settings.qos}"
        self._port.connected(detail)

    async def _subscribe(self, wanted: Sequence[str]) -> list[int]:
        # the answer cannot overtake: callbacks reach this loop only after this coroutine gives way
        status, identifier = self.session.subscribe([(topic, int(self._settings.qos)) for topic in wanted])
        if identifier is None:
            raise ConnectionResetError(f"the connection was lost while subscribing: {status.name}")
        codes: list[int] = await self._answer(self._expect(identifier), "did not answer a subscription")
        return codes

    def published(self, identifier: int) -> asyncio.Future[Any]:
        """Resolves when the broker has taken what was published; fails with the connection. Ask before giving way."""
        return self._expect(f"publish {identifier}")

    def just_back(self) -> bool:
        """Whether what comes now may have come on an earlier connection, even where the broker does not mark it."""
        return self.kept and self._port.clock.monotonic() - self._opened_s < _RESUMED_S

    def _expect(self, key: int | str) -> asyncio.Future[Any]:
        future = self._answers[key] = self._loop.create_future()
        return future

    async def _answer(self, future: asyncio.Future[Any], otherwise: str) -> Any:
        try:
            return await asyncio.wait_for(future, _ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise ConnectionError(f"{self._settings.url} {otherwise} within {_ANSWER_TIMEOUT_S:g} s") from None

    # -- on the network thread ---------------------------------------------------------------------------------------

    def _arrived(self) -> None:
        if not self._woken:
            self._woken = True
            self._call(self._wake)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            error = ConnectionRefusedError(f"{self._settings.url} refuses the connection: {reason}")
            self._call(self._settled, "connect", None, error)
        else:
            self._call(self._settled, "connect", flags.session_present, None)

    def _on_subscribe(self, _client: Any, _data: Any, identifier: int, codes: Any, _properties: Any) -> None:
        self._call(self._settled, identifier, [code.value for code in codes], None)

    def _on_publish(self, _client: Any, _data: Any, identifier: int, reason: Any, _properties: Any) -> None:
        error = (
            ConnectionRefusedError(f"the broker refuses what was published: {reason}") if reason.is_failure else None
        )
        self._call(self._settled, f"publish {identifier}", None, error)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._call(self._failed, ConnectionResetError(f"the connection to {self._settings.url} was lost: {reason}"))

    def _call(self, function: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)

    # -- on the loop -------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._woken = False
        self.event.set()

    def _settled(self, key: int | str, result: Any, error: Exception | None) -> None:
        future = self._answers.pop(key, None)
        if future is not None and not future.done():
            future.set_result(result) if error is None else future.set_exception(error)

    def _failed(self, error: ConnectionError) -> None:
        self.failure = self.failure or error
        for key in list(self._answers):
            self._settled(key, None, error)
        self.event.set()
