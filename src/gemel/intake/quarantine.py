"""What was not accepted, kept as it came, with the reason; to be replayed after a fix, or discarded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from gemel.database import Database
from gemel.intake.base import Happened, Message, Quarantined, Refusal, Reported
from gemel.intake.payloads import Refusable, packed, unpacked
from gemel.intake.refusal import not_granted
from gemel.intake.tables import quarantine_table
from gemel.twin import Page

__all__ = ["Held", "Quarantine", "withheld"]

MAX_FIELD = 128
MAX_HELD = 100_000
"""Rows held per source: a broken device must not fill the disk."""
MAX_HELD_BYTES = 256 << 20
"""Bytes held per source."""
SAMPLE = 20
"""Readings of a long row that a page shows."""
_log = structlog.get_logger(__name__)


class Held(msgspec.Struct, frozen=True):
    """One refused thing, or a run of readings refused for one reason, on its way into the quarantine."""

    source: str
    received: int
    refusal: Refusal
    payload: Refusable
    actor: str = ""

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the table that hold it."""
        for form, data, size, readings in packed(self.payload):
            detail = _printable(self.refusal.detail)[:900]
            yield {
                "source": _field(self.source),
                "received": self.received,
                "code": self.refusal.code,
                "detail": detail if readings == 1 else f"{detail} (the first of {readings})",
                "twin": _field(self.refusal.twin),
                "property": _field(self.refusal.property),
                "form": form,
                "payload": data,
                "size": size,
                "actor": _field(self.actor),
                "state": "held",
                "position": 0,
                "readings": readings,
            }


def withheld(source: str, message: Message, received: int) -> list[Held]:
    """A message of twins that `source` does not speak for, each thing by itself."""
    told: list[tuple[Reported | Happened, str, str]] = [(one, one.twin, one.property) for one in message.readings]
    told += [(one, one.twin, one.event) for one in message.events]
    held = []
    for one, twin, name in told:
        refused = not_granted(source, twin)
        refusal = Refusal(code=refused.code, detail=refused.detail, twin=twin, property=name)
        held.append(Held(source, received, refusal, one))
    return held


def _printable(text: object) -> str:
    return str(text).encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def _field(text: object) -> str:
    return _printable(text)[:MAX_FIELD]


class Quarantine:
    """The table of refused things."""

    def __init__(self, database: Database, *, max_held: int = MAX_HELD, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._database = database
        self._max_held = max_held
        self._max_held_bytes = max_held_bytes
        self._held: dict[str, tuple[int, int]] = {}

    def write(self, connection: Connection, held: Iterable[Held]) -> None:
        """Keep what was refused. Of a source that floods it, what comes after the bounds is counted, not kept."""
        kept = [row for one in held for row in one.rows() if self._room(connection, row)]
        if kept:
            connection.execute(quarantine_table.insert(), kept)

    def _room(self, connection: Connection, row: dict[str, Any]) -> bool:
        c, name = quarantine_table.c, row["source"]
        if name not in self._held:
            size = sa.func.coalesce(sa.func.sum(sa.func.length(c.payload)), 0)
            query = sa.select(sa.func.count(), size).where(c.source == name, c.state == "held")
            found = connection.execute(query).one()
            self._held[name] = int(found[0]), int(found[1])
        rows, size_held = self._held[name]
        after = rows + 1, size_held + len(row["payload"])
        if after[0] > self._max_held or after[1] > self._max_held_bytes:
            return False
        self._held[name] = after
        if after[0] == self._max_held:
            _log.warning("quarantine.full", source=name, held=self._max_held)
        return True

    def forget(self) -> None:
        """A transaction failed: count again."""
        self._held.clear()

    def page(self, *, limit: int, cursor: str | None, where: dict[str, str]) -> Page[Quarantined]:
        """The newest first. `where`: column → value."""
        c = quarantine_table.c
        query = sa.select(quarantine_table).order_by(c.id.desc()).limit(limit + 1)
        for column, value in where.items():
            query = query.where(_fits(column, value))
        if cursor:
            query = query.where(c.id < int(cursor))
        with self._database.read() as connection:
            found = [_row(row) for row in connection.execute(query)]
        return Page(items=found[:limit], next=str(found[limit - 1].id) if len(found) > limit else None)

    def held(self, sources: Sequence[str]) -> dict[str, int]:
        """How much is held of each of these sources; those of which nothing is are left out."""
        c, found = quarantine_table.c, dict[str, int]()
        with self._database.read() as connection:
            for at in range(0, len(sources), 400):
                which = (c.source.in_(sources[at : at + 400]), c.state == "held")
                query = sa.select(c.source, sa.func.sum(c.readings)).where(*which).group_by(c.source)
                found.update({source: int(count) for source, count in connection.execute(query)})
        return found

    def read(self, connection: Connection, ids: Sequence[int]) -> list[Quarantined]:
        """The rows of these ids that are still held, in the order they came."""
        c = quarantine_table.c
        rows: list[Quarantined] = []
        for at in range(0, len(ids), 400):
            query = sa.select(quarantine_table).where(c.id.in_(ids[at : at + 400]), c.state == "held").order_by(c.id)
            rows.extend(_row(row, most=None) for row in connection.execute(query))
        return sorted(rows, key=lambda row: row.id)

    def ids(self, where: dict[str, str], limit: int) -> list[int]:
        """Ids of what is held and fits, oldest first."""
        c = quarantine_table.c
        query = sa.select(c.id).where(c.state == "held").order_by(c.id).limit(limit)
        for column, value in where.items():
            query = query.where(_fits(column, value))
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def portions(self, ids: Sequence[int], readings: int) -> list[list[int]]:
        """`ids` in their order, in parts that hold about so many readings."""
        c = quarantine_table.c
        counts: dict[int, int] = {}
        with self._database.read() as connection:
            for at in range(0, len(ids), 400):
                query = sa.select(c.id, c.readings).where(c.id.in_(ids[at : at + 400]))
                counts.update({row[0]: row[1] for row in connection.execute(query)})
        parts: list[list[int]] = []
        room = 0
        for id in ids:
            if room <= 0:
                parts.append([])
                room = readings
            parts[-1].append(id)
            room -= counts.get(id, 1)
        return parts

    def settle(self, connection: Connection, id: int, *, state: str, position: int = 0) -> None:
        """Mark a row as replayed at a position, or discarded (its payload goes)."""
        self.forget()  # there may be room again
        values: dict[str, Any] = {"state": state, "position": position}
        if state == "discarded":
            values["payload"] = b""
        connection.execute(quarantine_table.update().where(quarantine_table.c.id == id).values(**values))


def _fits(column: str, value: str) -> sa.ColumnElement[bool]:
    c = quarantine_table.c[column]
    kind, _, name = value.partition(":")
    if column == "source" and kind == "http" and name and "/" not in name:  # whoever it was who gave this name
        return sa.or_(c == value, c.startswith("http:", autoescape=True) & c.endswith(f"/{name}", autoescape=True))
    return c == value


def _row(row: sa.Row[Any], most: int | None = SAMPLE) -> Quarantined:
    return Quarantined(
        id=row.id,
        source=row.source,
        received=row.received,
        code=row.code,
        detail=row.detail,
        twin=row.twin,
        property=row.property,
        form=row.form,
        payload=unpacked(row.form, bytes(row.payload), most=most),
        size=row.size,
        state=row.state,
        position=row.position,
        count=row.readings,
    )
