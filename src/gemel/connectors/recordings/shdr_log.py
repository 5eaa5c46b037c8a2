"""Logs of SHDR lines, plain or gzip, as agents and adapters write them."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

from gemel.clock import SECOND
from gemel.connectors.mtconnect.shdr import TimeReader
from gemel.errors import InvalidInput, InvalidTime

__all__ = ["busiest_moment", "first_moment", "read_lines", "timed_lines"]

DAY = 86_400 * SECOND
_HEAD = 1_000


def read_lines(paths: Iterable[Path]) -> Iterator[str]:
    """The lines of the files, one file after the other. Raises InvalidInput for one that cannot be read."""
    for path in paths:
        try:
            with _open(path) as text:
                for line in text:
                    yield line.rstrip("\r\n")
        except (OSError, EOFError) as error:
            raise InvalidInput(f"log {path} cannot be read: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="\n")
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def timed_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(time, the line after its time) in the log's own order; lines without a readable time take the one before."""
    last = 0
    time_of = TimeReader(lambda: last)
    for line in lines:
        head, bar, rest = line.partition("|")
        if not bar:
            continue
        try:
            last = time_of(head)
        except InvalidTime:
            continue
        yield last, rest


def first_moment(paths: Iterable[Path]) -> int:
    """When the log begins to run. It may open with what was known from long before: the moment is that after the last
    leap of more than a day among its first thousand lines. Raises InvalidInput for a log without times."""
    moment = newest = -1
    for time, _ in timed_lines(islice(read_lines(paths), _HEAD)):
        if newest < 0 or time > newest + DAY:
            moment = time
        newest = max(newest, time)
    if moment < 0:
        raise InvalidInput(f"log {', '.join(map(str, paths))} holds no line with a time")
    return moment


def busiest_moment(paths: Iterable[Path], window_s: int = 900) -> int:
    """The minute with which the window of most lines begins: where a demonstration best starts."""
    minute = 60 * SECOND
    counts = Counter(time // minute for time, _ in timed_lines(read_lines(paths)))
    if not counts:
        raise InvalidInput(f"log {', '.join(map(str, paths))} holds no line with a time")
    width = max(1, window_s // 60)
    return minute * max(sorted(counts), key=lambda first: sum(counts[first + n] for n in range(width)))
