"""Holds: twins of which nothing may be dropped or erased, because of a dispute, a contract or a duty to keep.

A hold covers what is part of the twin, and what was when it began: a machine's readings are those of its components.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select

from gemel.access import seal, unseal
from gemel.clock import Clock
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, NotFound, UnknownTwin
from gemel.registry import Registry
from gemel.storage.tables import hold_table
from gemel.twin import Change

__all__ = ["Hold", "Holds"]

Run = Callable[[Callable[[Connection], Sequence[Change]], str], object]
"""Runs work in the writer's transaction on behalf of an actor, and journals the changes that it returns."""
LONGEST_REASON = 500


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of this twin goes while it stands."""

    twin: str
    since: int
    actor: str
    reason: str


class Holds:
    """All holds, in memory and in the database."""

    def __init__(self, database: Database, registry: Registry, clock: Clock, run: Run) -> None:
        self._database = database
        self._registry = registry
        self._directory = registry.directory
        self._clock = clock
        self._run = run
        self._twins: dict[str, int] = {}
        """Since when each is held."""
        self._reload()

    def _reload(self) -> None:
        with self._database.read() as connection:
            rows = connection.execute(select(hold_table.c.twin, hold_table.c.since)).all()
        self._twins = {row.twin: row.since for row in rows}

    def put(self, twin: str, reason: str, *, actor: str = "") -> Hold:
        """Hold a twin. Raises UnknownTwin, InvalidInput (no reason), Conflict (it is held already)."""
        entry = self._directory.twin(twin)
        if entry is None:
            raise UnknownTwin(f"there is no twin {twin!r:.130}; search for a part of its name")
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise InvalidInput(f"a hold has a reason of 1 to {LONGEST_REASON} characters, for who finds it in years")
        if entry.id in self._twins:
            raise Conflict(f"{entry.id} is held already; release it first to give another reason")
        now = self._clock.now()

        def work(tx: Connection) -> Sequence[Change]:
            sealed = seal(tx, actor, reason.strip())
            tx.execute(insert(hold_table).values(twin=entry.id, since=now, actor=actor, reason=sealed))
            return [Change(kind="retention.held", subject=entry.id, time=now, actor=actor)]

        self._run(work, actor)
        self._reload()
        return Hold(twin=entry.id, since=now, actor=actor, reason=reason.strip())

    def release(self, twin: str, *, actor: str = "") -> None:
        """End a hold. Raises NotFound."""
        entry = self._directory.twin(twin)
        name = entry.id if entry is not None else twin
        if name not in self._twins:
            raise NotFound(f"{name:.128} is not held; `gemel storage holds` lists what is")
        now = self._clock.now()

        def work(tx: Connection) -> Sequence[Change]:
            tx.execute(delete(hold_table).where(hold_table.c.twin == name))
            return [Change(kind="retention.released", subject=name, time=now, actor=actor)]

        self._run(work, actor)
        self._reload()

    def all(self) -> list[Hold]:
        """Every hold, by twin."""
        with self._database.read() as connection:
            rows = connection.execute(select(hold_table).order_by(hold_table.c.twin)).all()
        return [
            Hold(twin=row.twin, since=row.since, actor=row.actor, reason=unseal(self._database, row.actor, row.reason))
            for row in rows
        ]

    def covered(self) -> frozenset[str]:
        """Ids of what is held: by itself, or as a part of what is."""
        parts = (
            part.id
            for twin, since in self._twins.items()
            if self._directory.twin(twin) is not None
            for at in (since, None)
            for _, part in self._registry.parts(twin, at=at)
        )
        return frozenset((*self._twins, *parts))

    @property
    def numbers(self) -> frozenset[int]:
        """Numbers of what is held."""
        entries = (self._directory.twin(twin) for twin in self.covered())
        return frozenset(entry.number for entry in entries if entry is not None)
