"""The folder connector: wait for files, take each in once, put it aside."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, ClassVar

import msgspec

from gemel.connectors.base import Port
from gemel.connectors.columns import Columns, Moments, Row
from gemel.connectors.folder.aside import Dropped, Inbox
from gemel.connectors.folder.reading import FORMS, form_of, rows_of
from gemel.connectors.folder.settings import FolderSettings
from gemel.errors import InvalidInput
from gemel.intake import Message, Reported
from gemel.twin import Binding, Kind

__all__ = ["FolderSource"]

_ROWS = 1_000
"""In one message; it is taken in whole or not at all."""
_WHOLE = 2**62
"""The number after the last row: all of the file was taken in."""
_MOST_PROBLEMS = 1_000
_NUMBERS = (Kind.NUMBER, Kind.INTEGER)
_WITH_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?")
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "on": True, "off": False}


class FolderSource:
    """Takes in files. A content is one however often it is dropped; after a crash it goes on behind the last row that
    is durable."""

    Settings: ClassVar[type[Any]] = FolderSettings

    def __init__(self, settings: FolderSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._columns = Columns(bindings, settings.time, Moments(settings.time_format, settings.time_zone))
        if not bindings:
            raise InvalidInput("no bindings: say which column is which property")
        how = (settings.time, settings.time_format, settings.time_zone, settings.delimiter, tuple(bindings))
        said = tuple(word for word in (settings.decimal, settings.encoding) if word not in (".", "utf-8"))
        self._how = msgspec.json.encode(how + said)

    async def run(self, port: Port) -> None:
        settings, clock = self._settings, port.clock
        inbox = Inbox(port.inbox(settings.path))
        await asyncio.to_thread(inbox.make)
        port.connected(f"looking into {settings.path}")
        while True:
            for dropped in await asyncio.to_thread(inbox.settled, clock.monotonic(), settings.settle_s):
                await self._take(port, inbox, dropped)
                port.heartbeat()
            await asyncio.sleep(settings.every_s)

    async def _take(self, port: Port, inbox: Inbox, dropped: Dropped) -> None:
        taking = _Taking(port, self._columns, self._settings.decimal)
        try:
            with await asyncio.to_thread(inbox.open, dropped) as file:
                await self._read(taking, file, form_of(dropped.path.name))
            if await asyncio.to_thread(inbox.changed, dropped):
                raise InvalidInput("it changed while it was read; drop files under another name, then rename them")
        except FileNotFoundError:
            return  # whoever dropped it took it back
        except InvalidInput as error:
            taken = f" ({taking.rows} rows before that were taken in)" if taking.rows else ""
            port.reject(error.detail, repr(dropped.path.name), address=self._settings.path)
            await asyncio.to_thread(inbox.put_aside, dropped, "rejected", [error.detail + taken, *taking.problems])
            return
        where = "rejected" if taking.problems and not taking.readings else "done"
        target = await asyncio.to_thread(inbox.put_aside, dropped, where, taking.problems)
        port.note(f"{target.name!r:.120}: {taking.rows} rows, {len(taking.problems)} problem(s)")

    async def _read(self, taking: _Taking, file: BinaryIO, form: str) -> None:
        if not form:
            raise InvalidInput(f"its name ends in none of {', '.join(FORMS)} (texts also .gz)")
        digest = await asyncio.to_thread(self._digest, file)
        file.seek(0)
        rows = rows_of(file, form, self._settings, self._columns)
        await taking.all(rows, digest)

    def _digest(self, file: BinaryIO) -> str:
        """Of the content, and of how it is read."""
        digest = hashlib.sha256(self._how)
        while part := file.read(1 << 20):
            digest.update(part)
        return digest.hexdigest()


class _Taking:
    """One file on its way in."""

    def __init__(self, port: Port, columns: Columns, decimal: str) -> None:
        self._port, self._columns, self._decimal = port, columns, decimal
        self.rows = self.readings = 0
        self.problems: list[str] = []

    async def all(self, rows: Iterator[tuple[int, Row | str]], epoch: str) -> None:
        """Deliver what is not durable yet. Raises InvalidInput."""
        reached = await self._port.reached(epoch) or 0
        if reached >= _WHOLE:
            self.problems.append("this content was taken in before")
            self.readings = 1
            return
        while batch := await asyncio.to_thread(lambda: list(islice(rows, _ROWS))):
            readings = await asyncio.to_thread(self._readings, batch)
            self.rows += len(batch)
            self.readings += len(readings)
            last = batch[-1][0]
            if last > reached:
                message = Message(readings=readings, sequence=last, epoch=epoch, sparse=True)
                receipt = await self._port.deliver([message])
                self.readings -= receipt.quarantined
                for problem in receipt.problems:
                    self._problem(f"rows {batch[0][0]} to {last}: {problem.detail}")
        await self._port.deliver([Message(sequence=_WHOLE, epoch=epoch, sparse=True)])

    def _readings(self, batch: Sequence[tuple[int, Row | str]]) -> list[Reported]:
        found: list[Reported] = []
        for number, row in batch:
            try:
                if isinstance(row, str):
                    raise InvalidInput(row)
                found += self._columns.readings(row, told=self._value)
            except InvalidInput as error:
                self._problem(f"row {number}: {error.detail}")
        return found

    def _problem(self, text: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(text)

    def _value(self, twin: str, name: str, cell: Any) -> Any:
        """Texts as the property's kind; what does not fit stays a text, and is held back with the reason."""
        if not isinstance(cell, str):
            return cell
        kind, text = self._port.kind(twin, name), cell.strip()
        if self._decimal == "," and kind in _NUMBERS:
            if not _WITH_COMMA.fullmatch(text):
                return cell
            text = text.replace(".", "").replace(",", ".")
        try:
            match kind:
                case Kind.NUMBER:
                    return float(text)
                case Kind.INTEGER:
                    return int(text)
                case Kind.BOOLEAN:
                    return _TRUTH.get(text.lower(), cell)
                case Kind.ARRAY:
                    return [float(part) for part in text.replace(";", " ").split()]
        except ValueError:
            pass
        return cell
