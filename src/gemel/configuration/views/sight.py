"""Which items somebody sees, and when.

An item is seen while it, or what it is in, at any depth, is the object of a twin whose configuration may be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from gemel.access import View
from gemel.clock import MAX_TIME, Clock
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.belief import known_at
from gemel.configuration.questions import finding
from gemel.configuration.spans import covering, gaps, joined
from gemel.configuration.values import FOREVER, Span
from gemel.configuration.views.linking import items_of_act
from gemel.database import Database
from gemel.errors import NotFound
from gemel.twin import PropertyGroup

__all__ = ["Held", "Sight", "Way", "latest"]

ALWAYS = Span(-FOREVER, FOREVER)
_AT_ONCE = 500
T = TypeVar("T")


class Held(msgspec.Struct, frozen=True):
    """One holder of an item."""

    slot: str
    holder: str
    """The item that has the slot."""
    twin: str
    """That item's own; empty: it has none."""


class Way(msgspec.Struct, frozen=True):
    """How an item was held for a time."""

    span: Span
    held: tuple[Held, ...]
    """The nearest holder first."""

    @property
    def root(self) -> str:
        return self.held[-1].holder if self.held else ""

    @property
    def path(self) -> tuple[str, ...]:
        """Slots from the root down."""
        return tuple(one.slot for one in reversed(self.held))


class Sight:
    """Of one caller. Cheap to make."""

    def __init__(self, database: Database, clock: Clock, view: View) -> None:
        self._database, self._clock, self._view = database, clock, view

    def now(self) -> int:
        """This moment."""
        return self._clock.now()

    def read(self, work: Callable[[Connection], T]) -> T:
        with self._database.read() as tx:
            return work(tx)

    @property
    def everything(self) -> bool:
        """Nothing is hidden from the caller."""
        return self._view.projection is None

    def since(self, twin: str, group: PropertyGroup = PropertyGroup.CONFIGURATION) -> int | None:
        """From when on this group of a twin is seen; None: not at all."""
        projection = self._view.projection
        if projection is None:
            return -FOREVER
        entry = self._view.find(twin) if twin else None
        if entry is None or not projection.has(entry, group):
            return None
        return projection.of(entry.number).since(group)

    def faces(
        self, tx: Connection, group: PropertyGroup = PropertyGroup.CONFIGURATION
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64[n], int64[n]: the items whose own twin shows this group, and from when on."""
        x = tables.item.c
        rows = tx.execute(select(x.number, x.twin).where(x.twin > "")).all()
        since = self._view.since([row.twin for row in rows], group)
        shown = since < MAX_TIME
        return np.array([row.number for row in rows], np.int64)[shown], since[shown]

    def spans(
        self,
        tx: Connection,
        number: int,
        known: int,
        group: PropertyGroup = PropertyGroup.CONFIGURATION,
        during: Span = ALWAYS,
    ) -> list[Span]:
        """When an item is seen, by itself or through what it was in; in order of time, apart from one another."""
        if self.everything:
            return [during]
        x, p = tables.item.c, tables.placement.c
        since = self.since(str(tx.scalar(select(x.twin).where(x.number == number))), group)
        found = [] if since is None else [Span(since, FOREVER)]
        rows = tx.execute(
            select(p.parent, p.valid_from, p.valid_to)
            .where(p.child == number, p.valid_from < during.end, p.valid_to > during.start)
            .where(known_at(tables.placement, known))
        ).all()
        for row in rows:
            inside = during.meets(Span(row.valid_from, row.valid_to))
            if inside is not None:
                found += self.spans(tx, row.parent, known, group, inside)
        return joined(each for one in found if (each := during.meets(one)) is not None)

    def _number(self, tx: Connection, item: str, valid: int | None, known: int) -> int:
        """The number of an item that is seen, at that moment or (None) at any. Raises NotFound."""
        number = int(item_row(tx, item).number)
        spans = self.spans(tx, number, known)
        if not spans or (valid is not None and not covering(spans, valid)):
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        return number

    def sees(
        self,
        item: str,
        at: int | None = None,
        *,
        known: int | None = None,
        group: PropertyGroup = PropertyGroup.CONFIGURATION,
    ) -> bool:
        """Whether this group of an item is seen at a moment (None: now)."""
        try:
            self.require(item, at, known=known, group=group)
        except NotFound:
            return False
        return True

    def require(
        self,
        item: str,
        at: int | None = None,
        *,
        known: int | None = None,
        group: PropertyGroup = PropertyGroup.CONFIGURATION,
    ) -> None:
        """Raises NotFound unless this group of an item is seen at a moment (None: now)."""
        valid = self._clock.now() if at is None else at

        def work(tx: Connection) -> None:
            number = self._number(tx, item, valid, latest(known))
            if covering(self.spans(tx, number, latest(known), group), valid) is None:
                raise NotFound(f"of the {group} of {item} nothing is told")

        self.read(work)

    def seen_spans(self, item: str) -> list[Span]:
        """When an item is seen, in order of time."""
        return self.read(lambda tx: self.spans(tx, int(item_row(tx, item).number), latest(None)))

    def sees_from(self, item: str, at: int) -> bool:
        """Whether an item is seen from a moment on, whatever becomes of it."""

        def work(tx: Connection) -> bool:
            spans = self.spans(tx, int(item_row(tx, item).number), latest(None))
            return (span := covering(spans, at)) is not None and span.end == FOREVER

        return self.read(work)

    def sees_through(self, item: str, during: Span, group: PropertyGroup = PropertyGroup.CONFIGURATION) -> bool:
        """Whether this group of an item is seen from the beginning of a time to its end."""

        def work(tx: Connection) -> bool:
            return self.spans(tx, int(item_row(tx, item).number), latest(None), group, during) == [during]

        return self.read(work)

    def holders(self, item: str, at: int) -> list[str]:
        """The twins of an item and of all that it is in, the nearest first. Raises NotFound, also where it is not
        seen."""

        def work(tx: Connection) -> list[str]:
            number = self._number(tx, item, at, latest(None))
            own = str(tx.scalar(select(tables.item.c.twin).where(tables.item.c.number == number)))
            way = finding.wheres(tx, [number], at, latest(None))[number]
            return [twin for twin in (own, *(row.twin for row in way)) if twin]

        return self.read(work)

    def of_act(self, act: int) -> list[str]:
        """The items of which an act is believed to tell."""
        x = tables.item.c

        return self.read(lambda tx: sorted(tx.scalars(select(x.id).where(x.number.in_(items_of_act(tx, act))))))

    def holders_at_act(self, act: int) -> dict[str, list[str]]:
        """The same of each item of an act when that was: what it took out was in something until then. Raises
        NotFound, also where one is not seen then."""
        c = tables.act.c
        moment = self.read(lambda tx: tx.scalar(select(c.time).where(c.number == act)))
        if moment is None:
            return {}
        found = {}
        for item in self.of_act(act):
            with suppress(NotFound):
                found[item] = self.holders(item, moment)
            found[item] = found.get(item) or self.holders(item, moment - 1)
        return found

    def numbers(self, tx: Connection, valid: int, known: int) -> list[int] | None:
        """The items that are seen at a moment; None: all."""
        projection = self._view.projection
        if projection is None:
            return None
        x = tables.item.c
        tops: list[int] = []
        twins = [twin for twin in self._view.ids() if (since := self.since(twin)) is not None and since <= valid]
        for some in _chunks(twins):
            tops += tx.scalars(select(x.number).where(x.twin.in_(some)))
        found: set[int] = set()
        for each in _chunks(tops):
            found.update(tx.scalars(select(finding.below(each, valid, known).c.number)))
        return sorted(found)

    def ways(self, tx: Connection, number: int, span: Span, known: int, below: tuple[Held, ...] = ()) -> list[Way]:
        """How an item was held within a time in which it is seen, up through all that is seen, too: the last holder is
        the root, as far as the caller can tell."""
        p, parent = tables.placement.c, tables.item.alias("parent")
        rows = tx.execute(
            select(p.parent, p.valid_from, p.valid_to, tables.place.c.slot, parent.c.id, parent.c.twin)
            .join(tables.place, tables.place.c.number == p.place)
            .join(parent, parent.c.number == p.parent)
            .where(p.child == number, p.valid_from < span.end, p.valid_to > span.start)
            .where(known_at(tables.placement, known))
            .order_by(p.valid_from)
        ).all()
        found: list[Way] = []
        above: list[Span] = []
        for row in rows:
            inside = span.meets(Span(row.valid_from, row.valid_to))
            assert inside is not None
            for seen in self.spans(tx, row.parent, known, during=inside):
                found += self.ways(tx, row.parent, seen, known, (*below, Held(row.slot, row.id, row.twin)))
                above.append(seen)
        if below:
            found += [Way(gap, below) for gap in gaps(above, span)]
        return sorted(found, key=lambda way: way.span.start)


def latest(known: int | None) -> int:
    """As it was believed at a moment; None: now."""
    return FOREVER - 1 if known is None else known


def _chunks(listed: list[Any]) -> Iterable[list[Any]]:
    return (listed[first : first + _AT_ONCE] for first in range(0, len(listed), _AT_ONCE))
