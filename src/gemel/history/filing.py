"""What was followed, as rows of the lake's tables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from gemel.history.rows import Rows
from gemel.history.tables import HAPPENED, READINGS
from gemel.history.tail import Fact, Part
from gemel.twin import Form

__all__ = ["facts_table", "tables_of_parts"]


def tables_of_parts(parts: Sequence[Part]) -> dict[str, pa.Table]:
    """By table, the rows of what was followed, in the order of files."""
    tables = {}
    for form in Form:
        rows = Rows.concat(form, [part.rows[form] for part in parts if form in part.rows])
        if len(rows):
            tables[READINGS[form]] = rows.filed().to_arrow()
    facts = [fact for part in parts for fact in part.facts]
    if facts:
        tables[HAPPENED] = facts_table(sorted(facts, key=lambda fact: (fact.change.time, fact.position)))
    return tables


def facts_table(facts: list[Fact]) -> pa.Table:
    """Changes as rows of `happened`."""
    return pa.table(
        {
            "position": pa.array([fact.position for fact in facts], pa.int64()),
            "time": pa.array([fact.change.time for fact in facts], pa.int64()).view(pa.timestamp("us")),
            "recorded": pa.array([fact.recorded for fact in facts], pa.int64()).view(pa.timestamp("us")),
            "twin": [fact.change.subject for fact in facts],
            "kind": [fact.change.kind for fact in facts],
            "actor": [fact.change.actor for fact in facts],
            "source": [fact.change.source for fact in facts],
            "id": [fact.change.id for fact in facts],
            "body": [msgspec.json.encode(fact.change.body, order="sorted").decode() for fact in facts],
        }
    )
