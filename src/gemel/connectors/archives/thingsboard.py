"""ThingsBoard CSV: exports of telemetry (a column per key, or a row per value), and lists of devices."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.clock import MAX_TIME, MIN_TIME
from gemel.connectors.archives.gathering import Fault, Names
from gemel.connectors.archives.many import KINDS, PLAIN_NUMBER, Many, Owner, Value, bools, owners
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

_AT_ONCE = 20_000
_PLAIN_NUMBER = f"^{PLAIN_NUMBER}$"
_PLAIN_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"


def read_thingsboard(
    lines: Iterable[str], names: Names, *, twin: str = "", time_zone: str = "UTC"
) -> Iterator[Many | Value | Fault]:
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
    more = True
    while more:
        some: list[tuple[int, list[str]]] = []
        told: Fault | None = None
        try:
            some.extend((rows.line_num + 1, cells) for cells in islice(rows, _AT_ONCE))
        except csv.Error as error:
            told = Fault(rows.line_num + 1, str(error))
        more = len(some) == _AT_ONCE
        quick, plain = reader.plain(some)
        careful = [one for at in np.flatnonzero(~plain).tolist() if some[at][1] for one in reader.read(*some[at])]
        yield quick.joined(Many.of([one for one in careful if not isinstance(one, Fault)]))
        yield from (one for one in careful if isinstance(one, Fault))
        if told is not None:
            yield told


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

    def plain(self, rows: Sequence[tuple[int, list[str]]]) -> tuple[Many, NDArray[np.bool_]]:
        """Values of the rows that are plainly good, and which those are."""
        width = len(self._header)
        plain = np.array([len(cells) == width for _, cells in rows], np.bool_)
        at = np.flatnonzero(plain)
        columns = zip(*(rows[place][1] for place in at.tolist()), strict=True)
        cells = [pc.utf8_trim_whitespace(pa.array(column, pa.string())) for column in columns] if len(at) else []
        if not cells:
            return Many.of([]), plain
        time, good = self._moments(cells[self._time])
        one = pa.array([""]).dictionary_encode().take(pa.array(np.zeros(len(at), np.int64)))
        twins = cells[self._entity].dictionary_encode() if self._entity is not None else one
        groups = cells[self.type].dictionary_encode() if self.type is not None else one
        by_row = self.key is not None and self.value is not None
        names = cells[self.key].dictionary_encode() if by_row and self.key is not None else None
        known = {self._time, self._entity, self.type}
        wide = [place for place, name in enumerate(self._header) if place not in known and name]
        row, column, value = _filled(cells, [self.value] if by_row and self.value is not None else wide)
        all_twins, all_groups = twins.dictionary.to_pylist(), groups.dictionary.to_pylist()
        all_names = names.dictionary.to_pylist() if names is not None else self._header
        name = names.indices.to_numpy()[row] if names is not None else column

        def owner(key: int) -> Owner:
            rest, name = divmod(key, len(all_names))
            twin, group = divmod(rest, len(all_groups))
            told = all_twins[twin] if self._entity is not None else self._twin
            return Owner(all_groups[group] or "device", self._names.twin(told), self._names.property(all_names[name]))

        key = twins.indices.to_numpy()[row].astype(np.int64) * len(all_groups) + groups.indices.to_numpy()[row]
        of, code, owned = owners(key * len(all_names) + name, owner)
        good[row[~owned]] = False
        keep = np.flatnonzero(good[row])
        keep = keep[np.argsort(row[keep], kind="stable")]
        row, (value, kind) = row[keep], _written(value.take(pa.array(keep)))
        line = np.array([number for number, _ in rows], np.int64)[at]
        plain[at[~good]] = False
        return Many(of, code[keep], line[row], time[row], value, kind), plain

    def _moments(self, texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(microseconds, which of them are plainly good): milliseconds, or ISO 8601 without an offset."""
        number = pc.match_substring_regex(texts, r"^-?[0-9]{1,15}$")
        time = pc.if_else(number, texts, "0").cast(pa.int64()).to_numpy() * 1000
        good = bools(number)
        if not good.all():
            local = pc.match_substring_regex(texts, _PLAIN_TIME)
            try:
                naive = pc.if_else(local, texts, None).cast(pa.timestamp("us"))
                moments = pc.assume_timezone(naive, self.zone.key, ambiguous="earliest").cast(pa.int64())
            except pa.ArrowInvalid:  # a day that there is not, an hour that clocks leave out
                pass
            else:
                time = np.where(good, time, pc.fill_null(moments, 0).to_numpy())
                good |= bools(local)
        return time, good & (time >= MIN_TIME) & (time < MAX_TIME)

    def read(self, line: int, cells: list[str]) -> Iterator[tuple[int, Value] | Fault]:
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
                    yield line, Value(group or "device", twin, self._names.property(name), moment, plain, kind)
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


def _filled(cells: Sequence[pa.Array], places: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], pa.Array]:
    """(row, column, text) of every cell in these columns that holds something, column by column."""
    rows = [np.flatnonzero(bools(pc.not_equal(cells[place], ""))) for place in places]
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64), pa.array([], pa.string())
    texts = [cells[place].take(pa.array(row)) for place, row in zip(places, rows, strict=True)]
    return np.concatenate(rows), np.repeat(places, [len(row) for row in rows]), pa.concat_arrays(texts)


def _written(value: pa.Array) -> tuple[pa.Array, NDArray[np.int8]]:
    """(values as we write them, places in KINDS)."""
    kind = np.zeros(len(value), np.int8)
    odd = ~bools(pc.match_substring_regex(value, _PLAIN_NUMBER))
    if odd.any():
        told = value.filter(pa.array(odd)).dictionary_encode()
        found = [_kind(text) for text in told.dictionary.to_pylist()]
        kind[odd] = np.array([KINDS.index(one) for one, _ in found], np.int8)[told.indices.to_numpy()]
        plain = pa.array([text for _, text in found], pa.string()).take(told.indices)
        value = pc.replace_with_mask(value, pa.array(odd), plain)
    return value, kind


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
