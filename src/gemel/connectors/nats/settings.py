"""What `settings:` of a NATS connector may say."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from gemel.connectors.base import SecretRef, Settings
from gemel.connectors.payloads import Payload
from gemel.connectors.tls import Tls

__all__ = ["JetStream", "NatsSettings"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class JetStream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stream to consume. What we did not acknowledge, the server keeps and sends again."""

    stream: str
    durable: str = ""
    """Name of the consumer; empty: gemel-<connector id>. It must stay the same."""
    start: Literal["all", "new"] = "all"
    """Where a consumer that is not there yet begins: with all that the stream holds, or with what comes."""
    max_ack_pending: int = 10_000
    """Messages that may be on their way to our disk."""
    ack_wait_s: float = 30.0
    """After so long without our acknowledgement the server sends a message again."""

    def __post_init__(self) -> None:
        for name in filter(None, (self.stream, self.durable)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r:.140} is no name of a stream or consumer: letters, digits, - and _")
        if not self.stream:
            raise ValueError("jetstream needs a stream")
        if not (1 <= self.max_ack_pending <= 1_000_000 and 1 <= self.ack_wait_s <= 3_600):
            raise ValueError("max_ack_pending must be 1 to 1000000, ack_wait_s 1 to 3600")


class NatsSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server is, who we are there, and how payloads are read."""

    url: str
    """nats://host:4222 or tls://host:4222."""
    user: str = ""
    password: SecretRef | None = None
    token: SecretRef | None = None
    nkey: SecretRef | None = None
    """The seed of an NKey."""
    credentials: SecretRef | None = None
    """The content of a .creds file: a JWT and its seed."""
    tls: Tls = Tls()
    jetstream: JetStream | None = None
    """Without it: core NATS, where what is said while we are away is lost."""
    payload: Payload = Payload()
    subjects: dict[str, Payload] = msgspec.field(default_factory=dict)
    """How the messages of one subject template are read, where it differs from `payload`."""
    frames: tuple[str, ...] = ()
    """Subjects whose messages are Arrow IPC streams with the columns twin, property, time, value[, quality]."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise ValueError(f"url {self.url!r:.120} is not nats://host:4222 or tls://host:4222")
        if parts.username or parts.password:
            raise ValueError("no user or password in the url: use user, and password: {env: NAME}")
        ways = [name for name in ("user", "token", "nkey", "credentials") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"give one of {', '.join(ways)}")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
