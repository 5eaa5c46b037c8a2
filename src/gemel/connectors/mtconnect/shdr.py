"""The line protocol that MTConnect adapters speak (SHDR): lines of fields between pipes, times, heartbeat.

2017-03-20T08:47:27.835Z|Srpm|1200|Sload|12
2017-03-20T10:30:50.484Z|system_cond|WARNING|428|||MEMORY PROTECT
* PONG 10000
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gemel.clock import parse_time
from gemel.errors import InvalidTime

__all__ = [
    "PING",
    "LineBuffer",
    "TimeReader",
    "format_fields",
    "is_time",
    "join_assets",
    "pong_period_s",
    "split_fields",
]

PING = b"* PING\n"
MULTILINE = "--multiline--"

# A field in quotes may hold escaped pipes: "a\|b". Quotes around a field without one belong to the value.
_FIELD = re.compile(r'"((?:[^|]|(?<=\\)\|)*)"(?=\||\Z)|([^|]*)')
_PONG = re.compile(r"\*\s*PONG\s+(\d{1,9})\s*$")


def split_fields(line: str) -> list[str]:
    """The fields of a line, escaped pipes put back."""
    if "\\|" not in line:
        return line.split("|")
    fields, at, end = [], 0, len(line)
    while True:
        match = _FIELD.match(line, at)
        assert match is not None  # its second branch matches anything, also nothing
        quoted = match[1]
        if quoted is not None and "\\|" in quoted:
            fields.append(quoted.replace("\\|", "|"))
            at = match.end()
        else:
            stop = line.find("|", at)
            stop = end if stop < 0 else stop
            fields.append(line[at:stop])
            at = stop
        if at >= end:
            return fields
        at += 1


def format_fields(fields: Sequence[str]) -> str:
    """The line of these fields; `split_fields` gives them back. Line breaks in a field become spaces."""
    flat = [" ".join(f.splitlines()) if "\n" in f or "\r" in f else f for f in fields]
    return "|".join('"' + f.replace("|", "\\|") + '"' if "|" in f else f for f in flat)


def pong_period_s(line: str) -> float | None:
    """The heartbeat period that `* PONG 10000` announces (milliseconds), in seconds; None for another line."""
    match = _PONG.match(line)
    return int(match[1]) / 1000 if match else None


def is_time(text: str) -> bool:
    """Whether a field can only be a time: what a line of ours begins with."""
    return len(text) >= 16 and text[4:5] == "-" and text[10:11] == "T"


class TimeReader:
    """Reads the times of lines; quick for times that share their minute with the one before.

    An empty time means now. `time@duration` keeps the time. A time without an offset is UTC (the standard wants UTC,
    and adapters leave the Z out).
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._minute = "none yet"
        self._micros = 0

    def __call__(self, text: str) -> int:
        """Microseconds since the epoch, UTC. Raises InvalidTime."""
        minute = text[:17]
        if minute == self._minute and (micros := _seconds(text[17:])) is not None:
            return self._micros + micros
        if not text:
            return self._now()
        if "@" in text:
            return self(text.partition("@")[0])
        if not is_time(text):
            raise InvalidTime(f"{text!r:.80} is not a time; an SHDR line begins with one like 2017-03-20T08:34:14.784Z")
        if (micros := _seconds(text[17:])) is not None:
            self._micros, self._minute = parse_time(minute + "00Z"), minute
            return self._micros + micros
        rest = text[19:]
        return parse_time(text if text[-1] in "Zz" or "+" in rest or "-" in rest else text + "Z")


def _seconds(text: str) -> int | None:
    """Microseconds of `14.784Z`, `14.784`, `14Z` or `14`; None when there is more to it."""
    whole, _, fraction = (text[:-1] if text[-1:] == "Z" else text).partition(".")
    digits = whole + fraction
    if len(whole) != 2 or whole > "59" or not (digits.isdecimal() and digits.isascii()):
        return None
    count = len(fraction)
    return int(digits) * _SCALES[count] if count <= 6 else int(digits[:8])


_SCALES = [10 ** (6 - count) for count in range(7)]


class LineBuffer:
    """Cuts a byte stream into lines; a line longer than `limit` bytes is dropped whole and counted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest = b""
        self._skipping = False
        self.overlong = 0
        """Lines dropped so far."""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends."""
        lines = data.split(b"\n")
        if self._skipping:
            if len(lines) == 1:
                return []
            self._skipping = False
            lines[0] = b""
        lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        if len(self._rest) > self.limit:
            self._rest, self._skipping = b"", True
            self.overlong += 1
        if max(map(len, lines), default=0) <= self.limit:
            return lines
        kept = [line for line in lines if len(line) <= self.limit]
        self.overlong += len(lines) - len(kept)
        return kept


class _Asset:
    """A multi-line asset under way."""

    def __init__(self, head: str, tag: str) -> None:
        self.head, self.tag = head, tag
        self.body: list[str] = []
        self.size = 0


def join_assets(limit: int) -> Callable[[str], str | None]:
    """A function that is fed line by line and returns whole lines: those of a `--multiline--TAG` block as one, its
    body as the last field (line breaks kept); None while a block is open.

    A block longer than `limit` characters comes back as its head alone, with an empty body.
    """
    open_: _Asset | None = None

    def feed(line: str) -> str | None:
        nonlocal open_
        if open_ is None:
            at = line.find(MULTILINE)
            if at < 0 or not line[:at].endswith("|"):
                return line
            open_ = _Asset(line[:at], line[at:].strip())
            return None
        if line.strip() == open_.tag:
            whole = open_.head + "".join(_quoted("\n".join(open_.body)))
            open_ = None
            return whole
        open_.size += len(line)
        if open_.size <= limit:
            open_.body.append(line)
        else:
            open_.body.clear()
        return None

    return feed


def _quoted(text: str) -> str:
    return '"' + text.replace("|", "\\|") + '"' if "|" in text else text
