"""What is believed: rows that say from–to of the world, and from–to of our knowing it. The one place that writes them.

A row is never changed: when something else is believed, its `recorded_to` is closed and another row says the new, both
in one transaction. So what was believed at any moment can be read for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, insert, literal_column, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from gemel.clock import moment
from gemel.configuration.values import FOREVER, Span
from gemel.database import fit
from gemel.errors import Conflict

__all__ = ["Entry", "as_of", "believed", "former", "known_at", "overlapping"]


def believed(table: Table) -> ColumnElement[bool]:
    """The condition that a row is believed today."""
    return table.c.recorded_to == FOREVER


def former(table: Table) -> ColumnElement[bool]:
    """The condition that a row is not believed any more, in the words of the index on when it ended to be."""
    return table.c.recorded_to < literal_column(str(FOREVER))


def known_at(table: Table, known: int) -> ColumnElement[bool]:
    """The condition that a row was believed at `known`."""
    return and_(table.c.recorded_from <= known, table.c.recorded_to > known)


def as_of(table: Table, valid: int, known: int) -> ColumnElement[bool]:
    """The condition that a row says something of the moment `valid`, as it was believed at `known`."""
    c = table.c
    return and_(c.valid_from <= valid, c.valid_to > valid, known_at(table, known))


def overlapping(tx: Connection, table: Table, what: ColumnElement[bool], span: Span) -> Sequence[Row[Any]]:
    """The rows believed today that say something of a part of `span`, in order of time."""
    c = table.c
    return tx.execute(
        select(table)
        .where(what, believed(table), c.valid_from < span.end, c.valid_to > span.start)
        .order_by(c.valid_from)
    ).all()


class Entry:
    """One act's rewriting of what is believed, within one transaction."""

    def __init__(self, tx: Connection, number: int, recorded: int, actor: str) -> None:
        """`number`: of the act. `recorded`: when it became known. `actor`: who says it."""
        self.tx = tx
        self.number = number
        self.recorded = recorded
        self.actor = actor
        self.several: Callable[[str, str, str], bool] = lambda _part, _maker, _slot: False
        """Whether a slot of a part (its number, its maker) holds several items; the parts book tells."""

    def believe(self, table: Table, span: Span, *, ended: bool = False, **of: Any) -> None:
        """Say something new of a time, which this act begins, and ends too if `ended`.

        Raises InvalidTime, InvalidInput (a text is longer than its column).
        """
        fit(table, of)
        if span.end != FOREVER:
            moment(span.end)
        self.tx.execute(
            insert(table).values(
                **of,
                valid_from=span.start,
                valid_to=span.end,
                recorded_from=self.recorded,
                recorded_to=FOREVER,
                begun_by=self.number,
                ended_by=self.number if ended else None,
            )
        )

    def disbelieve(self, table: Table, rows: Sequence[Row[Any]]) -> None:
        """These rows are what was believed until now."""
        for row in rows:
            self.tx.execute(update(table).where(table.c.number == row.number).values(recorded_to=self.recorded))

    def rewrite(self, table: Table, rows: Sequence[tuple[Row[Any], dict[str, Any]]]) -> None:
        """Believe other values in place of these rows; all are closed before the first new one is written."""
        self.disbelieve(table, [row for row, _ in rows])
        for row, values in rows:
            fit(table, values)
            old = {key: value for key, value in row._mapping.items() if key != "number"}
            new = {**old, **values, "recorded_from": self.recorded, "recorded_to": FOREVER}
            self.tx.execute(insert(table).values(**new))

    def of_act(self, table: Table, act: int) -> Sequence[Row[Any]]:
        """The rows believed today that an act began or ended."""
        c = table.c
        return self.tx.execute(
            select(table).where(or_(c.begun_by == act, c.ended_by == act), believed(table)).order_by(c.valid_from)
        ).all()

    def follow(self, table: Table, what: ColumnElement[bool], time: int, values: dict[str, Any]) -> None:
        """Something is so from a moment to the next time that it is known to change. Raises Conflict (it did then),
        InvalidInput."""
        fit(table, values)
        rows = overlapping(self.tx, table, what, Span(time))
        end, ended_by = FOREVER, None
        if rows and rows[0].valid_from == time:
            act = rows[0].begun_by
            raise Conflict(f"act {act} says already what was so from that very moment; correct or withdraw it", act=act)
        if rows and rows[0].valid_from < time:
            end, ended_by = rows[0].valid_to, rows[0].ended_by
            self.rewrite(table, [(rows[0], {"valid_to": time, "ended_by": self.number})])
        elif rows:
            end, ended_by = rows[0].valid_from, rows[0].begun_by
        times = {"recorded_from": self.recorded, "recorded_to": FOREVER, "valid_from": time, "valid_to": end}
        self.tx.execute(insert(table).values(**values, **times, begun_by=self.number, ended_by=ended_by))
