"""InfluxDB line protocol, as `influxd inspect export-lp` and `influx_inspect export -lponly` write it.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemel.clock import MAX_TIME, MIN_TIME
from gemel.connectors.archives.gathering import Fault, Names
from gemel.connectors.archives.many import PLAIN_NUMBER, Many, Owner, Value, bools, owners
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

_AT_ONCE = 50_000
# what is plainly good; whatever else a line may hold is read with the expressions above
_PLAIN_SERIES = re.compile(r"\w[^ ,\n]*(?:,[^ ,=\n]+=[^ ,=\n]+)*")
_PLAIN_TIME = r"^(-?[0-9]{1,18}|[1-8][0-9]{18})$"
_PLAIN_VALUE = rf"^({PLAIN_NUMBER}|-?[0-9]{{1,18}}[iu]|[tTfF]|true|True|TRUE|false|False|FALSE)$"


class _Unreadable(Exception):
    pass


def read_influx(
    lines: Iterable[str], names: Names, *, twin: str = "", property: str = "", precision: Precision = "ns"
) -> Iterator[Many | Fault]:
    """Every field of every line. `twin` and `property` are templates of {tags}, {measurement} and {field}.

    Without them, a twin is named by the values of its tags, a property by measurement and field (the measurement alone
    for the field `value`).
    """

    @lru_cache(maxsize=100_000)
    def whose(series: str, field: str) -> Owner:
        measurement, tags = _series(series)
        known = {**tags, "measurement": measurement, "field": field}
        owner = _filled(twin, known) if twin else ".".join(value for _, value in sorted(tags.items())) or measurement
        short = measurement if field == "value" else f"{measurement}_{field}"
        return Owner(measurement, names.twin(owner), names.property(_filled(property, known) if property else short))

    lines, careful = iter(lines), _Careful(whose, precision)
    first = 1
    while some := list(islice(lines, _AT_ONCE)):
        quick = None if careful.begun else _plain_lines(some, first, whose, precision)
        left = range(len(some)) if quick is None else np.flatnonzero(~quick[1]).tolist()
        if quick is not None and any(_is_open(some[at].rstrip("\r\n")) for at in left):
            quick, left = None, range(len(some))  # what follows may be lines of a text
        found = Many.of(list(careful.read((first + at, some[at]) for at in left)))
        yield found if quick is None else quick[0].joined(found)
        yield from careful.faults
        careful.faults.clear()
        first += len(some)
    if careful.begun:
        yield Fault(careful.since, "a text in quotes does not end")


class _Careful:
    """Reads one line after the other, with all that the protocol allows."""

    def __init__(self, whose: Callable[[str, str], Owner], precision: Precision) -> None:
        self._whose, self._precision = whose, precision
        self.begun, self.since = "", 0
        """A text in quotes that goes on in the next line, and the line where it begins."""
        self.faults: list[Fault] = []

    def read(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Value]]:
        for number, raw in lines:
            line, self.since = (self.begun + raw, self.since) if self.begun else (raw, number)
            self.begun = ""
            text = line.rstrip("\r\n")
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            if _is_open(text) and len(line) < _MOST_LINE:  # a text value may hold line breaks
                self.begun = line
                continue
            try:
                series, fields, time = parse_line(text, self._precision)
                for name, value, kind in fields:
                    yield self.since, Value(*self._whose(series, name), time, value, kind)
            except (_Unreadable, InvalidInput) as error:
                told = error.detail if isinstance(error, InvalidInput) else str(error)
                self.faults.append(Fault(self.since, told))


def _plain_lines(
    lines: Sequence[str], first: int, whose: Callable[[str, str], Owner], precision: Precision
) -> tuple[Many, NDArray[np.bool_]]:
    """Values of the lines that are plainly good (no escapes, no texts), and which those are."""
    text = pc.utf8_rtrim(pa.array(lines, pa.string()), "\r\n")
    parts = pc.split_pattern(text, " ")
    odd = pc.or_(pc.match_substring(text, '"'), pc.match_substring(text, "\\"))
    plain = bools(pc.and_(pc.equal(pc.list_value_length(parts), 3), pc.invert(odd)))
    parts, at = parts.filter(pa.array(plain)), np.flatnonzero(plain)
    told = pc.list_element(parts, 2)
    good = bools(pc.match_substring_regex(told, _PLAIN_TIME))
    time = pc.if_else(pa.array(good), told, "0").cast(pa.int64()).to_numpy()
    times, per = _PER[precision]
    good &= (time >= MIN_TIME * per // times) & (time < MAX_TIME * per // times)

    fields = pc.split_pattern(pc.list_element(parts, 1), ",")
    parent = pc.list_parent_indices(fields).to_numpy()
    pair = pc.split_pattern(pc.list_flatten(fields), "=")
    two = bools(pc.equal(pc.list_value_length(pair), 2))
    good[parent[~two]] = False
    parent, pair = parent[two], pc.list_flatten(pair.filter(pa.array(two)))
    names, value = (pair.take(pa.array(np.arange(side, len(pair), 2))) for side in (0, 1))
    good[parent[~bools(pc.match_substring_regex(value, _PLAIN_VALUE))]] = False

    series, names = pc.list_element(parts, 0).dictionary_encode(), names.dictionary_encode()
    all_series, all_names = series.dictionary.to_pylist(), names.dictionary.to_pylist()

    def owner(key: int) -> Owner:
        one, name = all_series[key // len(all_names)], all_names[key % len(all_names)]
        if not name or not _PLAIN_SERIES.fullmatch(one):
            raise InvalidInput("not plain")
        return whose(one, name)

    key = series.indices.to_numpy()[parent].astype(np.int64) * len(all_names) + names.indices.to_numpy()
    of, code, owned = owners(key, owner)
    good[parent[~owned]] = False  # the whole line goes the careful way
    plain[at[~good]] = False
    keep = good[parent]
    value, kind = _written(value.filter(pa.array(keep)))
    parent = parent[keep]
    return Many(of, code[keep], first + at[parent], time[parent] * times // per, value, kind), plain


def _written(value: pa.Array) -> tuple[pa.Array, NDArray[np.int8]]:
    """(values as we write them, places in KINDS)."""
    whole = pc.match_substring_regex(value, "[iu]$")
    truth = pc.match_substring_regex(value, "^[tTfF]")
    kind = bools(whole) + 2 * bools(truth)
    if pc.any(whole).as_py():
        value = pc.utf8_rtrim(value, "iu")
    if pc.any(truth).as_py():
        said = pc.if_else(pc.match_substring_regex(value, "^[tT]"), "true", "false")
        value = pc.if_else(truth, said, value)
    return value, kind.astype(np.int8)


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
