"""Dated snapshots: that a configuration was this at a moment, as it was known then, sealed by a hash.

A snapshot holds no copy: what was believed can be asked for ever, and its hash shows that the answer is still the same.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from gemel.access import in_own_words, words_of
from gemel.clock import Clock
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.hashing import configuration_hash, items_hash
from gemel.configuration.questions import asking
from gemel.configuration.questions.asking import Difference
from gemel.configuration.upkeep.tables import snapshot as snapshots_table
from gemel.configuration.values import FOREVER, Node
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.twin import Change

__all__ = ["Every", "Snapshot", "Snapshots", "following", "take"]

SNAPSHOT_TAKEN = "item.snapshot_taken"


class Every(StrEnum):
    """How often snapshots are taken by themselves: at the first moment of each, UTC."""

    NEVER = ""
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """That the configuration of a root was this."""

    number: int
    root: str
    valid: int
    """Of which moment it tells."""
    known: int
    """As of when that was known."""
    hash: str
    """Of the whole tree: `configuration_hash`."""
    items: int
    """How many there are in it, the root too."""
    every: Every = Every.NEVER
    """Of which schedule; empty: somebody asked for it."""
    title: str = ""
    actor: str = ""


class Snapshots:
    """Those of one configuration."""

    def __init__(self, database: Database, clock: Clock, run: Callable[..., object], *, actor: str = "") -> None:
        self._database, self._clock, self._run, self._actor = database, clock, run, actor

    def take(self, root: str, at: int | None = None, *, known: int | None = None, title: str = "") -> Snapshot:
        """Seal what is known (or was, at `known`) of a moment. Raises NotFound, InvalidInput (a time to come)."""
        now = self._clock.now()
        at = now if at is None else at
        if at > now or (known is not None and known > now):
            raise InvalidInput("a snapshot is of what was; this moment is still to come")
        if len(title) > 200:
            raise InvalidInput("a title has at most 200 characters")
        done: list[Snapshot] = []

        def work(tx: Connection) -> Sequence[Change]:
            one, change = take(tx, root, at, FOREVER - 1 if known is None else known, title=title, actor=self._actor)
            done[:] = [one]
            return [change]

        self._run(work, actor=self._actor)
        return done[0]

    def of(self, root: str) -> list[Snapshot]:
        """All of a root, in order of the moments that they tell of. Raises NotFound."""
        with self._database.read() as tx:
            row, c = item_row(tx, root), snapshots_table.c
            query = select(snapshots_table).where(c.root == row.number).order_by(c.valid, c.number)
            return [_snapshot(tx, one, row.id) for one in tx.execute(query).all()]

    def get(self, number: int) -> Snapshot:
        """One of them. Raises NotFound."""
        with self._database.read() as tx:
            return _get(tx, number)

    def tree(self, number: int) -> Node:
        """What it sealed. Raises NotFound; Conflict when what is told of then is not what it was."""
        with self._database.read() as tx:
            return _opened(tx, _get(tx, number))

    def difference(self, before: int, after: int | None = None) -> list[Difference]:
        """What differs between two snapshots, or between one and now. Raises NotFound, Conflict."""
        with self._database.read() as tx:
            one = _get(tx, before)
            old = _opened(tx, one)
            if after is None:
                return asking.difference(old, asking.tree(tx, one.root, self._clock.now(), FOREVER - 1))
            return asking.difference(old, _opened(tx, _get(tx, after)))


def take(
    tx: Connection, root: str, valid: int, known: int, *, every: Every = Every.NEVER, title: str = "", actor: str = ""
) -> tuple[Snapshot, Change]:
    """Within the writer's transaction."""
    row = item_row(tx, root)
    # as of the last act: whatever becomes known from now on comes after it, even if the clock stands
    known = min(known, tx.scalar(select(func.max(tables.act.c.recorded))) or known)
    node = asking.tree(tx, root, valid, known)
    if valid < row.born:
        raise NotFound(f"{root} is not known at that moment; it begins later")
    told: dict[str, Any] = {
        "valid": valid,
        "known": known,
        "hash": configuration_hash(node),
        "items": sum(1 for _ in _all(node)),
        "title": title,
        "actor": actor,
    }
    kept = {**told, "root": row.number, "every": every.value, "title": in_own_words(tx, actor, title)}
    done = tx.execute(insert(snapshots_table).values(**kept))
    key = done.inserted_primary_key
    assert key is not None
    one = Snapshot(number=int(key[0]), root=row.id, every=every, **told)
    body = {"snapshot": one.number, "hash": one.hash, "known": known, "every": every.value}
    return one, Change(kind=SNAPSHOT_TAKEN, subject=row.id, time=valid, actor=actor, body=body)


def following(every: Every, moment: int) -> int:
    """The first moment of the next month, quarter or year, UTC."""
    at = datetime.fromtimestamp(moment / 1e6, UTC)
    month = {Every.MONTH: at.month, Every.QUARTER: (at.month - 1) // 3 * 3 + 3, Every.YEAR: 12}[every]
    year, month = (at.year + 1, 1) if month == 12 else (at.year, month + 1)
    return calendar.timegm((year, month, 1, 0, 0, 0)) * 1_000_000


def _all(node: Node) -> Iterator[Node]:
    yield node
    for part in node.parts:
        yield from _all(part)


def _get(tx: Connection, number: int) -> Snapshot:
    c = snapshots_table.c
    row = tx.execute(
        select(snapshots_table, tables.item.c.id.label("root_id"))
        .join(tables.item, tables.item.c.number == c.root)
        .where(c.number == number)
    ).first()
    if row is None:
        raise NotFound(f"there is no snapshot {number}")
    return _snapshot(tx, row, row.root_id)


def _opened(tx: Connection, one: Snapshot) -> Node:
    node = asking.tree(tx, one.root, one.valid, one.known)
    # one that was taken before software was part of the hash is sealed without it; it seals no less than it did
    if one.hash not in (configuration_hash(node), items_hash(node)):
        raise Conflict(f"snapshot {one.number} sealed something else: the configuration was tampered with")
    return node


def _snapshot(tx: Connection, row: Row[Any], root: str) -> Snapshot:
    return Snapshot(
        number=row.number,
        root=root,
        valid=row.valid,
        known=row.known,
        hash=row.hash,
        items=row.items,
        every=Every(row.every),
        title=words_of(tx, row.title),
        actor=row.actor,
    )
