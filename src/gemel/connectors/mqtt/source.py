"""The MQTT connector: subscribe, read, deliver, and acknowledge only what is durable."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gemel.connectors.base import Port
from gemel.connectors.mqtt.payloads import Reader, Router, Unreadable
from gemel.connectors.mqtt.session import Arrival, Session
from gemel.connectors.mqtt.settings import MqttSettings
from gemel.connectors.mqtt.topics import Template, filters
from gemel.intake import Message, Receipt
from gemel.twin.binding import Binding

__all__ = ["MqttSource"]

_BATCH = 2_000
"""Messages read in one go: ~10 ms of the connectors' loop at most."""
_DEPTH = 4
"""Batches on their way to the disk while the next one is read."""
_ANSWER_TIMEOUT_S = 20.0
_FILTERS_PER_PACKET = 200
_IN_FLIGHT = 10_000
_RESUMED_S = 60.0
"""Brokers that crashed send again without a mark (DUP), some only after their own timeout."""
_FINISH_TIMEOUT_S = 2.0
_SAMPLE_BYTES = 4_096


class MqttSource:
    """Reads from any MQTT 3.1.1 or 5 broker. A message is acknowledged, in order, after it is durable."""

    Settings: ClassVar[type[Any]] = MqttSettings

    def __init__(self, settings: MqttSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._router = Router(bindings, settings.payload, settings.topics)
        templates = list(self._router.templates)
        if settings.status is not None:
            templates.append(Template.parse(settings.status.topic))
        self._filters = filters(templates)

    async def run(self, port: Port) -> None:
        link = _Link(self._settings, port)
        flow = _Flow(self._settings, self._router, link, port)
        try:
            await link.open(self._filters)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(flow.settle())
                tasks.create_task(flow.read())
                if self._settings.status is not None:
                    tasks.create_task(flow.confirm())
        except BaseExceptionGroup as group:
            # of the tasks one failed first, the others were cancelled: its error is the one to tell
            raise group.exceptions[0] from None
        finally:
            await flow.finish()
            await asyncio.to_thread(link.session.stop)


class _Link:
    """One connection: paho's callbacks, which come on the network thread, as futures and an event of this loop."""

    def __init__(self, settings: MqttSettings, port: Port) -> None:
        self._settings = settings
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int | str, asyncio.Future[Any]] = {}
        self._woken = False
        self.event = asyncio.Event()
        self.failure: ConnectionError | None = None
        self.kept = False
        """The broker kept our session: what we missed comes now."""
        self._opened_s = 0.0
        self.session = self._build()

    def _build(self) -> Session:
        settings, five = self._settings, self._settings.version == "5"
        password = self._port.secret(settings.password) if settings.password else None  # before anything is open
        session = Session(
            settings.client_id or f"gemel-{self._port.spec.id}",
            five=five,
            maximum_bytes=settings.maximum_bytes,
            arrived=self._arrived,
            transport="websockets" if settings.scheme in ("ws", "wss") else "tcp",
            **({} if five else {"clean_session": False}),
        )
        if settings.scheme in ("ws", "wss"):
            session.ws_set_options(path=settings.path)
        if settings.user:
            session.username_pw_set(settings.user, password)
        session.on_connect = self._on_connect
        session.on_subscribe = self._on_subscribe
        session.on_disconnect = self._on_disconnect
        return session

    async def open(self, wanted: Sequence[str]) -> None:
        """Connect and subscribe. Raises ConnectionError or OSError saying what the broker refused."""
        settings, session = self._settings, self.session
        if settings.scheme in ("mqtts", "wss"):
            session.tls_set_context(await asyncio.to_thread(self._tls))
        more: dict[str, Any] = {}
        if settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = settings.session_expiry_s
            properties.ReceiveMaximum = _IN_FLIGHT
            more = {"clean_start": False, "properties": properties}
        connected = self._expect("connect")
        await asyncio.to_thread(session.connect, settings.host, settings.port, settings.keep_alive_s, **more)
        session.start()
        self.kept = await self._answer(connected, "did not answer the connection")
        self._opened_s = self._port.clock.monotonic()
        granted = [
            code
            for start in range(0, len(wanted), _FILTERS_PER_PACKET)
            for code in await self._subscribe(wanted[start : start + _FILTERS_PER_PACKET])
        ]
        refused = [topic for topic, code in zip(wanted, granted, strict=True) if code >= 128]
        if refused:
            raise ConnectionRefusedError(
                f"the broker refuses to subscribe us to {refused[0]!r}; check its access rules"
            )
        detail = f"{settings.url}, {len(wanted)} subscription(s)"
        if min(granted, default=settings.qos) < settings.qos:
            detail += f", quality of service {min(granted)} granted instead of {settings.qos}"
        self._port.connected(detail)

    async def _subscribe(self, wanted: Sequence[str]) -> list[int]:
        # the answer cannot overtake: callbacks reach this loop only after this coroutine gives way
        status, identifier = self.session.subscribe([(topic, int(self._settings.qos)) for topic in wanted])
        if identifier is None:
            raise ConnectionResetError(f"the connection was lost while subscribing: {status.name}")
        codes: list[int] = await self._answer(self._expect(identifier), "did not answer a subscription")
        return codes

    def just_back(self) -> bool:
        """Whether what comes now may have come on an earlier connection, even where the broker does not mark it."""
        return self.kept and self._port.clock.monotonic() - self._opened_s < _RESUMED_S

    def _tls(self) -> ssl.SSLContext:
        tls = self._settings.tls
        context = ssl.create_default_context(cafile=tls.ca or None)
        if tls.certificate:
            password = self._port.secret(tls.key_password) if tls.key_password else None
            context.load_cert_chain(tls.certificate, tls.key or None, password)
        return context

    def _expect(self, key: int | str) -> asyncio.Future[Any]:
        future = self._answers[key] = self._loop.create_future()
        return future

    async def _answer(self, future: asyncio.Future[Any], otherwise: str) -> Any:
        try:
            return await asyncio.wait_for(future, _ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise ConnectionError(f"{self._settings.url} {otherwise} within {_ANSWER_TIMEOUT_S:g} s") from None

    # -- on the network thread ---------------------------------------------------------------------------------------

    def _arrived(self) -> None:
        if not self._woken:
            self._woken = True
            self._call(self._wake)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            error = ConnectionRefusedError(f"{self._settings.url} refuses the connection: {reason}")
            self._call(self._settled, "connect", None, error)
        else:
            self._call(self._settled, "connect", flags.session_present, None)

    def _on_subscribe(self, _client: Any, _data: Any, identifier: int, codes: Any, _properties: Any) -> None:
        self._call(self._settled, identifier, [code.value for code in codes], None)

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._call(self._failed, ConnectionResetError(f"the connection to {self._settings.url} was lost: {reason}"))

    def _call(self, function: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)

    # -- on the loop -------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._woken = False
        self.event.set()

    def _settled(self, key: int | str, result: Any, error: Exception | None) -> None:
        future = self._answers.pop(key, None)
        if future is not None and not future.done():
            future.set_result(result) if error is None else future.set_exception(error)

    def _failed(self, error: ConnectionError) -> None:
        self.failure = self.failure or error
        for key in list(self._answers):
            self._settled(key, None, error)
        self.event.set()


class _Flow:
    """What comes, on its way to the disk."""

    def __init__(self, settings: MqttSettings, router: Router, link: _Link, port: Port) -> None:
        self._settings, self._router, self._link, self._port = settings, router, link, port
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
