"""What `settings:` of an OPC UA connector may say."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from gemel.connectors.base import SecretRef, Settings

__all__ = ["Item", "OpcuaSettings", "Security"]


class Security(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the connection is protected. `none` sends everything, passwords too, in the clear.

    Files are named as they lie below the directory of secrets.
    """

    policy: Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = "none"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: str = ""
    """Our application instance certificate (DER or PEM), and its key (PEM)."""
    key: str = ""
    key_password: SecretRef | None = None
    generate: bool = False
    """Make a self-signed certificate and key of these names when there are none."""
    trust: tuple[str, ...] = ()
    """Certificates (files, or folders of them) of servers, or of authorities that issued servers' certificates."""

    def __post_init__(self) -> None:
        if self.policy != "none" and not (self.certificate and self.key):
            raise ValueError(f"security policy {self.policy} needs certificate and key; generate: true makes them")


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one node is watched, where it differs from the rest."""

    sampling_ms: float | None = None
    queue_size: int | None = None
    deadband: float | None = None
    """The server tells only changes greater than this, in the node's own unit."""
    deadband_percent: float | None = None
    """The same as a share of the node's EURange."""

    def __post_init__(self) -> None:
        if self.deadband is not None and self.deadband_percent is not None:
            raise ValueError("give deadband or deadband_percent, not both")


class OpcuaSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server is, who we are there, and how nodes are watched."""

    url: str
    """opc.tcp://host:4840/path"""
    user: str = ""
    password: SecretRef | None = None
    security: Security = Security()
    publishing_ms: float = 250.0
    """How often the server sends what changed."""
    sampling_ms: float = 100.0
    """How often the server looks at a node; a binding's rate_hz goes before."""
    queue_size: int = 100
    """Changes of one node that the server keeps between two sendings."""
    keep_alive_s: float = 5.0
    """The server says at least this often that it is there."""
    timeout_s: float = 10.0
    enumerations: Literal["names", "numbers"] = "names"
    """How values of enumerations arrive."""
    items: dict[str, Item] = msgspec.field(default_factory=dict)
    """By address of a binding."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "opc.tcp" or not parts.hostname:
            raise ValueError(f"url {self.url!r:.120} is not allowed; write it like opc.tcp://host:4840/path")
        if parts.username or parts.password:
            raise ValueError("no user or password in the url: use user, and password: {env: NAME}")
        if min(self.publishing_ms, self.keep_alive_s, self.timeout_s, self.queue_size) <= 0 or self.sampling_ms < 0:
            raise ValueError(
                "publishing_ms, keep_alive_s, timeout_s and queue_size must be positive, sampling_ms not negative"
            )
