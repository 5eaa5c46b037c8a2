"""Order of serial numbers and revisions, ranges of both, and effectivity: for what something applies."""

from __future__ import annotations

import re
from functools import lru_cache

from gemel.clock import parse_time
from gemel.configuration.parts.values import Effectivity, PartType
from gemel.errors import InvalidInput

__all__ = ["applies", "check_range", "in_revisions", "in_serials", "moment_of", "natural"]

_DIGITS = re.compile(r"(\d+)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
FIRST, LAST = -(1 << 62), 1 << 62


@lru_cache(maxsize=4096)
def natural(serial: str) -> tuple[tuple[int, int, str], ...]:
    """A key that orders serial numbers as people read them: A9 before A10, 7 the same as 007, case aside."""
    parts = _DIGITS.split(serial.strip().casefold())
    return tuple(_number(part) if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part)


def _number(digits: str) -> tuple[int, int, str]:
    """By its length, then by its digits, which may be more than Python makes a number of."""
    told = digits.lstrip("0")
    return 0, len(told), told


def check_range(text: str) -> tuple[str, str]:
    """First and last of "A..B", "A..", "..B" or "A"; an empty end is open. Raises InvalidInput."""
    if ".." not in text:
        if not text.strip():
            raise InvalidInput('a range is "A..B", "A..", "..B" or "A", not empty')
        return text.strip(), text.strip()
    first, _, last = (part.strip() for part in text.partition(".."))
    if not (first or last) or ".." in last:
        raise InvalidInput(f'a range is "A..B", "A..", "..B" or "A", not {text!r:.60}')
    return first, last


def in_serials(serial: str, ranges: tuple[str, ...]) -> bool:
    """Whether a serial number is in one of the ranges. What stands before the first digit must be the same, unless
    the ends of the range differ in it."""
    return any(_in_serials(serial, *check_range(text)) for text in ranges)


def _in_serials(serial: str, first: str, last: str) -> bool:
    key = natural(serial)
    prefixes = {_prefix(end) for end in (first, last) if end}
    if len(prefixes) == 1 and _prefix(serial) not in prefixes:
        return False
    return (not first or natural(first) <= key) and (not last or key <= natural(last))


def _prefix(serial: str) -> str:
    return _DIGITS.split(serial.strip().casefold(), maxsplit=1)[0]


def in_revisions(part: PartType | None, revision: str, ranges: tuple[str, ...]) -> bool | None:
    """Whether a revision is in one of the ranges, in the order of its part. None: that cannot be told."""
    if not ranges:
        return True
    if not revision:
        return None
    unsure = False
    for text in ranges:
        first, last = check_range(text)
        if revision in (first, last):
            return True
        if first == last:
            continue
        places = [None if part is None else part.order(end) for end in (revision, first or revision, last or revision)]
        if None in places:
            unsure = True
            continue
        at, low, high = (place for place in places if place is not None)
        if low <= at <= high:
            return True
    return None if unsure else False


@lru_cache(maxsize=1024)
def moment_of(text: str) -> int:
    """Microseconds of a moment or a date (its beginning, UTC). Raises InvalidTime."""
    return parse_time(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def applies(effectivity: Effectivity, *, serial: str | None, lot: str = "", at: int) -> bool | None:
    """Whether something applies to an end item at a moment: all kinds that are told must hold, of each kind one range.

    `serial` is None where there is no end item to ask; None is the answer where it cannot be told.
    """
    if effectivity.start and at < moment_of(effectivity.start):
        return False
    if effectivity.until and at >= moment_of(effectivity.until):
        return False
    if effectivity.lots and serial is not None and lot not in effectivity.lots:
        return False if lot else None
    if not effectivity.serials:
        return None if effectivity.lots and serial is None else True
    return in_serials(serial, effectivity.serials) if serial else None
