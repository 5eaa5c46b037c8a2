"""Bytes of one connection as packets, and packets as bytes; whichever version the client speaks."""

from __future__ import annotations

import mqtt5

from gemel.connectors.mqtt_endpoint import legacy
from gemel.connectors.mqtt_endpoint.reasons import Reason

__all__ = ["Refused", "Wire"]


class Refused(Exception):
    """What came breaks the protocol; `reason` is what the connection ends with."""

    def __init__(self, detail: str, reason: Reason) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason


_CONNECT = b"\x10"
_MAX_CONNECT = 16_384
"""Bytes of a first packet: from somebody whom we do not know yet."""


class Wire:
    """Holds what is not a whole packet yet: at most one packet of the largest size, of a stranger 16 KiB."""

    __slots__ = ("_held", "_needed", "five", "maximum", "version")

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.version = 0
        """0 until a CONNECT came, then 4 (3.1.1) or 5; -1: one that we do not speak."""
        self.five = True
        self._held = bytearray()
        self._needed = 0

    @property
    def waiting(self) -> bool:
        """Whether a packet has begun that has not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[mqtt5.Packet]:
        """The packets that are whole now. Raises Refused; what came before the fault is lost with the connection."""
        held = self._held
        if held:
            held += data
            if len(held) < self._needed:
                return []  # a large packet that comes in small pieces is looked at once
            data = bytes(held)
        packets: list[mqtt5.Packet] = []
        if not self.version and data[:1] not in (b"", _CONNECT):
            raise Refused("the first packet is not a CONNECT", Reason.PROTOCOL_ERROR)
        at, size, self._needed = 0, len(data), 0
        while at < size:
            length, shift, start = 0, 0, at + 1
            while start < size:
                byte = data[start]
                start += 1
                length |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise Refused("the length of a packet has more than four bytes", Reason.MALFORMED_PACKET)
            else:
                break  # the length has not ended yet
            if start - at + length > (self.maximum if self.version else min(self.maximum, _MAX_CONNECT)):
                raise Refused(f"a packet of {length} bytes is larger than {self.maximum}", Reason.PACKET_TOO_LARGE)
            end = start + length
            if end > size:
                self._needed = end - at
                break
            packets.append(self._read(data, at, start, end))
            at = end
        self._held = bytearray(data[at:])
        return packets

    def _read(self, data: bytes, at: int, start: int, end: int) -> mqtt5.Packet:
        if not self.version:
            self.version = _version(data[start:end])
            self.five = self.version == 5
        try:
            if self.five:
                packet, taken = mqtt5.read(memoryview(data)[at:end])
                if taken != end - at:
                    raise ValueError("the packet is shorter than it says")
                return packet
            return legacy.read(data[at], data[start:end])
        except IndexError:
            raise Refused("a packet ends within a field", Reason.MALFORMED_PACKET) from None
        except ValueError as error:
            raise Refused(f"a packet cannot be read: {error}"[:300], Reason.MALFORMED_PACKET) from None

    def bytes_of(self, packet: mqtt5.Packet) -> bytes:
        return packet.write() if self.five else legacy.write(packet)


def _version(body: bytes) -> int:
    """4 or 5, from a CONNECT. Raises Refused for another version."""
    if body[:6] == b"\x00\x04MQTT" and len(body) > 6 and body[6] in (4, 5):
        return body[6]
    raise Refused("neither MQTT 3.1.1 nor MQTT 5 is spoken", Reason.IMPLEMENTATION_SPECIFIC_ERROR)
