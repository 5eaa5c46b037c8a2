"""Conditions as they become known: what came and went, in the order of the journal, for whoever follows it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.history.conditions import Key, conditions_at, fact_of
from gemel.history.published import View, Views
from gemel.history.reader import COLUMNS, Reader
from gemel.history.rows import Rows
from gemel.history.tables import READINGS
from gemel.history.tail import Fact
from gemel.registry import Directory
from gemel.state.condition import Conditions
from gemel.twin import PROPERTY_BITS, Form, Kind, Position

__all__ = ["ConditionFeed"]

_MASK = (1 << PROPERTY_BITS) - 1
_MOST = 100_000
"""Conditions that are remembered; of more, the history is asked again."""


class ConditionFeed:
    """For one follower, on one thread at a time.

    `History.events` tells the past as it is known today, by source time; this tells each update once, at its position,
    by what was known up to it. So what comes late and changes nothing of the present is told to nobody.
    """

    def __init__(self, reader: Reader, views: Views, directory: Directory) -> None:
        self._reader, self._views, self._directory = reader, views, directory
        self._known: dict[int, Conditions] = {}
        self._reached: Position = -1

    def between(self, after: Position, until: Position) -> list[Fact]:
        """What the updates at positions in (after, until] raised and cleared. The history must have come to `until`."""
        if after != self._reached or len(self._known) > _MOST:
            self._known.clear()
        numbers = self._numbers()
        with self._views.hold() as view:
            rows = self._rows(view, numbers, after, until)
            self._learn(view, rows, after)
        facts = [fact for at in range(len(rows)) if (fact := self._take(rows, at)) is not None]
        self._reached = until
        return facts

    def _numbers(self) -> NDArray[np.int64]:
        """Of all properties that are conditions."""
        directory = self._directory
        found = {
            ref.number
            for type_id in directory.types
            for ref in directory.type_properties(type_id)
            if ref.property.kind is Kind.CONDITION
        }
        return np.array(sorted(found), np.int64)

    def _rows(self, view: View, numbers: NDArray[np.int64], after: Position, until: Position) -> Rows:
        """The updates at positions in (after, until], by position."""
        if not len(numbers):
            return Rows.empty(Form.TEXT)
        found = [self._of_files(view, numbers, after, min(until, view.stored))] if after < view.stored else []
        for part in view.tail:
            if part.last > after and part.first <= until and Form.TEXT in part.rows:
                rows = part.rows[Form.TEXT]
                keep = np.isin(rows.series & _MASK, numbers) & (rows.position > after) & (rows.position <= until)
                found.append(rows.take(keep))
        rows = Rows.concat(Form.TEXT, found)
        return rows.take(np.argsort(rows.position, kind="stable"))

    def _of_files(self, view: View, numbers: NDArray[np.int64], after: Position, until: Position) -> Rows:
        files = view.table(READINGS[Form.TEXT]).select(after_position=after)
        files = [file for file in files if file.min_position <= until]
        if not files:
            return Rows.empty(Form.TEXT)
        listed = ", ".join(map(str, numbers.tolist()))
        query = (
            f"SELECT {COLUMNS} FROM {self._reader.source(files)} WHERE (series & {_MASK}) IN ({listed}) "
            f"AND position > {after} AND position <= {until}"
        )
        with self._reader.cursor() as cursor:
            return Rows.of_arrow(Form.TEXT, cursor.execute(query).to_arrow_table())

    def _learn(self, view: View, rows: Rows, after: Position) -> None:
        """What was known at `after` of each condition that the rows are of."""
        new = np.array(sorted(set(rows.series.tolist()) - self._known.keys()), np.int64)
        if len(new):
            since: Key = (int(rows.time.min()), 0)
            found = conditions_at(self._reader, view, new, since, known=after)
            self._known.update((number, found.get(number, Conditions())) for number in new.tolist())

    def _take(self, rows: Rows, at: int) -> Fact | None:
        number, time, position = int(rows.series[at]), int(rows.time[at]), int(rows.position[at])
        value: pa.Scalar = rows.value[at]
        before = self._known[number]
        after = self._known[number] = before.with_update(value.as_py(), time, position)
        return fact_of(self._directory, (number, time, position, int(rows.recorded[at])), before, after)
