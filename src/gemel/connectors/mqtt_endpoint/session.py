"""What a client is owed: its subscriptions, what is on its way to it, and what waits while it is away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import mqtt5

__all__ = ["Outgoing", "Publication", "Session", "Subscription"]

_NONE: tuple[int, ...] = ()
OUR_WINDOW = 100
"""Messages on their way to one client without its answer; MQTT 5 clients may say less."""
MAX_BYTES = 4 << 20
"""Of messages that wait for one client."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message for subscribers."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    origin: object = None
    """The session that published it, for subscribers that do not want their own."""
    properties: mqtt5.PublishPacket | mqtt5.Will | None = None
    """Where its MQTT 5 properties are, if it has any."""
    expires: float | None = None
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter of one client."""

    session: Session
    pattern: str
    group: str
    wanted: mqtt5.TopicFilter
    identifier: int | None = None


@dataclass(slots=True)
class Outgoing:
    """A publication on its way to one client."""

    publication: Publication
    qos: int
    retain: bool
    identifiers: tuple[int, ...] = _NONE
    packet_id: int = 0
    released: bool = False
    """Of quality 2: the client has it (PUBREC); only PUBREL and PUBCOMP are left."""
    sent: bool = False


@dataclass(eq=False, slots=True)
class Session:
    """Lives as long as its client asked for, at most as long as the endpoint allows; in memory, bounded."""

    client: str
    owner: str
    """Id of the principal it belongs to: nobody else gets it under the same client id."""
    limit: int
    """Messages that may wait."""
    expiry_s: float = 0.0
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    incoming: set[int] = field(default_factory=set)
    """Packet ids of quality 2 that came and are not released yet."""
    waiting: deque[Outgoing] = field(default_factory=deque)
    flying: dict[int, Outgoing] = field(default_factory=dict)
    window: int = OUR_WINDOW
    send: Callable[[Outgoing], bool] | None = None
    """Writes to the client; False when it cannot take it now or ever. None while the client is away."""
    gone_since: float = 0.0
    dropped: int = 0
    bytes_waiting: int = 0
    _next_id: int = 0

    def offer(self, outgoing: Outgoing, now: float) -> None:
        """Send it now, keep it for later, or drop it: quality 0 is not kept, and only so many are."""
        if not outgoing.qos:
            if self.send is not None and not self.send(outgoing):
                self.dropped += 1
            return
        size = len(outgoing.publication.payload)
        if len(self.waiting) >= self.limit or self.bytes_waiting + size > MAX_BYTES:
            self.dropped += 1
            return
        self.waiting.append(outgoing)
        self.bytes_waiting += size
        self.push(now)

    def push(self, now: float) -> None:
        """Send what waits, as far as the client's window allows."""
        while self.send is not None and self.waiting and len(self.flying) < self.window:
            outgoing = self.waiting.popleft()
            self.bytes_waiting -= len(outgoing.publication.payload)
            expires = outgoing.publication.expires
            if expires is not None and expires <= now:
                continue
            outgoing.packet_id = self._free_id()
            self.flying[outgoing.packet_id] = outgoing
            if not self.send(outgoing):
                del self.flying[outgoing.packet_id]  # larger than this client takes: as if it had it (3.1.2.11.4)
                self.dropped += 1

    def again(self) -> Iterator[Outgoing]:
        """What was on its way when the connection was lost, in order."""
        return iter(list(self.flying.values()))

    def acknowledged(self, packet_id: int, now: float) -> None:
        """The exchange of a packet has ended."""
        if self.flying.pop(packet_id, None) is not None:
            self.push(now)

    def _free_id(self) -> int:
        while True:
            self._next_id = self._next_id % 65_535 + 1
            if self._next_id not in self.flying:
                return self._next_id
