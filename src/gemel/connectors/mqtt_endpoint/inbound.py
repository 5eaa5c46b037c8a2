"""What one client publishes, up to the desk: topic aliases, repeats, how much may be unanswered; and our answers."""

from __future__ import annotations

from collections.abc import Sequence

import mqtt5

from gemel.connectors.mqtt_endpoint.outbound import Outbound, properties_of
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.wire import Refused, Wire

__all__ = ["ALIASES", "Inbound"]

ALIASES = 32
"""Topic aliases that a client may set, and that we set at most."""


class Inbound:
    """From one client. `incoming`: packet ids of quality 2 that its session has, and that are not released yet."""

    __slots__ = ("_aliases", "_most", "_outbound", "_unanswered", "_wire")

    def __init__(self, wire: Wire, outbound: Outbound, most: int) -> None:
        """`most`: messages that may wait for our answer."""
        self._wire, self._outbound, self._most = wire, outbound, most
        self._aliases: dict[int, str] = {}
        self._unanswered = 0

    def take(self, packet: mqtt5.PublishPacket, incoming: set[int]) -> mqtt5.PublishPacket | None:
        """The message with its topic; None when it came on an earlier connection and is not released yet.

        Raises Refused.
        """
        if packet.topic_alias is not None:
            packet = self._unaliased(packet)
        topic = packet.topic
        if not topic or "+" in topic or "#" in topic:
            raise Refused(f"a message has the topic {topic!r:.100}", Reason.TOPIC_NAME_INVALID)
        quality = int(packet.qos)
        if not quality:
            return packet
        if quality == 2 and packet.packet_id in incoming:
            return None
        self._unanswered += 1
        if self._wire.five and self._unanswered > self._most:
            raise Refused(
                f"more than {self._most} messages without waiting for our answers", Reason.RECEIVE_MAX_EXCEEDED
            )
        if quality == 2 and packet.packet_id is not None:
            incoming.add(packet.packet_id)
        return packet

    def answers(self, settled: Sequence[tuple[int, int, Reason, str]], incoming: set[int]) -> bytes:
        """The packets that say what became of messages of quality 1 and 2 (see `Sender.settled`)."""
        written = []
        for quality, packet_id, code, reason in settled:
            if quality == 1:
                self._unanswered -= 1
            elif packet_id not in incoming:  # it came again while it was being refused
                code, reason = Reason.UNSPECIFIED_ERROR, reason or "it was refused when it came before"
            elif code.failed:
                incoming.discard(packet_id)
                self._unanswered -= 1
            written.append(self._answer(quality, packet_id, code, reason))
        return b"".join(written)

    def released(self, packet_id: int, incoming: set[int]) -> mqtt5.PubCompPacket:
        """The client knows that we have a message of quality 2."""
        if packet_id not in incoming:
            return mqtt5.PubCompPacket(packet_id, reason_code=mqtt5.PubCompReasonCode.PACKET_ID_NOT_FOUND)
        incoming.discard(packet_id)
        self._unanswered = max(0, self._unanswered - 1)  # it may have come on an earlier connection
        return mqtt5.PubCompPacket(packet_id)

    def _unaliased(self, packet: mqtt5.PublishPacket) -> mqtt5.PublishPacket:
        alias = packet.topic_alias or 0
        if not 0 < alias <= ALIASES:
            raise Refused(f"topic alias {alias} is not from 1 to {ALIASES}", Reason.TOPIC_ALIAS_INVALID)
        if packet.topic:
            self._aliases[alias] = packet.topic
            return packet
        topic = self._aliases.get(alias)
        if topic is None:
            raise Refused(f"topic alias {alias} was never set", Reason.PROTOCOL_ERROR)
        return mqtt5.PublishPacket(
            topic,
            packet.payload,
            qos=packet.qos,
            retain=packet.retain,
            packet_id=packet.packet_id,
            duplicate=packet.duplicate,
            **properties_of(packet),
        )

    def _answer(self, quality: int, packet_id: int, code: Reason, reason: str) -> bytes:
        if not code or not self._wire.five:  # the same four bytes in both versions
            return (b"\x40\x02" if quality == 1 else b"\x50\x02") + packet_id.to_bytes(2, "big")
        text = self._outbound.reason(reason)
        if quality == 1:
            return mqtt5.PubAckPacket(packet_id, reason_code=mqtt5.PubAckReasonCode(code), reason_str=text).write()
        return mqtt5.PubRecPacket(packet_id, reason_code=mqtt5.PubRecReasonCode(code), reason_str=text).write()
