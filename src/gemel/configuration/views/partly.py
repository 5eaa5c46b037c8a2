"""What somebody sees by one view of the configuration: the items it is of, the columns it tells, nothing else.

The machines of the view are asked as if they were seen whole; what comes of it is cut to the times and items of the
view, and masked. What is not told is listed in `withheld`, by the terms of the view and not by what there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, or_, select

from gemel.access import ItemColumn
from gemel.configuration import tables
from gemel.configuration.acts.acting import item_row
from gemel.configuration.questions import asking, finding
from gemel.configuration.questions.asking import Difference, Stay
from gemel.configuration.questions.counting import Count
from gemel.configuration.questions.finding import ItemFound, ItemQuery
from gemel.configuration.spans import gaps, not_before, running_since
from gemel.configuration.values import FOREVER, Act, Basis, Item, Node, Placement, Running, Span
from gemel.configuration.views.naming import is_hidden
from gemel.configuration.views.scope import ELSEWHERE, Scope

if TYPE_CHECKING:
    from gemel.configuration.views.seen import Seen

__all__ = ["Partly"]


class Partly(Scope):
    """The questions of `Seen`, of one view. Cheap to make."""

    whole: Seen

    # masks

    def item_of(self, tx: Connection, item: Item, at: int, known: int) -> Item:
        """An item with what is told of it."""
        told, row = self.told, item_row(tx, item.id)
        name = self._name(tx, row, at, known)
        if not self.spans(tx, int(row.number), known, Span(at, at + 1)):  # the machine that it is in
            part = item.part if name == row.id else ""
            return Item(
                id=name,
                part=part,
                revision="",
                maker="",
                serial="",
                lot="",
                kind=item.kind,
                twin="",
                born=FOREVER,
                withheld=(*map(str, ItemColumn), "parts", "born", *(() if part else ("part",))),
            )
        serials = told.tells(ItemColumn.SERIALS)
        return msgspec.structs.replace(
            item,
            id=name,
            revision=item.revision if told.tells(ItemColumn.REVISIONS) else "",
            maker=item.maker if told.tells(ItemColumn.MAKERS) else "",
            serial=item.serial if serials else "",
            lot=item.lot if serials else "",
            twin="",
            withheld=told.withheld,
        )

    def _node(self, tx: Connection, node: Node, at: int, known: int) -> Iterator[Node]:
        """What is told of a tree: in place of what the view is not of, what it is of below that."""
        below = tuple(each for part in node.parts for each in self._node(tx, part, at, known))
        if node.path and not self.tells_of(tx, node.item.id, at, known):
            yield from below
        else:
            software, item = self._software(tx, node, at, known), self.item_of(tx, node.item, at, known)
            yield msgspec.structs.replace(node, item=item, parts=below, software=software)

    def _software(self, tx: Connection, node: Node, at: int, known: int) -> tuple[Running, ...]:
        """What is told of what an item runs: not of the machine that the view's items are in; and not what is required
        of it, which tells of the rest of the machine."""
        span = self.told_since(tx, node.item.id, at, known) if node.software and self.tells_software else None
        return () if span is None else running_since(node.software, span.start)

    # what is asked

    def search(self, query: ItemQuery, at: int, known: int) -> tuple[list[tuple[str, ItemFound]], bool]:
        """As `Seen.search`, each with its id as it is kept; and whether there are more."""

        def work(tx: Connection) -> tuple[list[tuple[str, ItemFound]], bool]:
            numbers = self._candidates(tx, at, known)
            if query.root:
                row, _ = self._row(tx, query.root, at, known)
                inside = select(finding.below([int(row.number)], at, known).c.number)
                numbers = sorted({*numbers} & {*tx.scalars(inside)} - {int(row.number)})
            plain = ItemQuery(kind=query.kind, retired=query.retired, limit=200, after=query.after)
            found: list[tuple[str, ItemFound]] = []
            while len(found) <= query.limit:
                page = finding.search(tx, plain, at, known, numbers)
                for item in page.items:
                    one = self._found(tx, item, at, known)
                    if one is not None and self._asked_for(tx, query, item, one):
                        found.append((item.id, one))
                if page.next is None:
                    break
                plain = msgspec.structs.replace(plain, after=page.next)
            self.view.tells_of_items(min(len(found), query.limit), "items", self.told)
            return found[: query.limit], len(found) > query.limit

        return self.whole.read(work)

    def _candidates(self, tx: Connection, at: int, known: int) -> list[int]:
        """Numbers of items that the view may be of; more than these it is not of."""
        x, t, view = tables.item.c, tables.trait, self.told.view
        if not (view.makers or view.parts):
            return self.whole.numbers(tx, at, known) or []
        asked = select(x.number)
        for name, values in (("maker", view.makers), ("part", view.parts)):
            if values:
                told = select(t.c.item).where(t.c.name == name, t.c.value.in_(values))
                asked = asked.where(or_(x[name].in_(values), x.number.in_(told)))
        return sorted(tx.scalars(asked))

    def _found(self, tx: Connection, item: Item, at: int, known: int) -> ItemFound | None:
        row = item_row(tx, item.id)
        number = int(row.number)
        if not self.spans(tx, number, known, Span(at, at + 1)):
            if self.by_place and self._is_machine(tx, row, at, known):
                return ItemFound(item=self.item_of(tx, item, at, known))
            return None
        return self._place(tx, item, at, known)

    def _place(self, tx: Connection, item: Item, at: int, known: int) -> ItemFound:
        number = int(item_row(tx, item.id).number)
        ways = self.whole.ways(tx, number, Span(at, at + 1), known)
        masked = self.item_of(tx, item, at, known)
        if not ways:
            return ItemFound(item=masked)
        way = finding.wheres(tx, [number], at, known)[number]
        spans = self.spans(tx, number, known, Span(way[0].valid_from, at + 1))
        since = max(way[0].valid_from, spans[-1].start)
        return ItemFound(item=masked, root=self.named(tx, ways[0].root, at, known), path=ways[0].path, since=since)

    def _asked_for(self, tx: Connection, query: ItemQuery, item: Item, one: ItemFound) -> bool:
        """Whether what is told of an item is what was asked for: what is withheld finds nothing."""
        told = one.item
        for name in ("part", "maker", "serial", "lot", "revision", "twin"):
            if (wanted := getattr(query, name)) and wanted != getattr(told, name):
                return False
        if query.loose and one.root:
            return False
        texts = [told.id, told.part, told.serial, told.maker, told.lot]
        if self.told.tells(ItemColumn.SERIALS) and not is_hidden(told.id):
            a = tables.alias.c
            texts += tx.scalars(select(a.value).where(a.item == item_row(tx, item.id).number))
        return not query.q or any(query.q.casefold() in text.casefold() for text in texts)

    def called(self, code: str, at: int, known: int) -> list[ItemFound]:
        """What is called so, by a name that is told."""

        def work(tx: Connection) -> list[ItemFound]:
            listed = finding.called(tx, code, at, known)
            found = [one for item in listed if (one := self._found(tx, item, at, known)) is not None]
            return [one for one in found if not is_hidden(one.item.id)]

        return self.whole.read(work)

    def item(self, item: str, at: int | None, known: int) -> ItemFound:
        """As `Seen.item`. Raises NotFound."""

        def work(tx: Connection) -> ItemFound:
            row, span = self._row(tx, item, at, known)
            moment = self.whole.now() if at is None else at
            if not span.covers(moment):
                moment = span.end - 1
            node = asking.tree(tx, str(row.id), moment, known)
            self.view.tells_of_items(1, "item", self.told)
            return self._place(tx, node.item, moment, known)

        return self.whole.read(work)

    def tree(self, root: str, at: int, known: int) -> Node:
        """As `Seen.tree`: what the view is of, each at its path. Raises NotFound."""

        def work(tx: Connection) -> Node:
            row, span = self._row(tx, root, at, known)
            node = asking.tree(tx, str(row.id), at, known)
            (found,) = self._node(tx, not_before(node, span.start), at, known)
            self.view.tells_of_items(_count(found), "tree", self.told)
            return found

        return self.whole.read(work)

    def looks(self, most: int) -> list[Node]:
        """The first machines of which it tells anything, or the first items: what they would look like."""
        at, known = self.whole.now(), FOREVER - 1
        items = [one for _, one in self.search(ItemQuery(limit=50), at, known)[0]]
        return [self.tree(root, at, known) for root in dict.fromkeys(one.root or one.item.id for one in items)][:most]

    def difference(self, before: tuple[str, int, int], after: tuple[str, int, int]) -> list[Difference]:
        """As `Seen.difference`. Raises NotFound."""
        return asking.difference(self.tree(*before), self.tree(*after))

    def history(self, item: str, known: int) -> list[Placement]:
        """As `Seen.history`. Raises NotFound."""

        def work(tx: Connection) -> list[Placement]:
            row, _ = self._row(tx, item, None, known)
            spans = self.spans(tx, int(row.number), known)
            told = [
                self._placement(tx, one, each, item, known)
                for one in self.whole.history(str(row.id), known=known)
                for span in spans
                if one.parent and (each := one.valid.meets(span)) is not None
            ]
            hidden_ = [
                Placement(child=item, parent=ELSEWHERE, slot="", valid=gap, recorded=gap, begun_by=0, ended_by=None)
                for gap in gaps([one.valid for one in told])
            ]
            self.view.tells_of_items(len(told), "history", self.told)
            return sorted([*told, *hidden_], key=lambda one: one.valid.start)

        return self.whole.read(work)

    def _placement(self, tx: Connection, one: Placement, span: Span, item: str, known: int) -> Placement:
        parent = self.named(tx, one.parent, span.start, known)
        acts = self.told.tells(ItemColumn.ACTS)
        return msgspec.structs.replace(
            one,
            child=item,
            parent=parent,
            valid=span,
            recorded=one.recorded if acts else span,
            begun_by=one.begun_by if acts else 0,
            ended_by=one.ended_by if acts else None,
        )

    def stays(self, item: str, start: int, end: int, known: int) -> list[Stay]:
        """As `Seen.stays`. Raises NotFound."""

        def work(tx: Connection) -> list[Stay]:
            row, _ = self._row(tx, item, None, known)
            number = int(row.number)
            told = [
                Stay(root=self.named(tx, way.root, way.span.start, known), path=way.path, span=way.span)
                for span in self.spans(tx, number, known, Span(start, end))
                for way in self.whole.ways(tx, number, span, known)
            ]
            told += [
                Stay(root=ELSEWHERE, path=(), span=gap) for gap in gaps([one.span for one in told], Span(start, end))
            ]
            self.view.tells_of_items(len(told), "stays", self.told)
            return sorted(told, key=lambda stay: stay.span.start)

        return self.whole.read(work)

    def acts(self, item: str, known: int) -> list[Act]:
        """As `Seen.acts`. Raises NotFound, Denied."""

        def work(tx: Connection) -> list[Act]:
            row, _ = self._row(tx, item, None, known)
            self.needs(ItemColumn.ACTS)
            spans, about = self.spans(tx, int(row.number), known), self._acts_about(tx, int(row.number), known)
            told: dict[int, Act] = {}
            for act in self.whole.acts(str(row.id), known=known):
                within = act.number in about and any(span.start <= act.time <= span.end for span in spans)
                if within if act.amends is None else act.amends in told:
                    told[act.number] = self._act(act)
            self.view.tells_of_items(len(told), "acts", self.told)
            return list(told.values())

        return self.whole.read(work)

    def _acts_about(self, tx: Connection, number: int, known: int) -> set[int]:
        """Acts on an item itself, and on what is in it as far as that is told."""
        p, t = tables.placement.c, tables.trait.c
        found = {act for row in tx.execute(select(t.begun_by, t.ended_by).where(t.item == number)) for act in row}
        for row in tx.execute(
            select(p.child, p.begun_by, p.ended_by).where(or_(p.child == number, p.parent == number))
        ):
            if row.child == number or self.spans(tx, row.child, known):
                found |= {row.begun_by, row.ended_by}
        return found

    def _act(self, act: Act) -> Act:
        act = msgspec.structs.replace(act, operation={})  # it names items by what they are called here
        if self.told.tells(ItemColumn.PEOPLE):
            return act
        basis = Basis(work_order=act.basis.work_order, confidence=act.basis.confidence, seen=act.basis.seen)
        return msgspec.structs.replace(act, actor="", basis=basis, withheld=("people",))

    def count(self, item: str, kind: str, at: int, known: int) -> Count:
        """As `Seen.count`. Raises NotFound, Denied."""
        return self.whole.count(self.real(item, ItemColumn.COUNTERS, at, known)[0], kind, at, known=known)

    def counters(self, item: str, at: int, known: int) -> dict[str, Count]:
        """As `Seen.counters`. Raises NotFound, Denied."""
        return self.whole.counters(self.real(item, ItemColumn.COUNTERS, at, known)[0], at, known=known)


def _count(node: Node) -> int:
    return 1 + sum(_count(part) for part in node.parts)
