"""What the history holds, in a few numbers: for comparing two plants that should hold the same."""

from __future__ import annotations

from collections.abc import Mapping

from gemel.history import extensions
from gemel.history.tables import HAPPENED, READINGS
from gemel.state import Files, Relation
from gemel.twin import Position

__all__ = ["Fingerprint", "changed_since", "fingerprints"]

_ROW = "hash(time, recorded, value, quality, position)"
_FACT = "hash(position, time, recorded, twin, kind, actor, source, id, body)"

Fingerprint = tuple[int, int, int, int]
"""rows, first and last time (microseconds), and a hash of all rows in which their order does not matter."""


def fingerprints(relations: Mapping[str, Relation], until: Position) -> dict[str, Fingerprint]:
    """Of every series ("series 123") and every kind of event, with what came up to `until`."""
    found: dict[str, Fingerprint] = {}
    for table in READINGS.values():
        rows = _ask(relations, table, f"'series ' || series AS name, time, {_ROW} AS content", f"position <= {until}")
        found |= rows
    return found | _ask(relations, HAPPENED, f"kind AS name, time, {_FACT} AS content", f"position <= {until}")


def _ask(relations: Mapping[str, Relation], table: str, columns: str, where: str) -> dict[str, Fingerprint]:
    with extensions.connect(threads=1) as connection:
        source = _source(relations, table)
        everything = source.select
        if source.tail is not None:
            connection.register("tail", source.tail)
            everything += " UNION ALL BY NAME SELECT * FROM tail"
        rows = connection.execute(
            f"SELECT name, count(*), epoch_us(min(time)), epoch_us(max(time)), "
            f"CAST(bit_xor(content) AS HUGEINT) FROM (SELECT {columns} FROM ({everything}) WHERE {where}) GROUP BY name"
        ).fetchall()
    return {str(name): (rows_, first, last, int(content)) for name, rows_, first, last, content in rows}


def changed_since(relations: Mapping[str, Relation], position: Position) -> dict[int, int]:
    """Series → the earliest time of what came after `position`."""
    found: dict[int, int] = {}
    for table in READINGS.values():
        for name, (_, first, _last, _content) in _ask(
            relations, table, f"series AS name, time, {_ROW} AS content", f"position > {position}"
        ).items():
            found[int(name)] = first
    return found


def _source(relations: Mapping[str, Relation], table: str) -> Files:
    relation = relations[f"history.{table}"]
    found = relation() if callable(relation) else relation
    assert isinstance(found, Files)
    return found
