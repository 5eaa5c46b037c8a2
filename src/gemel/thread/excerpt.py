"""The lines of a file that say something: from a statement to what it was read from."""

from __future__ import annotations

import gzip
import re
import zlib
from itertools import islice

import msgspec

from gemel.errors import Corrupt, NotFound
from gemel.thread.thread import Thread
from gemel.thread.values import Source

__all__ = ["Excerpt", "excerpt"]

_MOST = 40
"""Lines."""
_ABOUT = 10
"""Lines of a place that is one line: what it says may go on below."""
_LINE = re.compile(r"lines? ([1-9]\d{0,11})(?:-(\d{1,12}))?(?!\d)")
_GZIP = b"\x1f\x8b"


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read from, and the lines about a place in it."""

    source: Source
    first: int
    """Number of the first line that is told; 0: none is."""
    lines: tuple[str, ...]
    more: bool
    """The place has more lines than are told."""


def excerpt(thread: Thread, number: int, place: str) -> Excerpt:
    """The lines at a place (`line 12`, `lines 5-19`, `#8604`; else the beginning). Raises NotFound, Corrupt."""
    source = thread.sources([number]).get(number)
    if source is None:
        raise NotFound(f"there is no source {number}")
    if not source.kept:
        return Excerpt(source=source, first=0, lines=(), more=False)
    path = thread.store.path(source.sha256)
    with path.open("rb") as opened:
        packed = opened.read(2) == _GZIP
    told = _LINE.search(place)
    first = int(told[1]) if told else 1
    wanted = max(int(told[2] or told[1]) - first + 1, _ABOUT) if told else _MOST
    entity = re.match(r"#\d+$", place)
    try:
        with gzip.open(path, "rt", errors="replace") if packed else path.open(errors="replace") as text:
            if entity:
                found = re.compile(rf"\s*{re.escape(place)}\s*=")
                for line_number, line in enumerate(text, 1):
                    if found.match(line):
                        return Excerpt(source=source, first=line_number, lines=(_cut(line),), more=False)
                return Excerpt(source=source, first=0, lines=(), more=False)
            lines = tuple(_cut(line) for line in islice(text, first - 1, first - 1 + min(wanted, _MOST)))
    except (EOFError, zlib.error, OSError) as error:
        raise Corrupt(f"{source.name} cannot be read as it was kept: {error!s:.200}") from error
    if lines and "\0" in "".join(lines):
        return Excerpt(source=source, first=0, lines=(), more=False)
    return Excerpt(source=source, first=first if lines else 0, lines=lines, more=wanted > _MOST)


def _cut(line: str) -> str:
    return line.rstrip("\r\n")[:2000]
