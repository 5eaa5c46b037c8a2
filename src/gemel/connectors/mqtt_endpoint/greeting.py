"""The first packet of a client and our answer: what we cannot agree to, and what we agree on."""

from __future__ import annotations

import mqtt5

from gemel.connectors.mqtt_endpoint.filters import valid_topic
from gemel.connectors.mqtt_endpoint.inbound import ALIASES
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.session import Session
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.mqtt_endpoint.wire import Refused

__all__ = ["check", "keep_alive", "welcome"]

_MAX_CLIENT_ID = 256


def check(packet: mqtt5.ConnectPacket, *, five: bool) -> None:
    """Raises Refused for what no client may ask, whoever it is."""
    if packet.authentication_method is not None:
        raise Refused("sign in with a name and a password", Reason.BAD_AUTHENTICATION_METHOD)
    if len(packet.client_id) > _MAX_CLIENT_ID or not packet.client_id.isprintable():
        raise Refused(f"a client id has at most {_MAX_CLIENT_ID} characters", Reason.CLIENT_ID_NOT_VALID)
    if not packet.client_id and not five and not packet.clean_start:
        raise Refused("a session that stays needs a client id", Reason.CLIENT_ID_NOT_VALID)
    if packet.will is not None and not valid_topic(packet.will.topic):
        raise Refused("the will's topic is not allowed", Reason.TOPIC_NAME_INVALID)


def keep_alive(packet: mqtt5.ConnectPacket, settings: EndpointSettings, *, five: bool) -> int:
    """Seconds that it may be silent, 0: any; a client of 3.1.1 cannot be told another number than its own."""
    return min(packet.keep_alive or settings.keep_alive_s, settings.keep_alive_s) if five else packet.keep_alive


def welcome(
    packet: mqtt5.ConnectPacket, session: Session, settings: EndpointSettings, *, keep_alive_s: int, present: bool
) -> mqtt5.ConnAckPacket:
    """What we answer: where we differ from what it asked for, and our own bounds."""
    return mqtt5.ConnAckPacket(
        session_present=present,
        session_expiry_interval=int(session.expiry_s) if packet.session_expiry_interval != session.expiry_s else None,
        assigned_client_id=None if packet.client_id else session.client,
        server_keep_alive=keep_alive_s if keep_alive_s != packet.keep_alive else None,
        receive_max=settings.in_flight,
        topic_alias_max=ALIASES,
        max_packet_size=settings.maximum_bytes,
    )
