"""The MQTT connector: subscribe, read, deliver, and acknowledge only what is durable."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from gemel.commands import Errand, Outcome, Tell
from gemel.connectors.base import Port, Unsent
from gemel.connectors.mqtt.actions import Actions, Replies, inward
from gemel.connectors.mqtt.discovery import discover
from gemel.connectors.mqtt.link import Link
from gemel.connectors.mqtt.session import Arrival
from gemel.connectors.mqtt.settings import MqttSettings
from gemel.connectors.payloads import Reader, Router, Unreadable
from gemel.connectors.topics import Template, filters
from gemel.intake import Message, Receipt
from gemel.twin.binding import Binding

__all__ = ["MqttSource"]

_BATCH = 2_000
"""Messages read in one go: ~10 ms of the connectors' loop at most."""
_DEPTH = 4
"""Batches on their way to the disk while the next one is read."""
_FINISH_TIMEOUT_S = 2.0
_SAMPLE_BYTES = 4_096


class MqttSource:
    """Reads from any MQTT 3.1.1 or 5 broker. A message is acknowledged, in order, after it is durable."""

    Settings: ClassVar[type[Any]] = MqttSettings
    discover = staticmethod(discover)

    def __init__(self, settings: MqttSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._router = Router(inward(bindings), settings.payload, settings.topics)
        self._replies = Replies(bindings)
        self._actions: Actions | None = None
        """While there is a connection."""
        templates = list(self._router.templates)
        if settings.status is not None:
            templates.append(Template.parse(settings.status.topic))
        self._filters = filters(templates) + self._replies.filters

    async def run(self, port: Port) -> None:
        link = Link(self._settings, port)
        flow = _Flow(self._settings, self._router, link, port, self._replies)
        try:
            await link.open(self._filters)
            self._actions = Actions(link, self._replies, five=self._settings.version == "5")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(flow.settle())
                tasks.create_task(flow.read())
                if self._settings.status is not None:
                    tasks.create_task(flow.confirm())
        except BaseExceptionGroup as group:
            # of the tasks one failed first, the others were cancelled: its error is the one to tell
            raise group.exceptions[0] from None
        finally:
            self._actions = None
            await flow.finish()
            await asyncio.to_thread(link.session.stop)

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Publish an order; see `Actuator`."""
        if self._actions is None:
            raise Unsent(f"there is no connection to {self._settings.url}")
        return await self._actions.act(errand, tell)


class _Flow:
    """What comes, on its way to the disk."""

    def __init__(
        self, settings: MqttSettings, router: Router, link: Link, port: Port, replies: Replies | None = None
    ) -> None:
        self._settings, self._router, self._link, self._port = settings, router, link, port
        self._replies = replies or Replies(())
        self._under_way: deque[tuple[asyncio.Future[Receipt] | None, list[Arrival]]] = deque()
        self._places = asyncio.Semaphore(_DEPTH)
        self._handed_over = asyncio.Event()
        self._status_topic = settings.status.topic.encode() if settings.status is not None else None
        self._online = asyncio.Event()

    async def read(self) -> None:
        """Take, read and hand over, for as long as the connection lasts. Raises ConnectionError at its end."""
        link = self._link
        while True:
            arrivals = link.session.take(_BATCH)
            if arrivals:
                await self._hand_over(arrivals)
            elif link.failure is not None:
                raise link.failure
            else:
                await link.event.wait()
                link.event.clear()

    async def settle(self) -> None:
        """Acknowledge in order what became durable. Raises what a delivery raised: nothing of it is acknowledged."""
        while True:
            await self._handed_over.wait()
            self._handed_over.clear()
            while self._under_way:
                await self._settle_first()

    async def confirm(self) -> None:
        """While the object says that it is online, and the connection holds, its values are as they were."""
        while True:
            await self._online.wait()
            self._port.heartbeat()
            await asyncio.sleep(self._settings.keep_alive_s)

    async def finish(self) -> None:
        """Acknowledge what becomes durable in a moment; the broker will send the rest again."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_FINISH_TIMEOUT_S):
                while self._under_way:
                    await self._settle_first()
        for delivery, _ in self._under_way:
            if delivery is not None:
                delivery.cancel()

    async def _settle_first(self) -> None:
        delivery, arrivals = self._under_way[0]
        if delivery is not None:
            await asyncio.shield(delivery)
        await self._port.kept()
        self._link.session.acknowledge(arrivals)
        self._under_way.popleft()
        self._places.release()

    async def _hand_over(self, arrivals: list[Arrival]) -> None:
        back = self._link.just_back()
        for resumed, run in groupby(arrivals, key=lambda arrival: back or arrival.repeated or arrival.retained):
            group = list(run)
            messages = self._messages(group)
            await self._places.acquire()
            delivery = asyncio.ensure_future(self._port.deliver(messages, resumed=resumed)) if messages else None
            self._under_way.append((delivery, group))
            self._handed_over.set()

    def _messages(self, arrivals: list[Arrival]) -> list[Message]:
        """What is bound in these; what cannot be read is rejected, what nothing is bound to is counted."""
        messages: list[Message] = []
        for arrival in arrivals:
            if arrival.topic == self._status_topic:
                self._status(arrival.payload or b"")
            try:
                if self._replies.take(arrival.topic, arrival.payload or b""):
                    continue
            except ValueError as error:
                self._port.reject(str(error), (arrival.payload or b"")[:_SAMPLE_BYTES], address=_name(arrival.topic))
                continue
            reader = self._router.reader(arrival.topic)
            try:
                message = self._message(reader, arrival) if reader is not None else None
            except Unreadable as error:
                self._port.reject(str(error), (arrival.payload or b"")[:_SAMPLE_BYTES], address=_name(arrival.topic))
                continue
            if message is not None and message.readings:
                messages.append(message)
            elif arrival.topic != self._status_topic and (reader is None or message is not None):
                self._port.unbound(_name(arrival.topic))
        return messages

    def _message(self, reader: Reader, arrival: Arrival) -> Message | None:
        """The message, or None when it says nothing new. Raises Unreadable."""
        if arrival.payload is None:
            raise Unreadable(f"larger than {self._settings.maximum_bytes} bytes; see maximum_bytes")
        if not arrival.payload:
            return None  # how MQTT clears a retained message
        if not arrival.retained:
            reader.seen = True
        elif reader.seen and not reader.timed and self._link.kept and self._settings.qos:
            return None  # what was published while we were away came, or comes, as live messages
        return reader.read(arrival.payload, retained=arrival.retained)

    def _status(self, payload: bytes) -> None:
        status = self._settings.status
        assert status is not None
        if payload == status.online.encode():
            self._online.set()
        elif payload == status.offline.encode():
            self._online.clear()
            self._port.lost(f"its status on {status.topic} is {status.offline!r}")


def _name(topic: bytes) -> str:
    return topic.decode(errors="replace")
