"""A wire that is cut at chosen MQTT packets: before one is passed on, or right after it was."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

__all__ = ["PUBACK", "PUBLISH", "Cut", "Cutter"]

PUBLISH, PUBACK = 3, 4
"""Packet types, the high half of the first byte. MQTT 3.1.1, 2.2.1."""


@dataclass(frozen=True)
class Cut:
    """At the `count`th packet of this kind since the last cut, in one direction."""

    packet: int
    upward: bool
    """To the server; False: to the client."""
    count: int
    before: bool
    """It is not passed on; False: it is, and then the wire is cut."""


class Cutter:
    """Passes a TCP port on and cuts all its connections as planned; new ones are taken at once."""

    def __init__(self, target: int, cuts: Iterable[Cut]) -> None:
        self.left = deque(cuts)
        self._target = target
        self._seen = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._drop()
        await self._server.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, there_writer}
        await asyncio.gather(
            self._pump(reader, there_writer, upward=True), self._pump(there_reader, writer, upward=False)
        )
        for one in (writer, there_writer):
            self._writers.discard(one)
            with contextlib.suppress(OSError):
                await one.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async for packet in _packets(reader):
                cut = self._due(packet, upward)
                if cut is None or not cut.before:
                    writer.write(packet)
                    await writer.drain()
                if cut is not None:
                    await self._drop()
        writer.close()

    def _due(self, packet: bytes, upward: bool) -> Cut | None:
        if not self.left or (packet[0] >> 4, upward) != (self.left[0].packet, self.left[0].upward):
            return None
        self._seen += 1
        if self._seen < self.left[0].count:
            return None
        self._seen = 0
        return self.left.popleft()

    async def _drop(self) -> None:
        """End all connections; what was written to them before still arrives."""
        for writer in list(self._writers):
            writer.close()


async def _packets(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole MQTT packets: a byte of type and flags, the length in up to four bytes of seven bits, the rest."""
    while True:
        head = await reader.readexactly(2)
        length, shift = head[-1] & 127, 7
        while head[-1] & 128:
            head += await reader.readexactly(1)
            length |= (head[-1] & 127) << shift
            shift += 7
        yield head + await reader.readexactly(length)
