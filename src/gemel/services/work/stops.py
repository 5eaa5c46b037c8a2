"""Stops of a platform's machines: noted, found in what the machines told, classified. `platform.work.stops`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from gemel.access import in_own_words, words_of
from gemel.clock import Clock
from gemel.configuration import Span
from gemel.database import Database
from gemel.errors import Conflict, InvalidInput, NotFound
from gemel.registry import Directory, Entry
from gemel.services.base import Run
from gemel.services.work import rows, tables
from gemel.services.work.found import Standing, Tell, noted
from gemel.services.work.order import WorkOrder
from gemel.services.work.stop import STANDING, Candidate, Classified, Stop, StopKind, StopQuery, StopSpec
from gemel.twin import Change, Kind, Page

__all__ = ["Stops"]

T = TypeVar("T")


class Stops:
    """Every verb may be called from any thread; each is one transaction."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, directory: Directory) -> None:
        self._database, self._clock, self._run, self._directory = database, clock, run, directory

    # what is told

    def put(self, spec: StopSpec, *, actor: str = "") -> Stop:
        """Note a stop, or know a noted one differently. Raises InvalidInput, NotFound (twin, order), Conflict."""
        spec = spec.checked()
        entry = self._entry(spec.twin)
        spec = msgspec.structs.replace(spec, twin=entry.id)

        def work(tx: Connection) -> tuple[str, list[Change]]:
            now = self._clock.now()
            if spec.order:
                rows.find(tx, spec.order)
            if spec.start > now:
                raise InvalidInput("a stop that was seen does not start in the future")
            known = self._known(tx, spec)
            values = {name: getattr(spec, name) for name in ("twin", "start", "end", "seen", "order", "item", "key")}
            if known is None:
                id = f"stop-{secrets.token_hex(6)}"
                number = tx.execute(
                    insert(tables.stop)
                    .values(id=id, **values, recorded=now, actor=actor)
                    .returning(tables.stop.c.number)
                ).scalar_one()
                kind = spec.kind or StopKind.UNKNOWN
                _classify(tx, number, kind, spec.reason, now, actor)
                return id, [_change(id, spec.twin, "stopped", spec.start, actor, kind=str(kind), seen=spec.seen)]
            if known.twin != spec.twin:
                raise Conflict(f"stop {spec.key:.80} is of another machine than {spec.twin}; give it another key")
            changes = []
            changed = {
                name: told for name, told in values.items() if told not in ("", None) and told != getattr(known, name)
            }
            if changed:
                tx.execute(update(tables.stop).where(tables.stop.c.number == known.number).values(**changed))
                changes.append(_change(known.id, known.twin, "stop_changed", now, actor, fields=sorted(changed)))
            if spec.kind is not None and spec.kind is not self._kind(tx, known.number):
                _classify(tx, known.number, spec.kind, spec.reason, now, actor)
                changes.append(_change(known.id, known.twin, "classified", now, actor, kind=str(spec.kind)))
            return str(known.id), changes

        return self.get(self._do(work, actor))

    def classify(self, id: str, kind: StopKind, *, reason: str = "", actor: str = "") -> Stop:
        """Say what failed; what was said before stays on record. Raises NotFound, InvalidInput."""
        if len(reason) > 2000:
            raise InvalidInput("a reason has at most 2000 characters")

        def work(tx: Connection) -> tuple[str, list[Change]]:
            row, now = _row(tx, id), self._clock.now()
            last = tx.execute(
                select(tables.stop_class).where(tables.stop_class.c.stop == row.number).order_by(_NEWEST).limit(1)
            ).one()
            if (last.kind, words_of(tx, last.reason)) == (str(kind), reason):
                return id, []
            _classify(tx, row.number, kind, reason, now, actor)
            return id, [_change(id, row.twin, "classified", now, actor, kind=str(kind))]

        return self.get(self._do(work, actor))

    # what is asked

    def get(self, id: str) -> Stop:
        """Raises NotFound."""
        with self._database.read() as tx:
            return _stops(tx, [_row(tx, id)])[0]

    def all(self, query: StopQuery | None = None) -> Page[Stop]:
        """The newest first. `next`: a number for `after`."""
        asked = query or StopQuery()
        s = tables.stop.c
        with self._database.read() as tx:
            told = tx.execute(
                select(tables.stop).where(*_conditions(asked)).order_by(s.number.desc()).limit(asked.limit + 1)
            ).all()
            found = _stops(tx, told[: asked.limit])
        return Page(found, str(found[-1].number) if len(told) > asked.limit else None)

    def each(self, query: StopQuery) -> Iterator[Stop]:
        """All that fit, for counting."""
        after: int | None = None
        while True:
            page = self.all(msgspec.structs.replace(query, after=after, limit=500))
            yield from page.items
            if page.next is None:
                return
            after = int(page.next)

    def find(
        self,
        twin: str,
        start: int,
        end: int,
        *,
        tell: Tell,
        values: frozenset[str] = STANDING,
        at_least_s: float = 60.0,
        orders: Sequence[WorkOrder] = (),
    ) -> list[Candidate]:
        """Times for which the machine's own conditions and states say that it stood, each as a whole, also what of it
        lies outside [start, end); and what has ended of stops that are noted as open. Nothing is noted.

        `tell`: how its past is read; `orders`: of the machine, with visits, to see what may have been meant.
        Raises UnknownTwin, InvalidInput.
        """
        entry = self._entry(twin)
        if end <= start:
            raise InvalidInput("the time ends before it begins; give start < end")
        now = self._clock.now()
        until = min(end, now)
        if until <= start:
            return []
        names = {name: ref.property.kind for name, ref in entry.properties.items() if _says(ref.property, name, values)}
        standing = Standing(names, tell, now, values=values, at_least_s=at_least_s)
        known = list(self.each(StopQuery(twin=entry.id, start=start, end=until)))
        earlier = [one.start for one in known if one.end is None and one.key and one.seen and one.start < start]
        spans = standing.during(start, until, also=earlier)
        if not spans:
            return []
        met = StopQuery(twin=entry.id, start=spans[0][0].start, end=max(span.end for span, _ in spans))
        stops = noted(spans, list(self.each(met)))
        return [
            _candidate(entry.id, one, now=now, known=stop, orders=orders)
            for one in spans
            if _ends(stop := stops.get(one[0].start), one[0], now) or one[0].meets(Span(start, until)) is not None
        ]

    def adopt(self, candidate: Candidate, *, actor: str = "") -> Stop:
        """Note a stop that was found; noted before, it is the same one, and ends when it was found to."""
        if candidate.known and not candidate.key:
            return self.get(candidate.known)
        spec = StopSpec(
            twin=candidate.twin,
            start=candidate.start,
            end=candidate.end,
            seen=candidate.seen[0] if candidate.seen else "",
            key=candidate.key,
        )
        return self.put(spec, actor=actor)

    # inside

    def _entry(self, twin: str) -> Entry:
        entry = self._directory.twin(twin)
        if entry is None:
            raise NotFound(f"there is no twin {twin!r:.100}; search for a part of its name")
        return entry

    def _known(self, tx: Connection, spec: StopSpec) -> Row[Any] | None:
        if not spec.key:
            return None
        row = tx.execute(select(tables.stop).where(tables.stop.c.key == spec.key)).one_or_none()
        return row

    def _kind(self, tx: Connection, number: int) -> StopKind:
        c = tables.stop_class.c
        return StopKind(tx.scalar(select(c.kind).where(c.stop == number).order_by(_NEWEST).limit(1)) or "unknown")

    def _do(self, work: Callable[[Connection], tuple[T, Sequence[Change]]], actor: str) -> T:
        done: list[T] = []

        def transaction(tx: Connection) -> Sequence[Change]:
            done.clear()
            result, changes = work(tx)
            done.append(result)
            return changes

        self._run(transaction, actor=actor)
        return done[0]


_NEWEST = tables.stop_class.c.number.desc()


def _says(property: Any, name: str, values: frozenset[str]) -> bool:
    if property.name != name:  # an alias
        return False
    if property.kind is Kind.ENUMERATION:
        return any(value.lower() in values for value in property.values)
    return property.kind is Kind.CONDITION


def _ends(known: Stop | None, span: Span, now: int) -> bool:
    """Whether a stop that is noted as open has ended."""
    return known is not None and known.end is None and span.end < now


def _candidate(
    twin: str, found: tuple[Span, tuple[str, ...]], *, now: int, known: Stop | None, orders: Sequence[WorkOrder]
) -> Candidate:
    span, seen = found
    start, key = span.start, f"found:{twin}:{span.start}:{seen[0]}"[:300]
    if known is not None:
        key = known.key if _ends(known, span, now) else ""
        start = min(start, known.start) if known.end is None else start
    return Candidate(
        twin=twin,
        start=start,
        end=span.end if span.end < now else None,
        seen=seen,
        key=key,
        known=known.id if known else "",
        during=next((one.id for one in orders if _meant(one, start)), ""),
    )


def _meant(order: WorkOrder, moment: int) -> bool:
    spans = [(order.start, order.end), *((one.start, one.end) for one in order.visits)]
    return any(start is not None and start <= moment and (end is None or moment < end) for start, end in spans)


def _row(tx: Connection, id: str) -> Row[Any]:
    row = tx.execute(select(tables.stop).where(tables.stop.c.id == id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no stop {id!r:.60}; `gemel work stops` lists them")
    return row


def _stops(tx: Connection, found: Sequence[Row[Any]]) -> list[Stop]:
    c = tables.stop_class.c
    classes: dict[int, list[Classified]] = {row.number: [] for row in found}
    numbers = list(classes)
    for first in range(0, len(numbers), 500):
        some = numbers[first : first + 500]
        for row in tx.execute(select(tables.stop_class).where(c.stop.in_(some)).order_by(c.number)):
            classes[row.stop].append(
                Classified(
                    kind=StopKind(row.kind), reason=words_of(tx, row.reason), recorded=row.recorded, actor=row.actor
                )
            )
    stops = []
    for row in found:
        said = classes[row.number]
        stops.append(Stop(**row._mapping, kind=said[-1].kind if said else StopKind.UNKNOWN, classes=tuple(said)))
    return stops


def _conditions(asked: StopQuery) -> list[Any]:
    s, c = tables.stop.c, tables.stop_class
    found: list[Any] = [s[name] == told for name in ("twin", "item", "order") if (told := getattr(asked, name))]
    if asked.start is not None:
        found.append((s.end.is_(None)) | (s.end > asked.start))
    if asked.end is not None:
        found.append(s.start < asked.end)
    if asked.after is not None:
        found.append(s.number < asked.after)
    if asked.kinds:
        last = (
            select(c.c.kind)
            .where(c.c.stop == s.number)
            .order_by(c.c.number.desc())
            .limit(1)
            .correlate(tables.stop)
            .scalar_subquery()
        )
        found.append(last.in_([str(one) for one in asked.kinds]))
    return found


def _classify(tx: Connection, stop: int, kind: StopKind, reason: str, now: int, actor: str) -> None:
    values = {"stop": stop, "kind": str(kind), "reason": in_own_words(tx, actor, reason), "recorded": now}
    tx.execute(insert(tables.stop_class).values(**values, actor=actor))


def _change(id: str, twin: str, what: str, time: int, actor: str, **facts: Any) -> Change:
    body = {"stop": id, **{name: told for name, told in facts.items() if told}}
    return Change(kind=f"work.{what}", subject=twin, time=time, actor=actor, body=body)
