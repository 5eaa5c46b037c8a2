"""From rows to messages: what their columns say, and how each is told from its repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from itertools import groupby
from typing import Any

from gemel.connectors.columns import Columns, Moments, Row
from gemel.connectors.sql.settings import SqlSettings
from gemel.errors import InvalidInput
from gemel.intake import Message, Reported
from gemel.twin import Binding

__all__ = ["CURSOR", "RowReader"]

CURSOR = "cursor:"
"""Begins the epoch in which the highest key is kept, when rows have ids."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowReader:
    """Reads rows as the bindings say, and their keys."""

    def __init__(self, settings: SqlSettings, bindings: Sequence[Binding]) -> None:
        self._settings = settings
        self._columns = Columns(bindings, settings.time, Moments(settings.time_format, settings.time_zone))
        self.is_time = isinstance(settings.start, str)
        """Whether the key is a time."""

    def check(self, columns: Sequence[str]) -> None:
        """Raises InvalidInput for a query that lacks a column."""
        self._columns.check(columns, "the query")
        for name in (self._settings.key, *self._settings.id):
            if name not in columns:
                raise InvalidInput(f"the query has no column {name!r:.80}; it has {', '.join(columns)[:300]}")

    def key(self, row: Row) -> int:
        """A key as a number that rises; of a time, its microseconds. Raises InvalidInput."""
        name, value = self._settings.key, row[self._settings.key]
        if isinstance(value, Decimal) and value == value.to_integral_value():
            value = int(value)
        if self.is_time:
            found = self._columns.moments(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            found = value
        else:
            raise InvalidInput(
                f"the key {name!r:.80} is {value!r:.60}, no whole number; for a time, give start as text: "
                "start: 2024-01-01T00:00:00Z"
            )
        if not 0 <= found < 2**63:
            raise InvalidInput(f"the key {name!r:.80} is {value!r:.60}; it must not be negative (or before 1970)")
        return found

    def after(self, number: int) -> Any:
        """What :after is for a key: in the form of `start`."""
        if not self.is_time:
            return number
        moment = _EPOCH + timedelta(microseconds=number)
        start = str(self._settings.start)
        if datetime.fromisoformat(start).tzinfo is None:
            moment = moment.astimezone(self._columns.moments.zone).replace(tzinfo=None)
        return moment.isoformat("T" if "T" in start else " ") if self._settings.is_sqlite else moment

    def messages(self, rows: Sequence[Row], refuse: Callable[[str, str], None]) -> list[Message]:
        """The rows, which are in order. `refuse` is told of those that cannot be read: reason and row."""
        epoch = self._settings.epoch
        if not self._settings.id:
            return [
                Message(
                    readings=[reading for row in group for reading in self._readings(row, refuse)],
                    sequence=number,
                    epoch=epoch,
                    sparse=True,
                )
                for number, group in groupby(rows, key=self.key)
            ]
        told = [(row, self._readings(row, refuse)) for row in rows]
        found = [Message(readings=readings, id=self._id(row)) for row, readings in told if readings]
        return [*found, Message(sequence=self.key(rows[-1]), epoch=CURSOR + epoch, sparse=True)]

    def _id(self, row: Row) -> str:
        told = repr([str(row[name]) for name in (self._settings.key, *self._settings.id)])
        return f"{self._settings.epoch}:{blake2b(told.encode(errors='replace'), digest_size=16).hexdigest()}"

    def _readings(self, row: Row, refuse: Callable[[str, str], None]) -> list[Reported]:
        try:
            return self._columns.readings(row, otherwise=self.key(row) if self.is_time else None)
        except InvalidInput as error:
            refuse(error.detail, repr(dict(row)))
            return []
