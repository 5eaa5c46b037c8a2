"""Which machines have what, at one moment or during a time: "part P below revision r and software S below v".

Times are met, not sets of "ever": a machine answers for the times at which all that is asked was so at once. The same
SQL is asked of the columns of what is believed here and of sources that are attached: relations `item`, `placement`,
`trait`, `software` and `held` (placements with their slots) in a schema of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from gemel.configuration.acts.acting import RETIRED, REVISION
from gemel.configuration.parts.book import Book
from gemel.configuration.values import ItemKind, Span
from gemel.errors import InvalidInput

__all__ = [
    "FIRST",
    "FIT",
    "MOST",
    "Bound",
    "Ends",
    "FleetPage",
    "Having",
    "Match",
    "Matches",
    "Only",
    "Order",
    "check",
    "fitting",
    "matches",
    "meeting",
    "merged",
    "seek",
]


MOST = 16
"""Conditions of one question."""


class Having(msgspec.Struct, frozen=True, kw_only=True):
    """That something is in a machine, at any depth (or is the machine itself)."""

    part: str
    """Part number, of a part or of software."""
    below: str = ""
    """Only at revisions that come before this one, by the part's own order."""
    above: str = ""
    """Only at revisions that come after this one."""
    revisions: tuple[str, ...] = ()
    """Only at one of these."""
    unknown: bool = False
    """Also where the revision is not known, or not in the part's order."""

    @classmethod
    def parse(cls, text: str) -> Having:
        """P-7, P-7:<C, P-7:>C, P-7:=B,C, P-7:?<C (also unknown), as people write it. Raises InvalidInput."""
        part, _, rest = text.partition(":")
        unknown, rest = rest.startswith("?"), rest.removeprefix("?")
        how, revision = rest[:1], rest[1:]
        if not part or (rest and (how not in "<>=" or not revision)):
            raise InvalidInput(f"having {text:.80} is not understood; write P-7, P-7:<C, P-7:>C, P-7:=B,C or P-7:?<C")
        return cls(
            part=part,
            below=revision if how == "<" else "",
            above=revision if how == ">" else "",
            revisions=tuple(revision.split(",")) if how == "=" else (),
            unknown=unknown,
        )


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One machine that has all that was asked for, and when."""

    root: str
    part: str
    """Of the machine."""
    serial: str
    spans: tuple[Span, ...]
    """Within the time that was asked for, in order; nothing lies between two that touch."""
    items: tuple[str, ...]
    """What it has that was asked for, at any of these times."""
    withheld: tuple[str, ...] = ()
    """Of part and serial what is not told of the machine, by the terms of a view."""


class Matches(msgspec.Struct, frozen=True, kw_only=True):
    """The machines, in the order of their ids."""

    machines: tuple[Match, ...]
    total: int
    """How many there are, also beyond those told here."""
    unknown: int
    """Items of the parts that were asked for whose revision is not known then: they are in no answer."""


Order = Callable[[str, str], Any]
"""(part, revision) -> its place in the part's own order, or None where it has none. Places of one part compare."""


Only = Callable[[str, str, str], bool]
"""(part, serial, lot) of a machine -> whether it is asked about."""


class Ends(msgspec.Struct, frozen=True):
    """End items that are asked about, as `parts.ends` tells them; by the parts that items are of."""

    only: Callable[[str, str | None, str], bool]
    """(part, serial, lot) of an end item -> whether it is asked about; a serial of None: no end item is known."""
    near: frozenset[str]
    """What the parts book calls end items: the nearest of these is the one."""
    far: frozenset[str]
    """Else the outermost of these, which have slots and go into nothing."""
    inside: Callable[[str], bool]
    """Else the outermost of all, unless it goes into something: then none is known."""

    @classmethod
    def of(cls, book: Book, only: Callable[[str, str | None, str], bool]) -> Ends:
        near = frozenset(one.part for one in book if one.end_item)
        far = frozenset(one.part for one in book if one.slots and not book.component(one.part))
        return cls(only, near, far, book.component)


class FleetPage(msgspec.Struct, frozen=True):
    """Which part of an answer."""

    after: str = ""
    """Machines whose id comes after this one."""
    limit: int = 1000
    only: Only | None = None
    root: str = ""
    """Only of this machine; then nothing else is looked at."""
    ends: Ends | None = None
    """Only with what is asked for first in one of these."""


FIRST = FleetPage()


def matches(
    cursor: duckdb.DuckDBPyConnection,
    schema: str,
    having: Sequence[Having],
    order: Order,
    *,
    span: Span,
    known: int,
    page: FleetPage = FIRST,
    inside: Collection[int] | None = None,
) -> Matches:
    """Machines that have all of it at once, within `span`, as it was believed at `known`.

    A machine is what is in nothing, or only in places (a site, a store); a spare part is one for itself. `inside`:
    only these items are looked at, all that was in the machine that is asked about.
    Raises InvalidInput when nothing is asked for, or a revision that is not in its part's order.
    """
    check(having, span)
    bound = Bound(schema=schema, span=span, known=known, inside=inside is not None)
    try:
        if inside is not None:
            cursor.register("inside", pa.table({"item": pa.array(sorted(inside), pa.int64())}))
        cursor.register("asked", pa.table({"part": sorted({one.part for one in having})}))
        seek(cursor, bound)
        cursor.register("wanted", fitting(cursor, having, order))
        _climb(cursor, bound, page.ends)
        unknown = cursor.execute("SELECT count(DISTINCT item) FROM stays WHERE unknown").fetchone()
        cursor.execute(f"CREATE TEMP TABLE met AS {meeting(having)}")
        if page.only is not None or page.root:
            _leave(cursor, bound, page)
        total = cursor.execute("SELECT count(DISTINCT root) FROM met").fetchone()
        rows = cursor.execute(bound.fill(_PAGE), [page.after, page.limit]).fetchall()
    finally:
        for table in ("found", "stays", "met"):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
    assert total is not None
    assert unknown is not None
    machines = tuple(
        Match(root=id, part=part, serial=serial, spans=merged(spans), items=tuple(sorted(items)))
        for id, part, serial, spans, items in rows
    )
    return Matches(machines=machines, total=int(total[0]), unknown=int(unknown[0]))


def check(having: Sequence[Having], span: Span) -> None:
    """Raises InvalidInput when nothing is asked for, or too much."""
    if not having:
        raise InvalidInput("say what the machines have: a part number, at least")
    if len(having) > MOST:
        raise InvalidInput(f"ask for {MOST} things at most that machines have at once, not {len(having)}")
    if span.start >= span.end:
        raise InvalidInput("the time that is asked for ends after it begins")


def seek(cursor: duckdb.DuckDBPyConnection, bound: Bound) -> None:
    """Note as `found` what is of the parts that are asked about (`asked`), and when it had which revision. Of software
    what is reported to run in a slot counts, and not what was put there."""
    cursor.execute(bound.fill(_FOUND))
    if cursor.execute(bound.fill("SELECT 1 FROM {s}.software LIMIT 1")).fetchone() is None:
        return  # nothing is reported
    cursor.execute(bound.fill(_LOADED))
    if cursor.execute("SELECT 1 FROM loaded LIMIT 1").fetchone() is not None:
        cursor.execute("DELETE FROM found WHERE NOT software AND item IN (SELECT item FROM loaded)")
        cursor.execute(bound.fill(_UNTOLD))


def _climb(cursor: duckdb.DuckDBPyConnection, bound: Bound, ends: Ends | None) -> None:
    """Note as `stays` in which machines it is, and when; with `ends`, of the first condition only in those."""
    names = dict.fromkeys(_CLIMBED, "") if ends is None else _CLIMBED
    sql = reduce(lambda sql, one: sql.replace(*one), names.items(), _STAYS)
    if ends is None:
        cursor.execute(bound.fill(sql))
        return
    for name, parts in (("near_parts", ends.near), ("far_parts", ends.far)):
        cursor.register(name, pa.table({"part": pa.array(sorted(parts), pa.string())}))
    cursor.execute(bound.fill(sql))
    unwanted = [
        number
        for number, part, serial, lot, named in cursor.execute(bound.fill(_ENDS)).fetchall()
        if not (ends.only(part, serial, lot) if named or not ends.inside(part) else ends.only("", None, ""))
    ]
    if unwanted:
        cursor.register("unwanted_ends", pa.table({"number": unwanted}))
        cursor.execute(
            "DELETE FROM stays WHERE condition = 0 AND coalesce(near, far, root) IN (SELECT number FROM unwanted_ends)"
        )


def _leave(cursor: duckdb.DuckDBPyConnection, bound: Bound, page: FleetPage) -> None:
    """Only machines that are wanted."""
    roots = cursor.execute(
        bound.fill("SELECT number, id, part, serial, lot FROM {s}.item WHERE number IN (SELECT root FROM met)")
    ).fetchall()
    unwanted = [
        number
        for number, id, *told in roots
        if page.root not in ("", id) or (page.only is not None and not page.only(*told))
    ]
    if unwanted:
        cursor.register("unwanted", pa.table({"number": unwanted}))
        cursor.execute("DELETE FROM met WHERE root IN (SELECT number FROM unwanted)")


class Bound(msgspec.Struct, frozen=True):
    """What a question is about; as literals, of checked integers and our own names."""

    schema: str
    span: Span
    known: int
    inside: bool = False

    def fill(self, sql: str) -> str:
        within = "{column} IN (SELECT item FROM inside)" if self.inside else "true"
        for name, value in (
            ("{found_inside}", within.replace("{column}", "item")),
            ("{held_inside}", within.replace("{column}", "child")),
            ("{s}", self.schema),
            ("{known}", str(int(self.known))),
            ("{a}", str(int(self.span.start))),
            ("{b}", str(int(self.span.end))),
            ("{revision}", REVISION),
            ("{retired}", RETIRED),
            ("{location}", ItemKind.LOCATION.value),
            ("{software}", ItemKind.SOFTWARE.value),
        ):
            sql = sql.replace(name, value)
        return sql


def fitting(cursor: duckdb.DuckDBPyConnection, having: Sequence[Having], order: Order) -> pa.Table:
    """One row for each revision that is about and matters to a condition: it fulfils it, or has no place in the order;
    a condition on no revision has one row without."""
    rows: list[tuple[int, str, str | None, bool]] = []
    known: dict[str, list[str]] = {}
    for part, revision in cursor.execute("SELECT DISTINCT part, revision FROM found").fetchall():
        known.setdefault(part, []).append(revision)
    for at, one in enumerate(having):
        if not (one.below or one.above or one.revisions):
            rows.append((at, one.part, None, False))
            continue
        first, last = (_place(order, one.part, revision) for revision in (one.above, one.below))
        for revision in known.get(one.part, ()):
            place = order(one.part, revision) if revision else None
            if one.revisions and revision:
                fits: bool | None = revision in one.revisions
            else:
                fits = None
            if one.below or one.above:
                within = place is not None and (first is None or place > first) and (last is None or place < last)
                fits = None if place is None else within and fits is not False
            if fits is not False:
                rows.append((at, one.part, revision, fits is None))
    schema = pa.schema(
        [("condition", pa.int32()), ("part", pa.string()), ("revision", pa.string()), ("unknown", pa.bool_())]
    )
    return pa.table([pa.array([row[n] for row in rows], schema.field(n).type) for n in range(4)], schema)


def _place(order: Order, part: str, revision: str) -> Any:
    if not revision:
        return None
    place = order(part, revision)
    if place is None:
        raise InvalidInput(f"{revision!r:.80} has no place in the order of {part!r:.160}; list it among its revisions")
    return place


def meeting(having: Sequence[Having]) -> str:
    """When all conditions were met at once in the same root, and by which items: root, a, b, items.

    Of each root it is first joined together when each condition was met, by whatever item: forty screws and forty nuts
    are two times, not sixteen hundred pairs.
    """
    count = len(having)
    told = " OR ".join(
        f"condition = {n}" if one.unknown else f"(condition = {n} AND NOT unknown)" for n, one in enumerate(having)
    )
    start, end = (", ".join(f"c{n}.{column}" for n in range(count)) for column in ("a", "b"))
    joined = "(SELECT * FROM times WHERE condition = 0) c0" + "".join(
        f" JOIN (SELECT * FROM times WHERE condition = {n}) c{n} ON c{n}.root = c0.root"
        + "".join(f" AND c{n}.a < c{m}.b AND c{m}.a < c{n}.b" for m in range(n))
        for n in range(1, count)
    )
    names = {"{told}": told, "{count}": str(count), "{start}": start, "{end}": end, "{joined}": joined}
    return reduce(lambda sql, one: sql.replace(*one), names.items(), _MEETING)


def merged(spans: Sequence[dict[str, int]]) -> tuple[Span, ...]:
    found: list[Span] = []
    for one in sorted(spans, key=lambda one: one["a"]):
        if found and one["a"] <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, one["b"]))
        else:
            found.append(Span(one["a"], one["b"]))
    return tuple(found)


_KNOWN = "{t}recorded_from <= {known} AND {t}recorded_to > {known}"
_SO = f"{_KNOWN} AND {{t}}valid_from < {{b}} AND {{t}}valid_to > {{a}}"

_FOUND = f"""
CREATE TEMP TABLE found AS
WITH renamed AS (
  SELECT item, value AS part, valid_from, valid_to FROM {{s}}.trait WHERE name = 'part' AND {_KNOWN.replace("{t}", "")}
),
named AS (
  SELECT number, part, born AS a, {{b}} AS b FROM {{s}}.item
  WHERE part IN (SELECT part FROM asked) AND number NOT IN (SELECT item FROM renamed)
  UNION ALL
  SELECT number, part, born, (SELECT min(valid_from) FROM renamed WHERE item = number) FROM {{s}}.item
  WHERE number IN (SELECT item FROM renamed) AND part IN (SELECT part FROM asked)
  UNION ALL
  SELECT item, part, valid_from, valid_to FROM renamed WHERE part IN (SELECT part FROM asked)
),
so AS (
  SELECT i.number AS item, i.part, t.value AS revision, false AS software,
    greatest(i.a, {{a}}, t.valid_from) a, least({{b}}, i.b, t.valid_to, coalesce(gone.valid_from, {{b}})) b
  FROM named i JOIN {{s}}.trait t ON t.item = i.number AND t.name = '{{revision}}'
  LEFT JOIN {{s}}.trait gone ON gone.item = i.number AND gone.name = '{{retired}}' AND {_KNOWN.replace("{t}", "gone.")}
  WHERE {_SO.replace("{t}", "t.")}
  UNION ALL
  SELECT t.item, t.part, t.version, true, greatest({{a}}, t.valid_from) a,
    least({{b}}, t.valid_to, coalesce(gone.valid_from, {{b}})) b
  FROM {{s}}.software t
  LEFT JOIN {{s}}.trait gone ON gone.item = t.item AND gone.name = '{{retired}}' AND {_KNOWN.replace("{t}", "gone.")}
  WHERE t.part IN (SELECT part FROM asked) AND {_SO.replace("{t}", "t.")}
)
SELECT * FROM so WHERE a < b AND {{found_inside}}
"""
"""What is of the parts that are asked about, and when it had which revision."""

_LOADED = """
CREATE OR REPLACE TEMP TABLE loaded AS SELECT * FROM found
WHERE NOT software AND item IN (SELECT number FROM {s}.item WHERE kind = '{software}')
"""
_UNTOLD = f"""
INSERT INTO found
WITH covered AS (
  SELECT item, part, revision, a, b, a AS ca, a AS cb FROM loaded
  UNION ALL
  SELECT l.item, l.part, l.revision, l.a, l.b, greatest(l.a, p.valid_from, t.valid_from),
    least(l.b, p.valid_to, t.valid_to)
  FROM loaded l JOIN {{s}}.held p ON p.child = l.item AND {_KNOWN.replace("{t}", "p.")}
  JOIN {{s}}.software t ON t.item = p.parent AND t.slot = p.slot AND t.version <> ''
    AND {_KNOWN.replace("{t}", "t.")}
  WHERE greatest(l.a, p.valid_from, t.valid_from) < least(l.b, p.valid_to, t.valid_to)
),
untold AS (
  SELECT item, part, revision, max(cb) OVER same AS a, coalesce(lead(ca) OVER same, b) AS b
  FROM covered WINDOW same AS (PARTITION BY item, part, revision, a, b ORDER BY ca, cb)
)
SELECT item, part, revision, false, a, b FROM untold WHERE a < b
"""
"""Software that was put into a slot counts while nothing is reported of that slot."""

FIT = """
SELECT w.condition, w.unknown, f.item, f.software, f.a, f.b FROM found f JOIN wanted w
ON w.part = f.part AND w.revision = f.revision
UNION ALL
SELECT w.condition, w.unknown, f.item, f.software, f.a, f.b FROM found f JOIN wanted w
ON w.part = f.part WHERE w.revision IS NULL
"""
"""What fulfils a condition, and when."""

_MEETING = """
WITH candidates AS (
  SELECT root FROM stays WHERE {told} GROUP BY root HAVING count(DISTINCT condition) = {count}
),
meant AS MATERIALIZED (
  SELECT condition, root, item, a, b FROM stays SEMI JOIN candidates USING (root) WHERE {told}
),
begun AS (
  SELECT *, a > max(b) OVER (
    PARTITION BY condition, root ORDER BY a, b ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS anew FROM meant
),
counted AS (
  SELECT *, sum(CASE WHEN anew THEN 1 ELSE 0 END) OVER (
    PARTITION BY condition, root ORDER BY a, b ROWS UNBOUNDED PRECEDING
  ) AS run FROM begun
),
times AS MATERIALIZED (
  SELECT condition, root, min(a) AS a, max(b) AS b FROM counted GROUP BY condition, root, run
),
together AS (SELECT c0.root, greatest({start}) AS a, least({end}) AS b FROM {joined})
SELECT t.root, t.a, t.b, list(DISTINCT m.item) AS items
FROM together t JOIN meant m ON m.root = t.root AND m.a < t.b AND t.a < m.b GROUP BY t.root, t.a, t.b
"""

_STAYS = f"""
CREATE TEMP TABLE stays AS
WITH RECURSIVE
p AS MATERIALIZED (
  SELECT child, parent, greatest(valid_from, {{a}}) a, least(valid_to, {{b}}) b{{of_parent}}
  FROM {{s}}.placement
  WHERE {_SO.replace("{t}", "")} AND {{held_inside}}
    AND parent NOT IN (SELECT number FROM {{s}}.item WHERE kind = '{{location}}')
),
fit AS ({FIT}),
up(condition, unknown, item, node, a, b, depth{{ends}}) AS (
  SELECT condition, unknown, item, item, a, b, 0{{of_item}} FROM fit
  UNION ALL
  SELECT condition, unknown, item, p.parent, greatest(up.a, p.a), least(up.b, p.b), depth + 1{{onward}}
  FROM up JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b WHERE depth < 64
),
held AS (
  SELECT up.*, p.a AS pa, p.b AS pb FROM up LEFT JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b
),
gaps AS (
  SELECT condition, unknown, item, node, b AS last_b,
    coalesce(lag(pb) OVER same, a) AS a, pa AS b, lead(pa) OVER same AS following, pb{{ends}}
  FROM held WHERE pa > a OR pb < b
  WINDOW same AS (PARTITION BY condition, unknown, item, node, a, b ORDER BY pa)
)
SELECT condition, unknown, item, node AS root, a, b{{ends}} FROM held WHERE pa IS NULL
UNION ALL
SELECT condition, unknown, item, node, a, b{{ends}} FROM gaps WHERE a < b
UNION ALL
SELECT condition, unknown, item, node, pb, last_b{{ends}} FROM gaps WHERE following IS NULL AND pb < last_b
"""

_NEAR, _FAR = (
    f"{{column}} IN (SELECT number FROM {{s}}.item WHERE part IN (SELECT part FROM {name}_parts))"
    for name in ("near", "far")
)
_CLIMBED = {
    "{ends}": ", near, far",
    "{of_parent}": f", {_NEAR} AS is_near, {_FAR} AS is_far".replace("{column}", "parent"),
    "{of_item}": f", CASE WHEN {_NEAR} THEN item END, CASE WHEN {_FAR} THEN item END".replace("{column}", "item"),
    "{onward}": ", coalesce(up.near, CASE WHEN p.is_near THEN p.parent END)"
    ", CASE WHEN p.is_far THEN p.parent ELSE up.far END",
}
"""What is also noted on the way up, where end items are asked about."""

_ENDS = """
SELECT i.number, i.part, i.serial, i.lot, e.named FROM (
  SELECT DISTINCT coalesce(near, far, root) AS number, coalesce(near, far) IS NOT NULL AS named
  FROM stays WHERE condition = 0
) e JOIN {s}.item i USING (number)
"""

_PAGE = """
WITH page AS (
  SELECT i.id, i.part, i.serial, i.number, list({'a': met.a, 'b': met.b}) spans,
    list_distinct(flatten(list(met.items))) items
  FROM met JOIN {s}.item i ON i.number = met.root WHERE i.id > ? GROUP BY i.id, i.part, i.serial, i.number
  ORDER BY i.id LIMIT ?
),
named AS (
  SELECT one.number, list(i.id) items FROM (SELECT number, unnest(items) item FROM page) one
  JOIN {s}.item i ON i.number = one.item GROUP BY one.number
)
SELECT page.id, page.part, page.serial, page.spans, named.items FROM page JOIN named USING (number) ORDER BY page.id
"""
