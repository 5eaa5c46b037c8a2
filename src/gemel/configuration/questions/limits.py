"""How much life is left in parts: what was counted against the limits of their part types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import duckdb
import msgspec
import pyarrow as pa
from sqlalchemy import Connection, select

from gemel.configuration.acts.acting import MERGED, RETIRED, REVISION, item_row
from gemel.configuration.parts.book import Book
from gemel.configuration.parts.ordering import applies, in_revisions
from gemel.configuration.parts.values import LifeLimit
from gemel.configuration.questions import counting, finding
from gemel.configuration.questions.ends import end_item, end_items, items_at
from gemel.configuration.questions.lives import counts
from gemel.configuration.values import Item

__all__ = ["THOSE", "Asked", "Remaining", "RemainingPage", "life_of", "remaining"]

CALENDAR = "days"
"""A kind that is not counted but passes: since the item was made."""
THOSE = "those"
"""The relation of items that are asked about, while they are."""
_DAY = 86_400_000_000
_LOOKED_UP = 200
"""Items of which it is asked at once where they are."""


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of one item, and how far it is from it."""

    item: str
    part: str
    revision: str
    kind: str
    """hours, strokes, starts …; days: since it was made."""
    used: float
    limit: float
    hard: bool
    remaining: float
    """Negative: it is past the limit."""
    share: float
    """Of the limit that is used; 1: all."""
    untold_s: float = 0.0
    """For so many seconds of its life nobody told how much it was used: it may be more."""
    root: str = ""
    """What it is in, through all parents; empty: in nothing."""
    path: tuple[str, ...] = ()


class RemainingPage(msgspec.Struct, frozen=True, kw_only=True):
    """Those with the least life left first."""

    items: tuple[Remaining, ...]
    total: int
    """Limits of items that were looked at, before those are left out that do not apply to the machine they are in."""


def life_of(tx: Connection, book: Book, item: str, at: int, known: int) -> list[Remaining]:
    """All limits of one item, in order of what is left. Raises NotFound."""
    row = item_row(tx, item)
    here = items_at(tx, [row.number], at, known)[row.number]
    way = finding.wheres(tx, [row.number], at, known)[row.number]
    end = end_item(tx, book, item, at, known)
    part = book.of(here.part, here.maker)
    found = []
    for limit in part.limits if part is not None else ():
        if in_revisions(part, here.revision, limit.revisions) is False or not _applies(limit, end, at):
            continue
        if limit.kind == CALENDAR:
            used, untold = max(at - here.born, 0) / _DAY, 0.0
        else:
            count = counting.count(tx, item, limit.kind, at, known)
            used, untold = count.amount, count.untold_s
        found.append(_remaining(here.id, (here.part, here.revision), limit, used, untold))
    where = {"root": way[-1].id, "path": tuple(step.slot for step in reversed(way))} if way else {}
    return sorted((msgspec.structs.replace(one, **where) for one in found), key=lambda one: -one.share)


class Asked(msgspec.Struct, frozen=True):
    """Which items."""

    kind: str = ""
    part: str = ""
    root: str = ""
    """Only what this item consists of, and itself."""
    limit: int = 100
    shown: Callable[[], None] | None = None
    """Cuts the relation `those` of the same cursor to what may be told, with the names that it has there."""


def remaining(
    cursor: duckdb.DuckDBPyConnection,
    tx: Connection,
    book: Book,
    asked: Asked,
    *,
    at: int,
    known: int,
) -> RemainingPage:
    """Of all items whose part has a limit, those with the least left, sorted. Raises NotFound (root).

    `cursor`: over our columns; `tx`: for where the items of the answer are.
    """
    parts = {one.part for one in book if one.limits and asked.part in ("", one.part)}
    inside = None
    if asked.root:
        below = finding.below([item_row(tx, asked.root).number], at, known)
        inside = set(tx.scalars(select(below.c.number)).all())
    if not parts:
        return RemainingPage(items=(), total=0)
    try:
        _items(cursor, parts, inside, at, known)
        if asked.shown is not None:
            asked.shown()
        limits = _limits(cursor, book, asked.kind)
        found = _ranked(cursor, limits, at, known)
    finally:
        cursor.execute("DROP TABLE IF EXISTS those")
    return RemainingPage(items=tuple(_placed(tx, book, (found, limits), (at, known), asked.limit)), total=len(found))


def _placed(
    tx: Connection, book: Book, ranked: tuple[pa.Table, Sequence[LifeLimit]], when: tuple[int, int], most: int
) -> Iterable[Remaining]:
    """The first ones that apply to what they are in, with where that is."""
    (found, limits), told, (at, known) = ranked, 0, when
    for first in range(0, len(found), _LOOKED_UP):
        some = found.slice(first, _LOOKED_UP).to_pylist()
        ways = finding.wheres(tx, [row["number"] for row in some], at, known)
        bounded = {row["number"] for row in some if _bounded(limits[row["which"]])}
        ends = end_items(tx, book, bounded, at, known) if bounded else {}
        for row in some:
            way, of = ways[row["number"]], limits[row["which"]]
            if not _applies(of, ends.get(row["number"]), at):
                continue
            if told == most:
                return
            told += 1
            one = _remaining(row["id"], (row["part"], row["revision"]), of, row["used"], row["untold"] / 1e6)
            if way:
                path = tuple(step.slot for step in reversed(way))
                one = msgspec.structs.replace(one, root=way[-1].id, path=path)
            yield one


def _bounded(limit: LifeLimit) -> bool:
    return bool(limit.effectivity.serials or limit.effectivity.lots)


def _applies(limit: LifeLimit, end: Item | None, at: int) -> bool:
    """What cannot be told counts: a limit is for safety. `end`: the end item that it is in, if one is known."""
    serial, lot = (None, "") if end is None else (end.serial, end.lot)
    return applies(limit.effectivity, serial=serial, lot=lot, at=at) is not False


def _remaining(id: str, part: tuple[str, str], of: LifeLimit, used: float, untold: float) -> Remaining:
    return Remaining(
        item=id,
        part=part[0],
        revision=part[1],
        kind=of.kind,
        used=used,
        limit=of.limit,
        hard=of.hard,
        remaining=of.limit - used,
        share=used / of.limit if of.limit else float("inf"),
        untold_s=untold,
    )


def _items(
    cursor: duckdb.DuckDBPyConnection, parts: Collection[str], inside: Collection[int] | None, at: int, known: int
) -> None:
    """Note as `those` all items of these parts that exist then: what each is, and its revision."""
    cursor.register("parts", pa.table({"part": sorted(parts)}))
    if inside is not None:
        cursor.register("inside", pa.table({"item": pa.array(sorted(inside), pa.int64())}))
    when = (
        f"valid_from <= {int(at)} AND valid_to > {int(at)} AND recorded_from <= {int(known)} "
        f"AND recorded_to > {int(known)}"
    )
    cursor.execute(_THOSE.replace("{when}", when).replace("{at}", str(int(at))))
    if inside is not None:
        cursor.execute("DELETE FROM those WHERE number NOT IN (SELECT item FROM inside)")


def _limits(cursor: duckdb.DuckDBPyConnection, book: Book, kind: str) -> list[LifeLimit]:
    """The limits of `those`, noted as `limited` by what they are of: a part of one maker has its own."""
    limits: list[LifeLimit] = []
    rows: list[tuple[str, str, str, int, str, float]] = []
    kinds = cursor.execute("SELECT DISTINCT part, maker, revision FROM those ORDER BY ALL").fetchall()
    for part, maker, revision in kinds:
        declared = book.of(part, maker)
        for of in declared.limits if declared is not None else ():
            if kind in ("", of.kind) and in_revisions(declared, revision, of.revisions) is not False:
                rows.append((part, maker, revision, len(limits), of.kind, of.limit))
                limits.append(of)
    columns = {
        name: pa.array([row[n] for row in rows], of)
        for n, (name, of) in enumerate(
            {
                "part": pa.string(),
                "maker": pa.string(),
                "revision": pa.string(),
                "which": pa.int64(),
                "kind": pa.string(),
                "most": pa.float64(),
            }.items()
        )
    }
    cursor.register("limited", pa.table(columns))
    return limits


def _ranked(cursor: duckdb.DuckDBPyConnection, limits: Sequence[LifeLimit], at: int, known: int) -> pa.Table:
    """(number, id, part, revision, which, used, untold) of each limit of `those`, what is nearest to it first; `which`
    of the limits."""
    if any(of.kind != CALENDAR for of in limits):
        asked = cursor.execute(_ASKED.replace("{at}", str(int(at)))).to_arrow_table()
        cursor.register("counted", counts(cursor, "own", asked, known=known))
    else:
        cursor.execute(_NOTHING)
    return cursor.execute(_RANKED.replace("{at}", str(int(at)))).to_arrow_table()


_THOSE = f"""
CREATE OR REPLACE TEMP TABLE those AS
WITH named AS (
  SELECT item, max(value) FILTER (name = 'part') AS part, max(value) FILTER (name = 'maker') AS maker
  FROM own.trait WHERE name IN ('part', 'maker') AND {{when}} GROUP BY item
),
known AS (
  SELECT i.number, i.id, coalesce(n.part, i.part) AS part, coalesce(n.maker, i.maker) AS maker, i.born
  FROM own.item i LEFT JOIN named n ON n.item = i.number
  WHERE i.born <= {{at}} AND (i.part IN (SELECT part FROM parts) OR n.part IS NOT NULL)
),
picked AS MATERIALIZED (SELECT * FROM known WHERE part IN (SELECT part FROM parts)),
so AS MATERIALIZED (
  SELECT item, name, value FROM own.trait SEMI JOIN picked ON trait.item = picked.number WHERE {{when}}
)
SELECT p.*, r.value AS revision FROM picked p
JOIN so r ON r.item = p.number AND r.name = '{REVISION}'
ANTI JOIN (SELECT item FROM so WHERE name IN ('{RETIRED}', '{MERGED}')) gone ON gone.item = p.number
"""

_ASKED = f"""
SELECT DISTINCT t.number AS item, l.kind, {{at}}::BIGINT AS until
FROM those t JOIN limited l USING (part, maker, revision) WHERE l.kind <> '{CALENDAR}'
"""

_NOTHING = """
CREATE OR REPLACE TEMP VIEW counted AS SELECT 0::BIGINT AS item, '' AS kind, 0.0::DOUBLE AS amount, 0 AS untold
"""

_RANKED = f"""
WITH told AS (
  SELECT t.number, t.id, t.part, t.revision, l.which, l.kind, l.most,
    CASE WHEN l.kind = '{CALENDAR}' THEN ({{at}} - t.born) / {_DAY}::DOUBLE ELSE c.amount END AS used,
    coalesce(c.untold, 0) AS untold
  FROM those t JOIN limited l USING (part, maker, revision)
  LEFT JOIN counted c ON c.item = t.number AND c.kind = l.kind
)
SELECT number, id, part, revision, which, used, untold FROM told
ORDER BY CASE WHEN most = 0 THEN 'inf'::DOUBLE ELSE used / most END DESC, id, kind
"""
