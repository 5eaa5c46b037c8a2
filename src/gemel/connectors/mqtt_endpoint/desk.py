"""From a published message to its acknowledgement: read, handed in with others, durable, acknowledged, passed on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

import mqtt5
import msgspec

from gemel.connectors.base import Port
from gemel.connectors.guests import Guest
from gemel.connectors.members import Member
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.session import Publication, Session
from gemel.connectors.mqtt_endpoint.topics import Place, Topics
from gemel.connectors.payloads import Unreadable
from gemel.intake import Message, Receipt, Refusal

__all__ = ["Desk", "Sender"]

_DEPTH = 4
"""Batches on their way to the disk while the next one fills."""
_MOST = 20_000
"""Messages of all clients that are not acknowledged; then whoever sends more is not read from until half are."""
_SAMPLE_BYTES = 4_096
_MEANING = {"not-granted": Reason.NOT_AUTHORIZED, "unknown": Reason.TOPIC_NAME_INVALID}


class Sender(Protocol):
    """A connection, as seen from here."""

    guest: Guest
    member: Member | None
    resumed: bool
    """What comes now may have come on an earlier connection."""
    waiting: int
    """Its messages that are not settled."""

    @property
    def session(self) -> Session: ...

    def settled(self, answers: Sequence[tuple[int, int, Reason, str]]) -> None:
        """(quality, packet id, code, reason) of messages of quality 1 and 2, in the order in which they came."""


class _Entry:
    __slots__ = ("code", "message", "packet", "place", "qos", "reason", "resumed", "sender")

    def __init__(self, sender: Sender, packet: mqtt5.PublishPacket) -> None:
        self.sender, self.packet = sender, packet
        self.qos = int(packet.qos)
        self.code, self.reason = Reason.SUCCESS, ""
        self.message: Message | None = None
        self.place: Place | None = None
        self.resumed = packet.duplicate or sender.resumed


class _Batch:
    __slots__ = ("entries", "receipts")

    def __init__(self, entries: list[_Entry], receipts: list[asyncio.Task[Receipt]]) -> None:
        self.entries, self.receipts = entries, receipts


class Desk:
    """Takes what clients publish. What arrives while earlier messages are made durable is handed in together."""

    def __init__(
        self,
        topics: Topics,
        port: Port,
        *,
        publish: Callable[[Publication], None],
        tell: Callable[[Message], None],
        answered: Callable[[str, bytes], None],
    ) -> None:
        """`publish` passes a message on to subscribers, `tell` what the values are now; `answered` hears what the
        device of a twin says of an order, and raises ValueError when it cannot be read."""
        self._topics, self._port, self._answered = topics, port, answered
        self._publish, self._tell = publish, tell
        self._loop = asyncio.get_running_loop()
        self._filling: list[_Entry] = []
        self._under_way: deque[_Batch] = deque()
        self._some = asyncio.Event()
        self._scheduled = False
        self.waiting = 0
        self._room: list[Callable[[], None]] = []

    @property
    def full(self) -> bool:
        return self.waiting >= _MOST

    def when_room(self, call: Callable[[], None]) -> None:
        """Call once when there is room again."""
        self._room.append(call)

    def take(self, sender: Sender, packet: mqtt5.PublishPacket, *, again: bool = False) -> None:
        """A message; its topic is resolved (no alias). What it is worth is told with `settled`.

        `again`: it was taken before; only its answer is wanted, not before that of the first.
        """
        entry = _Entry(sender, packet)
        if not again:
            self._place(entry)
        self._filling.append(entry)
        self.waiting += 1
        sender.waiting += 1
        self._schedule()

    async def settle(self) -> None:
        """Settle what became durable, in order, until cancelled. Raises what a delivery raised."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._under_way:
                batch = self._under_way[0]
                receipts = [await receipt for receipt in batch.receipts]
                await self._port.kept()
                self._under_way.popleft()
                self._settled(batch, receipts)
                self._schedule()

    # inside

    def _place(self, entry: _Entry) -> None:
        topic = entry.packet.topic
        place = entry.place = self._topics.find(topic)
        if place is None:
            entry.code, entry.reason = Reason.TOPIC_NAME_INVALID, "no twin, binding or relay has this topic"
            if entry.sender.guest.device:
                self._reject(entry, f"nothing has the topic {topic:.100}")
            else:
                self._port.unbound(topic)
        elif place.orders:
            entry.code, entry.reason = Reason.NOT_AUTHORIZED, "orders come from the platform alone"
            self._reject(entry, "published where it may not")
        elif not self._may(entry.sender.guest, place):
            entry.code, entry.reason = Reason.NOT_AUTHORIZED, "you may not publish on this topic"
            self._reject(entry, "published where it may not", self._meant(entry, place))
        elif place.answers:
            self._answer(entry, place.answers)
        elif place.twins:
            self._read(entry, place)

    def _answer(self, entry: _Entry, twin: str) -> None:
        try:
            self._answered(self._port.guests.id_of(twin), entry.packet.payload)
        except ValueError as error:
            entry.code, entry.reason = Reason.PAYLOAD_FORMAT_INVALID, str(error)
            self._reject(entry, "cannot be read")

    def _may(self, guest: Guest, place: Place) -> bool:
        guests = self._port.guests
        if place.relayed:
            return guests.may_pass_on(guest) and (not guest.device or place.device in ("", guest.device))
        return all(guests.may_tell(guest, twin) for twin in place.twins or (place.answers,))

    def _meant(self, entry: _Entry, place: Place) -> Message | None:
        """What a device says of twins that are not its own, so that it can be replayed once they are."""
        if not place.twins or not entry.sender.guest.device:
            return None
        with contextlib.suppress(Unreadable):
            message = _message(entry.packet, place)
            return message if message.readings or message.events else None
        return None

    def _read(self, entry: _Entry, place: Place) -> None:
        packet = entry.packet
        if not packet.payload and place.raw is False:
            return  # how MQTT clears a retained message; here a twin's value stands for it
        try:
            message = _message(packet, place)
        except Unreadable as error:
            entry.code, entry.reason = Reason.PAYLOAD_FORMAT_INVALID, str(error)
            self._reject(entry, "cannot be read")
            return
        if message.readings or message.events:
            guest = entry.sender.guest
            entry.message = msgspec.structs.replace(message, sender=guest.id) if guest.device else message
        else:
            self._port.unbound(packet.topic)
            entry.code = Reason.NO_MATCHING_SUBSCRIBERS

    def _reject(self, entry: _Entry, reason: str, message: Message | None = None) -> None:
        sample = f"{entry.packet.topic}: {entry.reason}\n".encode() + entry.packet.payload[:_SAMPLE_BYTES]
        guest = entry.sender.guest
        source = guest.id if guest.device else ""
        self._port.reject(reason, sample, address=guest.id or "anybody", source=source, message=message)

    def _schedule(self) -> None:
        if self._filling and not self._scheduled and len(self._under_way) < _DEPTH:
            self._scheduled = True
            self._loop.call_soon(self._hand_in)

    def _hand_in(self) -> None:
        self._scheduled = False
        entries, self._filling = self._filling, []
        receipts = []
        told = [entry for entry in entries if entry.message is not None]
        for resumed, run in groupby(told, key=lambda entry: entry.resumed):
            messages = [entry.message for entry in run if entry.message is not None]
            receipts.append(self._loop.create_task(self._deliver(messages, resumed=resumed)))
        self._under_way.append(_Batch(entries, receipts))
        self._some.set()

    async def _deliver(self, messages: list[Message], *, resumed: bool) -> Receipt:
        return await self._port.deliver(messages, resumed=resumed)

    def _settled(self, batch: _Batch, receipts: list[Receipt]) -> None:
        self._blame(batch, [problem for receipt in receipts for problem in receipt.problems])
        answers: dict[Sender, list[tuple[int, int, Reason, str]]] = {}
        brought: dict[Member, list[Message]] = {}
        for entry in batch.entries:
            sender, packet = entry.sender, entry.packet
            sender.waiting -= 1
            if entry.qos:
                answer = (entry.qos, packet.packet_id or 0, entry.code, entry.reason)
                answers.setdefault(sender, []).append(answer)
            else:
                answers.setdefault(sender, [])
            if entry.message is not None and sender.member is not None:
                brought.setdefault(sender.member, []).append(entry.message)
        self.waiting -= len(batch.entries)
        for sender, found in answers.items():
            sender.settled(found)
        for member, messages in brought.items():
            member.brought(messages)
        for entry in batch.entries:
            if not entry.code.failed and entry.place is not None:
                self._pass_on(entry, entry.place)
        if self._room and self.waiting < _MOST // 2:
            calls, self._room = self._room, []
            for call in calls:
                call()

    def _pass_on(self, entry: _Entry, place: Place) -> None:
        packet = entry.packet
        if place.raw and not place.answers:
            expiry = packet.message_expiry_interval
            publication = Publication(
                packet.topic,
                packet.payload,
                entry.qos,
                retain=packet.retain and not (entry.message is not None and entry.message.events),
                origin=entry.sender.session,
                properties=packet,
                expires=None if expiry is None else self._port.clock.monotonic() + expiry,
            )
            self._publish(publication)
        if entry.message is not None:
            self._tell(entry.message)

    def _blame(self, batch: _Batch, problems: Sequence[Refusal]) -> None:
        """Tell the senders of what was quarantined: the intake names its twin and property."""
        if not problems:
            return
        by_thing = {(one.twin, one.property): one for one in problems if one.twin}
        for entry in batch.entries:
            message = entry.message
            if message is None:
                continue
            things = [(one.twin, one.property) for one in message.readings]
            things += [(one.twin, one.event) for one in message.events]
            refusal = next((by_thing[thing] for thing in things if thing in by_thing), None)
            if refusal is not None:
                entry.code = _MEANING.get(refusal.code, Reason.PAYLOAD_FORMAT_INVALID)
                entry.reason = refusal.detail


def _message(packet: mqtt5.PublishPacket, place: Place) -> Message:
    """Raises Unreadable."""
    properties = packet.user_properties
    return place.read(packet.payload, dict(properties) if properties else None)
