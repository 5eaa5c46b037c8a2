"""MQTT 3.1.1 on the wire, as the packets of MQTT 5: the rest of the endpoint speaks one language.

OASIS MQTT 3.1.1, chapter 3. What only MQTT 5 can say (properties, reasons) is left out on the way to such a client.
"""

from __future__ import annotations

import mqtt5

from gemel.connectors.mqtt_endpoint.reasons import Reason

__all__ = ["read", "write"]

_QOS = (mqtt5.QoS(0), mqtt5.QoS(1), mqtt5.QoS(2))
_DISCONNECT = mqtt5.DisconnectPacket()
_PING = mqtt5.PingReqPacket()

_CONNACK = {
    Reason.SUCCESS: 0,
    Reason.CLIENT_ID_NOT_VALID: 2,
    Reason.BAD_USER_NAME_OR_PASSWORD: 4,
    Reason.NOT_AUTHORIZED: 5,
}
"""All other reasons are 3: server unavailable (table 3.1)."""

SESSION_FOR_EVER = 0xFFFFFFFF
"""What `clean session` = 0 asks for; the endpoint's own limit makes it less."""


class _Cursor:
    """Reads the fields of one packet's body. Raises ValueError at its end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        at = self.at
        if at + 2 > len(self.data):
            raise ValueError("the packet ends within a number")
        self.at = at + 2
        return self.data[at] << 8 | self.data[at + 1]

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise ValueError("the packet ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def binary(self) -> bytes:
        size = self.number()
        end = self.at + size
        if end > len(self.data):
            raise ValueError("the packet ends within a field")
        found = self.data[self.at : end]
        self.at = end
        return found

    def text(self) -> str:
        found = str(self.binary(), "utf-8")
        if "\0" in found:
            raise ValueError("a text holds U+0000")
        return found

    @property
    def ended(self) -> bool:
        return self.at >= len(self.data)


def read(head: int, body: bytes) -> mqtt5.Packet:
    """The packet of this first byte and body. Raises ValueError (UnicodeDecodeError is one) for what is malformed."""
    kind, flags = head >> 4, head & 15
    if kind == 3:
        return _publish(flags, body)
    if flags != (2 if kind in (6, 8, 10) else 0):
        raise ValueError("reserved flags are set")
    cursor = _Cursor(body)
    packet: mqtt5.Packet
    if kind == 1:
        packet = _connect(cursor)
    elif kind == 8:
        packet = _subscribe(cursor)
    elif kind == 10:
        packet = _unsubscribe(cursor)
    elif kind in (4, 5, 6, 7):
        packet = _REPLIES[kind](_identifier(cursor))
    elif kind == 12:
        packet = _PING
    elif kind == 14:
        packet = _DISCONNECT
    else:
        raise ValueError(f"packet type {kind} does not come from a client")
    if not cursor.ended:
        raise ValueError("there is more in the packet than belongs to it")
    return packet


_REPLIES = {4: mqtt5.PubAckPacket, 5: mqtt5.PubRecPacket, 6: mqtt5.PubRelPacket, 7: mqtt5.PubCompPacket}


def _identifier(cursor: _Cursor) -> int:
    if not (found := cursor.number()):
        raise ValueError("a packet identifier is zero")
    return found


def _publish(flags: int, body: bytes) -> mqtt5.PublishPacket:
    qos = flags >> 1 & 3
    if qos == 3 or (flags & 8 and not qos):
        raise ValueError("quality of service 3, or a repeat of quality 0")
    cursor = _Cursor(body)
    topic = cursor.text()
    if not topic or "+" in topic or "#" in topic:
        raise ValueError("a topic name is empty or has wildcards")
    identifier = _identifier(cursor) if qos else None
    return mqtt5.PublishPacket(
        topic,
        body[cursor.at :],
        qos=_QOS[qos],
        retain=bool(flags & 1),
        packet_id=identifier,
        duplicate=bool(flags & 8),
    )


def _connect(cursor: _Cursor) -> mqtt5.ConnectPacket:
    if cursor.binary() != b"MQTT" or cursor.byte() != 4:
        raise ValueError("not MQTT 3.1.1")
    flags, keep_alive = cursor.byte(), cursor.number()
    client = cursor.text()
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38) or (flags & 0x40 and not flags & 0x80):
        raise ValueError("the connect flags contradict each other")
    will = None
    if flags & 4:
        topic = cursor.text()
        if not topic or "+" in topic or "#" in topic:
            raise ValueError("the will's topic is empty or has wildcards")
        will = mqtt5.Will(topic, payload=cursor.binary(), qos=_QOS[will_qos], retain=bool(flags & 0x20))
    return mqtt5.ConnectPacket(
        client,
        username=cursor.text() if flags & 0x80 else None,
        password=cursor.binary() if flags & 0x40 else None,
        clean_start=bool(flags & 2),
        will=will,
        keep_alive=keep_alive,
        session_expiry_interval=0 if flags & 2 else SESSION_FOR_EVER,
    )


def _subscribe(cursor: _Cursor) -> mqtt5.SubscribePacket:
    identifier, wanted = _identifier(cursor), []
    while not cursor.ended:
        pattern, qos = cursor.text(), cursor.byte()
        if qos > 2:
            raise ValueError(f"quality of service {qos}")
        # 3.1.1 knows no options; its servers never keep the retain flag on messages that pass through (3.3.1.3)
        wanted.append(mqtt5.TopicFilter(pattern, max_qos=_QOS[qos], retain_as_published=False))
    if not wanted:
        raise ValueError("a subscription without a filter")
    return mqtt5.SubscribePacket(identifier, wanted)


def _unsubscribe(cursor: _Cursor) -> mqtt5.UnsubscribePacket:
    identifier, patterns = _identifier(cursor), []
    while not cursor.ended:
        patterns.append(cursor.text())
    if not patterns:
        raise ValueError("an unsubscription without a filter")
    return mqtt5.UnsubscribePacket(identifier, patterns)


def write(packet: mqtt5.Packet) -> bytes:
    """The bytes for a 3.1.1 client; empty when it has no such packet (a DISCONNECT of ours)."""
    if isinstance(packet, mqtt5.PublishPacket):
        qos = int(packet.qos)
        head = 0x30 | packet.duplicate << 3 | qos << 1 | packet.retain
        identifier = (packet.packet_id or 0).to_bytes(2, "big") if qos else b""
        topic = packet.topic.encode()
        return _packet(head, len(topic).to_bytes(2, "big"), topic, identifier, packet.payload)
    if isinstance(packet, mqtt5.PubAckPacket):
        return b"\x40\x02" + packet.packet_id.to_bytes(2, "big")
    if isinstance(packet, mqtt5.PubRecPacket):
        return b"\x50\x02" + packet.packet_id.to_bytes(2, "big")
    if isinstance(packet, mqtt5.PubRelPacket):
        return b"\x62\x02" + packet.packet_id.to_bytes(2, "big")
    if isinstance(packet, mqtt5.PubCompPacket):
        return b"\x70\x02" + packet.packet_id.to_bytes(2, "big")
    if isinstance(packet, mqtt5.PingRespPacket):
        return b"\xd0\x00"
    if isinstance(packet, mqtt5.ConnAckPacket):
        return bytes((0x20, 2, packet.session_present, _CONNACK.get(Reason(int(packet.reason_code)), 3)))
    if isinstance(packet, mqtt5.SubAckPacket):
        return _packet(
            0x90, packet.packet_id.to_bytes(2, "big"), bytes(min(int(code), 0x80) for code in packet.reason_codes)
        )
    if isinstance(packet, mqtt5.UnsubAckPacket):
        return _packet(0xB0, packet.packet_id.to_bytes(2, "big"))
    return b""


def _packet(head: int, *parts: bytes) -> bytes:
    size = sum(map(len, parts))
    length = bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            break
    return b"".join((bytes((head,)), bytes(length), *parts))
