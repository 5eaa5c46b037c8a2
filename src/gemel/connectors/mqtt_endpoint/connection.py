"""One client's connection: the MQTT state machine between its packets and the rest of the endpoint."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import mqtt5

from gemel.connectors.guests import ANYBODY, Guest
from gemel.connectors.members import Member
from gemel.connectors.mqtt_endpoint.desk import Desk
from gemel.connectors.mqtt_endpoint.exchange import Exchange
from gemel.connectors.mqtt_endpoint.greeting import check, keep_alive, welcome
from gemel.connectors.mqtt_endpoint.inbound import ALIASES, Inbound
from gemel.connectors.mqtt_endpoint.outbound import MAX_REASON, Outbound
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.session import OUR_WINDOW, Outgoing, Session
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.mqtt_endpoint.wire import Refused, Wire
from gemel.errors import GemelError, Unauthenticated

__all__ = ["Connection", "Host"]

_AT_ONCE = 50
"""Retained messages, or twins looked at for them, in one turn of the loop: a few milliseconds."""
_TIMERS_S = 0.02
"""A timer of the loop may fire so much early."""


class Host(Protocol):
    """The endpoint, as a connection needs it."""

    settings: EndpointSettings
    exchange: Exchange
    desk: Desk

    def now(self) -> float:
        """Monotonic seconds."""

    def admit(self, connection: Connection) -> bool:
        """A transport was opened; False when there are too many."""

    def sign_in(self, connection: Connection, packet: mqtt5.ConnectPacket) -> Guest:
        """Raises Unauthenticated, Overloaded."""

    def pause_s(self, connection: Connection) -> float:
        """It sent a message; for so many seconds no other is to be taken from it."""

    def opened(self, connection: Connection) -> None:
        """It has a session; an older connection of the same session is to end."""

    def left(self, connection: Connection) -> None:
        """Its session goes on without it, or ends. Safe to call again."""

    def closed(self, connection: Connection) -> None:
        """Its transport is gone."""


class Connection(asyncio.Protocol):
    """From the first byte to the last."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport
        self._wire = Wire(host.settings.maximum_bytes)
        self.opened_at = self.last = host.now()
        self.begun_at = 0.0
        """Since when a packet is incomplete; 0: none is."""
        self.guest = ANYBODY
        self._session: Session | None = None
        self.member: Member | None = None
        self.resumed = False
        self.waiting = 0
        self.keep_alive_s = 0
        self.client = ""
        self.will: mqtt5.Will | None = None
        self.closing = ""
        """Why it ends, once it does."""
        self.closed_at = 0.0
        self.polite = False
        """The client said goodbye."""
        self._paused = False
        self._rests_until = 0.0
        """Its party is too fast: until then nothing more is read from it."""
        self._writable = True
        self._outbound = Outbound(self._wire)
        self._inbound = Inbound(self._wire, self._outbound, host.settings.in_flight)
        self._served: deque[Iterator[None]] = deque()
        self._serving = False
        self._ended = False
        """Nothing more can be written."""

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    @property
    def ready(self) -> bool:
        """Whether it is signed in."""
        return self._session is not None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._host.admit(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.last = self._host.now()
        if self.closing:
            return  # see `end`
        try:
            for packet in self._wire.feed(data):
                if self._ended:
                    return
                _HANDLERS.get(type(packet), Connection._unexpected)(self, packet)
        except Refused as error:
            self.end(error.reason, error.detail)
        if not self._wire.waiting:
            self.begun_at = 0.0
        elif not self.begun_at:
            self.begun_at = self.last

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._session is not None:
            self._session.push(self._host.now())
            self._serve()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self.closing = self.closing or (f"{error}" if error else "the connection was lost")
        self._host.closed(self)

    # ending

    def end(self, reason: Reason, detail: str) -> None:
        """Tell an MQTT 5 client why, and close our side; what it still sends is not read.

        Closing both sides while more comes would reset the connection, and the reason would be lost with it.
        """
        if self.closing:
            return
        self.closing, self.closed_at = detail, self._host.now()
        if self._session is None:
            if not self._wire.version or reason is Reason.PACKET_TOO_LARGE:
                self._transport.abort()
                return
            self._write(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(reason)))
        elif self._wire.five:
            code, told = mqtt5.DisconnectReasonCode(reason), self._outbound.reason(detail)
            self._write(mqtt5.DisconnectPacket(reason_code=code, reason_str=told))
        self._ended = True
        self._host.left(self)
        self._go_on()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self, detail: str) -> None:
        self.closing = self.closing or detail
        self._transport.abort()

    def _refuse(self, reason: Reason, detail: str) -> None:
        told = detail[:MAX_REASON] if self._wire.five else None
        self._write(mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode(reason), reason_str=told))
        self.closing, self._ended, self.closed_at = detail, True, self._host.now()
        self._transport.close()

    # packets of the client

    def _unexpected(self, packet: mqtt5.Packet) -> None:
        raise Refused(f"{type(packet).__name__} does not belong here", Reason.PROTOCOL_ERROR)

    def _connect(self, packet: mqtt5.ConnectPacket) -> None:
        if self._session is not None:
            raise Refused("a second CONNECT", Reason.PROTOCOL_ERROR)
        settings = self._host.settings
        try:
            check(packet, five=self._wire.five)
            self.guest = self._host.sign_in(self, packet)
        except Refused as error:
            return self._refuse(error.reason, error.detail)
        except Unauthenticated as error:
            return self._refuse(Reason.BAD_USER_NAME_OR_PASSWORD, error.detail)
        except GemelError as error:
            return self._refuse(Reason.CONNECTION_RATE_EXCEEDED, error.detail)
        self.client = packet.client_id or f"gemel-{secrets.token_hex(8)}"
        self.will = packet.will
        self.keep_alive_s = keep_alive(packet, settings, five=self._wire.five)
        self._outbound.largest = packet.max_packet_size or self._outbound.largest
        self._outbound.tells_reasons = packet.request_problem_info
        self._outbound.most_aliases = min(packet.topic_alias_max, ALIASES)
        self._host.opened(self)
        session, present = self._host.exchange.enter(self.client, self.guest, clean=packet.clean_start)
        session.expiry_s = min(packet.session_expiry_interval, settings.session_s)
        session.window = min(packet.receive_max, OUR_WINDOW)
        self._session = session
        self._write(welcome(packet, session, settings, keep_alive_s=self.keep_alive_s, present=present))
        self._resume(session)
        return None

    def _resume(self, session: Session) -> None:
        for outgoing in session.again():
            if outgoing.released:
                self._write(mqtt5.PubRelPacket(outgoing.packet_id))
            else:
                self._send(outgoing)
        session.send = self._send
        session.push(self._host.now())

    def _publish(self, packet: mqtt5.PublishPacket) -> None:
        taken = self._inbound.take(packet, self.session.incoming)
        self._host.desk.take(self, packet if taken is None else taken, again=taken is None)
        if pause_s := self._host.pause_s(self):
            self._pause()
            self._rests_until = self._host.now() + pause_s
            asyncio.get_running_loop().call_later(pause_s, self._rested)
        if self.waiting > self._host.settings.in_flight:
            self._pause()
        elif self._host.desk.full and not self._paused:
            self._pause()
            self._host.desk.when_room(self._go_on)

    def settled(self, answers: Sequence[tuple[int, int, Reason, str]]) -> None:
        """What became of the messages of quality 1 and 2 (see Desk)."""
        written = self._inbound.answers(answers, self.session.incoming)
        if written and not self._ended:
            self._transport.write(written)
        if self._paused and self.waiting <= self._host.settings.in_flight // 2 and not self._host.desk.full:
            self._go_on()

    def _released(self, packet: mqtt5.PubRelPacket) -> None:
        self._write(self._inbound.released(packet.packet_id, self.session.incoming))

    def _acknowledged(self, packet: mqtt5.PubAckPacket | mqtt5.PubCompPacket) -> None:
        self.session.acknowledged(packet.packet_id, self._host.now())
        if self._served:
            self._serve()

    def _received(self, packet: mqtt5.PubRecPacket) -> None:
        outgoing = self.session.flying.get(packet.packet_id)
        if int(packet.reason_code) >= Reason.UNSPECIFIED_ERROR:
            self.session.acknowledged(packet.packet_id, self._host.now())
            return
        if outgoing is not None:
            outgoing.released = True
        code = mqtt5.PubRelReasonCode.SUCCESS if outgoing else mqtt5.PubRelReasonCode.PACKET_ID_NOT_FOUND
        self._write(mqtt5.PubRelPacket(packet.packet_id, reason_code=code))

    def _subscribe(self, packet: mqtt5.SubscribePacket) -> None:
        codes, hungry = self._host.exchange.subscribe(self.session, packet)
        self._write(mqtt5.SubAckPacket(packet.packet_id, [mqtt5.SubAckReasonCode(code) for code in codes]))
        self._served.extend(self._host.exchange.serve(subscription) for subscription in hungry)
        self._serve()

    def _serve(self) -> None:
        """Go on with what is retained, as far as the client takes it, and not for long at once."""
        for _ in range(_AT_ONCE):
            session = self._session
            if not self._served or self._ended or session is None:
                return
            if not self._writable or len(session.waiting) >= min(session.limit, OUR_WINDOW):
                return  # goes on when there is room
            if next(self._served[0], self) is self:
                self._served.popleft()
        if not self._serving:
            self._serving = True
            asyncio.get_running_loop().call_soon(self._serve_on)

    def _serve_on(self) -> None:
        self._serving = False
        self._serve()

    def _unsubscribe(self, packet: mqtt5.UnsubscribePacket) -> None:
        code = mqtt5.UnsubAckReasonCode
        codes = [
            code.SUCCESS if self._host.exchange.unsubscribe(self.session, pattern) else code.NO_SUBSCRIPTION_EXISTED
            for pattern in packet.patterns
        ]
        self._write(mqtt5.UnsubAckPacket(packet.packet_id, codes))

    def _ping(self, _packet: mqtt5.PingReqPacket) -> None:
        self._write(_PONG)

    def _disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        if int(packet.reason_code) != Reason.GOODBYE_WITH_WILL:
            self.will = None
        self.polite = True
        if packet.session_expiry_interval is not None:
            if packet.session_expiry_interval and not self.session.expiry_s:
                raise Refused("a session that was to end cannot be kept after all", Reason.PROTOCOL_ERROR)
            self.session.expiry_s = min(packet.session_expiry_interval, self._host.settings.session_s)
        self.closing, self._ended, self.closed_at = "it said goodbye", True, self._host.now()
        self._host.left(self)
        self._transport.close()

    # packets to the client

    def _send(self, outgoing: Outgoing) -> bool:
        """False when it is larger than the client takes, or of quality 0 and the client is slow."""
        if self._ended or (not outgoing.qos and not self._writable):
            return False
        data = self._outbound.bytes_of(outgoing, self._host.now())
        if data is None:
            return False
        outgoing.sent = True
        self._transport.write(data)
        return True

    def _write(self, packet: mqtt5.Packet) -> None:
        if (data := self._wire.bytes_of(packet)) and not self._ended:
            self._transport.write(data)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _rested(self) -> None:
        if self._host.now() < self._rests_until - _TIMERS_S:
            return  # more came meanwhile; a later call ends the rest
        self._rests_until = 0.0
        if self._host.desk.full:
            self._host.desk.when_room(self._go_on)
        elif self.waiting <= self._host.settings.in_flight:
            self._go_on()

    def _go_on(self) -> None:
        if self._paused and not self._rests_until and not self._transport.is_closing():
            self._paused = False
            self.last = self._host.now()  # that it was silent was our doing
            self._transport.resume_reading()

    @property
    def paused(self) -> bool:
        """We do not read from it; it cannot show that it is there."""
        return self._paused

    def about(self, name: str) -> Any:
        """What the transport knows: `peername`, `ssl_object`."""
        return self._transport.get_extra_info(name)


_PONG = mqtt5.PingRespPacket()


_HANDLERS: dict[type, Callable[[Connection, Any], None]] = {
    mqtt5.ConnectPacket: Connection._connect,
    mqtt5.PublishPacket: Connection._publish,
    mqtt5.PubAckPacket: Connection._acknowledged,
    mqtt5.PubRecPacket: Connection._received,
    mqtt5.PubRelPacket: Connection._released,
    mqtt5.PubCompPacket: Connection._acknowledged,
    mqtt5.SubscribePacket: Connection._subscribe,
    mqtt5.UnsubscribePacket: Connection._unsubscribe,
    mqtt5.PingReqPacket: Connection._ping,
    mqtt5.DisconnectPacket: Connection._disconnect,
}
