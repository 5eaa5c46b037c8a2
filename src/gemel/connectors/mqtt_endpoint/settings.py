"""What `settings:` of an MQTT endpoint may say."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import msgspec

from gemel.connectors.base import SecretRef, Settings
from gemel.connectors.payloads import Payload
from gemel.connectors.topics import Template
from gemel.errors import InvalidInput

__all__ = ["EndpointSettings", "ServerTls"]

_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 8080, "wss": 8443}


class ServerTls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who we are to devices: our own certificate, or one that the plant's authority issues at every start, and renews.

    Files are PEM, below the directory of secrets, by their names there.
    """

    certificate: str = ""
    """With the chain to an authority that the devices trust; empty: the plant's own authority issues one. Files that
    are replaced are loaded again; who connects from then on sees the new one."""
    key: str = ""
    key_password: SecretRef | None = None
    names: tuple[str, ...] = ()
    """Of a certificate that is issued: what devices call us, names or addresses; empty: the hosts of `listen`."""
    client_ca: str = ""
    """Who else than the plant's authority signed certificates of devices."""


class EndpointSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where devices connect to, what their topics mean, and how much of us one client may take."""

    listen: tuple[str, ...] = ("mqtt://127.0.0.1:1883",)
    """mqtt://host:port, mqtts://host:port, ws://host:port/path, wss://host:port/path; host 0.0.0.0 or ::, all."""
    tls: ServerTls = ServerTls()
    plaintext: bool = False
    """Allow mqtt:// and ws:// beyond this machine: secrets of devices can then be read on the way."""
    anonymous: bool = False
    """Let in anybody without a name, as an operator; on this machine only."""
    prefix: str = "gemel"
    """First level of the topics that need no binding: <prefix>/<twin>/<property>; empty: there are none."""
    relay: tuple[str, ...] = ()
    """Topic templates that are passed on between clients and not kept in the journal; {device}: the sender's own."""
    payload: Payload = Payload()
    """How messages on topics of bindings are read."""
    topics: dict[str, Payload] = msgspec.field(default_factory=dict)
    """How the messages of one topic template are read, where it differs from `payload`."""
    keep_alive_s: int = 60
    """The longest that a client may be silent; MQTT 5 clients are told. One is lost after one and a half of it."""
    maximum_bytes: int = 1 << 20
    """A larger packet ends its connection."""
    connections: int = 2_000
    subscriptions: int = 200
    """Of one client."""
    in_flight: int = 200
    """Messages of one client that are not yet acknowledged; then it is not read from."""
    queue: int = 1_000
    """Messages that wait for one client that is slow or away; at most 4 MiB. More are dropped, and counted."""
    session_s: int = 86_400
    """The longest that we keep what a client missed."""
    sessions: int = 10_000
    """Clients that are away for which we keep something."""
    sign_in_s: float = 10.0
    """From opening a connection to being signed in, the TLS handshake too."""
    retained: int = 20_000
    """Retained messages of topics that are no twin's; their values are the retained messages of twins."""

    def __post_init__(self) -> None:
        if not self.listen:
            raise ValueError("listen is empty; write it like mqtt://127.0.0.1:1883")
        for url in self.listen:
            self._check(url)
        if self.anonymous and not all(_is_loopback(urlsplit(url).hostname or "") for url in self.listen):
            raise ValueError("anonymous: true needs every address of listen on this machine, like 127.0.0.1")
        if set(self.prefix) & set("/+#{}$\0"):
            raise ValueError(f"prefix {self.prefix!r:.80} must be one level of a topic, without / + # {{ }} $")
        if not 5 <= self.keep_alive_s <= 65_535:
            raise ValueError(f"keep_alive_s is {self.keep_alive_s}; it must be between 5 and 65535")
        if not 1_024 <= self.maximum_bytes <= 256 << 20:
            raise ValueError(f"maximum_bytes is {self.maximum_bytes}; it must be between 1024 and {256 << 20}")
        if not 1 <= self.in_flight <= 65_535:
            raise ValueError(f"in_flight is {self.in_flight}; it must be between 1 and 65535")
        for name in ("connections", "subscriptions", "queue", "session_s", "sessions", "retained"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        if not 0 < self.sign_in_s <= 3_600:
            raise ValueError(f"sign_in_s is {self.sign_in_s}; it must be above 0 and at most 3600")
        if bool(self.tls.certificate) != bool(self.tls.key):
            raise ValueError("tls needs certificate and key, or neither: then the plant's authority issues them")
        for topic in self.relay:
            try:
                Template.parse(topic)
            except InvalidInput as error:
                raise ValueError(f"relay: {error.detail}") from None

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.password:
            raise ValueError(f"listen {url!r:.120} is not allowed; write it like mqtt://127.0.0.1:1883")
        _port(parts)
        if parts.scheme in ("mqtts", "wss"):
            if not self.tls.certificate and not self.tls.names and parts.hostname in ("0.0.0.0", "::"):
                raise ValueError(f"{url} needs tls.names, what devices call us, or tls.certificate and tls.key")
        elif not self.plaintext and not _is_loopback(parts.hostname):
            raise ValueError(
                f"{url} would take secrets of devices in the clear; use mqtts:// with tls, or say plaintext: true"
            )

    @property
    def names(self) -> list[str]:
        """What a certificate of ours is for."""
        return list(self.tls.names) or sorted({urlsplit(url).hostname or "" for url in self.listen})

    def places(self) -> list[tuple[str, str, int, str]]:
        """(scheme, host, port, path) of each address."""
        parts = [urlsplit(url) for url in self.listen]
        return [(one.scheme, one.hostname or "", _port(one), one.path or "/mqtt") for one in parts]


def _port(parts: SplitResult) -> int:
    return _PORTS[parts.scheme] if parts.port is None else parts.port  # 0: any free one


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
