"""An inspection: what was seen, beside what is recorded, and the operations that bring the record to what was seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from gemel.configuration import operations as ops
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row, occupants
from gemel.configuration.acts.observing import read_item
from gemel.configuration.belief import overlapping
from gemel.configuration.operations import Observe, Operation
from gemel.configuration.parts.book import Book
from gemel.configuration.questions import asking
from gemel.configuration.questions.ends import items_at
from gemel.configuration.values import FOREVER, Item, ItemKind, ItemSpec, Node, Saw, Span
from gemel.errors import NotFound

__all__ = ["Deviation", "Inspection", "inspect"]


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """One slot in which something else was seen than is recorded."""

    parent: str
    slot: str
    recorded: tuple[str, ...]
    """The items that are held to be there."""
    text: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen beside what is recorded."""

    differences: tuple[Deviation, ...]
    operations: tuple[Operation, ...]
    """What would bring the record to what was seen, in order; `adopt` does them."""
    confirmed: tuple[str, ...]
    """The items that were seen where they are recorded."""
    unseen: tuple[tuple[str, str], ...]
    """(item, slot) that the record fills and nobody looked into."""


def inspect(tx: Connection, book: Book, root: str, seen: Sequence[Observe]) -> Inspection:
    """Compare; nothing is written. An as-built record of the maker is an inspection, too: of the day of its making.

    `seen` in an order in which a parent comes before its parts; of a slot that holds several, piece by piece. Raises
    NotFound.
    """
    comparing = _Comparing(tx, book)
    for one in seen:
        comparing.take(one)
    at = max((one.at for one in seen), default=0)
    looked = {(one.parent, one.slot) for one in seen}
    recorded = dict.fromkeys(_slots(asking.tree(tx, root, at, FOREVER - 1)))
    return Inspection(
        differences=tuple(comparing.differences),
        operations=tuple(comparing.operations),
        confirmed=tuple(dict.fromkeys(comparing.confirmed)),
        unseen=tuple(slot for slot in recorded if slot not in looked),
    )


def _slots(node: Node) -> list[tuple[str, str]]:
    found = []
    for part in node.parts:
        found += [(node.item.id, part.path[-1]), *_slots(part)]
    return found


class _Comparing:
    def __init__(self, tx: Connection, book: Book) -> None:
        self._tx, self._book = tx, book
        self._made: set[str] = set()
        self._taken: set[str] = set()
        """Pieces that one observation was of already: another one of a slot that holds several is of another piece."""
        self.differences: list[Deviation] = []
        self.operations: list[Operation] = []
        self.confirmed: list[str] = []

    def take(self, one: Observe) -> None:
        held = self._held(one)
        if one.saw is Saw.NOTHING:
            self._nothing(one, held)
        elif one.saw is Saw.UNKNOWN:
            self._unknown(one, held)
        else:
            self._item(one, held)

    def _held(self, one: Observe) -> list[Item]:
        if one.parent in self._made:
            return []
        ids = occupants(self._tx, one.parent, one.slot, one.at)
        return [asking.tree(self._tx, id, one.at, FOREVER - 1).item for id in ids]

    def _differs(self, one: Observe, held: Sequence[Item], text: str, *operations: Operation) -> None:
        ids = tuple(item.id for item in held)
        self.differences.append(Deviation(parent=one.parent, slot=one.slot, recorded=ids, text=text))
        self.operations += operations

    def _nothing(self, one: Observe, held: Sequence[Item]) -> None:
        for item in held:
            text = f"{item.id} is recorded in {one.slot} of {one.parent}, and nothing was there"
            self._differs(one, [item], text, ops.Remove(child=item.id, at=one.at))

    def _unknown(self, one: Observe, held: Sequence[Item]) -> None:
        if held:  # whatever it is, it may be that
            self.confirmed += [item.id for item in held if not item.serial]
            return
        id = self._new(f"{one.parent}.{one.slot}.unknown")
        text = f"{one.slot} of {one.parent} is recorded as empty, and something unknown is there"
        spec = ItemSpec(id=id, part="")
        self._differs(one, held, text, ops.Create(spec=spec, at=one.at), self._install(id, one))

    def _item(self, one: Observe, held: Sequence[Item]) -> None:
        known, several = self._known(one), bool(held) and self._several(one)
        left = [item for item in held if not several or item.quantity > 1 or item.id not in self._taken]
        here = next((item for item in held if known is not None and item.id == known.id), None)
        if here is None and not one.serial and not one.item:
            here = next((item for item in left if item.part == one.part), None)
        if here is not None:
            self._taken.add(here.id)
            self.confirmed.append(here.id)
            self._revision(one, here)
            return
        nameless = [item for item in left if not item.serial and not item.lot and item.part in ("", one.part)]
        if one.serial and len(left) == len(nameless) == 1 and not one.item:
            self._taken.add(nameless[0].id)
            self._identified(one, nameless[0], known)
        else:
            self._other(one, held, known, beside=several)

    def _several(self, one: Observe) -> bool:
        """Whether what was seen in a slot may be there beside what is recorded."""
        number = item_row(self._tx, one.parent).number
        parent = items_at(self._tx, [number], one.at, FOREVER - 1)[number]
        return parent.kind is ItemKind.LOCATION or self._book.several(parent.part, parent.maker, one.slot)

    def _known(self, one: Observe) -> Row[Any] | None:
        if one.item:
            try:
                return item_row(self._tx, one.item)
            except NotFound:
                return None
        number = read_item(self._tx, one)
        return self._tx.execute(select(tables.item).where(tables.item.c.number == number)).first()

    def _revision(self, one: Observe, item: Item) -> None:
        if one.revision and one.revision != item.revision:
            text = f"{item.id} is recorded at revision {item.revision or 'unknown'}, and {one.revision} was read"
            modify = ops.Modify(child=item.id, name="revision", value=one.revision, at=one.at)
            self._differs(one, [item], text, modify)

    def _identified(self, one: Observe, item: Item, known: Row[Any] | None) -> None:
        text = f"what is in {one.slot} of {one.parent} was not known; it is {one.part} {one.serial}".rstrip()
        if known is not None:
            text += f", that is {known.id}"
            self._differs(one, [item], text, ops.Merge(item=item.id, into=known.id, at=one.at))
            return
        part, maker = one.part or None, one.maker or None
        it_is = ops.Identify(item=item.id, at=one.at, part=part, maker=maker, serial=one.serial)
        self._differs(one, [item], text, it_is)
        self._revision(one, item)

    def _other(self, one: Observe, held: Sequence[Item], known: Row[Any] | None, *, beside: bool) -> None:
        """Another item is there than is recorded, or one more (`beside` what is recorded)."""
        id = known.id if known is not None else self._new(one.item or f"{one.part or 'item'}-{one.serial or one.slot}")
        before: list[Operation] = []
        if known is None:
            spec = ItemSpec(id=id, part=one.part, maker=one.maker, serial=one.serial, revision=one.revision)
            before.append(ops.Create(spec=spec, at=one.at))
        elsewhere = known is not None and self._elsewhere(known, one)
        after: list[Operation] = []
        if known is not None and one.revision:
            was = asking.tree(self._tx, id, one.at, FOREVER - 1).item.revision
            if was != one.revision:
                after.append(ops.Modify(child=id, name="revision", value=one.revision, at=one.at))
        seen = f"{id} was seen in {one.slot} of {one.parent}"
        if elsewhere:
            seen += f", it is recorded in {elsewhere}"
        missing = f"{seen}; " + ("it is not recorded there" if held else "nothing is recorded there")
        if len(held) == 1 and not beside:
            if elsewhere:
                before.append(ops.Remove(child=id, at=one.at))
            swap = ops.Swap(parent=one.parent, slot=one.slot, new=id, at=one.at)
            self._differs(one, held, f"{seen}; {held[0].id} is recorded there", *before, swap, *after)
        elif elsewhere:
            move = ops.Move(child=id, parent=one.parent, slot=one.slot, at=one.at)
            self._differs(one, held, missing, *before, move, *after)
        else:
            self._differs(one, held, missing, *before, self._install(id, one), *after)

    def _elsewhere(self, known: Row[Any], one: Observe) -> str:
        p, s, x = tables.placement.c, tables.place.c, tables.item.c
        rows = overlapping(self._tx, tables.placement, p.child == known.number, Span(one.at, one.at + 1))
        if not rows:
            return ""
        slot = self._tx.scalar(select(s.slot).where(s.number == rows[0].place))
        parent = self._tx.scalar(select(x.id).where(x.number == rows[0].parent))
        return f"{slot} of {parent}"

    def _install(self, id: str, one: Observe) -> ops.Install:
        """Into a slot that is free then: until the next that is known of it."""
        until = FOREVER
        p, s = tables.placement.c, tables.place.c
        if one.parent not in self._made:
            parent = item_row(self._tx, one.parent).number
            place = self._tx.scalar(select(s.number).where(s.parent == parent, s.slot == one.slot))
            later = Span(one.at)
            rows = overlapping(self._tx, tables.placement, p.place == place, later) if place is not None else ()
            until = min((row.valid_from for row in rows if row.valid_from > one.at), default=FOREVER)
        return ops.Install(child=id, parent=one.parent, slot=one.slot, at=one.at, until=until)

    def _new(self, wanted: str) -> str:
        """An id that nothing has, as near to what is wanted as may be."""
        base = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._:~-]+", "_", wanted)).lstrip("._:~-")[:110] or "item"
        x, id, n = tables.item.c, base, 1
        while id in self._made or self._tx.scalar(select(x.number).where(x.id == id)) is not None:
            n += 1
            id = f"{base}~{n}"
        self._made.add(id)
        return id
