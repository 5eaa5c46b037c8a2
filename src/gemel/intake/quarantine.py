"""What was not accepted, kept as it came, with the reason; to be replayed after a fix, or discarded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from gemel.database import Database
from gemel.intake.base import Happened, Message, Quarantined, Refusal, Reported
from gemel.intake.tables import quarantine_table
from gemel.twin import Page

__all__ = ["Held", "Quarantine"]

MAX_PAYLOAD = 1 << 20
MAX_FIELD = 128
MAX_HELD = 100_000
"""Rows held per source: a broken device must not fill the disk."""
_log = structlog.get_logger(__name__)
_encoder = msgspec.msgpack.Encoder()
_decoders: dict[str, Any] = {
    "reading": msgspec.msgpack.Decoder(Reported),
    "event": msgspec.msgpack.Decoder(Happened),
    "message": msgspec.msgpack.Decoder(Message),
}


class Held(msgspec.Struct, frozen=True):
    """One refused thing on its way into the quarantine."""

    source: str
    received: int
    refusal: Refusal
    payload: Reported | Happened | Message | bytes
    actor: str = ""

    def values(self) -> dict[str, Any]:
        form, data = _packed(self.payload)
        return {
            "source": _field(self.source),
            "received": self.received,
            "code": self.refusal.code,
            "detail": _printable(self.refusal.detail)[:1000],
            "twin": _field(self.refusal.twin),
            "property": _field(self.refusal.property),
            "form": form,
            "payload": data[:MAX_PAYLOAD],
            "size": len(data),
            "actor": _field(self.actor),
            "state": "held",
            "position": 0,
        }


def _printable(text: object) -> str:
    return str(text).encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def _field(text: object) -> str:
    return _printable(text)[:MAX_FIELD]


def _packed(payload: Reported | Happened | Message | bytes) -> tuple[str, bytes]:
    """(form, bytes). What MessagePack cannot hold, or what is too long to be kept whole, is kept as raw bytes."""
    if isinstance(payload, bytes):
        return "raw", payload
    form = {Reported: "reading", Happened: "event", Message: "message"}[type(payload)]
    try:
        data = _encoder.encode(payload)
        if len(data) <= MAX_PAYLOAD:
            _decoders[form].decode(data)
            return form, data
    except Exception:  # deep, huge, or not what it says it is
        data = _shallow(payload)
    return "raw", data


def _shallow(payload: object) -> bytes:
    try:
        return repr(payload).encode(errors="backslashreplace")
    except Exception as error:  # whatever the caller's objects do
        return f"a {type(payload).__name__} that cannot be shown: {error!s:.200}".encode()


class Quarantine:
    """The table of refused things."""

    def __init__(self, database: Database, *, max_held: int = MAX_HELD) -> None:
        self._database = database
        self._max_held = max_held
        self._held: dict[str, int] = {}

    def write(self, connection: Connection, held: Sequence[Held]) -> None:
        """Keep what was refused. Of a source that floods it, what comes after `max_held` is counted, not kept."""
        kept = [one.values() for one in held if self._room(connection, one.source)]
        if kept:
            connection.execute(quarantine_table.insert(), kept)

    def _room(self, connection: Connection, source: str) -> bool:
        c, name = quarantine_table.c, _field(source)
        if name not in self._held:
            query = sa.select(sa.func.count()).where(c.source == name, c.state == "held")
            self._held[name] = connection.execute(query).scalar_one()
        if self._held[name] >= self._max_held:
            return False
        self._held[name] += 1
        if self._held[name] == self._max_held:
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
            query = query.where(c[column] == value)
        if cursor:
            query = query.where(c.id < int(cursor))
        with self._database.read() as connection:
            found = [_row(row) for row in connection.execute(query)]
        return Page(items=found[:limit], next=str(found[limit - 1].id) if len(found) > limit else None)

    def read(self, connection: Connection, ids: Sequence[int]) -> list[Quarantined]:
        """The rows of these ids that are still held, in the order they came."""
        c = quarantine_table.c
        rows: list[Quarantined] = []
        for at in range(0, len(ids), 400):
            query = sa.select(quarantine_table).where(c.id.in_(ids[at : at + 400]), c.state == "held").order_by(c.id)
            rows.extend(_row(row) for row in connection.execute(query))
        return sorted(rows, key=lambda row: row.id)

    def ids(self, where: dict[str, str], limit: int) -> list[int]:
        """Ids of what is held and fits, oldest first."""
        c = quarantine_table.c
        query = sa.select(c.id).where(c.state == "held").order_by(c.id).limit(limit)
        for column, value in where.items():
            query = query.where(c[column] == value)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def settle(self, connection: Connection, id: int, *, state: str, position: int = 0) -> None:
        """Mark a row as replayed at a position, or discarded (its payload goes)."""
        self.forget()  # there may be room again
        values: dict[str, Any] = {"state": state, "position": position}
        if state == "discarded":
            values["payload"] = b""
        connection.execute(quarantine_table.update().where(quarantine_table.c.id == id).values(**values))


def _row(row: sa.Row[Any]) -> Quarantined:
    form, payload = row.form, bytes(row.payload)
    return Quarantined(
        id=row.id,
        source=row.source,
        received=row.received,
        code=row.code,
        detail=row.detail,
        twin=row.twin,
        property=row.property,
        form=form,
        payload=_decoders[form].decode(payload) if form in _decoders and payload else payload,
        size=row.size,
        state=row.state,
        position=row.position,
    )
