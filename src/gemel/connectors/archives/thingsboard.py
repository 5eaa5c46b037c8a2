"""ThingsBoard CSV: exports of telemetry (a column per key, or a row per value), and lists of devices."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from gemel.clock import MAX_TIME, MIN_TIME
from gemel.connectors.archives.gathering import Fault, Names, Value
from gemel.connectors.columns import Moments
from gemel.errors import InvalidInput, InvalidTime
from gemel.twin import Kind

__all__ = ["read_thingsboard"]

_TIMES = ("timestamp", "ts", "time", "date")
_ENTITIES = (
    "entity name",
    "device name",
    "entityname",
    "entity_name",
    "devicename",
    "device",
    "entity",
    "entity_id",
    "name",
)
_KEYS, _VALUES, _TYPES = ("key", "telemetry key"), ("value", "telemetry value"), ("type", "device type", "profile")
_FORMS = ("%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y, %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p")


def read_thingsboard(
    lines: Iterable[str], names: Names, *, twin: str = "", time_zone: str = "UTC"
) -> Iterator[Value | Fault]:
    """Every value; of a list of devices, each as a Value without property. `twin`: whose the file is, where no column
    says so; `time_zone`: of the browser that exported it. Raises InvalidInput for a file that is none of these."""
    lines = iter(lines)
    head = next(lines, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=head.count)
    header = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    lower = [name.lower() for name in header]
    rows = csv.reader(lines, delimiter=delimiter)
    time, entity, type_ = _of(lower, _TIMES), _of(lower, _ENTITIES), _of(lower, _TYPES)
    if time is None:
        if entity is None or type_ is None:
            raise InvalidInput(
                f"the file has the columns {', '.join(header)[:300]}; a telemetry export has Timestamp, "
                "a list of devices has name and type"
            )
        yield from _devices(rows, names, entity, type_)
        return
    if entity is None and not twin:
        raise InvalidInput("no column names the device; say whose the file is: --twin press-7")
    reader = _Telemetry(header, time, entity, names, twin)
    reader.moments = Moments("ms", time_zone)
    reader.zone = ZoneInfo(time_zone)
    reader.key, reader.value, reader.type = _of(lower, _KEYS), _of(lower, _VALUES), type_
    try:
        for cells in rows:
            if cells:
                yield from reader.read(rows.line_num + 1, cells)
    except csv.Error as error:
        yield Fault(rows.line_num + 1, str(error))


class _Telemetry:
    """Reads rows with a time."""

    key: int | None
    value: int | None
    type: int | None
    moments: Moments
    zone: ZoneInfo

    def __init__(self, header: list[str], time: int, entity: int | None, names: Names, twin: str) -> None:
        self._header, self._time, self._entity = header, time, entity
        self._names, self._twin = names, twin

    def read(self, line: int, cells: list[str]) -> Iterator[Value | Fault]:
        if len(cells) != len(self._header):
            yield Fault(line, f"{len(cells)} cells; the header has {len(self._header)}")
            return
        try:
            moment = self._moment(cells[self._time].strip())
            twin = self._names.twin(cells[self._entity].strip() if self._entity is not None else self._twin)
            group = cells[self.type].strip() if self.type is not None else "device"
            for name, text in self._told(cells):
                if text.strip():
                    kind, plain = _kind(text.strip())
                    yield Value(group or "device", twin, self._names.property(name), moment, plain, kind)
        except InvalidInput as error:
            yield Fault(line, error.detail)

    def _told(self, cells: list[str]) -> Iterable[tuple[str, str]]:
        if self.key is not None and self.value is not None:
            return [(cells[self.key].strip(), cells[self.value])]
        known = {self._time, self._entity, self.type}
        return [(name, cells[at]) for at, name in enumerate(self._header) if at not in known and name]

    def _moment(self, text: str) -> int:
        if text.removeprefix("-").isdecimal():
            return self.moments(int(text))
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = _read(text)
        micros = round((found if found.tzinfo else found.replace(tzinfo=self.zone)).timestamp() * 1_000_000)
        if not MIN_TIME <= micros < MAX_TIME:
            raise InvalidTime(f"{text!r:.60} is outside the years 1900 to 2261")
        return micros


def _devices(rows: Iterator[list[str]], names: Names, entity: int, type_: int) -> Iterator[Value | Fault]:
    for line, cells in enumerate(rows, 2):
        if len(cells) > max(entity, type_) and cells[entity].strip():
            try:
                twin = names.twin(cells[entity].strip())
            except InvalidInput as error:
                yield Fault(line, error.detail)
                continue
            yield Value(cells[type_].strip() or "device", twin, "", 0, "", Kind.TEXT)


def _of(header: list[str], wanted: Iterable[str]) -> int | None:
    return next((header.index(name) for name in wanted if name in header), None)


def _read(text: str) -> datetime:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise InvalidTime(f"{text!r:.60} is no time")


def _kind(text: str) -> tuple[Kind, str]:
    if text.lower() in ("true", "false"):
        return Kind.BOOLEAN, text.lower()
    try:
        number = float(text)
    except ValueError:
        return Kind.TEXT, text
    if number - number != 0:  # not finite
        return Kind.TEXT, text
    return Kind.NUMBER, text
