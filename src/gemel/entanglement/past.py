"""How a property was tied to its object over a past interval: computed from what is stored, nothing is kept twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemel.clock import MAX_TIME, SECOND
from gemel.entanglement.declared import Declared
from gemel.entanglement.flows import ENDS, ENTERED, LOSSES, Loss, lost_in
from gemel.entanglement.latency import BUCKETS, Latency, counted, latency_of
from gemel.entanglement.level import Level
from gemel.entanglement.spans import NO_SPANS, Spans, spans_of, turns
from gemel.errors import InvalidQuery
from gemel.history import EventQuery, Fact, History, Rows
from gemel.registry import Entry, PropertyRef
from gemel.twin import FreshnessMode, Position

__all__ = ["AsOf", "LevelSpan", "Stretch", "held_by_age", "shared_past", "stretch_of"]

MOST_SPANS = 2_000
"""Intervals of one kind that an answer lists; sums are of all."""
MOST_FACTS = 20_000
PAGE = 2_000
_AHEAD = 600 * SECOND
"""Readings may be dated so far after they were told, and count for the time in which they were."""
_FRESHNESS = ("freshness.lost", "freshness.regained")


class LevelSpan(msgspec.Struct, frozen=True):
    """[start, end) in which a property had a level."""

    start: int
    end: int
    level: Level


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """One property over [start, end). Moments are microseconds since the epoch, UTC."""

    twin: str
    property: str
    start: int
    end: int
    position: Position
    """The journal position that it was read at."""
    within_s: float | None
    """The bound that it was judged by; None: it has none, and is never stale."""
    covered_s: float
    """For how much of the interval there was something to judge: after the first reading, before now, not dropped."""
    share: float | None
    """The part of the covered time in which it was fresh; None without a bound, or where nothing is covered."""
    stale: list[tuple[int, int]]
    """[from, to) in which it was stale, the longest if there are more than an answer lists."""
    stale_s: float
    latency: Latency | None
    """Of the readings whose own time is in the interval."""
    received: int
    """How many those are."""
    expected: int | None
    """How many there should be at the declared rate."""
    lost: list[Loss]
    """Messages of its sources that were found missing in the interval and never came."""
    lost_count: int
    levels: list[LevelSpan]
    level_s: dict[str, float]
    """model, shadow, twin → seconds of the covered time."""
    complete: bool
    """False where the journal tells more facts than are looked at: levels and losses are of the latest."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """What is asked: [start, end), as far as it is over by now."""

    start: int
    end: int
    now: int

    @property
    def known_end(self) -> int:
        return min(self.end, max(self.now, self.start))


@dataclass(slots=True)
class _Read:
    """What the readings of an interval tell."""

    fresh: Spans
    by_itself: Spans
    """Where the value in force was fresh and had not been entered by hand."""
    counts: NDArray[np.int64]
    known_from: int | None
    """When the first reading was recorded."""
    dropped: list[tuple[int, int]]
    position: Position


def shared_past(stretch: Stretch) -> Stretch:
    """As another party is told: without names of connectors."""
    return msgspec.structs.replace(stretch, lost=[msgspec.structs.replace(one, source="") for one in stretch.lost])


def stretch_of(
    history: History, entry: Entry, ref: PropertyRef, declared: Declared, asked: AsOf, *, within_s: float | None = None
) -> Stretch:
    """`within_s`: judge by this bound instead of the declared one, by age. Raises InvalidQuery."""
    if asked.end <= asked.start:
        raise InvalidQuery("the range ends before it begins; give from < to")
    mode, bound = declared.mode, declared.within_s
    if within_s is not None:
        mode, bound = str(FreshnessMode.SAMPLES), within_s
    facts = _Facts(history, entry.id, ref.property.name, asked)
    by_source = mode == FreshnessMode.CHANGES and declared.bound and bool(declared.sources)
    age = None if bound is None or not mode else round(bound * SECOND)
    read = _read(history, (entry.id, ref.property.name), asked, age if not by_source else None, mode, facts.entered)
    start, end = asked.start, asked.known_end
    if by_source:
        told = facts.freshness(declared.sources)
        read.fresh = read.fresh.common(told)
        read.by_itself = read.by_itself.common(told)
    known = (
        spans_of(np.array([max(start, read.known_from)]), np.array([end])) if read.known_from is not None else NO_SPANS
    )
    dropped = [one for one in read.dropped if one[0] < one[1]]
    covered = known.common(spans_of(*_columns(dropped)).rest(start, end)) if dropped else known
    stale = read.fresh.rest(start, end).common(covered) if mode else NO_SPANS
    two_way = facts.applied() if declared.carrier else NO_SPANS
    levels = _levels(read.by_itself.common(covered), two_way, covered) if ref.property.computed is None else {}
    lost = facts.lost(declared.sources)
    listed, received = _longest(stale), int(read.counts.sum())
    covered_s = covered.length / SECOND
    return Stretch(
        twin=entry.id,
        property=ref.property.name,
        start=asked.start,
        end=asked.end,
        position=read.position,
        within_s=bound if mode else None,
        covered_s=covered_s,
        share=(covered.length - stale.length) / covered.length if mode and covered.length else None,
        stale=listed,
        stale_s=stale.length / SECOND,
        latency=latency_of(read.counts),
        received=received,
        expected=None if declared.rate_hz is None else round(declared.rate_hz * covered_s),
        lost=lost[-MOST_SPANS:],
        lost_count=sum(one.count for one in lost),
        levels=_told(levels),
        level_s={str(level): spans.length / SECOND for level, spans in levels.items()},
        complete=facts.complete,
    )


def held_by_age(rows: Rows, age: int | None, mode: str, until: int) -> tuple[NDArray[np.int64], Rows]:
    """(until when each held and was fresh, the rows that were in force, by position).

    As the state judges: a reading replaces the one before unless its own time is older; a sample is fresh while the
    lesser of its time and its recording is younger than the bound, a change while its recording is.
    """
    order = np.argsort(rows.position, kind="stable")
    time = rows.time[order]
    taken = time >= np.maximum.accumulate(time) if len(time) else np.zeros(0, np.bool_)
    kept = rows.take(order[taken])
    replaced = np.append(kept.recorded[1:], until)[: len(kept)]
    if age is None:
        return replaced, kept
    base = np.minimum(kept.time, kept.recorded) if mode == FreshnessMode.SAMPLES else kept.recorded
    return np.minimum(base + age, replaced), kept


def _read(
    history: History, of: tuple[str, str], asked: AsOf, age: int | None, mode: str, entered: NDArray[np.int64]
) -> _Read:
    start, end = asked.start, asked.known_end
    fresh, own, counts = NO_SPANS, NO_SPANS, np.zeros(BUCKETS, np.int64)
    known_from: int | None = None

    def take(rows: Rows, stop: NDArray[np.int64]) -> None:
        nonlocal fresh, own
        fresh = fresh.joined(spans_of(rows.recorded, stop).within(start, end))
        by_hand = np.isin(rows.position, entered)
        own = own.joined(spans_of(rows.recorded[~by_hand], stop[~by_hand]).within(start, end))

    with history.pieces(*of, start - (age or 0), end + _AHEAD) as told:
        held = told.held
        for rows in told.pieces:
            inside = (rows.time >= asked.start) & (rows.time < asked.end)
            counts += counted((rows.recorded - rows.time)[inside])
            joined = Rows.concat(rows.form, [held, rows])
            stop, kept = held_by_age(joined, age, mode, end)
            last = np.array([len(kept) - 1])
            take(kept.take(np.arange(last[0])), stop[:-1])
            known_from = min(int(joined.recorded.min()), known_from or MAX_TIME)
            held = kept.take(last)  # until when it held, the next piece tells
        if len(held):
            stop, held = held_by_age(held, age, mode, end)
            take(held, stop)
            known_from = min(int(held.recorded[0]), known_from or MAX_TIME)
        return _Read(fresh, own, counts, known_from, told.dropped, told.position)


def _levels(own: Spans, two_way: Spans, covered: Spans) -> dict[Level, Spans]:
    twin = own.common(two_way)
    return {Level.MODEL: covered.without(own), Level.SHADOW: own.without(twin), Level.TWIN: twin}


def _told(levels: dict[Level, Spans]) -> list[LevelSpan]:
    spans = [LevelSpan(begin, end, level) for level, spans in levels.items() for begin, end in _longest(spans)]
    return sorted(spans, key=lambda one: one.start)


def _longest(spans: Spans) -> list[tuple[int, int]]:
    if len(spans.begin) <= MOST_SPANS:
        return spans.listed()
    chosen = np.sort(np.argsort(spans.begin - spans.end, kind="stable")[:MOST_SPANS])
    return Spans(spans.begin[chosen], spans.end[chosen]).listed()


def _columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([one[0] for one in pairs], np.int64), np.array([one[1] for one in pairs], np.int64)


class _Facts:
    """What was journaled of one property, in an interval and just before."""

    def __init__(self, history: History, twin: str, name: str, asked: AsOf) -> None:
        self._history, self._twin, self._name, self.asked = history, twin, name, asked
        self.complete = True

    def _in(self, subjects: tuple[str, ...], kinds: tuple[str, ...], *, until: int | None = None) -> list[Fact]:
        """In the interval, by rising moment; the latest MOST_FACTS."""
        found: list[Fact] = []
        query = EventQuery(
            twins=subjects, kinds=kinds, start=self.asked.start, end=until or self.asked.known_end, limit=PAGE
        )
        while len(found) < MOST_FACTS:
            page = self._history.events(query)
            found += page.items
            if page.next is None:
                return found[::-1]
            query = msgspec.structs.replace(query, cursor=page.next)
        self.complete = False
        return found[::-1]

    def _latest(self, subjects: tuple[str, ...], kinds: tuple[str, ...], is_own: Callable[[Fact], bool]) -> Fact | None:
        """The last one before the interval, of those that are meant."""
        query, looked_at = EventQuery(twins=subjects, kinds=kinds, end=self.asked.start, limit=PAGE), 0
        while looked_at < MOST_FACTS:
            page = self._history.events(query)
            looked_at += len(page.items)
            if (found := next(filter(is_own, page.items), None)) is not None or page.next is None:
                return found
            query = msgspec.structs.replace(query, cursor=page.next)
        self.complete = False
        return None

    def _is_own(self, fact: Fact) -> bool:
        return fact.change.body.get("property") == self._name

    @property
    def entered(self) -> NDArray[np.int64]:
        """Positions of the readings that people entered; also of the last one before."""
        found = [fact for fact in self._in((self._twin,), (ENTERED,)) if self._is_own(fact)]
        if (before := self._latest((self._twin,), (ENTERED,), self._is_own)) is not None:
            found.append(before)
        return np.array([fact.position - 1 for fact in found], np.int64)

    def freshness(self, sources: tuple[str, ...]) -> Spans:
        """Where nothing had been lost, by what was journaled of the twin and of its sources."""

        def about(fact: Fact) -> bool:
            body, subject = fact.change.body, fact.change.subject
            return subject != self._twin or self._name in body.get("properties", ())

        subjects = (self._twin, *sources)
        before = self._latest(subjects, _FRESHNESS, about)
        told = [
            (fact.change.time, fact.change.kind == "freshness.regained")
            for fact in self._in(subjects, _FRESHNESS)
            if about(fact)
        ]
        was_fresh = before is None or before.change.kind == "freshness.regained"
        return turns(told, before=was_fresh, start=self.asked.start, end=self.asked.known_end)

    def applied(self) -> Spans:
        """Where the last order of it had been applied."""
        before = self._latest((self._twin,), ENDS, self._is_own)
        told = [
            (fact.change.time, fact.change.kind == "command.applied")
            for fact in self._in((self._twin,), ENDS)
            if self._is_own(fact)
        ]
        was = before is not None and before.change.kind == "command.applied"
        return turns(told, before=was, start=self.asked.start, end=self.asked.known_end)

    def lost(self, sources: tuple[str, ...]) -> list[Loss]:
        """What never came of them; what came late after the interval is looked for, too."""
        if not sources:
            return []
        told = self._in(sources, LOSSES, until=self.asked.now + 1)
        return lost_in([fact.change for fact in told], self.asked.start, self.asked.known_end)
