"""What of the thread somebody sees: what is linked to what they see. Denied by default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlalchemy import Connection, or_, select

from gemel.thread import tables
from gemel.thread.acts import act_of
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import COMPLIED_WITH
from gemel.thread.writing import link_of

__all__ = ["ALL", "COMMERCIAL", "All", "Seen", "Sight"]

_ANCHORS = {NodeKind.ITEM, NodeKind.TWIN, NodeKind.SLOT, NodeKind.MEASUREMENT}
COMMERCIAL = {"order", "offer", "invoice", "account"}
"""Kinds of records that tell of money: seen by who sees what is financial of a twin that they are linked to."""
_DEEPEST = 4
"""So many records between a record and what somebody sees."""


class Sight(Protocol):
    """Which machines, items and parts somebody sees; the gate says it."""

    everything: bool
    """Nothing is hidden: an operator of the plant, not a party."""

    def twin(self, id: str, property: str = "") -> bool:
        """A twin, or a property of it."""

    def item(self, id: str) -> bool:
        """An item: by the twin of the machine that it is in, or by its own."""

    def part(self, part: str) -> bool:
        """A part, of which at least one item is seen."""

    def financial(self, twin: str) -> bool:
        """What is financial of a twin."""

    def act(self, number: int, items: Sequence[str]) -> bool:
        """An act of the configuration, that names these items."""


class All:
    """Sees everything: whoever has the folder."""

    everything = True

    def twin(self, _id: str, _property: str = "") -> bool:
        return True

    def item(self, _id: str) -> bool:
        return True

    def part(self, _part: str) -> bool:
        return True

    def financial(self, _twin: str) -> bool:
        return True

    def act(self, _number: int, _items: Sequence[str]) -> bool:
        return True


ALL = All()


class Seen:
    """A sight, asked about nodes within one read; remembers what it found."""

    def __init__(self, tx: Connection, sight: Sight, known: int) -> None:
        self._tx, self._sight, self._known = tx, sight, known
        self._found: dict[Node, bool] = {}

    def __call__(self, node: Node) -> bool:
        """Whether a node is seen.

        A record or document that is linked to items, slots or twins is seen by who sees one of them; one that is
        linked to parts alone, by who sees an item of such a part; one that is linked to other records alone, by who
        sees one of them.
        """
        if self._sight.everything:
            return True
        return self._sees(node, _DEEPEST, frozenset())

    def _sees(self, node: Node, left: int, above: frozenset[Node]) -> bool:
        if node.kind is NodeKind.TWIN:
            return self._sight.twin(node.id, node.sub)
        if node.kind in (NodeKind.ITEM, NodeKind.SLOT, NodeKind.PART):
            whole = node.whole
            return self._sight.item(whole.id) if whole.kind is NodeKind.ITEM else self._sight.part(whole.id)
        if node.kind is NodeKind.ACT:
            act = act_of(self._tx, int(node.id), self._known)
            return act is not None and self._sight.act(act.number, act.items)
        if node.kind is NodeKind.MEASUREMENT:
            c = tables.measurement.c
            number = int(node.id) if node.id.isdecimal() else -1
            item = self._tx.scalar(select(c.item).where(c.number == number))
            return item is not None and self._sight.item(item)
        whole = node.whole
        if whole not in self._found and whole.kind is NodeKind.RECORD and self._commercial(whole.id):
            twins = [one.id for one in self._linked(whole) if one.kind is NodeKind.TWIN]
            self._found[whole] = any(self._sight.financial(twin) for twin in twins)
        if whole not in self._found:
            if left == 0 or whole in above:
                return False
            self._found[whole] = self._by_links(whole, left, above | {whole})
        return self._found[whole]

    def _commercial(self, record: str) -> bool:
        c = tables.record.c
        asked = select(c.kind).where(c.id == record, c.recorded_from <= self._known, c.recorded_to > self._known)
        return self._tx.scalar(asked) in COMMERCIAL

    def _by_links(self, node: Node, left: int, above: frozenset[Node]) -> bool:
        others = list(self._linked(node))
        anchors = [one for one in others if one.kind in _ANCHORS]
        if anchors:
            return any(self._sees(one, left, above) for one in anchors)
        parts = [one for one in others if one.kind is NodeKind.PART]
        if parts:
            return any(self._sees(one, left, above) for one in parts)
        return any(self._sees(one, left - 1, above) for one in others)

    def _linked(self, node: Node) -> Iterable[Node]:
        c = tables.link.c
        here = or_(
            (c.source_kind == str(node.kind)) & (c.source_id == node.id),
            (c.target_kind == str(node.kind)) & (c.target_id == node.id),
        )
        for row in self._tx.execute(
            select(tables.link).where(here, c.recorded_from <= self._known, c.recorded_to > self._known)
        ):
            link = link_of(row)
            if link.kind == COMPLIED_WITH:  # else who sees one machine that complies were the only one to see it
                continue
            yield link.target if link.source.whole == node else link.source
        if node.kind is NodeKind.DOCUMENT:
            v, e = tables.version.c, tables.effectivity.c
            told = (
                select(e.part)
                .join(tables.version, v.number == e.of)
                .where(v.document == node.id, v.recorded_from <= self._known, v.recorded_to > self._known)
            )
            h = tables.having.c
            has = (
                select(h.part)
                .join(tables.version, v.number == h.of)
                .where(v.document == node.id, v.recorded_from <= self._known, v.recorded_to > self._known)
            )
            for part in self._tx.scalars(told.union(has)):
                yield Node(kind=NodeKind.PART, id=part)
        if node.kind is NodeKind.RECORD:
            m = tables.measurement.c
            for item in self._tx.scalars(select(m.item).where(m.inspection == node.id).distinct()):
                yield Node(kind=NodeKind.ITEM, id=item)
