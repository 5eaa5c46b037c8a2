"""What `settings:` of an MQTT connector may say."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from gemel.connectors.base import SecretRef, Settings
from gemel.connectors.payloads import Payload
from gemel.connectors.tls import Tls

__all__ = ["BrokerSettings", "MqttSettings", "Status"]

_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


class Status(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic on which the object says that it is there; its last will says that it is not.

    With it, values that are only reported when they change stay fresh as long as the connection and the status hold.
    """

    topic: str
    online: str = "online"
    offline: str = "offline"


class BrokerSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is, and who we are there."""

    url: str
    """mqtt://host:1883, mqtts://host:8883, ws://host/path or wss://host/path."""
    user: str = ""
    password: SecretRef | None = None
    client_id: str = ""
    """Empty: gemel-<connector id>. The broker keeps what we missed under this name, so it must stay the same."""
    version: Literal["3.1.1", "5"] = "3.1.1"
    qos: Literal[0, 1, 2] = 1
    keep_alive_s: int = 30
    session_expiry_s: int = 7 * 86_400
    """MQTT 5: how long the broker keeps what we missed (in 3.1.1 the broker's own setting counts)."""
    maximum_bytes: int = 1 << 20
    """A larger message is not read; it is counted as rejected."""
    tls: Tls = Tls()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(
                f"url {self.url!r:.120} is not allowed; write it like mqtt://host:1883 or mqtts://host:8883"
            )
        if parts.username or parts.password:
            raise ValueError("no user or password in the url: use user, and password: {env: NAME}")
        if not 5 <= self.keep_alive_s <= 65_535:
            raise ValueError(f"keep_alive_s is {self.keep_alive_s}; it must be between 5 and 65535")
        if not 128 <= self.maximum_bytes <= 256 << 20:
            raise ValueError(f"maximum_bytes is {self.maximum_bytes}; it must be between 128 and {256 << 20}")

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or _PORTS[self.scheme]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path or "/mqtt"


class MqttSettings(BrokerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker, and how payloads are read."""

    payload: Payload = Payload()
    topics: dict[str, Payload] = msgspec.field(default_factory=dict)
    """How the messages of one topic template are read, where it differs from `payload`."""
    status: Status | None = None
