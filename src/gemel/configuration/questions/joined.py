"""Several sources of configurations asked as one, what is believed here among them.

Two that name the same thing are one: by its id, where they agree on the part; else by part, serial number and, as far
as both tell it, maker, where that fits one item alone. What several tell of it, the first that is named tells: what it
is, its revision, where it is. What has the id of something else is called by its source, too: supplier:4711.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from gemel.configuration.acts.acting import RETIRED, REVISION
from gemel.configuration.questions.attached import OURS, SCHEMA
from gemel.errors import InvalidInput

__all__ = ["JOINED", "MOST", "join", "lent", "named_sources"]

MOST = 8
"""Sources of one question."""
JOINED = "temp"
"""The schema of the relations of all of them."""
_TIMES = "valid_from, valid_to, recorded_from, recorded_to"
_ITEM = "id, part, maker, serial, lot, kind, born"
_LENT = {
    "item": f"SELECT id AS number, {_ITEM} FROM {OURS}.item",
    "placement": f"SELECT c.id AS child, p.id AS parent, t.slot, {_TIMES} FROM {OURS}.held t "
    f"JOIN {OURS}.item c ON c.number = t.child JOIN {OURS}.item p ON p.number = t.parent",
    "trait": f"SELECT i.id AS item, name, value, {_TIMES} FROM {OURS}.trait t JOIN {OURS}.item i ON i.number = t.item "
    f"WHERE name IN ('{REVISION}', '{RETIRED}', 'part')",
    "software": f"SELECT i.id AS item, t.slot, t.part, version, {_TIMES} FROM {OURS}.software t "
    f"JOIN {OURS}.item i ON i.number = t.item",
}


def named_sources(source: str) -> list[str]:
    """The names of sources, as they are written: "own,supplier". Raises InvalidInput."""
    names = [one.strip() for one in source.split(",")]
    if len(names) > MOST or len(set(names)) < len(names) or "" in names:
        raise InvalidInput(f"name up to {MOST} sources, each once, as in {OURS},supplier; not {source:.200}")
    return names


def lent(cursor: duckdb.DuckDBPyConnection, ours: duckdb.DuckDBPyConnection) -> None:
    """Hand what is believed here to the engine of the sources, by ids. `ours`: a cursor of the columns."""
    for name, sql in _LENT.items():
        cursor.register("told", ours.execute(sql).to_arrow_table())
        cursor.execute(f"CREATE TEMP TABLE {OURS}_{name} AS SELECT * FROM told")
        cursor.unregister("told")


def join(cursor: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> None:
    """Make the relations of JOINED, in this order of the sources (their ids; OURS was `lent`)."""
    attached = [one for one in sources if one != OURS]
    for at, source in enumerate(sources):
        schema = f"{OURS}_" if source == OURS else f"{SCHEMA}{attached.index(source) if len(attached) > 1 else ''}."
        lines = f"{OURS}_item" if source == OURS else f"{schema}line"
        names = {"{s}": schema, "{k}": str(at), "{e}": str(at - 1), "{lines}": lines, "{times}": _TIMES}
        names["{source}"] = source
        statements = _FIRST if at == 0 else _NEXT
        for sql in statements:
            for name, value in names.items():
                sql = sql.replace(name, value)
            cursor.execute(sql)
    last = len(sources) - 1
    for name in _LENT:
        cursor.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {name}_{last}")
    cursor.execute("CREATE TEMP VIEW held AS SELECT * FROM placement")


_FIRST = (
    f"CREATE TEMP VIEW item_0 AS SELECT number, {_ITEM} FROM {{s}}item",
    "CREATE TEMP VIEW placement_0 AS SELECT child, parent, slot, {times} FROM {s}placement",
    "CREATE TEMP VIEW trait_0 AS SELECT item, name, value, {times} FROM {s}trait",
    "CREATE TEMP VIEW software_0 AS SELECT item, slot, part, version, {times} FROM {s}software",
)
_NEXT = (
    """
    CREATE TEMP TABLE same_{k} AS
    WITH written AS (
      SELECT i.number, min(e.number) AS same FROM {s}item i JOIN item_{e} e ON e.part = i.part AND e.serial = i.serial
      AND (e.maker = i.maker OR e.maker = '' OR i.maker = '')
      WHERE i.serial <> '' GROUP BY i.number HAVING count(*) = 1
    ),
    named AS (
      SELECT i.number, e.part = i.part OR i.number NOT IN (SELECT id FROM {lines}) AS same
      FROM {s}item i JOIN item_{e} e ON e.number = i.number
    )
    SELECT coalesce(n.number, w.number) AS id, coalesce(n.same, false) OR w.same IS NOT NULL AS known,
      CASE WHEN n.same THEN n.number WHEN w.same IS NOT NULL THEN w.same ELSE '{source}:' || n.number END AS number
    FROM named n FULL JOIN written w ON w.number = n.number
    """,
    """
    CREATE TEMP VIEW item_{k} AS SELECT * FROM item_{e} UNION ALL
    SELECT coalesce(m.number, i.number), coalesce(m.number, i.number), i.part, maker, serial, lot, kind, born
    FROM {s}item i LEFT JOIN same_{k} m ON m.id = i.number WHERE m.known IS NOT TRUE
    """,
    """
    CREATE TEMP VIEW placement_{k} AS SELECT * FROM placement_{e} UNION ALL
    SELECT coalesce(c.number, p.child), coalesce(h.number, p.parent), slot, {times} FROM {s}placement p
    LEFT JOIN same_{k} c ON c.id = p.child LEFT JOIN same_{k} h ON h.id = p.parent
    WHERE NOT (c.known IS TRUE AND c.number IN (SELECT child FROM placement_{e}))
    """,
    f"""
    CREATE TEMP VIEW trait_{{k}} AS SELECT * FROM trait_{{e}} UNION ALL
    SELECT coalesce(m.number, t.item), name, value, {{times}} FROM {{s}}trait t LEFT JOIN same_{{k}} m ON m.id = t.item
    WHERE NOT (
      m.known IS TRUE AND m.number IN (SELECT item FROM trait_{{e}} WHERE name = '{REVISION}' AND value <> '')
    )
    """,
    """
    CREATE TEMP VIEW software_{k} AS SELECT * FROM software_{e} UNION ALL
    SELECT coalesce(m.number, w.item), slot, part, version, {times} FROM {s}software w
    LEFT JOIN same_{k} m ON m.id = w.item
    WHERE NOT (m.known IS TRUE AND m.number IN (SELECT item FROM software_{e}))
    """,
)
