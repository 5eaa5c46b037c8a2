"""Publications as the bytes that one client takes: its version, its largest packet, its topic aliases."""

from __future__ import annotations

from typing import Any

import mqtt5

from gemel.connectors.mqtt_endpoint.session import Outgoing
from gemel.connectors.mqtt_endpoint.wire import Wire

__all__ = ["MAX_REASON", "Outbound", "properties_of"]

MAX_REASON = 200
"""Characters of what we say to a client."""

_QOS = (mqtt5.QoS(0), mqtt5.QoS(1), mqtt5.QoS(2))


class Outbound:
    """Towards one client."""

    __slots__ = ("_aliases", "_wire", "largest", "most_aliases", "tells_reasons")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._aliases: dict[str, int] = {}
        self.largest = 1 << 28
        """Bytes of a packet that the client takes."""
        self.most_aliases = 0
        self.tells_reasons = False

    def reason(self, detail: str) -> str | None:
        """Of an answer, where the client wants to know and has room for it."""
        return detail[:MAX_REASON] if detail and self.tells_reasons and self.largest > 1_024 else None

    def bytes_of(self, outgoing: Outgoing, now: float) -> bytes | None:
        """None when it is larger than the client takes. `now`: monotonic seconds."""
        publication = outgoing.publication
        topic, more = publication.topic, dict[str, Any]()
        if self._wire.five:
            more = properties_of(publication.properties)
            if publication.expires is not None:
                more["message_expiry_interval"] = max(0, round(publication.expires - now))
            if outgoing.identifiers:
                more["subscription_ids"] = list(outgoing.identifiers)
            if self.most_aliases:
                topic, more["topic_alias"] = self._aliased(topic)
        packet = mqtt5.PublishPacket(
            topic,
            publication.payload,
            qos=_QOS[outgoing.qos],
            retain=outgoing.retain,
            packet_id=outgoing.packet_id or None,
            duplicate=bool(outgoing.qos) and outgoing.sent,
            **more,
        )
        data = self._wire.bytes_of(packet)
        if len(data) <= self.largest:
            return data
        if topic:
            self._aliases.pop(topic, None)  # it was the latest, and the client has not heard of it
        return None

    def _aliased(self, topic: str) -> tuple[str, int | None]:
        known = self._aliases.get(topic)
        if known is not None:
            return "", known
        if len(self._aliases) >= self.most_aliases:
            return topic, None
        alias = self._aliases[topic] = len(self._aliases) + 1
        return topic, alias


def properties_of(packet: mqtt5.PublishPacket | mqtt5.Will | None) -> dict[str, Any]:
    """Those that travel with a message; empty for most."""
    if packet is None:
        return {}
    found = {
        "content_type": packet.content_type,
        "response_topic": packet.response_topic,
        "correlation_data": packet.correlation_data,
        "payload_format_indicator": packet.payload_format_indicator or None,
        "user_properties": packet.user_properties or None,
    }
    return {name: value for name, value in found.items() if value is not None}
