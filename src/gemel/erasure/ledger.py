"""The ledger: who and what was erased. It stays when the content goes, and lies beside the database, too.

`erasures.json` in the folder is what a restore applies: a backup is older than the erasures after it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from gemel.database import Database
from gemel.erasure.tables import erasure_table
from gemel.errors import Corrupt

__all__ = ["LEDGER", "Entry", "Ledger", "read_ledger"]

LEDGER = "erasures.json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure; ids only, no content."""

    kind: Literal["person", "twin"]
    subject: str
    time: int
    actor: str = ""
    done: bool = False
    counts: dict[str, int] = {}


def read_ledger(folder: Path) -> list[Entry]:
    """What was erased in the plant of a folder, also of one whose database is lost. Raises Corrupt."""
    path = folder / LEDGER
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Entry])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{path} cannot be read: {error}; who must stay erased is not known, so restore it") from error


class Ledger:
    """The table, and its copy beside the database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def all(self) -> list[Entry]:
        """By time."""
        with self._database.read() as connection:
            rows = connection.execute(select(erasure_table).order_by(erasure_table.c.time)).all()
        return [
            Entry(
                kind=row.kind,
                subject=row.subject,
                time=row.time,
                actor=row.actor,
                done=row.done,
                counts=msgspec.json.decode(row.counts),
            )
            for row in rows
        ]

    def put(self, tx: Connection, entry: Entry) -> None:
        """Add or replace an entry."""
        c = erasure_table.c
        values = msgspec.structs.asdict(entry) | {"counts": msgspec.json.encode(entry.counts).decode()}
        mine = (c.kind == entry.kind) & (c.subject == entry.subject)
        if tx.execute(select(c.subject).where(mine)).first() is None:
            tx.execute(insert(erasure_table).values(**values))
        else:
            tx.execute(update(erasure_table).where(mine).values(**values))

    def copy(self) -> None:
        """Write the copy anew; survives a power cut."""
        target, fresh = self._folder / LEDGER, self._folder / f"{LEDGER}.new"
        known = {(entry.kind, entry.subject): entry for entry in [*read_ledger(self._folder), *self.all()]}
        with fresh.open("wb") as out:
            out.write(msgspec.json.encode(list(known.values())))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(target)
