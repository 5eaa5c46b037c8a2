"""Where an item with a twin of its own is, is also said in the registry: the twin is part of that of what it is in.

In the same transaction as the act. The registry says what is now; a link to what is no item (a line, a hall) is left as
it is, and a link that is there already is not made again. An act is never refused for a link that cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Row, or_, select

from gemel.clock import Clock
from gemel.configuration import tables
from gemel.configuration.belief import as_of
from gemel.configuration.questions import finding
from gemel.configuration.values import FOREVER
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.registry import Registry
from gemel.twin import Change, Link

__all__ = ["Linking", "items_of_act"]

PART_OF = "part_of"


class Run(Protocol):
    """Does work in the writer's transaction for an actor, and journals the changes that it returns."""

    def __call__(self, work: Callable[[Connection], Sequence[Change]], /, *, actor: str = "") -> object: ...


class Linking:
    """A `Run` that lets the links between twins follow the acts."""

    def __init__(self, run: Run, registry: Registry, clock: Clock) -> None:
        self._run, self._registry, self._clock = run, registry, clock

    def __call__(self, work: Callable[[Connection], Sequence[Change]], /, *, actor: str = "") -> object:
        def whole(tx: Connection) -> Sequence[Change]:
            changes = work(tx)
            return [*changes, *self.follow(tx, changes)]

        return self._run(whole, actor=actor)

    def follow(self, tx: Connection, changes: Iterable[Change]) -> list[Change]:
        """Make the links as is believed now of all that these acts are about."""
        named: set[str] = set()
        acts: set[int] = set()
        for change in changes:
            if change.kind.startswith("item."):
                named.update(change.body.get("items", ()))
                acts.update(act for act in (change.body.get("amends"),) if act is not None)
        x, now = tables.item.c, self._clock.now()
        numbers = set(tx.scalars(select(x.number).where(x.id.in_(named))))
        for act in acts:
            numbers |= items_of_act(tx, act)
        rows = self._with_twins(tx, numbers, now)
        ways = finding.wheres(tx, [row.number for row in rows], now, FOREVER - 1)
        made: list[Change] = []
        wanted: list[tuple[str, str, str, int]] = []
        for row in rows:
            made += self._unlinked(tx, row, ways[row.number], wanted)
        for twin, whole, slot, since in wanted:
            made += self._linked(tx, twin, whole, slot, since)
        return made

    def _with_twins(self, tx: Connection, numbers: Iterable[int], now: int) -> Sequence[Row[Any]]:
        """These items and what they consist of, as far as twins of their own go."""
        x, p = tables.item.c, tables.placement
        found: dict[int, Row[Any]] = {}
        open_ = set(numbers)
        seen: set[int] = set()
        while open_:
            seen |= open_
            rows = tx.execute(select(tables.item).where(x.number.in_(open_))).all()
            found |= {row.number: row for row in rows if row.twin}
            plain = [row.number for row in rows if not row.twin]
            inside = select(p.c.child).where(p.c.parent.in_(plain), as_of(p, now, FOREVER - 1))
            open_ = set(tx.scalars(inside)) - seen
        return [found[number] for number in sorted(found)]

    def _unlinked(
        self, tx: Connection, row: Row[Any], way: Sequence[Row[Any]], wanted: list[tuple[str, str, str, int]]
    ) -> list[Change]:
        """End the links to where an item is not any more; add to `wanted` the one to where it is."""
        directory = self._registry.directory
        if directory.twin(row.twin) is None:
            return []
        near = next((place for place, one in enumerate(way) if one.twin and directory.twin(one.twin)), None)
        whole = "" if near is None else way[near].twin
        since = 0 if near is None else max(one.valid_from for one in way[: near + 1])
        held = [one for one in self._registry.links_in(tx, row.twin, kind=PART_OF) if self._is_item(tx, one.target)]
        made: list[Change] = []
        for link in held:
            if link.target != whole:
                until = max(since or self._left(tx, row.number), link.since + 1)
                made += self._registry.end_link(tx, PART_OF, link.source, link.target, until=until, slot=link.slot)
        if near is not None and not any(link.target == whole for link in held):
            wanted.append((row.twin, whole, way[0].slot if near == 0 else "", since))
        return made

    def _is_item(self, tx: Connection, twin: str) -> bool:
        return tx.scalar(select(tables.item.c.number).where(tables.item.c.twin == twin).limit(1)) is not None

    def _left(self, tx: Connection, number: int) -> int:
        """When an item that is in nothing came out of what it was in last."""
        c = tables.placement.c
        ended = select(c.valid_to).where(c.child == number, c.recorded_to == FOREVER, c.valid_to < FOREVER)
        return int(tx.scalar(ended.order_by(c.valid_to.desc()).limit(1)) or self._clock.now())

    def _linked(self, tx: Connection, twin: str, whole: str, slot: str, since: int) -> list[Change]:
        """In the slot, if the type of the whole has it and it has room for such a twin; else simply as a part."""
        ended = [one.until for one in self._ever(tx, twin, whole) if one.until is not None]
        since = max([since, *ended])
        for place in dict.fromkeys((slot, "")):
            try:
                return self._registry.put_link(tx, PART_OF, twin, whole, slot=place, since=since)
            except (Conflict, NotFound, InvalidInput):
                continue
        return []

    def _ever(self, tx: Connection, twin: str, whole: str) -> list[Link]:
        return [one for one in self._registry.links_in(tx, twin, kind=PART_OF, ended=True) if one.target == whole]


def items_of_act(tx: Connection, act: int) -> set[int]:
    """Numbers of the items of which an act tells, or told until it was corrected."""
    p, t, u = tables.placement, tables.trait, tables.usage
    numbers: set[int] = set()
    for table, columns in ((p, (p.c.child, p.c.parent)), (t, (t.c.item,)), (u, (u.c.item,))):
        for row in tx.execute(select(*columns).where(or_(table.c.begun_by == act, table.c.ended_by == act))):
            numbers.update(row)
    n, s = tables.nonconformance.c, tables.standing.c
    told = select(n.item, n.parent).join(tables.standing, s.nonconformance == n.number).where(s.begun_by == act)
    for row in tx.execute(told):
        numbers.update(number for number in row if number is not None)
    return numbers
