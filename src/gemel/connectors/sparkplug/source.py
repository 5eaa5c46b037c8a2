"""The Sparkplug connector: what edge nodes behind a broker tell, as readings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from gemel.connectors.base import Port
from gemel.connectors.discovery import Found, Search
from gemel.connectors.mqtt.link import Link
from gemel.connectors.mqtt.session import Arrival
from gemel.connectors.reach import Reach
from gemel.connectors.sparkplug.node import EdgeNode, Observed, Told
from gemel.connectors.sparkplug.routing import NAMESPACE, Router
from gemel.connectors.sparkplug.schema import Payload
from gemel.connectors.sparkplug.settings import SparkplugSettings
from gemel.connectors.sparkplug.values import DataType, Unreadable
from gemel.intake import Message, Reported
from gemel.twin.binding import Binding

__all__ = ["SparkplugSource", "rebirth_request"]

_BATCH = 500
_SAMPLE_BYTES = 4_096
_TOLD = frozenset({"NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"})
_MOST_NODES = 10_000


class SparkplugSource:
    """Hears edge nodes and their devices through any MQTT broker. What is not known any more is unavailable."""

    Settings: ClassVar[type[Any]] = SparkplugSettings

    @staticmethod
    async def discover(settings: SparkplugSettings, search: Search, reach: Reach) -> Found:
        """See gemel.connectors.discovery."""
        from gemel.connectors.sparkplug.discovery import discover  # which asks for births as this source does

        return await discover(settings, search, reach)

    def __init__(self, settings: SparkplugSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._router = Router(bindings)
        self._nodes: dict[str, EdgeNode] = {}

    async def run(self, port: Port) -> None:
        run = _Run(self._settings, self._router, self._nodes, port)
        try:
            await run.open()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run.read())
                tasks.create_task(run.confirm())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await run.close()


class _Run:
    """One connection."""

    def __init__(self, settings: SparkplugSettings, router: Router, nodes: dict[str, EdgeNode], port: Port) -> None:
        self._settings, self._router, self._nodes, self._port = settings, router, nodes, port
        self._link = Link(settings, port, clean=True)
        self._asked: dict[str, float] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._state = f"{NAMESPACE}/STATE/{settings.host_id}" if settings.host_id else ""
        self._since = port.clock.now() // 1000
        if self._state:
            self._link.session.will_set(self._state, self._said(online=False), 1, retain=True)

    async def open(self) -> None:
        """Connect, say that we are there, and ask the nodes that we know for their birth."""
        await self._link.open([*self._router.filters, *([self._state] if self._state else [])])
        if self._state:
            self._link.session.publish(self._state, self._said(online=True), 1, retain=True)
        self._port.lost("waiting for the birth certificate of an edge node")
        now = self._port.clock.now()
        unknown = [
            reading for node in self._nodes.values() for one in node.lost(now) for reading in self._readings(node, one)
        ]
        if unknown:  # what happened while we were away, nobody tells: only births are true again
            await self._port.deliver([Message(readings=unknown)])
        for name in sorted({*self._nodes, *self._router.nodes}):
            self._ask(name)

    async def read(self) -> None:
        """Take, read and hand over, for as long as the connection lasts. Raises ConnectionError at its end."""
        link = self._link
        while True:
            arrivals = link.session.take(_BATCH)
            if arrivals:
                messages = [message for arrival in arrivals for message in self._messages(arrival)]
                if messages:
                    await self._port.deliver(messages)
                await self._port.kept()
                link.session.acknowledge(arrivals)
            elif link.failure is not None:
                raise link.failure
            else:
                await link.event.wait()
                link.event.clear()

    async def confirm(self) -> None:
        """While the broker holds the connection it tells deaths: what living nodes do not report has not changed."""
        while True:
            await asyncio.sleep(self._settings.keep_alive_s)
            if any(node.online for node in self._nodes.values()):
                self._port.heartbeat()

    async def close(self) -> None:
        """Say that we go (the broker does so only when we fall), and end the connection."""
        for waiting in self._later.values():
            waiting.cancel()
        session = self._link.session
        if self._state and self._link.failure is None and session.is_connected():
            said = session.publish(self._state, self._said(online=False), 1, retain=True)
            with contextlib.suppress(ValueError, RuntimeError):
                await asyncio.to_thread(said.wait_for_publish, 2.0)
        await asyncio.to_thread(session.stop)

    # -- one message -------------------------------------------------------------------------------------------------

    def _messages(self, arrival: Arrival) -> list[Message]:
        topic = arrival.topic.decode(errors="replace")
        if topic == self._state:
            self._check_state(arrival.payload or b"")
            return []
        parts = topic.split("/")
        if len(parts) not in (4, 5) or parts[0] != NAMESPACE or parts[2] not in _TOLD:
            return []  # commands to nodes, the state of other hosts
        kind, name, device = parts[2], f"{parts[1]}/{parts[3]}", parts[4] if len(parts) == 5 else ""
        try:
            told = self._told(kind, name, device, arrival)
        except Unreadable as error:
            self._port.reject(str(error), (arrival.payload or b"")[:_SAMPLE_BYTES], address=topic)
            return []
        readings = [reading for one in told.observed for reading in self._readings(self._nodes[name], one)]
        return [Message(readings=readings)] if readings else []

    def _told(self, kind: str, name: str, device: str, arrival: Arrival) -> Told:
        if arrival.payload is None:
            raise Unreadable(f"larger than {self._settings.maximum_bytes} bytes; see maximum_bytes")
        if (kind[0] == "D") != bool(device):
            raise Unreadable(f"{kind} {'needs' if kind[0] == 'D' else 'has no'} device in its topic")
        node = self._nodes.get(name)
        if node is None:
            if len(self._nodes) >= _MOST_NODES:
                raise Unreadable(f"more than {_MOST_NODES} edge nodes; use a connector for each group")
            node = self._nodes[name] = EdgeNode(name)
        was = node.online
        told = node.take(kind, device, arrival.payload, self._port.clock.now())
        for reason, metric in told.refused:
            self._port.reject(reason, arrival.payload[:_SAMPLE_BYTES], address=f"{_place(name, device)}#{metric}")
        if told.rebirth:
            self._port.reject(told.rebirth, arrival.payload[:_SAMPLE_BYTES], address=_place(name, device))
            self._ask(name)
        if was != node.online:
            self._turned(told)
        return told

    def _turned(self, told: Told) -> None:
        """A node was born, or died."""
        living = sum(node.online for node in self._nodes.values())
        if living:
            self._port.heartbeat()
        else:
            self._port.lost(f"{told.note}; no edge node is online")

    def _readings(self, node: EdgeNode, observed: Observed) -> list[Reported]:
        readings = self._router.readings(node.name, observed)
        if not readings:
            self._port.unbound(f"{_place(node.name, observed.device)}#{observed.name}")
        return readings

    # -- what we say -------------------------------------------------------------------------------------------------

    def _ask(self, name: str) -> None:
        """Ask a node for its birth certificates: now, or as soon as it may be asked again."""
        if not self._settings.rebirth or name in self._later:
            return
        wait_s = self._asked.get(name, -1e9) + self._settings.rebirth_every_s - self._port.clock.monotonic()
        if wait_s > 0:
            self._later[name] = asyncio.get_running_loop().call_later(wait_s, self._ask_now, name)
        else:
            self._ask_now(name)

    def _ask_now(self, name: str) -> None:
        self._later.pop(name, None)
        self._asked[name] = self._port.clock.monotonic()
        if (node := self._nodes.get(name)) is not None:
            node.asked()
        group, _, edge = name.partition("/")
        topic = f"{NAMESPACE}/{group}/NCMD/{edge}"
        self._link.session.publish(topic, rebirth_request(self._port.clock.now() // 1000), 0)

    def _said(self, *, online: bool) -> bytes:
        """Host application state. The timestamps of a birth and its death are one. Sparkplug 3.0.0, 6.4.25."""
        return msgspec.json.encode({"online": online, "timestamp": self._since})

    def _check_state(self, payload: bytes) -> None:
        """The will of an earlier connection of ours may come after this one: say again that we are here."""
        try:
            state = msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.MsgspecError:
            state = {}
        if state.get("online") is not True:
            self._link.session.publish(self._state, self._said(online=True), 1, retain=True)


def rebirth_request(time_ms: int) -> bytes:
    """The command to a node to publish its birth certificates again."""
    request = Payload(timestamp=time_ms)
    request.metrics.add(
        name="Node Control/Rebirth", timestamp=time_ms, datatype=int(DataType.BOOLEAN), boolean_value=True
    )
    return bytes(request.SerializeToString())


def _place(name: str, device: str) -> str:
    return f"{name}/{device}" if device else name
