"""What an operation would break: the rules asked before and after it, of all that it touches, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from gemel.configuration import operations as ops
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row, occupants
from gemel.configuration.acts.nonconformances import (
    RAISED,
    about,
    any_standing,
    close,
    nonconformances,
    numbers_of,
    open_,
    standing,
)
from gemel.configuration.belief import Entry, as_of, believed
from gemel.configuration.operations import Operation
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ends import end_of
from gemel.configuration.parts.rules import check
from gemel.configuration.questions import asking
from gemel.configuration.questions.asking import _item as item_of
from gemel.configuration.questions.ends import whole_of
from gemel.configuration.questions.limits import life_of
from gemel.configuration.values import (
    FOREVER,
    Basis,
    Concession,
    Finding,
    Item,
    ItemKind,
    Level,
    Node,
    Standing,
)
from gemel.errors import InvalidInput, NotFound, RuleBroken

__all__ = ["Check", "findings", "worn"]

_NOW = FOREVER - 1
_UNCHECKED = ops.Use | ops.Adjust | ops.Observe | ops.Judge | ops.Raise
_CARRIED = ops.Install | ops.Remove | ops.Swap | ops.Move
_Found = dict[tuple[str, str, str, str], tuple[Finding, int]]
"""Rule, parent, slot and item of each finding; with the moment at which it is so."""


def findings(
    tx: Connection, book: Book, root: str, at: int, known: int = _NOW, whole: Node | None = None
) -> list[Finding]:
    """The rules that the configuration of an item does not keep, in the end item that it is in (`whole`: as far as that
    is told). Raises NotFound."""
    if not book:
        return []
    return check(book, whole or whole_of(tx, book, root, at, known), at, of=item_row(tx, root).id)


def worn(tx: Connection, book: Book, node: Node, at: int, known: int = _NOW) -> list[tuple[str, str]]:
    """The items of a configuration that are past a hard limit of their life: each with a text."""
    found = []
    part = book.of(node.item.part, node.item.maker)
    if part is not None and any(limit.hard for limit in part.limits):
        for one in life_of(tx, book, node.item.id, at, known):
            if one.hard and one.used >= one.limit:
                text = f"{one.item} has {one.used:g} {one.kind} of at most {one.limit:g}; put another one in"
                found.append((one.item, text))
    for inner in node.parts:
        found += worn(tx, book, inner, at, known)
    return found


class Check:
    """The rules before and after one operation. Made before it, to see what it is about; `judge` after."""

    def __init__(self, tx: Connection, book: Book, said: Operation, now: int, subjects: Iterable[str]) -> None:
        self._tx = tx
        self._book = book
        self._said = said
        self._items = set(subjects)
        self._moments = {now if isinstance(said, ops.Withdraw) else said.at}
        if isinstance(said, ops.Correct | ops.Withdraw):
            self._of_act(said.act)
            if isinstance(said, ops.Correct) and said.instead is not None:
                self._said = said = said.instead
        elif isinstance(said, ops.Judge):
            self._items |= set(about(tx, said.nonconformance))
        self._out = getattr(said, "child", "")
        if isinstance(said, ops.Swap):
            with suppress(NotFound):
                held = occupants(tx, said.parent, said.slot, said.at)
                self._out = said.old or (held[0] if len(held) == 1 else "")
                self._items |= {self._out} - {""}

    @property
    def items(self) -> list[str]:
        """The ids of all that the operation touches."""
        return sorted(self._items)

    def _of_act(self, act: int) -> None:
        """What an earlier act was about, and when it was."""
        names: set[int] = set()
        for table in (tables.placement, tables.trait, tables.usage, tables.software):
            c = table.c
            for row in self._tx.execute(
                select(table).where(or_(c.begun_by == act, c.ended_by == act), believed(table))
            ).all():
                names |= {row.child, row.parent} if table is tables.placement else {row.item}
                if table in (tables.placement, tables.trait, tables.software):
                    self._moments |= {row.valid_from} if row.begun_by == act else {row.valid_to}
        if isinstance(self._said, ops.Withdraw):
            told = self._tx.scalar(select(tables.act.c.time).where(tables.act.c.number == act))
            self._moments = {told} if told is not None else self._moments
        n, s = tables.nonconformance.c, tables.standing.c
        told = select(n.item, n.parent).join(tables.standing, s.nonconformance == n.number).where(s.begun_by == act)
        for told_of in self._tx.execute(told.where(believed(tables.standing))).all():
            names |= {told_of.item, told_of.parent} - {None}
        c = tables.item.c
        self._items |= set(self._tx.scalars(select(c.id).where(c.number.in_(names))).all())

    def _roots(self, at: int, known: int) -> list[str]:
        """What the rules are asked of: the end items that the touched items are in, or the outermost that they are."""
        found: dict[str, None] = {}
        for item in sorted(self._items):
            try:
                chain = _chain(self._tx, item, at, known)
            except NotFound:
                continue
            if not chain or (len(chain) == 1 and isinstance(self._said, _CARRIED) and item not in self._holders()):
                continue  # a store, or nothing within it changed
            place = end_of(self._book, chain)
            found[chain[-1 if place is None else place].id] = None
            if place == 0 and len(chain) > 1:  # what it stands in has rules for it, too
                outer = end_of(self._book, chain[1:])
                found[chain[-1 if outer is None else outer + 1].id] = None
        return list(found)

    def _holders(self) -> set[str]:
        said = self._said
        to = getattr(said, "to", None) or ("",)
        return {getattr(said, "parent", ""), to[0]}

    def _compare(self, recorded: int) -> tuple[_Found, _Found]:
        """The findings before and after. What was believed until an act is what was known just before it."""
        before: _Found = {}
        after: _Found = {}
        if not self._book or isinstance(self._said, _UNCHECKED) or not self._minded():
            return before, after
        for moment in sorted(self._moments):
            roots = dict.fromkeys([*self._roots(moment, _NOW), *self._roots(moment, recorded - 1)])
            for root in roots:
                tree = asking.tree(self._tx, root, moment, _NOW)
                now = check(self._book, tree, moment)
                _note(after, now, moment)
                if now or any_standing(self._tx, numbers_of(self._tx, tree)):
                    then = asking.tree(self._tx, root, moment, recorded - 1)
                    _note(before, check(self._book, then, moment), moment)
        return before, after

    def _minded(self) -> bool:
        """Whether the rules ask for what is told: most books have none about software, and devices report often."""
        said = self._said
        if not isinstance(said, ops.Report):
            return True
        slots = any(s.slot == said.slot and s.kind is ItemKind.SOFTWARE for part in self._book for s in part.slots)
        return slots or said.part in self._book.conditions

    def judge(self, entry: Entry, basis: Basis, concession: Concession | None) -> tuple[list[Finding], list[int]]:
        """What is broken since, and the nonconformances that were opened. Raises RuleBroken, InvalidInput."""
        if concession is not None and not (concession.by and concession.reason.strip()):
            raise InvalidInput("a concession says who concedes it, and why")
        before, after = self._compare(entry.recorded)
        new = [told for key, told in after.items() if key not in before]
        new += [(one, min(self._moments)) for one in self._limits()]
        new = [(one, at) for one, at in new if one.level is Level.WARN or not standing(self._tx, one, at)]
        findings = [one for one, _ in new]
        self._refuse(findings, basis, concession)
        opened = [open_(entry, one, at, concession) for one, at in new if one.level is not Level.WARN]
        for key, (one, at) in before.items():
            if key not in after and one.level is not Level.WARN:
                close(entry, one, at)
        return [*findings, *self._nowhere()], opened

    def _refuse(self, new: Sequence[Finding], basis: Basis, concession: Concession | None) -> None:
        if basis.seen or isinstance(self._said, ops.Report):  # what a device tells is seen
            return
        grave = [one for one in new if one.level is Level.BLOCK]
        wanting = [one for one in new if one.level is Level.CONCESSION and concession is None]
        if not grave and not wanting:
            return
        said = "; ".join(one.text for one in [*grave, *wanting][:5])
        way = (
            "if it was seen so, say that it was" if grave else "it needs a concession: who concedes it, why, until when"
        )
        raise RuleBroken(f"{said} ({way})", findings=list(new))

    def _limits(self) -> list[Finding]:
        """Nothing comes into a machine past a hard limit of its life, or that somebody said must not be used."""
        said = self._said
        into: list[tuple[str, str, str, int]] = []
        if isinstance(said, ops.Install | ops.Move):
            into = [(said.child, said.parent, said.slot, said.at)]
        elif isinstance(said, ops.Swap):
            into = [(said.new, said.parent, said.slot, said.at)]
        elif isinstance(said, ops.Remove) and said.to is not None:
            into = [(said.child, *said.to, said.at)]
        found = []
        for child, parent, slot, at in into:
            if item_row(self._tx, parent).kind == ItemKind.LOCATION:
                continue
            tree = asking.tree(self._tx, child, at, _NOW)
            gone = [("limit", item, text) for item, text in worn(self._tx, self._book, tree, at)]
            gone += [("nonconforming", *told) for told in _unusable(self._tx, tree, at)]
            for rule, item, text in gone:
                held = (parent, slot) if item == child else _place(self._tx, item, at)
                found.append(Finding(rule=rule, level=Level.BLOCK, text=text, item=item, parent=held[0], slot=held[1]))
        return found

    def _nowhere(self) -> list[Finding]:
        """Parts are always somewhere: a store, a repair shop, the scrap."""
        said = self._said
        if not isinstance(said, ops.Remove | ops.Swap) or said.to is not None:
            return []
        text = f"{self._out} is nowhere from then on; say where it went (to: a store, a repair shop, the scrap)"
        return [Finding(rule="nowhere", level=Level.WARN, text=text, item=self._out)]


def _unusable(tx: Connection, node: Node, at: int) -> list[tuple[str, str]]:
    """The items of a configuration of which somebody said that they must not be used: each with a text."""
    return [
        (one.parent, f"{one.parent} must not be used by nonconformance {one.number}; judge it, or put another one in")
        for one in nonconformances(tx, numbers_of(tx, node), at, _NOW)
        if one.rule == RAISED and one.level is Level.BLOCK and one.state is Standing.OPEN
    ]


def _note(found: _Found, told: Iterable[Finding], moment: int) -> None:
    for one in told:
        found.setdefault((one.rule, one.parent, one.slot, one.item), (one, moment))


def _chain(tx: Connection, item: str, at: int, known: int) -> list[Item]:
    """An item and what it is in, outwards, up to a store, as they are last known to be. Raises NotFound."""
    row: Row[Any] | None = item_row(tx, item)
    p, x = tables.placement.c, tables.item
    found: list[Item] = []
    seen: set[int] = set()
    while row is not None and row.kind != ItemKind.LOCATION and row.number not in seen:
        seen.add(row.number)
        found.append(item_of(row, {}))
        row = tx.execute(
            select(x)
            .join(tables.placement, p.parent == x.c.number)
            .where(p.child == row.number, as_of(tables.placement, at, known))
        ).first()
    return found


def _place(tx: Connection, item: str, at: int) -> tuple[str, str]:
    p, x, s = tables.placement.c, tables.item, tables.place.c
    row = tx.execute(
        select(x.c.id, s.slot)
        .join(tables.placement, p.parent == x.c.number)
        .join(tables.place, s.number == p.place)
        .where(p.child == item_row(tx, item).number, as_of(tables.placement, at, _NOW))
    ).one()
    return row.id, row.slot
