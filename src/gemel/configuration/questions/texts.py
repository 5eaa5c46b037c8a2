"""Items by any part of what is written on them: id, part number, serial number, maker, lot, other names.

From three characters on an index of all threes finds them: FTS5 on SQLite, `pg_trgm` on PostgreSQL. Upper and lower
case of A to Z are the same, of other letters they are two; so both databases find the same.
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase
from typing import Any

from sqlalchemy import ColumnElement, Connection, collate, false, func, or_, select

from gemel.configuration import tables

__all__ = ["containing"]

_LEAST = 3
_MANY = 2000
"""What fits more items than that is found sooner by looking at them in order."""
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_TOLD = "id || chr(31) || part || chr(31) || serial || chr(31) || maker || chr(31) || lot"


def containing(tx: Connection, q: str) -> ColumnElement[bool]:
    """The condition that something written on an item contains a text."""
    wanted = q.translate(_LOWER)
    if "\0" in wanted:  # which no text in PostgreSQL has
        return false()
    if len(wanted) >= _LEAST:
        found = _indexed(tx, wanted)
        if len(found) <= _MANY:
            return tables.item.c.number.in_(found)
    x, alias = tables.item.c, tables.alias.c
    sqlite = tx.dialect.name == "sqlite"

    def has(column: Any) -> ColumnElement[bool]:
        return func.lower(column if sqlite else collate(column, "C")).contains(wanted, autoescape=True)

    texts = [has(column) for column in (x.id, x.part, x.serial, x.maker, x.lot)]
    return or_(*texts, x.number.in_(select(alias.item).where(has(alias.value))))


def _indexed(tx: Connection, wanted: str) -> list[int]:
    """The numbers of the items, at most one more than many."""
    if tx.dialect.name == "sqlite":
        phrase = '"' + wanted.replace('"', '""') + '"'  # not GLOB: SQLite 3.40 counts bytes of its pieces, not letters
        query = (
            "SELECT rowid FROM configuration_item_search WHERE configuration_item_search MATCH ? "
            f"AND instr(text, ?) LIMIT {_MANY + 1}"
        )
        return [row[0] for row in tx.exec_driver_sql(query, (phrase, wanted))]
    pattern = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in wanted)
    query = (
        f'SELECT number FROM configuration_item WHERE (lower(({_TOLD}) COLLATE "C")) LIKE %s '
        'UNION SELECT item FROM configuration_alias WHERE (lower((value) COLLATE "C")) LIKE %s '
        f"LIMIT {_MANY + 1}"
    )
    return [row[0] for row in tx.exec_driver_sql(query, (f"%{pattern}%", f"%{pattern}%"))]
