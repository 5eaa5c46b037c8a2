"""The NATS connector: subscribe or consume, read, deliver, and acknowledge what is durable."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pyarrow as pa
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NothingCame
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

from gemel.clock import SECOND
from gemel.connectors.base import Port
from gemel.connectors.frames import decode_arrow
from gemel.connectors.nats.link import ANSWER_S, Link, connect
from gemel.connectors.nats.settings import JetStream, NatsSettings
from gemel.connectors.nats.subjects import Subjects
from gemel.connectors.payloads import Unreadable
from gemel.errors import InvalidInput
from gemel.intake import Message, Receipt
from gemel.twin import Binding

__all__ = ["NatsSource"]

_BATCH = 2_000
_BATCH_BYTES = 16 << 20
_FIRST = 16
"""Asked for before it is known how large messages are."""
_DEPTH = 4
"""Batches on their way to the disk while the next one is read."""
_MOST_WAITING = 50_000
"""Messages of core NATS that wait here; then the client's own queue fills, and then they are dropped and counted."""
_FETCH_S = 5.0
_SAMPLE_BYTES = 4_096


class NatsSource:
    """Reads core subjects, or a JetStream stream, whose messages are acknowledged when they are durable."""

    Settings: ClassVar[type[Any]] = NatsSettings

    def __init__(self, settings: NatsSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._subjects = Subjects(bindings, settings.payload, settings.subjects, settings.frames)

    async def run(self, port: Port) -> None:
        async with connect(self._settings, port) as link:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_until(link.lost))
                    flow = _Flow(self._subjects, port, tasks)
                    if self._settings.jetstream is not None:
                        await self._consume(link, flow, self._settings.jetstream, port)
                    else:
                        await self._subscribe(link, flow, port)
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None

    async def _subscribe(self, link: Link, flow: _Flow, port: Port) -> None:
        """Core NATS: what comes, for ever."""
        waiting: deque[Msg] = deque()
        some, room = asyncio.Event(), asyncio.Event()

        async def came(message: Msg) -> None:
            while len(waiting) >= _MOST_WAITING:
                room.clear()
                await room.wait()
            waiting.append(message)
            some.set()

        for subject in self._subjects.filters:
            await link.client.subscribe(subject, cb=came)
        await link.client.flush()
        port.connected(f"{self._settings.url}, {len(self._subjects.filters)} subscription(s)")
        while True:
            await some.wait()
            some.clear()
            while waiting:
                batch = [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
                room.set()
                await flow.hand_over(batch)

    async def _consume(self, link: Link, flow: _Flow, wanted: JetStream, port: Port) -> None:
        """JetStream: all that the stream has for us, for ever."""
        context = link.client.jetstream(timeout=ANSWER_S)
        durable = wanted.durable or f"gemel-{port.spec.id}".replace(".", "-")
        try:
            stream = await context.stream_info(wanted.stream)
            await context.add_consumer(
                wanted.stream,
                ConsumerConfig(
                    durable_name=durable,
                    ack_policy=AckPolicy.EXPLICIT,
                    deliver_policy=DeliverPolicy.ALL if wanted.start == "all" else DeliverPolicy.NEW,
                    filter_subjects=self._subjects.filters,
                    max_ack_pending=wanted.max_ack_pending,
                    ack_wait=wanted.ack_wait_s,
                ),
            )
        except APIError as error:
            raise ConnectionError(f"stream {wanted.stream!r}: {error.description}") from error
        except NothingCame as error:
            raise ConnectionError(f"{self._settings.url} did not answer within {ANSWER_S:g} s") from error
        # a stream that was made anew counts from 1 again
        flow.epoch = f"{wanted.stream}@{stream.created}"
        consumer: JetStreamContext.PullSubscription = await context.pull_subscribe_bind(durable, wanted.stream)
        port.connected(f"{self._settings.url}, stream {wanted.stream} as {durable}")
        # others may come while these are on their way to the disk
        most = max(1, min(_BATCH, wanted.max_ack_pending // (_DEPTH + 1)))
        asked = min(_FIRST, most)
        while True:
            try:
                batch = await consumer.fetch(asked, timeout=_FETCH_S)
            except NothingCame:
                continue
            size = sum(len(message.data) for message in batch) // len(batch)
            asked = max(1, min(_BATCH_BYTES // (size + 1), most))
            await flow.hand_over(batch)


class _Flow:
    """What comes, on its way to the disk, in order."""

    def __init__(self, subjects: Subjects, port: Port, tasks: asyncio.TaskGroup) -> None:
        self._subjects, self._port, self._tasks = subjects, port, tasks
        self._places = asyncio.Semaphore(_DEPTH)
        self.epoch = ""
        """Of a stream, whose messages are numbered and are to be acknowledged."""

    async def hand_over(self, batch: Sequence[Msg]) -> None:
        """Start to deliver; waits while several batches are under way."""
        await self._places.acquire()
        deliveries: list[asyncio.Task[Receipt]] = []
        messages: list[Message] = []
        for came in batch:
            identity = (self.epoch, came.metadata.sequence.stream) if self.epoch else None
            try:
                if self._subjects.is_frame(came.subject):
                    frame = _frame(came.data)
                    if messages:
                        deliveries.append(self._tasks.create_task(_taken(self._port, messages)))
                        messages = []
                    if frame is not None:
                        deliveries.append(self._tasks.create_task(_framed(self._port, frame, identity)))
                elif (message := self._message(came)) is not None:
                    messages.append(message)
            except (Unreadable, InvalidInput) as error:
                reason = error.detail if isinstance(error, InvalidInput) else str(error)
                self._port.reject(reason, came.data[:_SAMPLE_BYTES], address=came.subject)
        if messages:
            deliveries.append(self._tasks.create_task(_taken(self._port, messages)))
        self._tasks.create_task(self._settle(batch, deliveries))

    async def _settle(self, batch: Sequence[Msg], deliveries: Sequence[asyncio.Task[Receipt]]) -> None:
        for delivery in deliveries:
            await delivery
        if self.epoch:
            await self._port.kept()
            for message in batch:
                await message.ack()
        self._places.release()

    def _message(self, came: Msg) -> Message | None:
        """The message; None when nothing of it is bound. Raises Unreadable."""
        reader = self._subjects.reader(came.subject)
        message = reader.read(came.data) if reader is not None else None
        if message is None or not message.readings:
            self._port.unbound(came.subject)
            return None
        if not self.epoch:
            return message
        stored = round(came.metadata.timestamp.timestamp() * SECOND)
        if any(reading.time is None for reading in message.readings):
            readings = [
                reading if reading.time is not None else msgspec.structs.replace(reading, time=stored)
                for reading in message.readings
            ]
            message = msgspec.structs.replace(message, readings=readings)
        if message.id or message.sequence is not None:
            return message
        return msgspec.structs.replace(message, sequence=came.metadata.sequence.stream, epoch=self.epoch, sparse=True)


async def _taken(port: Port, messages: Sequence[Message]) -> Receipt:
    return await port.deliver(messages)


async def _framed(port: Port, frame: pa.RecordBatch, identity: tuple[str, int] | None) -> Receipt:
    try:
        return await port.deliver_frame(frame, identity=identity)
    except InvalidInput as error:  # a frame that is too long
        port.reject(error.detail, b"")
        return Receipt()


def _frame(data: bytes) -> pa.RecordBatch | None:
    """All of an Arrow stream as one batch; None when it is empty. Raises InvalidInput."""
    batches = decode_arrow(data)
    if len(batches) < 2:
        return batches[0] if batches else None
    try:
        return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()[0]
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"the record batches of the stream do not fit together: {error!s:.200}") from None


async def _until(future: asyncio.Future[None]) -> None:
    await asyncio.shield(future)
