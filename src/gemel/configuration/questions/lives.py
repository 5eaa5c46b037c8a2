"""How much many items were used, at once: what `counting.count` says of one, for a whole fleet, over columns.

A level is which times of which items are still to be told, by what holds them: the items themselves first. What is told
of a holder counts; what is not is asked of what that holder was in then.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

__all__ = ["counts"]

_DEEPEST = 64


def counts(cursor: duckdb.DuckDBPyConnection, schema: str, asked: pa.Table, *, known: int) -> pa.Table:
    """asked: item, kind, until (no row twice) -> the same, amount, adjusted (part of amount), untold (microseconds).

    As believed at `known`, from each item's birth to its `until`; one item may be asked of several moments.
    """
    names = {"{s}": schema, "{known}": str(int(known))}

    def run(sql: str) -> duckdb.DuckDBPyConnection:
        for name, value in names.items():
            sql = sql.replace(name, value)
        return cursor.execute(sql)

    cursor.register("asked", asked)
    try:
        run(_TOLD)
        run(_FIRST)
        for _ in range(_DEEPEST):
            run(_SUM)
            run(_GAPS)
            run(_ABOVE)
            left = cursor.execute("SELECT count(*) FROM level").fetchone()
            if left is None or not left[0]:
                break
        return run(_ANSWER).to_arrow_table()
    finally:
        for table in ("told", "level", "amounts", "gaps"):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.unregister("asked")


_KNOWN = "recorded_from <= {known} AND recorded_to > {known}"

_TOLD = f"""
CREATE TEMP TABLE told AS
SELECT item, kind, amount, own, valid_from, valid_to FROM {{s}}.usage
WHERE {_KNOWN} AND valid_from <= (SELECT max(until) FROM asked) AND kind IN (SELECT kind FROM asked)
"""

_FIRST = """
CREATE TEMP TABLE level AS
SELECT a.item, a.kind, a.until, a.item AS node, i.born AS a, a.until::BIGINT AS b
FROM asked a JOIN {s}.item i ON i.number = a.item WHERE i.born < a.until;
CREATE TEMP TABLE amounts AS
SELECT item, kind, until, 0.0::DOUBLE AS amount, 0::BIGINT AS untold FROM asked LIMIT 0
"""

_SUM = """
INSERT INTO amounts
SELECT l.item, l.kind, l.until,
  sum(t.amount * (least(l.b, t.valid_to) - greatest(l.a, t.valid_from)) / (t.valid_to - t.valid_from)), 0
FROM level l JOIN told t
  ON t.item = l.node AND t.kind = l.kind AND NOT t.own AND t.valid_from < l.b AND l.a < t.valid_to
GROUP BY l.item, l.kind, l.until
"""

_GAPS = """
CREATE OR REPLACE TEMP TABLE gaps AS
WITH held AS (
  SELECT l.*, t.ta, t.tb FROM level l LEFT JOIN (SELECT *, valid_from AS ta, valid_to AS tb FROM told) t
    ON t.item = l.node AND t.kind = l.kind AND NOT t.own AND t.valid_from < l.b AND l.a < t.valid_to
),
pieces AS (
  SELECT item, kind, until, node, b AS last, coalesce(lag(tb) OVER same, a) AS a, coalesce(ta, b) AS b, tb,
    lead(ta) OVER same AS following
  FROM held WINDOW same AS (PARTITION BY item, kind, until, node, a, b ORDER BY ta)
)
SELECT item, kind, until, node, a, b FROM pieces WHERE a < b
UNION ALL
SELECT item, kind, until, node, tb, last FROM pieces WHERE following IS NULL AND tb < last
"""

_ABOVE = f"""
CREATE OR REPLACE TEMP TABLE level AS
SELECT g.item, g.kind, g.until, p.parent AS node, greatest(g.a, p.valid_from) AS a, least(g.b, p.valid_to) AS b
FROM gaps g JOIN {{s}}.placement p ON p.child = g.node AND p.valid_from < g.b AND g.a < p.valid_to
WHERE {_KNOWN};
INSERT INTO amounts
SELECT item, kind, until, 0, sum(length)::BIGINT FROM (
  SELECT item, kind, until, b - a AS length FROM gaps UNION ALL SELECT item, kind, until, a - b FROM level
) GROUP BY item, kind, until
"""

_ANSWER = """
WITH own AS (
  SELECT a.item, a.kind, a.until, sum(t.amount) AS amount
  FROM asked a JOIN told t ON t.own AND t.item = a.item AND t.kind = a.kind AND t.valid_from <= a.until
  GROUP BY a.item, a.kind, a.until
),
used AS (
  SELECT item, kind, until, sum(amount) AS amount, sum(untold)::BIGINT AS untold FROM amounts
  GROUP BY item, kind, until
)
SELECT a.item, a.kind, a.until, coalesce(used.amount, 0) + coalesce(own.amount, 0) AS amount,
  coalesce(own.amount, 0) AS adjusted, coalesce(used.untold, 0) AS untold
FROM asked a LEFT JOIN used USING (item, kind, until) LEFT JOIN own USING (item, kind, until)
"""
