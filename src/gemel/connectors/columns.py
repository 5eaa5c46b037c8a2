"""Rows of columns as readings: an address is a column, and so is each {variable} of a binding's twin and property."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from gemel.clock import MAX_TIME, MIN_TIME, SECOND
from gemel.connectors.times import TimeFormat, time_reader
from gemel.connectors.topics import fill, variables
from gemel.errors import InvalidInput, InvalidTime
from gemel.intake import Reported
from gemel.twin import Binding

__all__ = ["Columns", "Moments", "Row"]

Row = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moments:
    """Reads times: datetimes, RFC 3339 and ISO 8601 texts (without an offset: of a zone), numbers as declared."""

    def __init__(self, form: TimeFormat, zone: str) -> None:
        self._form, self.zone, self._number = form, ZoneInfo(zone), time_reader(form)

    def __call__(self, value: Any) -> int:
        """Microseconds since the epoch. Raises InvalidTime."""
        if isinstance(value, str):
            value = self._of_text(value)
        if isinstance(value, datetime):
            return _micros(value if value.tzinfo is not None else value.replace(tzinfo=self.zone))
        if isinstance(value, date):
            return _micros(datetime(value.year, value.month, value.day, tzinfo=self.zone))
        if value is None:
            raise InvalidTime("the row has no time")
        return self._number(float(value) if isinstance(value, Decimal) else value)

    def _of_text(self, text: str) -> datetime | int | float:
        try:
            if self._form == "rfc3339":
                return datetime.fromisoformat(text)
            return int(text) if text.removeprefix("-").isdecimal() else float(text)
        except ValueError:
            raise InvalidTime(f"{text!r:.80} is no time") from None


class Columns:
    """Reads rows as the bindings say. `time`: the column with the time; empty: none."""

    def __init__(self, bindings: Sequence[Binding], time: str, moments: Moments) -> None:
        self._time, self.moments = time, moments
        self._bindings = [(one, tuple({*variables(one.twin), *variables(one.property)})) for one in bindings]
        told = [time, *(one.address for one in bindings), *(name for _, names in self._bindings for name in names)]
        self.names = list(dict.fromkeys(filter(None, told)))
        """The columns that a row must have."""

    def check(self, columns: Sequence[str], what: str) -> None:
        """Raises InvalidInput for `what` that lacks a column."""
        missing = [name for name in self.names if name not in columns]
        if missing:
            raise InvalidInput(f"{what} has no column {missing[0]!r:.80}; it has {', '.join(columns)[:300]}")

    def readings(
        self, row: Row, *, otherwise: int | None = None, told: Callable[[str, str, Any], Any] | None = None
    ) -> list[Reported]:
        """The readings of a row; empty cells are none. `otherwise`: its time when no column tells it. `told` makes a
        value of (twin, property, cell). Raises InvalidInput for a row that cannot be read."""
        time = self.moments(row.get(self._time)) if self._time else otherwise
        found = []
        for binding, wanted in self._bindings:
            value = _plain(row.get(binding.address))
            if value is None or value == "":
                continue
            names = {name: _name(row, name) for name in wanted}
            twin, name = fill(binding.twin, names), fill(binding.property, names)
            if told is not None:
                value = told(twin, name, value)
            if binding.scale is not None and type(value) in (int, float):
                value = value * binding.scale.factor + binding.scale.offset
            found.append(Reported(twin=twin, property=name, value=value, time=time, unit=binding.unit))
        return found


def _name(row: Row, column: str) -> str:
    value = row.get(column)
    if value is None or value == "":
        raise InvalidInput(f"the row has nothing in column {column!r:.80}")
    return str(value)


def _micros(moment: datetime) -> int:
    delta = moment - _EPOCH
    micros = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not MIN_TIME <= micros < MAX_TIME:
        raise InvalidTime(f"{moment.isoformat()} is outside the years 1900 to 2261")
    return micros


def _plain(value: Any) -> Any:
    """A value of a driver or a file as the intake knows it."""
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)
