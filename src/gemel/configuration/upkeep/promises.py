"""How up to date each configuration is promised to be, and whether it is: an SLA on what is known of a machine.

A promise says: this configuration is confirmed at most so many days ago. What confirms it is somebody who looked into
its slots (observations), or put something there. A schedule says how often snapshots of it are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, insert, or_, select, true, union, update

from gemel.clock import Clock
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import former
from gemel.configuration.parts.book import PartsBook
from gemel.configuration.questions import finding
from gemel.configuration.questions.confirming import confirmed
from gemel.configuration.upkeep.snapshots import Every, following, take
from gemel.configuration.upkeep.tables import followed
from gemel.configuration.upkeep.tables import upkeep as upkeep_table
from gemel.configuration.values import FOREVER
from gemel.database import Database
from gemel.errors import InvalidInput
from gemel.twin import Change, Page

__all__ = ["Kept", "Promise", "Upkeep", "UpkeepStanding"]

BROKEN, KEPT_AGAIN, DECLARED = "item.upkeep_broken", "item.upkeep_kept_again", "item.upkeep_declared"
_DAY = 86_400_000_000
_AT_MOST = 2_000
"""Roots in one look: some ten seconds; the others come next time."""
_AT_ONCE = 20
"""Roots in one transaction of the writer, which others wait for."""
_LOOKED_UP = 5_000
"""Items of which it is asked at once where they are: a load tells of very many."""
_PAGES = 10
"""Of promises, looked through for one page of broken ones."""
_BOOK = "promises"
"""Of `followed`: the revision of the parts book by which all promises were looked at."""
_TOLD: dict[Table, tuple[str, ...]] = {
    tables.placement: ("parent", "child"),
    tables.trait: ("item",),
    tables.software: ("item",),
}
"""What is told of items, and the columns that name them."""


class Kept(StrEnum):
    """How it stands with a promise."""

    KEPT = "kept"
    BROKEN = "broken"
    NEVER = "never"
    """Nobody has ever confirmed it."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised of the configuration of one root."""

    root: str
    within_days: float = 0.0
    """Every slot is confirmed at most so long ago; 0: nothing is promised."""
    every: Every = Every.NEVER
    """How often snapshots are taken."""


class UpkeepStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the upkeep of one root."""

    root: str
    promise: Promise
    confirmed: int | None
    """When the slot that was longest not looked at was confirmed; None: one never was."""
    age_days: float | None
    state: Kept
    broken_since: int | None
    """Since when the promise is broken; None: it is kept."""
    next_snapshot: int | None


class Upkeep:
    """The promises and schedules of one configuration."""

    def __init__(
        self, database: Database, clock: Clock, run: Callable[..., object], *, parts: PartsBook, actor: str = ""
    ) -> None:
        """`parts`: says which slots must be filled."""
        self._database, self._clock, self._run, self._actor = database, clock, run, actor
        self._parts = parts
        self._looked: int | None = None
        """The last act of which it is known whether it mended a promise."""

    def promise(self, promise: Promise) -> UpkeepStanding:
        """From now on this is promised of a root; nothing of it ends it. Raises NotFound, InvalidInput."""
        if not 0 <= promise.within_days <= 36_500:
            raise InvalidInput(f"a promise is of 0 to 36500 days, not {promise.within_days}")
        now = self._clock.now()

        def work(tx: Connection) -> Sequence[Change]:
            row, c = item_row(tx, promise.root), upkeep_table.c
            said = {
                "within": round(promise.within_days * _DAY),
                "every": promise.every.value,
                "next": following(promise.every, now) if promise.every else FOREVER,
                "due": now,
                "broken": 0,
                "since": now,
                "actor": self._actor,
            }
            if tx.execute(select(c.root).where(c.root == row.number)).first():
                tx.execute(update(upkeep_table).where(c.root == row.number).values(**said))
            else:
                tx.execute(insert(upkeep_table).values(root=row.number, **said))
            body = {"within_days": promise.within_days, "every": promise.every.value}
            return [Change(kind=DECLARED, subject=row.id, time=now, actor=self._actor, body=body)]

        self._run(work, actor=self._actor)
        return self.of(promise.root)

    def standing(self, *, root: str = "", broken: bool = False) -> list[UpkeepStanding]:
        """How it stands with all that something is promised of, or one; `broken`: only broken promises."""
        with self._database.read() as tx:
            rows = _rows(tx, upkeep_table.c.root == item_row(tx, root).number if root else true())
            found = self._standings(tx, rows, self._clock.now())
        return [one for one in found if not broken or one.state is not Kept.KEPT]

    def of(self, root: str) -> UpkeepStanding:
        """How it stands with one, whether anything is promised of it or not. Raises NotFound."""
        now = self._clock.now()
        with self._database.read() as tx:
            row = item_row(tx, root)
            if rows := _rows(tx, upkeep_table.c.root == row.number):
                return self._standings(tx, rows, now)[0]
            last = confirmed(tx, [row.number], now, FOREVER - 1, self._parts.read(tx))[row.number]
        return UpkeepStanding(
            root=row.id,
            promise=Promise(root=row.id),
            confirmed=last,
            age_days=None if last is None else (now - last) / _DAY,
            state=Kept.KEPT,
            broken_since=None,
            next_snapshot=None,
        )

    def page(
        self,
        *,
        after: str = "",
        limit: int = 100,
        broken: bool = False,
        q: str = "",
        seen: Collection[int] | None = None,
    ) -> Page[UpkeepStanding]:
        """How it stands with those that something is promised of, in order of their ids, from the one `after` that id.

        `broken`: only broken promises; then a page may have fewer, and still a next one. `q`: only those with this in
        their id, part or serial number. `seen`: only of these items, by their numbers; nothing is told of others.
        """
        c, now = upkeep_table.c, self._clock.now()
        found: list[UpkeepStanding] = []
        with self._database.read() as tx:
            asked = select(c.root, tables.item.c.id).join(tables.item, tables.item.c.number == c.root)
            x = tables.item.c
            asked = asked.where(x.id > after, c.within > 0 if broken else true()).order_by(x.id)
            if q:
                asked = asked.where(or_(*(one.icontains(q, autoescape=True) for one in (x.id, x.part, x.serial))))
            wanted = [row.root for row in tx.execute(asked) if seen is None or row.root in seen]
            last, done = after, 0
            while done < min(len(wanted), limit * _PAGES) and len(found) < limit:
                rows = _rows(tx, c.root.in_(wanted[done : done + limit]))
                stands = self._standings(tx, rows, now)
                found += [one for one in stands if not broken or one.state is not Kept.KEPT]
                last, done = rows[-1].id, done + limit
        if len(found) > limit:
            return Page(found[:limit], found[limit - 1].root)
        return Page(found, last if done < len(wanted) else None)

    def look(self, now: int | None = None) -> int:
        """Take the snapshots that are due and journal which promises broke or are kept again; returns how many.

        The housekeeper calls it every minute or so. Raises GemelError when the writer takes nothing: it looks again.
        """
        now = self._clock.now() if now is None else now
        c = upkeep_table.c
        self._by_the_book(now)
        with self._database.read() as tx:
            last = tx.scalar(select(func.max(tables.act.c.number))) or 0
            told_of = None if self._looked is None else _told_of(tx, self._looked, now)
            wanted, later = _doubtful(tx, told_of, now)
            doubtful = _rows(tx, c.root.in_(wanted))
            stands = self._standings(tx, doubtful, now)
            told = list(zip(doubtful, stands, strict=True))
            due = list(tx.scalars(select(c.root).where(c.next <= now).limit(_AT_MOST)))
        for first in range(0, len(later), _AT_MOST):
            self._run(partial(_put_off, roots=later[first : first + _AT_MOST], now=now), actor="gemel")
        for first in range(0, len(due), _AT_ONCE):
            self._run(partial(_taken, roots=due[first : first + _AT_ONCE], now=now), actor="gemel")
        for first in range(0, len(told), _AT_ONCE):
            self._run(partial(_looked, told=told[first : first + _AT_ONCE], now=now), actor="gemel")
        self._looked = last
        return len(due) + len(told)

    def _by_the_book(self, now: int) -> None:
        """When the parts book was changed, other slots may have to be confirmed: all promises are looked at again."""
        c, f = upkeep_table.c, followed.c
        with self._database.read() as tx:
            revision = self._parts.revision(tx)
            if (tx.scalar(select(f.position).where(f.name == _BOOK)) or 0) == revision:
                return
            roots = list(tx.scalars(select(c.root).where(c.within > 0, c.due > now)))
        for first in range(0, len(roots), _AT_MOST):
            self._run(partial(_put_off, roots=roots[first : first + _AT_MOST], now=now), actor="gemel")
        self._run(partial(_by_revision, revision=revision), actor="gemel")

    def _standings(self, tx: Connection, rows: Sequence[Row[Any]], now: int) -> list[UpkeepStanding]:
        """How it stands with each, in this order."""
        numbers = [row.root if row.merged is None else int(item_row(tx, row.id).number) for row in rows]
        moments = confirmed(tx, numbers, now, FOREVER - 1, self._parts.read(tx))
        return [_standing(row, moments[number], now) for row, number in zip(rows, numbers, strict=True)]


def _told_of(tx: Connection, after: int, now: int) -> set[int]:
    """The items of which acts after this one told something, or told it otherwise, and all that they are in."""
    a, o, s = tables.act.c, tables.observation.c, tables.place.c
    since = tx.scalar(select(a.recorded).where(a.number == after)) or 0
    amended = select(a.amends).where(a.number > after, a.amends.is_not(None))
    seen = select(s.parent).join(tables.observation, o.place == s.number)
    asked = [seen.where(o.begun_by > after), seen.where(o.begun_by.in_(amended))]
    for table, names in _TOLD.items():
        c = table.c
        told = (c.begun_by > after, c.ended_by > after, and_(c.recorded_to > since, former(table)))
        asked += [select(c[name]).where(one) for name in names for one in told]
    items = tx.scalars(union(*asked)).all()
    found = set(items)
    for first in range(0, len(items), _LOOKED_UP):
        ways = finding.wheres(tx, items[first : first + _LOOKED_UP], now, FOREVER - 1)
        found.update(step.parent for way in ways.values() for step in way)
    return found


def _doubtful(tx: Connection, told_of: Collection[int] | None, now: int) -> tuple[list[int], list[int]]:
    """Promises to look at, by their roots: those due the longest first, so many as one look takes; and those of the
    others that would not come up next time by themselves. `told_of` None: it is not known of what something was told.
    """
    c = upkeep_table.c
    due = c.due <= now if told_of is not None and not told_of else true()
    asked = select(c.root, c.due, c.broken).where(c.within > 0, due).order_by(c.due, c.root)
    found = [
        row
        for row in tx.execute(asked)
        if row.due <= now or (row.broken > 0 if told_of is None else row.root in told_of)
    ]
    return [row.root for row in found[:_AT_MOST]], [row.root for row in found[_AT_MOST:] if row.due > now]


def _rows(tx: Connection, which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    query = select(upkeep_table, tables.item.c.id, tables.item.c.merged).join(
        tables.item, tables.item.c.number == upkeep_table.c.root
    )
    return tx.execute(query.where(which).order_by(tables.item.c.id)).all()


def _standing(row: Row[Any], last: int | None, now: int) -> UpkeepStanding:
    if not row.within:
        state = Kept.KEPT
    elif last is None:
        state = Kept.NEVER
    else:
        state = Kept.BROKEN if now - last > row.within else Kept.KEPT
    since: int | None = None
    if state is Kept.BROKEN and last is not None:
        since = max(last + row.within, row.since)
    elif state is Kept.NEVER:
        since = row.since
    return UpkeepStanding(
        root=row.id,
        promise=Promise(root=row.id, within_days=row.within / _DAY, every=Every(row.every)),
        confirmed=last,
        age_days=None if last is None else (now - last) / _DAY,
        state=state,
        broken_since=since,
        next_snapshot=row.next if row.every else None,
    )


def _taken(tx: Connection, *, roots: Sequence[int], now: int) -> Sequence[Change]:
    """Snapshots as of the moment that they were due; one that was missed for long is taken once, not for each."""
    c, changes = upkeep_table.c, []
    for row in tx.execute(
        select(upkeep_table, tables.item.c.id, tables.item.c.born).join(tables.item).where(c.root.in_(roots))
    ).all():
        every = Every(row.every)
        due = row.next
        if not every or due > now:
            continue
        while (later := following(every, due)) <= now:
            due = later
        if due >= row.born:
            changes.append(take(tx, row.id, due, FOREVER - 1, every=every, actor="gemel")[1])
        tx.execute(update(upkeep_table).where(c.root == row.root).values(next=later))
    return changes


def _put_off(tx: Connection, *, roots: Sequence[int], now: int) -> Sequence[Change]:
    """These are due, and come up with the next look."""
    tx.execute(update(upkeep_table).where(upkeep_table.c.root.in_(roots)).values(due=now))
    return []


def _by_revision(tx: Connection, *, revision: int) -> Sequence[Change]:
    """All promises have come up by this revision of the parts book."""
    done = tx.execute(update(followed).where(followed.c.name == _BOOK).values(position=revision))
    if not done.rowcount:
        tx.execute(insert(followed).values(name=_BOOK, position=revision))
    return []


def _looked(tx: Connection, *, told: Sequence[tuple[Row[Any], UpkeepStanding]], now: int) -> Sequence[Change]:
    """When each is to be looked at again; of those that turned, the change. What was promised anew since they were
    read is left as it is, and comes up with the next look."""
    changes, c = [], upkeep_table.c
    for row, one in told:
        kept = one.state is Kept.KEPT
        due = FOREVER if one.confirmed is None or not kept else one.confirmed + row.within + 1
        broken = 0 if kept else one.broken_since or now
        same = (c.root == row.root, c.within == row.within, c.since == row.since)
        done = tx.execute(update(upkeep_table).where(*same).values(due=due, broken=broken))
        if not done.rowcount or bool(row.broken) == (not kept):
            continue
        body = {"within_days": one.promise.within_days, "confirmed": one.confirmed, "state": one.state.value}
        changes.append(
            Change(kind=KEPT_AGAIN if kept else BROKEN, subject=one.root, time=now, actor="gemel", body=body)
        )
    return changes
