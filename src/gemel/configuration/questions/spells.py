"""Spells of items: times in which nothing of an item's configuration changed. For whoever learns from many lives.

One row for each: what the item was then (part, revision, maker, lot, serial number), what it was in (machine, type of
machine, position), which software ran, what was amiss, and whether it had failed. All as of two moments, so that the
same table can be made again as it was believed.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa
from sqlalchemy import Connection, select

from gemel.configuration import tables
from gemel.configuration.acts.acting import RETIRED, REVISION
from gemel.configuration.belief import known_at
from gemel.configuration.values import ItemKind, Standing

__all__ = ["FAILED", "SPELLS", "spells"]

FAILED = "failed"
"""The trait of an item that has failed: in which way. Empty again: it was repaired."""
_AT_ONCE = 500
SPELLS = pa.schema(
    [
        ("number", pa.int64()),
        ("item", pa.string()),
        ("twin", pa.string()),
        ("part", pa.string()),
        ("maker", pa.string()),
        ("serial", pa.string()),
        ("lot", pa.string()),
        ("revision", pa.string()),
        ("machine", pa.string()),
        ("machine_type", pa.string()),
        ("position", pa.string()),
        ("holder_twin", pa.string()),
        ("software", pa.string()),
        ("nonconforming", pa.int64()),
        ("failed", pa.string()),
        ("retired", pa.bool_()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
"""`machine`: empty where it was in none, in a store say; an item that is in nothing all its life has none either.
`machine_type`: part number of the machine; `position`: slots from there down; `holder_twin`: of what has the last of
these slots; `start`, `end`: microseconds."""


def spells(
    cursor: duckdb.DuckDBPyConnection,
    tx: Connection,
    parts: Sequence[str],
    *,
    at: int,
    known: int,
    only: Sequence[int] | None = None,
) -> pa.Table:
    """`SPELLS` of all items of these parts up to `at`, as believed at `known`; by item, in order of time.

    `cursor`: over our columns (`Columns`); `tx`: for what these do not have; `only`: these items, by number.
    """
    names = {"{at}": str(int(at)), "{known}": str(int(known)), "{location}": ItemKind.LOCATION.value}
    names |= {"{revision}": REVISION, "{retired}": RETIRED, "{failed}": FAILED}

    def run(sql: str, given: list[object] | None = None) -> duckdb.DuckDBPyConnection:
        for name, value in names.items():
            sql = sql.replace(name, value)
        return cursor.execute(sql, given)

    try:
        run(_NAMED, [list(parts), only is None, list(only or ())])
        run(_STAYS)
        slots = [row[0] for row in cursor.execute("SELECT DISTINCT unnest(way) FROM spell_stays").fetchall()]
        cursor.register("spell_slots", _slots(tx, slots))
        numbers = [row[0] for row in cursor.execute("SELECT DISTINCT item FROM spell_named").fetchall()]
        cursor.register("spell_items", _items(tx, numbers))
        cursor.register("spell_amiss", _amiss(tx, numbers, known))
        run(_TRAITS)
        return run(_SPELLS).to_arrow_table().cast(SPELLS)
    finally:
        for table in ("spell_named", "spell_stays", "spell_traits"):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        for view in ("spell_slots", "spell_items", "spell_amiss"):
            cursor.unregister(view)


def _slots(tx: Connection, places: Sequence[int]) -> pa.Table:
    rows: list[tuple[int, str, str]] = []
    p, x = tables.place.c, tables.item.c
    for first in range(0, len(places), _AT_ONCE):
        asked = select(p.number, p.slot, x.twin).join(tables.item, x.number == p.parent)
        found = tx.execute(asked.where(p.number.in_(places[first : first + _AT_ONCE])))
        rows += [(row.number, row.slot, row.twin) for row in found]
    types = {"number": pa.int64(), "slot": pa.string(), "twin": pa.string()}
    return pa.table({name: pa.array([row[at] for row in rows], types[name]) for at, name in enumerate(types)})


def _items(tx: Connection, numbers: Sequence[int]) -> pa.Table:
    """What the columns do not have; merged items are another's."""
    x = tables.item.c
    told: dict[str, list[object]] = {"number": [], "maker": [], "twin": []}
    for first in range(0, len(numbers), _AT_ONCE):
        asked = select(x.number, x.maker, x.twin).where(x.number.in_(numbers[first : first + _AT_ONCE]))
        for row in tx.execute(asked.where(x.merged.is_(None))):
            for name in told:
                told[name].append(getattr(row, name))
    types = {"number": pa.int64(), "maker": pa.string(), "twin": pa.string()}
    return pa.table({name: pa.array(values, types[name]) for name, values in told.items()})


def _amiss(tx: Connection, numbers: Sequence[int], known: int) -> pa.Table:
    """When an item had a nonconformance that was not closed."""
    n, s = tables.nonconformance.c, tables.standing.c
    rows: list[tuple[int, int, int]] = []
    for first in range(0, len(numbers), _AT_ONCE):
        asked = (
            select(n.item, s.valid_from, s.valid_to)
            .join(tables.standing, s.nonconformance == n.number)
            .where(n.item.in_(numbers[first : first + _AT_ONCE]), s.state != Standing.CLOSED.value)
            .where(known_at(tables.standing, known))
        )
        rows += [(row.item, row.valid_from, row.valid_to) for row in tx.execute(asked)]
    names = ("item", "a", "b")
    return pa.table({name: pa.array([row[at] for row in rows], pa.int64()) for at, name in enumerate(names)})


_KNOWN = "{t}recorded_from <= {known} AND {t}recorded_to > {known}"
_BELIEVED = _KNOWN.replace("{t}", "")

_NAMED = f"""
CREATE TEMP TABLE spell_named AS
WITH renamed AS (
  SELECT item, value AS part, valid_from, valid_to FROM own.trait WHERE name = 'part' AND {_BELIEVED}
),
gone AS (SELECT item, min(valid_from) AS b FROM own.trait WHERE name = '{{retired}}' AND {_BELIEVED} GROUP BY item),
named AS (
  SELECT number AS item, part, born AS a, {{at}}::BIGINT AS b FROM own.item
  WHERE number NOT IN (SELECT item FROM renamed)
  UNION ALL
  SELECT number, part, born, (SELECT min(valid_from) FROM renamed WHERE item = number) FROM own.item
  WHERE number IN (SELECT item FROM renamed)
  UNION ALL
  SELECT item, part, valid_from, valid_to FROM renamed
)
SELECT n.item, n.part, n.a, least(n.b, {{at}}, coalesce(g.b, {{at}}))::BIGINT AS b,
  coalesce(g.b <= {{at}}, false) AS gone
FROM named n LEFT JOIN gone g USING (item)
WHERE list_contains(?, n.part) AND (? OR list_contains(?::BIGINT[], n.item))
AND n.a < least(n.b, {{at}}, coalesce(g.b, {{at}}))
"""

_STAYS = f"""
CREATE TEMP TABLE spell_stays AS
WITH RECURSIVE
p AS MATERIALIZED (
  SELECT child, parent, place, valid_from AS a, valid_to AS b FROM own.placement
  WHERE {_BELIEVED} AND valid_from < {{at}}
  AND parent NOT IN (SELECT number FROM own.item WHERE kind = '{{location}}')
),
up(item, node, a, b, way) AS (
  SELECT item, item, a, b, CAST([] AS BIGINT[]) FROM spell_named
  UNION ALL
  SELECT up.item, p.parent, greatest(up.a, p.a), least(up.b, p.b), list_prepend(p.place, up.way)
  FROM up JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b WHERE len(up.way) < 64
),
held AS (
  SELECT up.*, p.a AS pa, p.b AS pb FROM up LEFT JOIN p ON p.child = up.node AND p.a < up.b AND up.a < p.b
),
gaps AS (
  SELECT item, node, way, b AS last_b, coalesce(lag(pb) OVER same, a) AS a, coalesce(pa, b) AS b,
    lead(pa) OVER same AS following, pb
  FROM held WINDOW same AS (PARTITION BY item, node, way, a, b ORDER BY pa)
)
SELECT item, node, way, a, b FROM gaps WHERE a < b
UNION ALL
SELECT item, node, way, pb, last_b FROM gaps WHERE following IS NULL AND pb < last_b
"""

_TRAITS = f"""
CREATE TEMP TABLE spell_traits AS
SELECT item, name, value, valid_from AS a, valid_to AS b FROM own.trait
WHERE {_BELIEVED} AND name IN ('{{revision}}', '{{failed}}', 'maker', 'serial', 'lot')
AND item IN (SELECT item FROM spell_named)
UNION ALL
SELECT s.item, 'software', t.part || CASE WHEN t.part = '' THEN '' ELSE ' ' END || t.version,
  greatest(s.a, t.valid_from), least(s.b, t.valid_to)
FROM spell_stays s JOIN own.software t ON t.item IN (s.item, s.node)
WHERE {_KNOWN.replace("{t}", "t.")} AND t.valid_from < s.b AND s.a < t.valid_to
"""

_SPELLS = """
WITH cuts AS (
  SELECT item, a AS time FROM spell_stays UNION SELECT item, b FROM spell_stays
  UNION SELECT item, a FROM spell_traits UNION SELECT item, b FROM spell_traits
  UNION SELECT item, a FROM spell_amiss UNION SELECT item, b FROM spell_amiss
),
pieces AS (
  SELECT s.item, s.node, s.way, n.part, n.gone, c.time AS a,
    coalesce(lead(c.time) OVER (PARTITION BY s.item, s.node, s.a, n.part ORDER BY c.time), least(s.b, n.b)) AS b
  FROM spell_stays s JOIN spell_named n ON n.item = s.item AND n.a < s.b AND s.a < n.b
  JOIN cuts c ON c.item = s.item AND c.time >= s.a AND c.time < s.b AND c.time >= n.a AND c.time < n.b
),
of AS (
  SELECT p.item, p.a,
    max(t.value) FILTER (t.name = '{revision}') AS revision,
    max(t.value) FILTER (t.name = '{failed}') AS failed,
    max(t.value) FILTER (t.name = 'maker') AS maker,
    max(t.value) FILTER (t.name = 'serial') AS serial,
    max(t.value) FILTER (t.name = 'lot') AS lot,
    string_agg(DISTINCT t.value, ', ' ORDER BY t.value) FILTER (t.name = 'software') AS software
  FROM pieces p JOIN spell_traits t ON t.item = p.item AND t.a <= p.a AND t.b > p.a GROUP BY p.item, p.a
),
amiss AS (
  SELECT p.item, p.a, count(*) AS many FROM pieces p
  JOIN spell_amiss m ON m.item = p.item AND m.a <= p.a AND m.b > p.a GROUP BY p.item, p.a
),
ways AS (
  SELECT way, string_agg(z.slot, '/' ORDER BY w.at) AS position, arg_max(z.twin, w.at) AS twin
  FROM (SELECT way, unnest(way) AS place, generate_subscripts(way, 1) AS at
        FROM (SELECT DISTINCT way FROM spell_stays WHERE len(way) > 0)) w
  JOIN spell_slots z ON z.number = w.place GROUP BY way
)
SELECT p.item AS number, i.id AS item, x.twin, p.part, coalesce(of.maker, x.maker) AS maker,
  coalesce(of.serial, i.serial) AS serial, coalesce(of.lot, i.lot) AS lot, coalesce(of.revision, '') AS revision,
  CASE WHEN len(p.way) > 0 THEN m.id ELSE '' END AS machine,
  CASE WHEN len(p.way) > 0 THEN m.part ELSE '' END AS machine_type,
  coalesce(w.position, '') AS position, coalesce(w.twin, '') AS holder_twin, coalesce(of.software, '') AS software,
  coalesce(amiss.many, 0)::BIGINT AS nonconforming, coalesce(of.failed, '') AS failed,
  p.gone AS retired, p.a AS start, p.b AS "end"
FROM pieces p JOIN own.item i ON i.number = p.item JOIN spell_items x ON x.number = p.item
JOIN own.item m ON m.number = p.node
LEFT JOIN of ON of.item = p.item AND of.a = p.a
LEFT JOIN amiss ON amiss.item = p.item AND amiss.a = p.a
LEFT JOIN ways w ON w.way = p.way
WHERE p.a < p.b ORDER BY i.id, p.a
"""
