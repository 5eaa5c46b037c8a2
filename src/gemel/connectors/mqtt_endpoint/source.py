"""The MQTT endpoint: devices connect to this platform itself; what it acknowledges is on stable storage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, ClassVar

import mqtt5

from gemel.commands import Errand, Outcome, Tell, check_out
from gemel.connectors.base import Port, Unsent
from gemel.connectors.guests import ANYBODY, Guest
from gemel.connectors.members import Member
from gemel.connectors.mqtt_endpoint.connection import Connection
from gemel.connectors.mqtt_endpoint.desk import Desk
from gemel.connectors.mqtt_endpoint.exchange import Exchange
from gemel.connectors.mqtt_endpoint.orders import Orders
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.secured import Secured
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.mqtt_endpoint.topics import Topics
from gemel.connectors.mqtt_endpoint.websocket import WebSocket
from gemel.connectors.mqtt_endpoint.wills import Wills
from gemel.errors import GemelError, Unauthenticated
from gemel.twin import Binding, Direction, check_id

__all__ = ["MqttEndpoint"]

_SECURE = ("mqtts", "wss")
_SWEEP_S = 1.0
_HEARTBEAT_S = 5.0
_PACKET_S = 60.0
"""For one packet, however slow the line."""
_LINGER_S = 3.0
"""For a client to take our last words."""
_GOODBYE_S = 2.0
"""For all clients, when the endpoint stops."""
_GRACE = 1.5
"""A client is lost after one and a half times its keep-alive (MQTT 5, 3.1.2.10)."""
_RESUMED_S = 60.0
_BACKLOG = 512


class MqttEndpoint:
    """Listens; its connector is connected while it does."""

    Settings: ClassVar[type[Any]] = EndpointSettings

    def __init__(self, settings: EndpointSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._topics = Topics(settings, bindings)
        self._running: _Running | None = None
        for binding in bindings:
            if binding.direction is not Direction.IN:
                check_out(binding, ())
        self.ports: list[int] = []
        """Where it listens, in the order of `listen`; while it runs."""

    async def run(self, port: Port) -> None:
        running = self._running = _Running(self._settings, self._topics, port)
        if any(scheme in _SECURE for scheme, _, _, _ in self._settings.places()):
            running.secured = await asyncio.to_thread(Secured, self._settings, port)
        async with contextlib.AsyncExitStack() as opened:
            opened.callback(port.guests.on_revoked(running.revoked))
            opened.push_async_callback(running.stop)
            servers = [await _listen(running, place) for place in self._settings.places()]
            for server in servers:
                opened.callback(server.close)
            self.ports = [server.sockets[0].getsockname()[1] for server in servers]
            running.places = ", ".join(
                f"{scheme}://{f'[{host}]' if ':' in host else host}:{number}"
                for (scheme, host, _, _), number in zip(self._settings.places(), self.ports, strict=True)
            )
            port.connected(running.detail())
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(running.desk.settle())
                    tasks.create_task(running.sweep())
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            finally:
                self._running = None

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Publish an order to the twin's device; see `Actuator`."""
        if self._running is None:
            raise Unsent("the endpoint does not listen")
        return await self._running.orders.act(errand, tell)


class _Running:
    """One run of the endpoint: its connections and what they share (a Host)."""

    def __init__(self, settings: EndpointSettings, topics: Topics, port: Port) -> None:
        self.settings = settings
        self._port = port
        self._loop = asyncio.get_running_loop()
        self.exchange = Exchange(settings, topics, port)
        self.orders = Orders(self.exchange, settings.prefix)
        self.desk = Desk(
            topics, port, publish=self.exchange.publish, tell=self.exchange.tell, answered=self.orders.answered
        )
        self.places = ""
        self.secured: Secured | None = None
        """None: it listens in the clear alone."""
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()
        """Set whenever a connection is lost."""
        self._by_client: dict[tuple[str, str], Connection] = {}
        self._members: dict[str, Member] = {}
        """Also those that are not here: they know what they brought."""
        self._here: dict[str, set[Connection]] = {}
        self._known: dict[tuple[str, str], None] = {}
        self._wills = Wills(self.now, self.desk.take)
        self._told = ""

    def now(self) -> float:
        return self._port.clock.monotonic()

    def detail(self) -> str:
        here = len(self._by_client)
        text = f"{self.places}, {here} client{'' if here == 1 else 's'} connected"
        if self.secured is not None:
            text += f", {self.secured.detail}"
        if dropped := self.exchange.dropped:
            text += f", {dropped} message(s) dropped for slow or absent subscribers"
        if self.exchange.forgotten:
            text += f", {self.exchange.forgotten} retained message(s) found no room"
        return text

    # what connections ask

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= self.settings.connections:
            self._port.unbound("a connection too many; see settings.connections")
            return False
        self._connections.add(connection)
        return True

    def sign_in(self, connection: Connection, packet: mqtt5.ConnectPacket) -> Guest:
        name, secret = packet.username or "", (packet.password or b"").decode(errors="replace")
        tls, peer = connection.about("ssl_object"), connection.about("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if self.settings.anonymous and not name and not secret and not certificate:
            return ANYBODY
        try:
            return self._port.guests.enter(name, secret, certificate=certificate, address=address)
        except (Unauthenticated, GemelError):
            shown = f"client {packet.client_id!r:.100}, name {name!r:.100}"
            self._port.reject("could not sign in", shown, address=address)
            raise

    def pause_s(self, connection: Connection) -> float:
        return self._port.guests.pause_s(connection.guest)

    def opened(self, connection: Connection) -> None:
        key = (connection.guest.id, connection.client)
        if (earlier := self._by_client.get(key)) is not None:
            earlier.end(Reason.SESSION_TAKEN_OVER, "another connection has taken this session over")
        self._wills.cancel(key)
        connection.resumed = key in self._known
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > self.settings.sessions + self.settings.connections:
            del self._known[next(iter(self._known))]
        self._by_client[key] = connection
        self._port.guests.seen(connection.guest, self._port.clock.now())
        self._join(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._gone.set()
        self.left(connection)

    def left(self, connection: Connection) -> None:
        key = (connection.guest.id, connection.client)
        if connection.ready and self._by_client.get(key) is connection:
            del self._by_client[key]
            self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        """The connection has no session any more: its will, its subscriptions, its values."""
        session = connection.session
        if connection.will is not None:
            self._wills.keep(connection, session, connection.will)
            connection.will = None
        self.exchange.leave(session)
        if connection.member is not None:
            name = _name(connection)
            self._here[name].discard(connection)
            if not self._here[name]:
                del self._here[name]
                if not connection.polite:
                    connection.member.lost(connection.closing or "the connection was lost")

    def _join(self, connection: Connection) -> None:
        """Values go stale with the device's connection, so it needs a name that stays."""
        name = _name(connection)
        try:
            check_id(name)
        except GemelError:
            return
        member = self._members.pop(name, None) or self._port.member(name)
        self._members[name] = member  # the latest is last
        self._here.setdefault(name, set()).add(connection)
        if len(self._members) > self.settings.sessions + self.settings.connections:
            oldest = next(iter(self._members))
            if oldest not in self._here:
                del self._members[oldest]
        connection.member = member
        member.found()

    # by itself

    async def sweep(self) -> None:
        """Every second: who is silent, what has expired, what to tell of ourselves."""
        beaten = 0.0
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self.now()
            beat = now - beaten >= _HEARTBEAT_S
            if beat:
                beaten = now
            for connection in list(self._connections):
                self._look_at(connection, now)
                if beat and connection.ready and not connection.closing:
                    self._beat(connection)
            if beat:
                self._port.heartbeat()
                await self._renew()
            self.exchange.sweep()
            self._wills.sweep()
            if (detail := self.detail()) != self._told:
                self._told = detail
                self._port.note(detail)

    async def _renew(self) -> None:
        """Who connects from now on sees a certificate that does not end soon."""
        if self.secured is None:
            return
        self.secured.look()
        if self.secured.due:
            try:
                self.secured.take(await asyncio.to_thread(self.secured.issue))
            except (GemelError, OSError) as error:  # an authority that ended, a full disk: the one there is goes on
                self.secured.put_off(error)

    def _look_at(self, connection: Connection, now: float) -> None:
        silent = now - connection.last
        if connection.closing:
            if now - connection.closed_at > _LINGER_S:
                connection.abort(connection.closing)
        elif not connection.ready:
            if now - connection.opened_at > self.settings.sign_in_s:
                connection.abort(f"it did not sign in within {self.settings.sign_in_s:g} s")
        elif connection.begun_at and now - connection.begun_at > _PACKET_S:
            connection.end(Reason.MALFORMED_PACKET, f"a packet did not end within {_PACKET_S:g} s")
        elif connection.keep_alive_s and silent > _GRACE * connection.keep_alive_s and not connection.paused:
            connection.end(Reason.KEEP_ALIVE_TIMEOUT, f"silent for {silent:.0f} s")
        if connection.resumed and now - connection.opened_at > _RESUMED_S:
            connection.resumed = False

    def _beat(self, connection: Connection) -> None:
        now = self._port.clock.now()
        if not self._port.guests.remains(connection.guest, now):
            connection.end(Reason.NOT_AUTHORIZED, "what it signed in with is not good any more")
            return
        self._port.guests.seen(connection.guest, now)
        if connection.member is not None:
            connection.member.heartbeat()

    def revoked(self, device: str) -> None:
        """Called on any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed, and with it every connection
            self._loop.call_soon_threadsafe(self._revoked, device)

    def _revoked(self, device: str) -> None:
        for connection in list(self._connections):
            if connection.ready and connection.guest.device == device:
                connection.end(Reason.NOT_AUTHORIZED, "its credentials were revoked")

    async def stop(self) -> None:
        """Say goodbye to all, and leave no connection behind. Their wills are not told: it is we who leave."""
        for connection in list(self._connections):
            connection.will = None
            connection.end(Reason.SERVER_SHUTTING_DOWN, "the endpoint is stopped; come again")
        for name in self._here:
            self._members[name].lost("the endpoint was stopped")
        try:
            await self._left_by_all(_GOODBYE_S)
        finally:
            for connection in list(self._connections):
                connection.abort(connection.closing)
            await self._left_by_all(_GOODBYE_S)

    async def _left_by_all(self, within_s: float) -> None:
        """Wait until no connection is left, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._connections:
                    self._gone.clear()
                    await self._gone.wait()


def _name(connection: Connection) -> str:
    """Of the object behind a connection; no client can take a device's."""
    return connection.guest.device or f"client:{connection.client}"


async def _listen(running: _Running, place: tuple[str, str, int, str]) -> asyncio.Server:
    scheme, host, number, path = place
    secured = running.secured if scheme in _SECURE else None

    def protocol() -> asyncio.Protocol:
        connection = Connection(running)
        if scheme in ("ws", "wss"):
            return WebSocket(connection, path, running.settings.maximum_bytes)
        return connection

    return await asyncio.get_running_loop().create_server(
        protocol,
        host,
        number,
        ssl=secured.context if secured else None,
        ssl_handshake_timeout=running.settings.sign_in_s if secured else None,
        backlog=_BACKLOG,
    )
