"""Listens to an adapter: a TCP client that keeps the heartbeat and turns lines into messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from gemel.connectors.base import Port
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.mtconnect.settings import MtconnectSettings, host_and_port
from gemel.connectors.mtconnect.shdr import PING, LineBuffer, join_assets, pong_period_s
from gemel.twin import Binding

__all__ = ["AdapterClient", "AdapterSilent"]

READ_BYTES = 262_144
_SAMPLE = 500


class AdapterSilent(ConnectionError):
    """The adapter stopped answering pings, or closed the connection."""


class AdapterClient:
    """A source for one adapter. Remembers across connections what the adapter told last."""

    def __init__(self, settings: MtconnectSettings, bindings: Sequence[Binding]) -> None:
        self.settings = settings
        self._bindings = bindings
        self._reader: LineReader | None = None
        self._revision = -1
        self.newest = 0
        """The newest time that was told, over all connections."""

    async def run(self, port: Port) -> None:
        lines = self._prepare(port)
        host, number = host_and_port(self.settings.url)
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                reader, writer = await asyncio.open_connection(host, number, limit=READ_BYTES)
        except TimeoutError:
            raise AdapterSilent(f"no connection to {host}:{number} within {self.settings.timeout_s:g} s") from None
        try:
            if port.connected(f"connected to {host}:{number}"):
                lines.reconnected()
            await _Conversation(self, port, lines, reader, writer).hold()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _prepare(self, port: Port) -> LineReader:
        if self._reader is None:
            table = ItemTable(self._bindings, port.kind, self.settings.device)
            self._reader = LineReader(table, port.clock.now)
            self._revision = port.revision
        return self._reader

    def follow(self, port: Port) -> None:
        """Read values anew when types have changed."""
        if port.revision != self._revision and self._reader is not None:
            self._revision = port.revision
            self._reader.table.refresh()


class _Conversation:
    """One connection, from its first line to its loss."""

    def __init__(
        self,
        client: AdapterClient,
        port: Port,
        lines: LineReader,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._client, self._port, self._lines = client, port, lines
        self._reader, self._writer = reader, writer
        self._settings = client.settings
        self._buffer = LineBuffer(self._settings.line_limit)
        self._join = join_assets(self._settings.line_limit)
        self._overlong = 0
        self._answered = asyncio.Event()
        self._period_s: float | None = None
        """The adapter's own heartbeat period; None while it has not answered a ping."""
        self._may_repeat = True
        """What an adapter tells first is what it told last time; so until something newer comes."""

    async def hold(self) -> None:
        """Read until the connection is lost. Raises AdapterSilent or OSError."""
        pings = asyncio.create_task(self._ping())
        try:
            while data := await self._read():
                await self._take(data)
        finally:
            pings.cancel()
        raise AdapterSilent("the adapter closed the connection")

    async def _read(self) -> bytes:
        if self._period_s is None:
            return await self._reader.read(READ_BYTES)
        silence_s = 2 * self._period_s
        try:
            async with asyncio.timeout(silence_s):
                return await self._reader.read(READ_BYTES)
        except TimeoutError:
            raise AdapterSilent(f"the adapter has been silent for {silence_s:g} s") from None

    async def _ping(self) -> None:
        while True:
            self._writer.write(PING)
            self._answered.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period_s or self._settings.heartbeat_s):
                    await self._answered.wait()  # the adapter told another period

    async def _take(self, data: bytes) -> None:
        told: list[str] = []
        for raw in self._buffer.feed(data):
            try:
                line = raw.decode().rstrip("\r")
            except UnicodeDecodeError as error:
                self._port.reject(f"a line is not UTF-8 at byte {error.start}", raw[:_SAMPLE])
                continue
            if line.startswith("*"):
                self._command(line)
            elif (whole := self._join(line)) is not None:
                told.append(whole)
        if self._buffer.overlong > self._overlong:
            self._overlong = self._buffer.overlong
            self._port.reject(f"a line is longer than {self._settings.line_limit} bytes", data[:_SAMPLE])
        self._client.follow(self._port)
        messages = self._lines.read(told)
        rejected, unbound = self._lines.take_refused()
        for reason, line in rejected:
            self._port.reject(reason, line[:_SAMPLE])
        for name, count in unbound.items():
            self._port.unbound(name, count)
        if self._period_s is None:
            self._port.heartbeat()  # an adapter without heartbeat: what it says is its only sign of life
        if not messages:
            return
        times = [r.time for m in messages for r in m.readings if r.time is not None]
        await self._port.deliver(messages, resumed=self._may_repeat)
        newest = max(times, default=0)
        self._may_repeat = self._may_repeat and newest <= self._client.newest
        self._client.newest = max(self._client.newest, newest)

    def _command(self, line: str) -> None:
        period = pong_period_s(line)
        if period is not None:
            period = max(period, 0.1)
            if period != self._period_s:
                self._period_s = period
                self._answered.set()
            self._port.heartbeat()
        elif ":" in line:
            self._port.note(line[1:].strip()[:200])
        else:
            self._port.reject("an unknown command", line[:_SAMPLE])
