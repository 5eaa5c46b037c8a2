"""What somebody sees of the fleet, as relations over its columns: of all items at once, not of one after the other.

It tells the same as the questions of one item do (`Sight.spans`, `Sight.ways`, `Scope.spans`, `Scope.named`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection

from gemel.access import ItemColumn, Machines
from gemel.configuration.questions.fleet import Bound
from gemel.configuration.values import ItemKind, Span
from gemel.configuration.views.naming import all_hidden
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.sight import Sight
from gemel.twin import PropertyGroup

__all__ = ["Cut", "Machine"]

Numbers = NDArray[np.int64]


class Machine(msgspec.Struct, frozen=True):
    """What is told of a machine itself."""

    name: str
    part: str
    serial: str
    lot: str
    withheld: tuple[str, ...] = ()


class Cut:
    """Of what is seen whole, or (`partly`) of one view; for one question."""

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, tx: Connection, sight: Sight | Partly, *, bound: Bound
    ) -> None:
        self._cursor, self._tx, self.bound = cursor, tx, bound
        self.partly = sight if isinstance(sight, Partly) else None
        self._sight = sight.whole if isinstance(sight, Partly) else sight
        self.faces = cache(partial(self._sight.faces, tx))
        """As `Sight.faces`."""

    def tells(self, column: ItemColumn) -> bool:
        """Whether a column of items is told."""
        return self.partly is None or self.partly.told.tells(column)

    def shows(self, twin: str, at: int) -> bool:
        """Whether the configuration of a twin is seen at a moment."""
        since = self._sight.since(twin)
        return since is not None and since <= at

    def told_now(self, items: str, at: int) -> dict[int, str]:
        """Of items (a subquery of `item`) those that are told at a moment, with their use; by number, with their
        names."""
        start = f"(SELECT item AS key, item, {int(at)} AS a, {int(at) + 1} AS b FROM {items})"
        found: set[int] | None = None
        groups = (PropertyGroup.CONFIGURATION, *(() if self.partly is not None else (PropertyGroup.USAGE,)))
        for group in groups:
            self.reach(start, group)
            numbers = {number for (number,) in self._cursor.execute("SELECT DISTINCT item FROM reached").fetchall()}
            found = numbers if found is None else found & numbers
        return self.items(sorted(found or ()))

    def told_of(self, parts: Collection[str]) -> set[str]:
        """Of these parts those of which the relation `found` has an item that is told."""
        if not parts:
            return set()
        self._cursor.register("such_parts", pa.table({"part": sorted(parts)}))
        such = "SELECT 0 AS key, item, part, a, b, software FROM found SEMI JOIN such_parts USING (part)"
        self.reach(f"({such}{'' if self.tells(ItemColumn.SOFTWARE) else ' WHERE NOT software'})")
        told = self._cursor.execute(f"SELECT DISTINCT part FROM ({such}) f SEMI JOIN reached r ON r.item = f.item")
        return {part for (part,) in told.fetchall()}

    def reach(self, start: str, group: PropertyGroup = PropertyGroup.CONFIGURATION) -> None:
        """Make the table `reached`: of `start` (key, item, a, b; a subquery) the times at which the item is told, each
        with what it is in (`root`), and whether that is itself the object of a twin that is seen (`own`)."""
        self._cursor.execute(
            "CREATE OR REPLACE TEMP TABLE reached (key BIGINT, item BIGINT, a BIGINT, b BIGINT, "
            "root BIGINT, own BOOLEAN, path VARCHAR, safe BOOLEAN)"
        )
        told = f"SELECT key, item, a, b FROM {start} WHERE item IN ({self._fitting('SELECT number FROM own.item')})"
        self._cursor.execute(f"CREATE OR REPLACE TEMP TABLE starting AS {told}")
        placed = self.partly is not None and self.partly.by_place
        safe = "false"
        if placed and self.partly is not None and self.partly.told.view.safety:
            self._cursor.register("safe_slots", self._safe_slots())
            safe = _SAFE
        sql = _REACHED.replace("{slot}", f"s.slot, {safe} AS safe" if placed else "'' AS slot, false AS safe")
        sql = sql.replace("{place}", _PLACE if placed else "")
        for during, numbers in self._tops(group):
            self._cursor.register("tops", pa.table({"number": numbers}))
            self._cursor.execute(msgspec.structs.replace(self.bound, span=during).fill(sql))
        if placed:
            self._leave()

    def _tops(self, group: PropertyGroup) -> Iterator[tuple[Span, Numbers]]:
        """The items whose twin is seen, by the times at which these are the same ones."""
        span = self.bound.span
        numbers, since = self.faces(group)
        between = np.unique(since[(since > span.start) & (since < span.end)]).tolist()
        moments = [span.start, *between, span.end]
        for start, end in pairwise(moments):
            yield Span(start, end), numbers[since <= start]

    def _fitting(self, among: str) -> str:
        """Numbers of items, among some, that the view is of wherever they are."""
        if self.partly is None:
            return among
        view = self.partly.told.view
        told = [f"i.number IN ({among})"]
        if not self.tells(ItemColumn.SOFTWARE):
            told.append(f"i.kind <> '{ItemKind.SOFTWARE.value}'")
        for name, values in (("kind", view.kinds), ("maker", view.makers), ("part", view.parts)):
            if values:
                self._cursor.register(f"view_{name}", pa.table({"value": pa.array(values, pa.string())}))
                is_ = "i.kind" if name == "kind" else f"coalesce(n.{name}, i.{name})"
                told.append(f"{is_} IN (SELECT value FROM view_{name})")
        named = f" LEFT JOIN ({_IDENTITY}) n ON n.item = i.number" if view.makers or view.parts else ""
        return self.bound.fill(f"SELECT i.number FROM own.item i{named} WHERE {' AND '.join(told)}")

    def _safe_slots(self) -> pa.Table:
        """Slots of safety, by part and maker of what has them."""
        assert self.partly is not None
        book = self.partly.book(self._tx, self.bound.known)
        kinds = self._cursor.execute(
            self.bound.fill(
                f"SELECT DISTINCT coalesce(n.part, i.part), coalesce(n.maker, i.maker) FROM own.item i "
                f"LEFT JOIN ({_IDENTITY}) n ON n.item = i.number"
            )
        ).fetchall()
        rows = [
            (part, maker, slot.slot)
            for part, maker in kinds
            if (known := book.of(part, maker)) is not None
            for slot in known.slots
            if slot.safety
        ]
        return pa.table(
            {name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(("part", "maker", "slot"))}
        )

    def _leave(self) -> None:
        """Only what is in the slots that the view is of."""
        assert self.partly is not None
        view = self.partly.told.view
        if view.safety:
            self._cursor.execute("DELETE FROM reached WHERE NOT safe")
        if view.slots:
            paths = self._cursor.execute("SELECT DISTINCT path FROM reached").fetchall()
            others = [path for (path,) in paths if not any(path.startswith(f"{slot}/") for slot in view.slots)]
            self._cursor.register("others", pa.table({"path": pa.array(others, pa.string())}))
            self._cursor.execute("DELETE FROM reached WHERE path IN (SELECT path FROM others)")

    # how it is called

    def machines(self, roots: str) -> dict[int, Machine]:
        """Of machines, a subquery of (root, own), by their numbers."""
        told = f"SELECT root FROM ({roots})"
        rows = self._cursor.execute(
            "SELECT i.number, i.id, i.part, i.serial, i.lot, r.own, "
            f"i.number IN ({self._fitting(told)}) FROM own.item i "
            f"JOIN (SELECT root, bool_and(own) AS own FROM ({roots}) GROUP BY root) r ON r.root = i.number"
        ).fetchall()
        if self.partly is None:
            return {number: Machine(id, *more) for number, id, *more, _, _ in rows}
        seen = self.partly.told
        names = all_hidden(np.array([row[0] for row in rows], np.int64), seen.naming)
        serials, named = seen.tells(ItemColumn.SERIALS), seen.view.machines is Machines.NAMED
        placed = self._placed([row[0] for row in rows if row[-1]]) if self.partly.by_place else None
        found = {}
        for (number, id, part, serial, lot, own, fits), name in zip(rows, names, strict=True):
            if fits if placed is None else number in placed:
                found[number] = Machine(id, part, serial, lot) if serials else Machine(name, part, "", "", ("serial",))
            elif own and named:
                found[number] = Machine(id, part, "", "", ("serial",))
            else:
                found[number] = Machine(name, "", "", "", ("part", "serial"))
        return found

    def _placed(self, numbers: Sequence[int]) -> set[int]:
        """Which of these machines are themselves in a slot that the view is of: in one of a hall, or of a store."""
        span = self.bound.span
        self._cursor.register("such_roots", pa.table({"number": pa.array(numbers, pa.int64())}))
        self.reach(f"(SELECT number AS key, number AS item, {span.start} AS a, {span.end} AS b FROM such_roots)")
        return {number for (number,) in self._cursor.execute("SELECT DISTINCT item FROM reached").fetchall()}

    def items(self, numbers: Sequence[int]) -> dict[int, str]:
        """The names of items that are told, by their numbers."""
        if self.partly is not None and not self.tells(ItemColumn.SERIALS):
            return dict(zip(numbers, all_hidden(np.array(numbers, np.int64), self.partly.told.naming), strict=True))
        self._cursor.register("called", pa.table({"number": pa.array(numbers, pa.int64())}))
        asked = "SELECT number, id FROM own.item WHERE number IN (SELECT number FROM called)"
        return dict(self._cursor.execute(asked).fetchall())


_KNOWN = "recorded_from <= {known} AND recorded_to > {known}"
_IDENTITY = f"""
SELECT item, arg_max(value, valid_from) FILTER (name = 'part') AS part,
  arg_max(value, valid_from) FILTER (name = 'maker') AS maker
FROM own.trait WHERE name IN ('part', 'maker') AND {_KNOWN} GROUP BY item
"""
"""What items are last known to be, where that is not what their rows began with."""

_PLACE = f"""
LEFT JOIN own.place s ON s.number = h.place
LEFT JOIN own.item w ON w.number = h.parent
LEFT JOIN ({_IDENTITY}) n ON n.item = h.parent
"""
_SAFE = "(coalesce(n.part, w.part), coalesce(n.maker, w.maker), s.slot) IN (SELECT (part, maker, slot) FROM safe_slots)"

_REACHED = f"""
INSERT INTO reached
WITH RECURSIVE
p AS MATERIALIZED (
  SELECT h.child, h.parent, greatest(h.valid_from, {{a}}) a, least(h.valid_to, {{b}}) b, {{slot}},
    h.parent IN (SELECT number FROM own.item WHERE kind = '{{location}}') AS out,
    h.parent IN (SELECT number FROM tops) AS top
  FROM (SELECT * FROM own.placement WHERE {_KNOWN} AND valid_from < {{b}} AND valid_to > {{a}}) h {{place}}
),
up(key, item, node, a, b, depth, out, machine, root, own, path, seen_path, safe, seen_safe) AS (
  SELECT key, item, item, greatest(a, {{a}}), least(b, {{b}}), 0, false, item,
    CASE WHEN item IN (SELECT number FROM tops) THEN item END, item IN (SELECT number FROM tops), '', '', false, false
  FROM starting WHERE a < {{b}} AND b > {{a}}
  UNION ALL
  SELECT key, item, p.parent, greatest(up.a, p.a), least(up.b, p.b), depth + 1, up.out OR p.out,
    CASE WHEN up.out OR p.out THEN machine ELSE p.parent END,
    CASE WHEN NOT p.top THEN root WHEN up.out OR p.out THEN machine ELSE p.parent END,
    CASE WHEN p.top THEN NOT (up.out OR p.out) ELSE own END,
    p.slot || '/' || path, CASE WHEN p.top THEN p.slot || '/' || path ELSE seen_path END,
    up.safe OR p.safe, CASE WHEN p.top THEN up.safe OR p.safe ELSE seen_safe END
  FROM up JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b WHERE depth < 64
),
held AS (
  SELECT up.*, p.a AS pa, p.b AS pb FROM up LEFT JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b
),
gaps AS (
  SELECT *, coalesce(lag(pb) OVER same, a) AS before, lead(pa) OVER same AS following
  FROM held WHERE pa > a OR pb < b
  WINDOW same AS (PARTITION BY key, node, a, b ORDER BY pa)
),
ends AS (
  SELECT key, item, a, b, root, own, seen_path, seen_safe FROM held WHERE pa IS NULL
  UNION ALL
  SELECT key, item, before, pa, root, own, seen_path, seen_safe FROM gaps WHERE before < pa
  UNION ALL
  SELECT key, item, pb, b, root, own, seen_path, seen_safe FROM gaps WHERE following IS NULL AND pb < b
)
SELECT * FROM ends WHERE root IS NOT NULL
"""
