"""The two logs that are witnessed, as trees: the blocks of the journal, the entries of the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Connection, func, insert, select

from gemel.access import Audit
from gemel.database import Database
from gemel.journal import SqlJournal
from gemel.twin import Change
from gemel.witness.tables import node
from gemel.witness.tree import leaf_hash

__all__ = ["AUDIT", "JOURNAL", "AuditLog", "JournalLog", "Log", "Nodes", "Run"]

JOURNAL, AUDIT = "journal", "audit"
Run = Callable[[Callable[[Connection], Sequence[Change]]], object]
"""Does a piece of work in the writer's transaction, and returns when it is durable."""


class Log(Protocol):
    """Entries that are chained by hashes."""

    name: str

    def size(self) -> int: ...

    def hashes(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes of entries [start, end), counted from 0."""

    def end(self, size: int) -> tuple[int, bytes]:
        """(position, hash) of the last of `size` entries."""


class JournalLog:
    """Blocks; position: of the journal."""

    name = JOURNAL

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal

    def size(self) -> int:
        return self._journal.head().sequence

    def hashes(self, start: int, end: int) -> list[bytes]:
        return [leaf_hash(one) for one in self._journal.hashes(start, end)]

    def end(self, size: int) -> tuple[int, bytes]:
        head = self._journal.head_at(size)
        return head.position, head.hash


class AuditLog:
    """Entries that have a hash; position: the number of an entry."""

    name = AUDIT

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def size(self) -> int:
        first, last = self._audit.chained()
        return last - first + 1

    def hashes(self, start: int, end: int) -> list[bytes]:
        first, _ = self._audit.chained()
        return [leaf_hash(one) for one in self._audit.hashes(first + start, first + end - 1)]

    def end(self, size: int) -> tuple[int, bytes]:
        first, _ = self._audit.chained()
        number = first + size - 1
        found = self._audit.hashes(number, number) if size else []
        return (number, found[0]) if found else (0, bytes(32))


class Nodes:
    """Kept hashes of complete subtrees of one log."""

    def __init__(self, log: str, database: Database, run: Run) -> None:
        self._log, self._database, self._run = log, database, run

    def count(self, level: int) -> int:
        c = node.c
        with self._database.read() as connection:
            found = connection.execute(select(func.max(c.place)).where(c.log == self._log, c.level == level)).scalar()
        return 0 if found is None else int(found) + 1

    def get(self, level: int, start: int, end: int) -> list[bytes]:
        c = node.c
        wanted = select(c.hash).where(c.log == self._log, c.level == level, c.place >= start, c.place < end)
        with self._database.read() as connection:
            return list(connection.execute(wanted.order_by(c.place)).scalars())

    def put(self, level: int, start: int, hashes: Sequence[bytes]) -> None:
        rows = [{"log": self._log, "level": level, "place": start + at, "hash": one} for at, one in enumerate(hashes)]

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(insert(node), rows)
            return ()

        self._run(work)
