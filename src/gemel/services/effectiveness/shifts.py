"""Planned time: shifts of a calendar, in the time zone of the site."""

from __future__ import annotations

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from gemel.errors import InvalidQuery
from gemel.services.effectiveness.course import Pieces
from gemel.twin import Effectiveness, Shift

__all__ = ["BUCKETS", "Bucket", "buckets", "plan"]

BUCKETS = ("hour", "shift", "day", "week")
MOST = 4_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICRO = datetime.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A piece of the calendar."""

    start: int
    end: int
    label: str
    """Of a shift its name; else empty."""


def plan(told: Effectiveness, zone: str, start: int, end: int) -> Pieces | None:
    """When it is planned to be busy in [start, end): shifts without their breaks, each moment once; None: not declared.

    The groups are the shifts' places in the declaration.
    """
    if not told.shifts:
        return None
    found: list[tuple[int, int, int]] = []
    for place, shift in enumerate(told.shifts):
        for day in _days(told, shift, zone, start, end):
            for begin, stop in _working(shift, day, ZoneInfo(zone)):
                begin, stop = max(begin, start), min(stop, end)
                if begin < stop:
                    found.append((begin, stop, place))
    found.sort()
    apart: list[tuple[int, int, int]] = []
    for begin, stop, place in found:  # where two overlap, the one that began first counts
        begin = max(begin, apart[-1][1]) if apart else begin
        if begin < stop:
            apart.append((begin, stop, place))
    return Pieces.of(apart, len(told.shifts))


def buckets(by: str, told: Effectiveness | None, zone: str, start: int, end: int) -> list[Bucket]:
    """[start, end) cut into hours, shifts, days or weeks of the site, in order. Raises InvalidQuery."""
    if by not in BUCKETS:
        raise InvalidQuery(f"there is no by={by:.40}; use one of {', '.join(BUCKETS)}")
    if by == "shift":
        listed = [] if told is None else sorted(_shifts(told, zone, start, end), key=lambda one: one.start)
        if not listed and (told is None or not told.shifts):
            raise InvalidQuery("no shifts are declared (effectiveness.shifts); ask by hour, day or week")
        found: list[Bucket] = []
        for one in listed:
            begin = max(one.start, found[-1].end) if found else one.start
            if begin < one.end:
                found.append(Bucket(begin, one.end, one.label))
    else:
        found = list(_even(by, ZoneInfo(zone), start, end))
    if len(found) > MOST:
        raise InvalidQuery(
            f"{len(found):,} buckets are too many; at most {MOST:,}. Ask by day or week, or for less time"
        )
    return found


def _shifts(told: Effectiveness, zone: str, start: int, end: int) -> Iterator[Bucket]:
    for place, shift in enumerate(told.shifts):
        for day in _days(told, shift, zone, start, end):
            begin, stop = _span(shift.starts, shift.ends, day, ZoneInfo(zone))
            begin, stop = max(begin, start), min(stop, end)
            if begin < stop:
                yield Bucket(begin, stop, shift.name or f"{place + 1}")


def _even(by: str, zone: ZoneInfo, start: int, end: int) -> Iterator[Bucket]:
    local = _local(start, zone)
    if by == "hour":  # hours of the world: a day on which clocks change has 23 or 25
        step = 3_600_000_000
        at = start // step * step
        for begin in range(at, end, step)[: MOST + 1]:
            yield Bucket(max(begin, start), min(begin + step, end), "")
        return
    day = local.date() if by == "day" else local.date() - datetime.timedelta(days=local.weekday())
    width = datetime.timedelta(days=1 if by == "day" else 7)
    count = 0
    while (begin := _micros(day, datetime.time(), zone)) < end and count <= MOST:
        day += width
        yield Bucket(max(begin, start), min(_micros(day, datetime.time(), zone), end), "")
        count += 1


def _days(told: Effectiveness, shift: Shift, zone: str, start: int, end: int) -> Iterator[datetime.date]:
    """Days on which the shift begins and which may reach into [start, end)."""
    first = _local(start, ZoneInfo(zone)).date() - datetime.timedelta(days=2)
    last = _local(end, ZoneInfo(zone)).date() + datetime.timedelta(days=1)
    days = _occurrences(shift.every, shift.since, last.year)
    closed = set(told.closed)
    for day in days[bisect_left(days, first) : bisect_right(days, last)]:
        if day.isoformat() not in closed:
            yield day


@lru_cache(maxsize=256)
def _occurrences(every: str, since: str, year: int) -> tuple[datetime.date, ...]:
    """All days of a rule until the end of a year: a rule is followed from its first day on, which takes its time."""
    rule = rrulestr(every, dtstart=datetime.datetime.fromisoformat(since))
    end = datetime.datetime(year, 12, 31)
    return tuple(one.date() for one in rule.between(datetime.datetime.fromisoformat(since), end, inc=True))


def _working(shift: Shift, day: datetime.date, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The shift of a day without its breaks."""
    at, stop = _span(shift.starts, shift.ends, day, zone)
    rests = []
    for pair in shift.breaks:
        # A break of a night shift may lie on the next day.
        on = day if pair[0] >= shift.starts else day + datetime.timedelta(days=1)
        rests.append(_span(*pair, on, zone))
    for begin, end in sorted(rests):
        if at < min(begin, stop):
            yield at, min(begin, stop)
        at = max(at, end)
    if at < stop:
        yield at, stop


def _span(starts: str, ends: str, day: datetime.date, zone: ZoneInfo) -> tuple[int, int]:
    next_day = day if ends > starts else day + datetime.timedelta(days=1)
    begin, end = datetime.time.fromisoformat(starts), datetime.time.fromisoformat(ends)
    return _micros(day, begin, zone), _micros(next_day, end, zone)


def _micros(day: datetime.date, time: datetime.time, zone: ZoneInfo) -> int:
    return (datetime.datetime.combine(day, time, zone) - _EPOCH) // _MICRO


def _local(moment: int, zone: ZoneInfo) -> datetime.datetime:
    return (_EPOCH + moment * _MICRO).astimezone(zone)
