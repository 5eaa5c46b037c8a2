"""Reads an agent: what it knows now, its whole buffer once, and then everything new, by number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from gemel.connectors.base import Port
from gemel.connectors.mtconnect.address import Shape
from gemel.connectors.mtconnect.items import ItemTable
from gemel.connectors.mtconnect.settings import MtconnectSettings
from gemel.connectors.mtconnect.shdr import TimeReader
from gemel.connectors.mtconnect.streams import (
    AgentError,
    Observation,
    PartSplitter,
    Streams,
    boundary_of,
    read_streams,
)
from gemel.errors import GemelError, InvalidTime
from gemel.intake import Message, Reported
from gemel.twin import Binding, Kind

__all__ = ["AgentClient"]


class AgentClient:
    """A source for one agent. Every observation is a message with the agent's own number, so none counts twice.

    After a restart of ours the agent's buffer is read again from its beginning: what was taken before is known by its
    number, what came meanwhile is not lost.
    """

    def __init__(self, settings: MtconnectSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._bindings = bindings
        self._limit = settings.line_limit * 32
        self._table: ItemTable | None = None
        self._revision = -1
        self._instance: str | None = None
        self._next = 0

    async def run(self, port: Port) -> None:
        if self._table is None:
            self._table = ItemTable(self._bindings, port.kind)
            self._revision = port.revision
        settings = self._settings
        timeout = httpx.Timeout(settings.timeout_s, read=settings.timeout_s + 2 * settings.heartbeat_s)
        async with httpx.AsyncClient(base_url=settings.url.rstrip("/") + "/", timeout=timeout) as client:
            await self._begin(client, port)
            while True:
                try:
                    await self._follow(client, port)
                except AgentError as error:
                    if error.code != "OUT_OF_RANGE":
                        raise
                    await self._bridge(client, port)

    async def _begin(self, client: httpx.AsyncClient, port: Port) -> None:
        """Take what the agent knows; go on where we were, or at the beginning of its buffer."""
        now = await self._get(client, "current")
        port.connected(f"agent {self._settings.url}, instance {now.instance}")
        if now.instance != self._instance:
            self._instance, self._next = now.instance, now.first
        before = [o for o in now.observations if o.sequence < self._next]
        await self._deliver(port, before)

    async def _bridge(self, client: httpx.AsyncClient, port: Port) -> None:
        """The agent has forgotten what we ask for: say so, and go on with what it still has."""
        now = await self._get(client, "current")
        if now.instance == self._instance and now.first > self._next:
            port.lost(f"observations {self._next} to {now.first - 1} were overwritten before they were read")
            port.reject("the agent's buffer was overwritten before it was read", f"{self._next}..{now.first - 1}")
        self._instance, self._next = now.instance, now.first
        port.connected(f"agent {self._settings.url}, instance {now.instance}")
        await self._deliver(port, [o for o in now.observations if o.sequence < self._next])

    async def _follow(self, client: httpx.AsyncClient, port: Port) -> None:
        """Take what is new, until the agent restarts or the connection is lost."""
        async for document in self._news(client):
            streams = self._read(document)
            if streams.instance != self._instance:
                await self._begin(client, port)
                return
            port.heartbeat()
            await self._deliver(port, streams.observations)
            self._next = max(self._next, streams.next)

    async def _news(self, client: httpx.AsyncClient) -> AsyncIterator[bytes]:
        """Documents: of one endless answer, or of one answer after the other from an agent that knows no streaming."""
        settings = self._settings
        asked: dict[str, Any] = {
            "count": settings.count,
            "interval": settings.interval_ms,
            "heartbeat": round(settings.heartbeat_s * 1000),
        }
        while True:
            async with client.stream("GET", "sample", params={"from": self._next, **asked}) as answer:
                boundary = boundary_of(answer.headers.get("content-type", ""))
                if boundary is None:
                    yield await self._whole(answer)
                else:
                    splitter = PartSplitter(boundary, self._limit)
                    async for data in answer.aiter_bytes():
                        for part in splitter.feed(data):
                            yield part
            if boundary is not None:
                raise httpx.RemoteProtocolError("the agent ended its stream")
            await asyncio.sleep(settings.interval_ms / 1000)

    async def _get(self, client: httpx.AsyncClient, path: str) -> Streams:
        async with client.stream("GET", path) as answer:
            return self._read(await self._whole(answer))

    async def _whole(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > self._limit:
                raise httpx.RemoteProtocolError(f"the agent's answer is longer than {self._limit} bytes")
        if answer.status_code != 200 and b"MTConnectError" not in data[:2_000]:
            answer.raise_for_status()
        return bytes(data)

    def _read(self, document: bytes) -> Streams:
        return read_streams(document, device=self._settings.device, limit=self._limit)

    async def _deliver(self, port: Port, observations: Sequence[Observation]) -> None:
        table = self._table
        assert table is not None
        if port.revision != self._revision:
            self._revision = port.revision
            table.refresh()
        time_of = TimeReader(port.clock.now)
        messages: list[Message] = []
        for observation in observations:
            try:
                reported = _reported(table, observation, time_of)
            except (GemelError, ValueError) as error:
                port.reject(str(error), str(observation), address=observation.id)
                continue
            if reported is None:
                port.unbound(observation.name or observation.id)
            else:
                epoch = self._instance or ""
                messages.append(Message(readings=[reported], sequence=observation.sequence, epoch=epoch, sparse=True))
        if messages:
            await port.deliver(messages)


def _reported(table: ItemTable, observation: Observation, time_of: TimeReader) -> Reported | None:
    """The reading of an observation; None when nothing is bound to it. Raises InvalidTime, ValueError."""
    item = table.by_id(observation.id, observation.name)
    if item is None:
        return None
    if not observation.time:
        raise InvalidTime("an observation has no timestamp")
    time, fields = time_of(observation.time), observation.fields
    if item.shape is Shape.CONDITION:
        return item.reported_condition(fields, time)
    if observation.entries is not None and item.kind is Kind.OBJECT:
        return Reported(twin=item.twin, property=item.property, value=dict(observation.entries), time=time)
    if item.shape is Shape.MESSAGE and len(fields) == 2:
        return item.reported_message(fields[0], fields[1], time)
    return item.reported(fields[-1], time)
