"""Of which items one view of the configuration is, when, and how these are called for who holds it."""

from __future__ import annotations

from sqlalchemy import Connection, Row, select

from gemel.access import ItemColumn, ItemsSeen, Machines, View
from gemel.configuration import tables
from gemel.configuration.acts.acting import IDENTITY, item_row
from gemel.configuration.belief import known_at
from gemel.configuration.parts.book import Book, PartsBook
from gemel.configuration.questions import finding
from gemel.configuration.spans import covering, joined
from gemel.configuration.values import FOREVER, ItemKind, Span
from gemel.configuration.views.naming import hidden, is_hidden, shown
from gemel.configuration.views.sight import Sight, Way
from gemel.errors import Denied, NotFound

__all__ = ["ELSEWHERE", "Scope"]

ELSEWHERE = ""
"""In place of the name of where an item was, when that is not told."""
ALWAYS = Span(-FOREVER, FOREVER)


class Scope:
    """Of one view. Cheap to make."""

    def __init__(self, whole: Sight, view: View, told: ItemsSeen, parts: PartsBook) -> None:
        """`whole`: the machines of the view, seen whole; `view`: of these, and of the readings that go with it."""
        self.whole, self.view, self.told = whole, view, told
        self._parts = parts

    def spans(self, tx: Connection, number: int, known: int, during: Span = ALWAYS) -> list[Span]:
        """When the view is of an item, in order of time."""
        if not self._fits(tx, number, known):
            return []
        spans = self.whole.spans(tx, number, known, during=during)
        if not self.by_place:
            return spans
        ways = (way for span in spans for way in self.whole.ways(tx, number, span, known))
        return joined(way.span for way in ways if self._placed_so(tx, way, known))

    @property
    def by_place(self) -> bool:
        """Whether it is of items by where they are, and not only by what they are."""
        return bool(self.told.view.slots or self.told.view.safety)

    def _fits(self, tx: Connection, number: int, known: int) -> bool:
        view = self.told.view
        row = tx.execute(select(tables.item).where(tables.item.c.number == number)).one()
        if row.kind == ItemKind.SOFTWARE and not self.told.tells(ItemColumn.SOFTWARE):
            return False
        if view.kinds and row.kind not in view.kinds:
            return False
        if not (view.makers or view.parts):
            return True
        t = tables.trait
        named = select(t.c.name, t.c.value).where(t.c.item == number, t.c.name.in_(IDENTITY), known_at(t, known))
        told = {"part": row.part, "maker": row.maker}
        told |= {one.name: one.value for one in tx.execute(named.order_by(t.c.valid_from))}
        return (not view.makers or told["maker"] in view.makers) and (not view.parts or told["part"] in view.parts)

    def _placed_so(self, tx: Connection, way: Way, known: int) -> bool:
        view = self.told.view
        path = "/".join(way.path) + "/"
        if view.slots and not any(path.startswith(f"{slot}/") for slot in view.slots):
            return False
        if not view.safety:
            return True
        book = self.book(tx, known)
        for one in way.held:
            holder = item_row(tx, one.holder)
            part = book.of(holder.part, holder.maker)
            slot = part.slot(one.slot) if part is not None else None
            if slot is not None and slot.safety:
                return True
        return False

    def book(self, tx: Connection, known: int) -> Book:
        """The parts book as it was believed."""
        return self._parts.read(tx, None if known >= FOREVER - 1 else known)

    def tells_of(self, tx: Connection, item: str, at: int, known: int) -> bool:
        """Whether the view is of an item, by its id, at a moment."""
        return bool(self.spans(tx, int(item_row(tx, item).number), known, Span(at, at + 1)))

    def told_since(self, tx: Connection, item: str, at: int, known: int) -> Span | None:
        """The time in which the view is of an item, by its id, that holds a moment; None: it is not of it then."""
        return covering(self.spans(tx, int(item_row(tx, item).number), known), at)

    def names_machine(self, tx: Connection, item: str, at: int, known: int) -> bool:
        """Whether an item, by its id, is told of because items of the view are in it."""
        return self._is_machine(tx, item_row(tx, item), at, known)

    def _is_machine(self, tx: Connection, row: Row[object], at: int, known: int) -> bool:
        """Whether an item is what the view's items are in: then it is told of, though the view may not be of it."""
        number, view = int(row.number), self.told.view
        since = self.whole.since(str(row.twin))
        if since is None or since > at or self.whole.ways(tx, number, Span(at, at + 1), known):
            return False
        if self.by_place and not (view.makers or view.parts or view.kinds):
            return True  # whoever works at some slots knows the machine, also when these are empty
        inside = tx.scalars(select(finding.below([number], at, known).c.number)).all()
        return any(covering(self.spans(tx, each, known, Span(at, at + 1)), at) for each in inside)

    def _hidden(self, number: int) -> str:
        return hidden(number, self.told.naming)

    def _name(self, tx: Connection, row: Row[object], at: int, known: int) -> str:
        """How an item is called for the caller: by its id, where that may be told; else by a name made up."""
        number, told = int(row.number), self.told
        if self.spans(tx, number, known, Span(at, at + 1)):
            named = told.tells(ItemColumn.SERIALS)
        else:
            named = told.view.machines is Machines.NAMED and self._is_machine(tx, row, at, known)
        return str(row.id) if named else self._hidden(number)

    def named(self, tx: Connection, item: str, at: int, known: int) -> str:
        """How an item, by its id, is called for the caller."""
        return self._name(tx, item_row(tx, item), at, known) if item else ELSEWHERE

    def _row(self, tx: Connection, item: str, at: int | None, known: int) -> tuple[Row[object], Span]:
        """An item that the caller calls so, and the time in which it is told that holds `at`, or the last one. Raises
        NotFound, also for names that are not told."""
        missing = NotFound(f"there is no item {item!r:.160}; look for its serial number")
        if is_hidden(item):
            number = shown(item, self.told.naming)
            row = tx.execute(select(tables.item).where(tables.item.c.number == number)).first()
            if row is None or row.merged is not None:
                raise missing
        else:
            row = item_row(tx, item)
        spans = self.spans(tx, row.number, known)
        span = (spans[-1] if spans else None) if at is None else covering(spans, at)
        if span is None:
            moment = self.whole.now() if at is None else at
            if not self._is_machine(tx, row, moment, known):
                raise missing
            span = Span(moment, moment + 1)
        moment = span.start if at is None else at
        if self._name(tx, row, moment, known) != (item if is_hidden(item) else row.id):
            raise missing
        return row, span

    def tells(self, item: str, column: str) -> bool:
        """Whether a column of an item is told, at some time; the item by its id."""

        def work(tx: Connection) -> bool:
            try:
                return bool(self.spans(tx, int(item_row(tx, item).number), FOREVER - 1))
            except NotFound:
                return False

        return self.told.tells(column) and self.told.tells(ItemColumn.SERIALS) and self.whole.read(work)

    @property
    def tells_software(self) -> bool:
        """Whether the view tells what the items that it is of run: its column, and software among its kinds."""
        kinds = self.told.view.kinds
        return self.told.tells(ItemColumn.SOFTWARE) and (not kinds or ItemKind.SOFTWARE in kinds)

    def needs(self, column: ItemColumn) -> None:
        """Raises Denied where a column is not told."""
        if not self.told.tells(column):
            raise Denied(
                f"{column} of items are not part of what is shared with you; ask whoever operates the machines",
                action="read",
                policy=self.told.policy,
            )

    def real(self, item: str, column: ItemColumn, at: int | None, known: int) -> tuple[str, list[Span]]:
        """The id of an item, of which a column is told at a moment, and when it is told of. Raises NotFound, Denied."""
        row, _ = self.whole.read(lambda tx: self._row(tx, item, at, known))
        self.needs(column)
        spans = self.whole.read(lambda tx: self.spans(tx, int(row.number), known))
        if not spans:
            raise NotFound(f"there is no item {item!r:.160}; look for its serial number")
        self.view.tells_of_items(1, str(column), self.told)
        return str(row.id), spans

    def kept_as(self, name: str, at: int, known: int) -> str:
        """The id of what the caller calls so at a moment. Raises NotFound."""
        return str(self.whole.read(lambda tx: self._row(tx, name, at, known))[0].id)

    def root_of(self, item: str, at: int, known: int) -> str:
        """How what an item is in is called, by its id."""
        return self.whole.read(lambda tx: self.named(tx, item, at, known))

    def kept(self, name: str) -> str:
        """The id of what is called so because it is not named; empty: nothing is."""
        number = shown(name, self.told.naming) if is_hidden(name) else None
        asked = select(tables.item.c.id).where(tables.item.c.number == number)
        return "" if number is None else self.whole.read(lambda tx: str(tx.scalar(asked) or ""))
