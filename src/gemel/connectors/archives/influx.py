"""InfluxDB line protocol, as `influxd inspect export-lp` and `influx_inspect export -lponly` write it.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from gemel.clock import MAX_TIME, MIN_TIME
from gemel.connectors.archives.gathering import Fault, Names, Value
from gemel.errors import InvalidInput
from gemel.twin import Kind

__all__ = ["Precision", "parse_line", "read_influx"]

Precision = Literal["ns", "us", "ms", "s"]
_PER = {"ns": (1, 1000), "us": (1, 1), "ms": (1_000, 1), "s": (1_000_000, 1)}
_ESCAPED = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'\\(["\\])')
# a key (tags with their measurement, or a field's name) ends at an = , or blank that no backslash stands before
_SERIES = re.compile(r"((?:[^\\ ,]|\\.)+)((?:,(?:[^\\ ,=]|\\.)+=(?:[^\\ ,=]|\\.)+)*) +")
_TAG = re.compile(r",((?:[^\\ ,=]|\\.)+)=((?:[^\\ ,=]|\\.)+)")
_FIELD = re.compile(r'((?:[^\\ ,=]|\\.)+)=("(?:[^"\\]|\\.)*"|[^", ]+)(,|(?= |$))', re.DOTALL)
_TIME = re.compile(r" *(-?\d+)? *$")
_INTEGER = re.compile(r"(-?\d+)[iu]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUTH = dict.fromkeys(("t", "T", "true", "True", "TRUE"), "true") | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), "false"
)
_PLACE = re.compile(r"\{([^{}]+)\}")
_MOST_LINE = 1 << 24


class _Unreadable(Exception):
    pass


def read_influx(
    lines: Iterable[str], names: Names, *, twin: str = "", property: str = "", precision: Precision = "ns"
) -> Iterator[Value | Fault]:
    """Every field of every line. `twin` and `property` are templates of {tags}, {measurement} and {field}.

    Without them, a twin is named by the values of its tags, a property by measurement and field (the measurement alone
    for the field `value`).
    """

    @lru_cache(maxsize=100_000)
    def whose(series: str, field: str) -> tuple[str, str, str]:
        measurement, tags = _series(series)
        known = {**tags, "measurement": measurement, "field": field}
        owner = _filled(twin, known) if twin else ".".join(value for _, value in sorted(tags.items())) or measurement
        short = measurement if field == "value" else f"{measurement}_{field}"
        return measurement, names.twin(owner), names.property(_filled(property, known) if property else short)

    number, begun, since = 0, "", 0
    for line in lines:
        number += 1
        line, since = (begun + line, since) if begun else (line, number)
        text = line.rstrip("\r\n")
        if not text.strip() or text.lstrip().startswith("#"):
            begun = ""
            continue
        if _is_open(text) and len(line) < _MOST_LINE:  # a text value may hold line breaks
            begun = line
            continue
        begun = ""
        try:
            series, fields, time = parse_line(text, precision)
            for name, value, kind in fields:
                group, owner, called = whose(series, name)
                yield Value(group, owner, called, time, value, kind)
        except (_Unreadable, InvalidInput) as error:
            yield Fault(since, error.detail if isinstance(error, InvalidInput) else str(error))
    if begun:
        yield Fault(since, "a text in quotes does not end")


def parse_line(text: str, precision: Precision = "ns") -> tuple[str, Sequence[tuple[str, str, Kind]], int]:
    """(series as written, fields as (name, value, kind), microseconds). Raises _Unreadable with the reason."""
    text = text.lstrip()
    head = _SERIES.match(text)
    if head is None:
        raise _Unreadable(f"no measurement and fields: {text!r:.80}")
    at, fields = head.end(), []
    while True:
        found = _FIELD.match(text, at)
        if found is None:
            raise _Unreadable(f"no field=value at character {at + 1}: {text[at : at + 40]!r}")
        value, kind = _value(found[2])
        if value:
            fields.append((_plain(found[1]), value, kind))
        at = found.end()
        if not found[3]:
            break
    end = _TIME.match(text, at)
    if end is None:
        raise _Unreadable(f"{text[at:].strip()!r:.60} is no time")
    if end[1] is None:
        raise _Unreadable("the line has no time")
    times, per = _PER[precision]
    time = int(end[1]) * times // per
    if not MIN_TIME <= time < MAX_TIME:
        raise _Unreadable(f"time {end[1]} in {precision} is outside the years 1900 to 2261; see --precision")
    return head[1] + head[2], fields, time


def _is_open(text: str) -> bool:
    """Whether a text in quotes goes on in the next line. Quotes count only in values: after an unescaped =."""
    if '="' not in text:
        return False
    head = _SERIES.match(text.lstrip())
    if head is None:
        return False
    rest = text.lstrip()[head.end() :]
    at = 0
    while (found := _FIELD.match(rest, at)) is not None and found[3]:
        at = found.end()
    return found is None and re.match(r'(?:[^\\ ,=]|\\.)+="(?:[^"\\]|\\.)*\\?$', rest[at:], re.DOTALL) is not None


def _value(text: str) -> tuple[str, Kind]:
    if text[0] == '"':
        return _QUOTED.sub(r"\1", text[1:-1]), Kind.TEXT
    if (whole := _INTEGER.fullmatch(text)) is not None:
        return whole[1], Kind.INTEGER
    if (truth := _TRUTH.get(text)) is not None:
        return truth, Kind.BOOLEAN
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return text, Kind.NUMBER
    raise _Unreadable(f"{text!r:.60} is no value: a number, 7i, true, or a text in quotes")


def _series(text: str) -> tuple[str, dict[str, str]]:
    head = re.match(r"(?:[^\\ ,]|\\.)+", text)
    assert head is not None
    return _plain(head[0]), {_plain(tag): _plain(value) for tag, value in _TAG.findall(text, head.end())}


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _filled(template: str, known: dict[str, str]) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise InvalidInput(f"the series has no {{{found[1]}}}; it has {', '.join(known)}")
        return known[found[1]]

    return _PLACE.sub(put, template)
