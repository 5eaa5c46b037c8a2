"""What is asked of work and stops: failed visits, first-time fixes, rework, failures, downtime and what it cost.

What nobody told stays unknown, and is counted as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from gemel.clock import SECOND
from gemel.configuration import FOREVER, Span
from gemel.services.work.order import Cause, Outcome, ReworkCause, Visit, WorkOrder, WorkState
from gemel.services.work.prices import Costs, Priced, PriceKind, together
from gemel.services.work.stop import Stop, StopKind

__all__ = ["By", "Downtime", "Failures", "Report", "Rework", "Visits", "grouped", "joined", "report"]

HOUR = 3600 * SECOND


class By(StrEnum):
    """What a report has a line for."""

    TWIN = "twin"
    TYPE = "type"
    PARTY = "party"
    PART = "part"
    MONTH = "month"


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """Visits of the orders."""

    count: int = 0
    done: int = 0
    failed: int = 0
    under_way: int = 0
    hours: float = 0.0
    """Of those that have ended, as far as they lie in the time."""
    causes: dict[str, int] = {}
    """Of failed ones; all causes, also those with none."""
    orders: int = 0
    """That were visited and are done, failed or cancelled."""
    first_time: int = 0
    """Of these, done by the first visit, and by now repaired by none."""
    first_time_fix: float | None = None
    """Their share, 0 to 1; None: no order to judge by."""
    unvisited: int = 0
    """Orders done of which nobody told a visit: unknown."""


class Rework(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that repair what others did, for one cause."""

    cause: ReworkCause
    count: int
    hours: float
    """Of their visits."""
    unknown_hours: int
    """So many of them have no visit that has ended."""
    cost: Costs
    orders: tuple[str, ...]
    """The first hundred."""


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Stops of one class."""

    kind: StopKind
    count: int
    hours: float
    cost: Costs


class Downtime(msgspec.Struct, frozen=True, kw_only=True):
    """Of one machine."""

    twin: str
    stops: int
    open: bool
    """It stands now."""
    hours: float
    """Where two stops overlap, once."""
    cost: Costs


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Of a time, of the orders and stops that were asked for."""

    start: int
    end: int
    group: str = ""
    orders: int = 0
    states: dict[str, int] = {}
    maintenance: dict[str, int] = {}
    """Type by EN 13306 → orders; "" where nobody told."""
    visits: Visits = Visits()
    rework: tuple[Rework, ...] = ()
    failures: tuple[Failures, ...] = ()
    downtime: tuple[Downtime, ...] = ()
    cost: Costs = Costs()
    """Of all downtime."""


def report(
    orders: Sequence[WorkOrder],
    stops: Sequence[Stop],
    start: int,
    end: int,
    *,
    priced: Priced,
    repaired: frozenset[str],
    group: str = "",
) -> Report:
    """Of orders (with visits) and stops that fit, within [start, end). `repaired`: ids of orders that others repair."""
    during = Span(start, end)
    failed = [one for one in stops if one.kind is not StopKind.PLANNED]
    downtime = tuple(_downtime(failed, during, priced))
    return Report(
        start=start,
        end=end,
        group=group,
        orders=len(orders),
        states=_counted(str(one.state) for one in orders),
        maintenance=_counted(str(one.maintenance or "") for one in orders),
        visits=_visits(orders, repaired, during),
        rework=tuple(_rework(orders, priced, during)),
        failures=tuple(_failures(failed, during, priced)),
        downtime=downtime,
        cost=together([one.cost for one in downtime]),
    )


def grouped(
    by: By,
    orders: Sequence[WorkOrder],
    stops: Sequence[Stop],
    *,
    types: Callable[[str], Sequence[str]],
    parts: Callable[[str], str],
) -> dict[str, tuple[list[WorkOrder], list[Stop]]]:
    """Orders and stops by what they have in common; "" where that is not known. What has several types is in each."""
    groups: dict[str, tuple[list[WorkOrder], list[Stop]]] = {}
    parties = {one.id: one.party for one in orders}

    def names(one: WorkOrder | Stop) -> Sequence[str]:
        if by is By.TWIN:
            return [one.twin]
        if by is By.TYPE:
            return types(one.twin) or [""]
        if by is By.PART:
            wanted = [part.part for part in one.parts] if isinstance(one, WorkOrder) else []
            return list(dict.fromkeys([parts(one.item), *wanted])) if one.item or wanted else [""]
        if by is By.PARTY:
            return [one.party if isinstance(one, WorkOrder) else parties.get(one.order, "")]
        return [_month(_when(one) if isinstance(one, WorkOrder) else one.start)]

    for order in orders:
        for name in names(order):
            groups.setdefault(name, ([], []))[0].append(order)
    for stop in stops:
        for name in names(stop):
            groups.setdefault(name, ([], []))[1].append(stop)
    return dict(sorted(groups.items()))


def _when(order: WorkOrder) -> int:
    first = next((one.start for one in order.visits), None)
    return next(one for one in (first, order.start, order.created) if one is not None)


def _month(moment: int) -> str:
    return datetime.fromtimestamp(moment // SECOND, UTC).strftime("%Y-%m")


def _visits(orders: Sequence[WorkOrder], repaired: frozenset[str], during: Span) -> Visits:
    visits = [one for order in orders for one in order.visits if _meets(one, during)]
    causes = {str(cause): 0 for cause in Cause}
    for one in visits:
        if one.cause is not None:
            causes[one.cause] += 1
    judged = first = unvisited = 0
    for order in orders:
        ended = [one for one in order.visits if one.outcome is not Outcome.UNDER_WAY]
        if order.state is WorkState.DONE and not ended:
            unvisited += 1
        elif ended and order.state in (WorkState.DONE, WorkState.FAILED):
            judged += 1
            first += (
                order.state is WorkState.DONE and ended[0].outcome is Outcome.DONE and len(ended) == 1
            ) and order.id not in repaired
    return Visits(
        count=len(visits),
        done=sum(one.outcome is Outcome.DONE for one in visits),
        failed=sum(one.outcome is Outcome.FAILED for one in visits),
        under_way=sum(one.outcome is Outcome.UNDER_WAY for one in visits),
        hours=sum((span.end - span.start) / HOUR for span in _worked(visits, during)),
        causes=causes,
        orders=judged,
        first_time=first,
        first_time_fix=first / judged if judged else None,
        unvisited=unvisited,
    )


def _meets(visit: Visit, during: Span) -> bool:
    end = FOREVER if visit.end is None else max(visit.end, visit.start + 1)  # it may end in the moment it begins
    return Span(visit.start, end).meets(during) is not None


def _worked(visits: Iterable[Visit], during: Span) -> list[Span]:
    """What lies within it of visits that have ended."""
    spans = [Span(one.start, one.end).meets(during) for one in visits if one.end is not None]
    return [one for one in spans if one is not None]


def _rework(orders: Sequence[WorkOrder], priced: Priced, during: Span) -> Iterable[Rework]:
    for cause in ReworkCause:
        mine = [one for one in orders if one.rework is cause]
        if not mine:
            continue
        costs, hours, unknown = [], 0.0, 0
        for one in mine:
            spans = _worked(one.visits, during)
            unknown += not any(visit.end is not None for visit in one.visits)
            hours += sum((span.end - span.start) / HOUR for span in spans)
            costs.append(priced.of(PriceKind.WORK, one.twin, spans))
        yield Rework(
            cause=cause,
            count=len(mine),
            hours=hours,
            unknown_hours=unknown,
            cost=together(costs),
            orders=tuple(one.id for one in mine[:100]),
        )


def _failures(stops: Sequence[Stop], during: Span, priced: Priced) -> Iterable[Failures]:
    for kind in StopKind:
        if kind is StopKind.PLANNED:
            continue
        mine = [(one, span) for one in stops if one.kind is kind and (span := _within(one, during)) is not None]
        yield Failures(
            kind=kind,
            count=len(mine),
            hours=sum((span.end - span.start) / HOUR for _, span in mine),
            cost=together([priced.of(PriceKind.DOWNTIME, one.twin, [span]) for one, span in mine]),
        )


def _downtime(stops: Sequence[Stop], during: Span, priced: Priced) -> Iterable[Downtime]:
    for twin in sorted({one.twin for one in stops}):
        mine = [(one, span) for one in stops if one.twin == twin and (span := _within(one, during)) is not None]
        if not mine:
            continue
        spans = joined([span for _, span in mine])
        yield Downtime(
            twin=twin,
            stops=len(mine),
            open=any(one.end is None for one, _ in mine),
            hours=sum((span.end - span.start) / HOUR for span in spans),
            cost=priced.of(PriceKind.DOWNTIME, twin, spans),
        )


def _within(stop: Stop, during: Span) -> Span | None:
    end = during.end if stop.end is None else stop.end
    return Span(stop.start, end).meets(during) if stop.start < end else None


def joined(spans: Sequence[Span]) -> list[Span]:
    """Apart from one another, in their order."""
    found: list[Span] = []
    for one in sorted(spans, key=lambda span: span.start):
        if found and one.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found


def _counted(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items()))
