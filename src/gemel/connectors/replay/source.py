"""The replay plug-in: plays logs as if the machine ran now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from gemel.clock import moment
from gemel.connectors.base import Port, Settings
from gemel.connectors.mtconnect.items import ItemTable, LineReader
from gemel.connectors.recordings import KnownLines, Pace, busiest_moment, due, first_moment, read_lines, timed_lines
from gemel.connectors.replay.tables import TableColumns, read_rows
from gemel.errors import InvalidInput
from gemel.intake import Message
from gemel.twin import Binding

__all__ = ["ReplaySettings", "ReplaySource"]

BATCH = 2_000
HEARTBEAT_S = 5.0
_TABLES = (".csv", ".csv.gz", ".parquet")

_Told = tuple[list[Message], int]
"""Messages, and of how many lines they are."""


class ReplaySettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files, and how fast.

    SHDR logs (.shdr, .log, .txt, .gz): a binding's address is the item. CSV and Parquet with a column a quantity: it is
    the column. CSV and Parquet with a row a reading (`item` is set): it is the item.
    """

    files: tuple[str, ...]
    """Paths or patterns below the platform's `logs/` (`logs/*.shdr.gz`), played in this order, a pattern's by name."""
    speed: float = 1.0
    """Seconds of the log in a second; 0: all at once, with the times that it has."""
    shift: Literal["now", "none"] = "now"
    begin: str = ""
    """Moment of the log to begin at, or `busiest`; what came before is told at once, as what was known."""
    loop: bool = False
    device: str = ""
    time: str = "time"
    """CSV, Parquet: the column of the time (RFC 3339 or a timestamp; numbers are seconds since 1970)."""
    item: str = ""
    """CSV, Parquet with a row a reading: the column of the item's name; `value` is that of its value."""
    value: str = "value"

    def __post_init__(self) -> None:
        if not self.files or self.speed < 0:
            raise ValueError("files must name a log, and speed must not be below 0")


class ReplaySource:
    """Plays the files once, or for ever. Goes on where it was when it is started again."""

    Settings: ClassVar[type[Any]] = ReplaySettings

    def __init__(self, settings: ReplaySettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._bindings = bindings
        self._files: list[Path] = []
        self._pace: Pace | None = None
        self._done = 0

    async def run(self, port: Port) -> None:
        """Raises InvalidInput when a file is missing, or is not among the logs of the platform."""
        self._files = await asyncio.to_thread(port.logs, self._settings.files)
        await asyncio.to_thread(self._begin, port)
        port.connected(f"plays {', '.join(path.name for path in self._files)[:200]}")
        while True:
            await self._play(port)
            if not self._settings.loop:
                return
            self._pace, self._done = None, 0
            await asyncio.to_thread(self._begin, port)

    def _begin(self, port: Port) -> None:
        if self._pace is None:
            start = self._start()
            self._pace = Pace(start, port.clock.now(), self._settings.speed, self._settings.shift == "now")

    def _start(self) -> int:
        begin = self._settings.begin
        if begin not in ("", "busiest"):
            return moment(begin)
        if not self._is_table:
            return busiest_moment(self._files) if begin else first_moment(self._files)
        first = next(iter(read_rows(self._files, self._columns())), None)
        if first is None:
            raise InvalidInput(f"{self._files[0]} holds no row with a time")
        return first[0]

    @property
    def _is_table(self) -> bool:
        return self._files[0].name.endswith(_TABLES)

    def _columns(self) -> TableColumns:
        settings = self._settings
        return TableColumns(time=settings.time, item=settings.item, value=settings.value)

    async def _play(self, port: Port) -> None:
        """Deliver everything from where we are, each when it is due."""
        pace = self._pace
        assert pace is not None
        rows = self._table_rows(port, pace) if self._is_table else self._log_rows(port, pace)
        async for batch in due(rows, pace, port.clock, most=BATCH, wait=partial(_wait, port)):
            messages = [message for told, _ in batch for message in told]
            if messages:
                await port.deliver(messages)
            self._done += sum(size for _, size in batch)

    def _log_rows(self, port: Port, pace: Pace) -> Iterator[tuple[int, _Told]]:
        """(time, (messages, lines)) of SHDR logs; what was known before the beginning comes as one."""
        shifted = _Shifted(pace)
        table = ItemTable(self._bindings, port.kind, self._settings.device)
        reader = LineReader(table, port.clock.now, time_of=shifted)
        known: KnownLines | None = KnownLines() if self._settings.begin and not self._done else None
        before = 0
        for time, rest in islice(timed_lines(read_lines(self._files)), self._done, None):
            if known is not None:
                if time < pace.start:
                    known.learn(f"{time}|{rest}")
                    before += 1
                    continue
                yield pace.start, (self._read(port, reader, known.lines()), before)
                known = None
            yield time, (self._read(port, reader, (f"{time}|{rest}",)), 1)
        if known is not None:
            yield pace.start, (self._read(port, reader, known.lines()), before)

    def _read(self, port: Port, reader: LineReader, lines: Iterable[str]) -> list[Message]:
        messages = reader.read(lines)
        if reader.rejected or reader.unbound:
            rejected, unbound = reader.take_refused()
            for reason, line in rejected:
                port.reject(reason, line)
            for name, count in unbound.items():
                port.unbound(name, count)
        return messages

    def _table_rows(self, port: Port, pace: Pace) -> Iterator[tuple[int, _Told]]:
        table = ItemTable(self._bindings, port.kind)
        begin = pace.start if self._settings.begin else None
        for time, values in islice(read_rows(self._files, self._columns()), self._done, None):
            if begin is not None and time < begin:
                yield begin, ([], 1)
                continue
            readings = []
            for name, text in values:
                item = table.find(name)
                if item is None:
                    port.unbound(name)
                else:
                    readings.append(item.reported(text, pace.told(time)))
            yield time, ([Message(readings=readings)] if readings else [], 1)


class _Shifted:
    """Reads our own mark of a line's time (microseconds), and tells it as the pace does."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def __call__(self, text: str) -> int:
        return self._pace.told(int(text))


async def _wait(port: Port, seconds: float) -> None:
    """Wait, and confirm meanwhile that the machine is as it was."""
    while seconds > 0:
        port.heartbeat()
        step = min(seconds, HEARTBEAT_S)
        await asyncio.sleep(step)
        seconds -= step
