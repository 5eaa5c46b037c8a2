"""What somebody sees of the configuration: every question that is answered to a caller goes through it.

An item is seen while it, or what it is in, at any depth, is the object of a twin whose configuration may be read. What
is not seen is as if it were not there: a stay in another's machine is a time `elsewhere`, like one that nobody told of.

What is not seen so may be told by a view of the configuration (`Partly`): then the first view that tells it answers.
Whatever is not asked through the verbs here (`sees`, `spans`, `numbers`, `holders`) knows of what is seen whole alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, select

from gemel.access import ItemColumn, ItemsSeen, View
from gemel.clock import Clock
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.acts.doing import named_in
from gemel.configuration.belief import known_at
from gemel.configuration.parts.book import PartsBook
from gemel.configuration.questions import asking, counting, finding
from gemel.configuration.questions.asking import Difference, Judged, Stay, as_it_is
from gemel.configuration.questions.counting import Count
from gemel.configuration.questions.finding import ItemFound, ItemQuery
from gemel.configuration.spans import covering, gaps, not_before
from gemel.configuration.values import Act, ActKind, Item, Node, Placement, Span
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.scope import ELSEWHERE
from gemel.configuration.views.sight import Sight, latest
from gemel.database import Database
from gemel.errors import Denied, NotFound
from gemel.twin import Page, PropertyGroup

__all__ = ["ELSEWHERE", "Seen"]

T = TypeVar("T")
_GROUPS = (PropertyGroup.CONFIGURATION, PropertyGroup.USAGE)


class Seen(Sight):
    """The questions of `Configuration`, for one caller. Cheap to make; made for each request."""

    def __init__(self, database: Database, clock: Clock, view: View, *, judged: Judged = as_it_is) -> None:
        """`judged`: marks what is seen whole with what is required of its software; views do not tell of that."""
        super().__init__(database, clock, view)
        self._judged = judged

    @classmethod
    def by(cls, database: Database, clock: Clock, view: View, told: ItemsSeen) -> Partly:
        """What one view of the configuration would tell, before it is granted."""
        whole = view.of_items(told)
        return Partly(cls(database, clock, whole), whole, told, PartsBook(database, clock, _changes_nothing))

    @cached_property
    def partly(self) -> list[Partly]:
        """What is told by views of the configuration, the view that tells most first."""
        told = self._view.projection.items if self._view.projection is not None else ()
        if not told:
            return []
        return [self.by(self._database, self._clock, self._view, one) for one in told]

    def first(self, whole: Callable[[], T], partly: Callable[[Partly], T]) -> T:
        """What is told of an item that is seen whole; else what the first view that is of it tells."""
        try:
            return whole()
        except NotFound as error:
            refused: NotFound | Denied = error
        for one in self.partly:
            try:
                return partly(one)
            except NotFound:
                continue
            except Denied as error:
                refused = error
        raise refused

    # what is asked

    def search(self, query: ItemQuery, at: int | None = None, *, known: int | None = None) -> Page[ItemFound]:
        """Items that fit, as they are believed to be at a moment, with where they are. Raises NotFound (root)."""
        valid, believed = self._clock.now() if at is None else at, latest(known)
        if not self.partly:
            return self._search(query, valid, believed)
        found: dict[str, ItemFound] = {}
        more, refused = False, None
        after = next((id for one in self.partly if (id := one.kept(query.after))), query.after)
        query = msgspec.structs.replace(query, after=after)
        try:
            page = self._search(query, valid, believed)
            found, more = {one.item.id: one for one in page.items}, page.next is not None
        except NotFound as error:
            refused = error
        for one in self.partly:
            try:
                told, further = one.search(query, valid, believed)
            except NotFound as error:
                refused = refused or error
                continue
            found, more, refused = {**dict(told), **found}, more or further, None
        if refused is not None and not found:
            raise refused
        listed = sorted(found)
        items = [found[id] for id in listed[: query.limit]]
        return Page(items, items[-1].item.id if more or len(listed) > query.limit else None)

    def _search(self, query: ItemQuery, valid: int, believed: int) -> Page[ItemFound]:
        def work(tx: Connection) -> Page[ItemFound]:
            if query.root:
                self._number(tx, query.root, valid, believed)
            page = finding.search(tx, query, valid, believed, self.numbers(tx, valid, believed))
            return Page(self._placed(tx, page.items, valid, believed), page.next)

        return self.read(work)

    def called(self, code: str) -> list[ItemFound]:
        """What is called so now: by id, serial number or any other name."""
        now = self._clock.now()

        def work(tx: Connection) -> list[ItemFound]:
            items = finding.called(tx, code, now, latest(None))
            seen = [one for one in items if self.everything or self._seen_now(tx, one.id, now)]
            return self._placed(tx, seen, now, latest(None))

        found = {one.item.id: one for part in self.partly for one in part.called(code, now, latest(None))}
        return list((found | {one.item.id: one for one in self.read(work)}).values())

    def _seen_now(self, tx: Connection, item: str, now: int) -> bool:
        return covering(self.spans(tx, int(item_row(tx, item).number), latest(None)), now) is not None

    def _placed(self, tx: Connection, items: Sequence[Item], valid: int, known: int) -> list[ItemFound]:
        numbers = {item.id: int(item_row(tx, item.id).number) for item in items}
        ways = finding.wheres(tx, numbers.values(), valid, known)
        found = []
        for item in items:
            way = ways[numbers[item.id]]
            seen = [place for place, row in enumerate(way, 1) if self._shows(row.twin, valid)]
            top = len(way) if self.everything else max(seen, default=0)
            found.append(
                ItemFound(
                    item=item,
                    root=way[top - 1].id if top else "",
                    path=tuple(row.slot for row in reversed(way[:top])),
                    since=way[0].valid_from if top else None,
                )
            )
        return found

    def _shows(self, twin: str, valid: int) -> bool:
        since = self.since(twin)
        return since is not None and since <= valid

    def item(self, item: str, at: int | None = None, *, known: int | None = None) -> ItemFound:
        """One item as it is believed to be at a moment (None: now, or when it was last seen). Raises NotFound."""
        return self.first(lambda: self._item(item, at, known), lambda one: one.item(item, at, latest(known)))

    def _item(self, item: str, at: int | None, known: int | None) -> ItemFound:
        def work(tx: Connection) -> ItemFound:
            believed, moment = latest(known), self._clock.now() if at is None else at
            number = self._number(tx, item, at, believed)
            spans = self.spans(tx, number, believed)
            if covering(spans, moment) is None:
                moment = max((span.end - 1 for span in spans if span.end <= moment), default=spans[0].start)
            node = asking.tree(tx, item, moment, believed)
            return self._placed(tx, [node.item], moment, believed)[0]

        return self.read(work)

    def tree(self, root: str, at: int | None = None, *, known: int | None = None) -> Node:
        """An item with all that it consists of. Raises NotFound."""
        valid, believed = self._clock.now() if at is None else at, latest(known)
        return self.first(
            lambda: self._judged(self.read(lambda tx: self._tree(tx, root, valid, believed)), valid, believed),
            lambda one: one.tree(root, valid, believed),
        )

    def _tree(self, tx: Connection, root: str, valid: int, known: int) -> Node:
        number = self._number(tx, root, valid, known)
        span = covering(self.spans(tx, number, known), valid)
        assert span is not None
        node = asking.tree(tx, root, valid, known)
        return node if self.everything else not_before(node, span.start)

    def difference(
        self, before: tuple[str, int | None, int | None], after: tuple[str, int | None, int | None]
    ) -> list[Difference]:
        """What differs between two (root, at, known), None: now. Raises NotFound."""
        one, two = (self.tree(root, at, known=known) for root, at, known in (before, after))
        return asking.difference(one, two)

    def history(self, item: str, *, known: int | None = None) -> list[Placement]:
        """Where an item has been, in order of time; what is hidden of it is ELSEWHERE. Raises NotFound."""
        return self.first(lambda: self._history(item, known), lambda one: one.history(item, latest(known)))

    def _history(self, item: str, known: int | None) -> list[Placement]:
        def work(tx: Connection) -> list[Placement]:
            believed = latest(known)
            self._number(tx, item, None, believed)
            listed = asking.history(tx, item, believed)
            if self.everything:
                return listed
            told = [
                msgspec.structs.replace(one, valid=span)
                for one in listed
                for span in self.spans(tx, int(item_row(tx, one.parent).number), believed, during=one.valid)
            ]
            between = gaps([one.valid for one in told])
            hidden = [
                Placement(child=item, parent=ELSEWHERE, slot="", valid=gap, recorded=gap, begun_by=0, ended_by=None)
                for gap in between
            ]
            return sorted([*told, *hidden], key=lambda one: one.valid.start)

        return self.read(work)

    def stays(self, item: str, start: int, end: int, *, known: int | None = None) -> list[Stay]:
        """In which machines and stores an item has been in [start, end), through all parents; what is hidden of it is
        ELSEWHERE. Raises NotFound."""
        return self.first(
            lambda: self._stays(item, start, end, known), lambda one: one.stays(item, start, end, latest(known))
        )

    def _stays(self, item: str, start: int, end: int, known: int | None) -> list[Stay]:
        def work(tx: Connection) -> list[Stay]:
            believed = latest(known)
            number = self._number(tx, item, None, believed)
            ways = [
                way
                for span in self.spans(tx, number, believed, during=Span(start, end))
                for way in self.ways(tx, number, span, believed)
            ]
            told = [Stay(root=way.root, path=way.path, span=way.span) for way in ways]
            if not self.everything:
                between = gaps([one.span for one in told], Span(start, end))
                told += [Stay(root=ELSEWHERE, path=(), span=gap) for gap in between]
            return sorted(told, key=lambda stay: stay.span.start)

        return self.read(work)

    def acts(self, item: str, *, known: int | None = None, inside: bool = False) -> list[Act]:
        """Who asserted what of an item while it was seen, in the order of its becoming known; with `inside`, also of
        what it consists of now. Raises NotFound, Denied (a view does not tell of it)."""
        return self.first(lambda: self._acts(item, known, inside), lambda one: one.acts(item, latest(known)))

    def _acts(self, item: str, known: int | None, inside: bool) -> list[Act]:
        def work(tx: Connection) -> list[Act]:
            believed = latest(known)
            numbers = [self._number(tx, item, None, believed)]
            if inside:
                below = finding.below(numbers, self._clock.now(), believed)
                numbers = list(tx.scalars(select(below.c.number).distinct()))
            if self.everything:
                return asking.acts_of(tx, numbers, believed)
            found = {act.number: act for number in numbers for act in self._acts_seen(tx, number, believed)}
            return [found[number] for number in sorted(found)]

        return self.read(work)

    def _acts_seen(self, tx: Connection, number: int, known: int) -> list[Act]:
        spans, used = (self.spans(tx, number, known, group) for group in _GROUPS)
        told: set[int] = set()
        listed = asking.acts_of(tx, [number], known)
        for act in listed:
            within = used if act.kind in (ActKind.USED, ActKind.ADJUSTED) else spans
            if act.amends in told if act.amends is not None else any(s.start <= act.time <= s.end for s in within):
                told.add(act.number)
        return [self._said(tx, act, known) for act in listed if act.number in told]

    def _said(self, tx: Connection, act: Act, known: int) -> Act:
        """Without what was said, where that names an item that is not seen then."""
        x = tables.item.c
        named = tx.scalars(select(x.number).where(x.id.in_(named_in(act.operation)))).all()
        if all(covering(self.spans(tx, number, known), act.time) for number in named):
            return act
        return msgspec.structs.replace(act, operation={})

    def count(self, item: str, kind: str, at: int | None = None, *, known: int | None = None) -> Count:
        """How much an item was used up to a moment, in whatever it was: its record goes with it. Raises NotFound,
        Denied (a view does not tell of it)."""
        valid = self._clock.now() if at is None else at
        return self.first(
            lambda: self._counted(item, kind, valid, known), lambda one: one.count(item, kind, valid, latest(known))
        )

    def _counted(self, item: str, kind: str, valid: int, known: int | None) -> Count:
        self.require(item, valid, known=known, group=PropertyGroup.USAGE)

        def work(tx: Connection) -> Count:
            self._number(tx, item, valid, latest(known))
            return counting.count(tx, item, kind, valid, latest(known))

        return self.read(work)

    def counters(self, item: str, at: int | None = None, *, known: int | None = None) -> dict[str, Count]:
        """By kind of use: all that was ever told of it, or of what it was in. Raises NotFound, Denied (a view does not
        tell of it)."""
        valid = self._clock.now() if at is None else at
        return self.first(
            lambda: self._all_counted(item, valid, known), lambda one: one.counters(item, valid, latest(known))
        )

    def _all_counted(self, item: str, valid: int, known: int | None) -> dict[str, Count]:
        kinds = self.read(lambda tx: _kinds(tx, self._number(tx, item, None, latest(known)), latest(known)))
        return {kind: self._counted(item, kind, valid, known) for kind in kinds}

    def tells(self, item: str, column: ItemColumn) -> bool:
        """Whether this of an item (by its id) is told: because it is seen whole now, or by a view at some time."""
        return self.sees(item) or any(one.tells(item, column) for one in self.partly)


def _kinds(tx: Connection, number: int, known: int) -> list[str]:
    """Which kinds of use were told of an item, or of anything that it ever was in."""
    p, u = tables.placement.c, tables.usage.c
    holders, new = {number}, {number}
    while new:
        asked = select(p.parent).where(p.child.in_(new), known_at(tables.placement, known))
        new = set(tx.scalars(asked)) - holders
        holders |= new
    return sorted(tx.scalars(select(u.kind).distinct().where(u.item.in_(holders), known_at(tables.usage, known))))


def _changes_nothing(*_: Any, **__: Any) -> object:
    raise AssertionError("the parts book is only read here")
