"""What one principal sees of the platform: every read, through one projection.

Whoever answers a request reads through a `View`; nothing else of the twins is in their hands. Where everything may be
seen it passes on to the rooms; else what is not seen is as if it were not there, in lists, counts and refusals alike.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.access.audit import Told
from gemel.access.finder import Finder
from gemel.access.gate import Gate
from gemel.access.item_view import ItemsSeen
from gemel.access.policy import Decision
from gemel.access.principal import Action, Principal, Resource, ResourceKind
from gemel.access.projection import Projection, Seen
from gemel.access.tables_seen import projected
from gemel.access.types_seen import cut_type
from gemel.clock import MIN_TIME, to_rfc3339
from gemel.entanglement import Entanglement, Shop, Stretch, Tie, shared, shared_past
from gemel.errors import Denied, UnknownProperty, UnknownTwin, UnknownType
from gemel.history import Average, EventPage, EventQuery, Fact, History, Series
from gemel.registry import Entry, Registry, TwinQuery
from gemel.state import Now, Relation, Selection, State, Subscription
from gemel.twin import Link, Page, Position, PropertyGroup, Reading, Twin, TwinType

__all__ = ["Rooms", "View"]

IDENTITY = PropertyGroup.IDENTITY


class Rooms(msgspec.Struct, frozen=True):
    """Where twins are read."""

    gate: Gate
    registry: Registry
    state: State
    history: History
    tables: Callable[[], Mapping[str, Relation]]
    """`twins`, `links` and `entanglement`, for SQL."""
    entanglement: Entanglement


class View:
    """One principal's, for one action (read, subscribe, query or export). Cheap to make; made for each request."""

    def __init__(self, rooms: Rooms, principal: Principal, action: str = Action.READ) -> None:
        self._rooms = rooms
        self._registry, self._state, self._history = rooms.registry, rooms.state, rooms.history
        self._directory = rooms.registry.directory
        self.principal = principal
        self.action = action
        self.projection: Projection | None = rooms.gate.projection(principal, action)
        """None: everything is seen."""

    def of_items(
        self, seen: ItemsSeen, groups: Iterable[str] = (PropertyGroup.CONFIGURATION, PropertyGroup.USAGE)
    ) -> View:
        """The machines of a view of the configuration as if these groups of them were seen: what is told of it, the
        configuration cuts and masks."""
        shown = dict.fromkeys(map(str, groups), seen.since)
        whole = object.__new__(View)
        whole.__dict__.update(self.__dict__)
        whole.projection = Projection(
            self._directory, seen.numbers, np.zeros(len(seen.numbers), np.int64), (Seen(shown, (seen.policy,)),)
        )
        return whole

    def tells_of_items(self, rows: int, detail: str, seen: ItemsSeen) -> None:
        """Account for what was told by a view of the configuration."""
        if self.principal.party:
            decision, resource = Decision(True, seen.policy, (seen.policy,)), Resource(ResourceKind.ITEM)
            self._rooms.gate.audit.record(
                self.principal, self.action, resource, decision=decision, detail=detail, told=Told(rows)
            )

    def _told(self, entry: Entry, rows: int = 1, *, span: tuple[int, int] | None = None, detail: str = "") -> None:
        """Account for it: whoever asks, as use of the twin; another party, in the audit log."""
        who, gate = self.principal, self._rooms.gate
        resource = Resource(ResourceKind.TWIN, entry.id)
        if self.projection is None:
            policy = gate.decide(who, self.action, resource).policy
        else:
            policy = next(iter(self.projection.of(entry.number).policies), "")
        gate.usage.count(who, self.action, entry.id, policy, rows=rows)
        if who.party:
            since, until = span or (None, None)
            told = Told(rows, since, until)
            gate.audit.record(who, self.action, resource, decision=Decision(True, policy), detail=detail, told=told)

    def _told_of_all(
        self, detail: str, rows: int | None = None, span: tuple[int | None, int | None] = (None, None)
    ) -> None:
        """Account for what is of no single twin."""
        who, gate = self.principal, self._rooms.gate
        if who.party:
            resource = Resource(ResourceKind.FLEET)
            decision = gate.decide(who, self.action, resource)
            gate.audit.record(who, self.action, resource, decision=decision, detail=detail, told=Told(rows, *span))

    # which twins

    def entry(self, twin: str) -> Entry:
        """The twin of this id or alias. Raises UnknownTwin, also where it may not be seen."""
        found = self._directory.twin(twin)
        if found is None or not self.shows(found, twin):
            raise UnknownTwin(f"there is no twin {twin!r:.100}; search for a part of its name", twin=twin[:128])
        return found

    def shows(self, entry: Entry, named: str) -> bool:
        """Whether it is there, called so: another name of a twin tells of its identity."""
        return self.projection is None or self.projection.shows_as(entry, named)

    def find(self, twin: str) -> Entry | None:
        """As `entry`; None where there is none, or it may not be seen."""
        found = self._directory.twin(twin)
        return found if found is not None and self.shows(found, twin) else None

    def since(self, twins: Sequence[str], group: str) -> NDArray[np.int64]:
        """int64[n]: from when on this group of each is seen; MAX_TIME where it is not. All at once, for many."""
        if self.projection is None:
            return np.full(len(twins), MIN_TIME, np.int64)
        entries = [self._directory.twin(twin) for twin in twins]
        numbers = [
            one.number if one is not None and (one.id == twin or self.shows(one, twin)) else -1
            for one, twin in zip(entries, twins, strict=True)
        ]
        return self.projection.since_of_all(np.array(numbers, np.int64), group)

    def ids(self) -> list[str]:
        """Ids of all twins that are seen, in their order."""
        numbers = self._directory.numbers() if self.projection is None else self.projection.numbers
        return sorted(self._directory.ids(numbers.tolist()))

    def _sees(self, twin: str) -> bool:
        entry = self._directory.twin(twin)
        return self.projection is None or (entry is not None and self.projection.shows(entry.number))

    def property(self, entry: Entry, name: str) -> str:
        """The name as it was given. Raises UnknownProperty, also where it may not be seen."""
        if name not in entry.properties or (self.projection is not None and name not in self.projection.names(entry)):
            raise UnknownProperty(
                f"{entry.id} has no property {name!r:.80}; GET /twins/{entry.id}/now lists them",
                twin=entry.id,
                property=name[:80],
            )
        return name

    def names(self, entry: Entry) -> set[str]:
        """Names of a twin's properties that are seen, without earlier ones."""
        known = {ref.property.name for ref in entry.properties.values()}
        return known if self.projection is None else known & self.projection.names(entry)

    def twin(self, twin: str) -> Twin:
        """Who it is. Raises UnknownTwin."""
        entry = self.entry(twin)
        self._told(entry, detail="who it is")
        return self._masked(self._registry.twin(entry.id))

    def _masked(self, twin: Twin) -> Twin:
        """Without its identity, where that is not granted, it has an id, types and a stage."""
        if self.projection is None or IDENTITY in self.projection.of(twin.number).groups:
            return twin
        return msgspec.structs.replace(twin, name="", description="", serial="", aliases=(), attributes={})

    def search(
        self, query: TwinQuery, fits: Callable[[Twin], bool] | None = None, *, scanned: int = 20_000
    ) -> Page[Twin]:
        """Twins that the query finds, and that also fit, in pages. After `scanned` twins a page may be short."""
        page = Finder(self._registry, self.projection, self.links_of_all).find(query, fits, scanned)
        self._told_of_all("search", len(page.items))
        return Page([self._masked(twin) for twin in page.items], page.next)

    # how they are linked

    def links(self, twin: str, **asked: Any) -> list[Link]:
        """Links between twins that are both seen. Raises UnknownTwin."""
        return self._seen_links(self._registry.links(self.entry(twin).id, **asked))

    def links_of_all(self, twins: Iterable[str]) -> list[Link]:
        return self._seen_links(self._registry.links_of_all(twins))

    def _seen_links(self, links: list[Link]) -> list[Link]:
        if self.projection is None:
            return links
        return [link for link in links if self._sees(link.source) and self._sees(link.target)]

    def parts(self, twin: str, *, depth: int | None = None, at: int | None = None) -> list[tuple[Link, Twin]]:
        """What is part of it, nearest first. Raises UnknownTwin."""
        return self._seen_parts(self._registry.parts(self.entry(twin).id, depth=depth, at=at))

    def parts_of_all(self, twins: Iterable[str]) -> list[tuple[Link, Twin]]:
        return self._seen_parts(self._registry.parts_of_all(twins))

    def _seen_parts(self, parts: list[tuple[Link, Twin]]) -> list[tuple[Link, Twin]]:
        if self.projection is None:
            return parts
        return [
            (link, self._masked(part)) for link, part in parts if self._sees(link.source) and self._sees(link.target)
        ]

    # what they are

    def types(self) -> list[TwinType]:
        """Twin types of which a twin is seen, with the properties that are."""
        listed = self._registry.types()
        return listed if self.projection is None else [one for id in listed if (one := self._shown(id)) is not None]

    def type(self, id: str, version: int | None = None) -> TwinType:
        """Raises UnknownType."""
        found = self._shown(self._registry.type(id, version))
        if found is None:
            raise UnknownType(f"there is no twin type {id!r:.160}")
        return found

    def type_versions(self, id: str) -> list[TwinType]:
        """The first one first. Raises UnknownType."""
        self.type(id)
        return [one for each in self._registry.type_versions(id) if (one := self._shown(each)) is not None]

    def _shown(self, type: TwinType) -> TwinType | None:
        if self.projection is None:
            return type
        if not (groups := self.projection.groups_of_type(type.id)):
            return None
        return cut_type(type, groups)

    # now

    def now(self, entry: Entry) -> dict[str, Now]:
        """What its properties are now."""
        found = self._state.twin(entry)
        if self.projection is not None:
            seen = self.projection.names(entry)
            found = {name: one for name, one in found.items() if name in seen}
        self._told(entry, len(found), detail="now")
        return found

    def value(self, entry: Entry, name: str) -> Now | None:
        """One of them; None when nothing was reported, or it is not seen."""
        if self.projection is not None and name not in self.projection.names(entry):
            return None
        self._told(entry, detail=name)
        return self._state.property(entry, name)

    def subscribe(
        self,
        selection: Selection,
        look: Callable[[], Projection | None],
        *,
        after: Position | None = None,
        rate_hz: float | None = None,
        latest: bool = False,
    ) -> Subscription:
        """Follow twins for as long as `look` gives what may be seen of them. Raises UnknownTwin."""
        for twin in selection.twins:
            self._told(self.entry(twin), detail="follow")
        if not selection.twins:
            self._told_of_all(f"follow {selection.type or 'all twins'}")
        if self.projection is not None:
            if selection.roots:
                found = self.roots(selection.type)
                selection = msgspec.structs.replace(selection, twins=tuple(found), roots=False, type="")
                if not found:
                    selection = msgspec.structs.replace(selection, properties=(), events=False)
            if any(since > MIN_TIME for seen in self.projection.seen for since in seen.groups.values()):
                after = None  # the past is limited: it begins with what is now
        return self._state.subscribe(selection, after=after, rate_hz=rate_hz, look=look, latest=latest)

    def roots(self, type_id: str = "") -> list[str]:
        """Ids of the twins that are part of none that is seen."""
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.search(TwinQuery(roots=True, type=type_id, limit=1000, cursor=cursor))
            found += [twin.id for twin in page.items]
            cursor = page.next
        return found

    def query(
        self, sql: str, *, limit: int = 100_000, timeout_s: float = 30.0, unwanted: threading.Event | None = None
    ) -> pa.Table:
        """A SELECT over what is seen. Raises InvalidQuery."""
        bounds: dict[str, Any] = {"limit": limit, "timeout_s": timeout_s, "unwanted": unwanted}
        known = {**self._rooms.tables(), **self._history.relations()}
        seen = self.projection
        if seen is None:
            return self._state.sql(sql, known, **bounds)
        project = seen.columns
        found = self._state.sql(sql, projected(known, seen), project=project, **bounds)
        self._told_of_all(sql, len(found))
        return found

    # the past

    def at(self, twin: str, time: int) -> dict[str, Reading]:
        """The whole twin at an instant. Raises UnknownTwin."""
        entry = self.entry(twin)
        found = self._history.twin(entry.id, time)
        if (seen := self.projection) is not None:
            names = seen.names(entry)
            found = {
                name: one
                for name, one in found.items()
                if name in names and one.time >= seen.since(entry, entry.properties[name])
            }
        self._told(entry, len(found), span=(time, time), detail="at")
        return found

    def _span(self, twin: str, name: str, start: int) -> tuple[Entry, int]:
        entry = self.entry(twin)
        self.property(entry, name)
        if self.projection is None:
            return entry, start
        return entry, max(start, self.projection.since(entry, entry.properties[name]))

    def range(self, twin: str, name: str, start: int, end: int, **how: Any) -> Series:
        """A property over a range; see `History.range`. Raises UnknownTwin, UnknownProperty, Denied (of that time)."""
        entry, since = self._span(twin, name, start)
        found = self._history.range(entry.id, name, _within(since, end), end, **how)
        if found.before is not None and since > start:  # what was held at its start was told before
            found = replace(found, before=None)
        rows = len(next(iter(found.columns.values()), ()))
        self._told(entry, rows, span=(max(since, start), end), detail=name)
        return found

    def average(self, twin: str, name: str, start: int, end: int, *, unit: str = "") -> Average:
        """The time-weighted average. Raises as `range` does."""
        entry, since = self._span(twin, name, start)
        self._told(entry, span=(max(since, start), end), detail=f"average of {name}")
        return self._history.average(entry.id, name, _within(since, end), end, unit=unit)

    def events(self, query: EventQuery) -> EventPage:
        """What happened, page by page: a page is full, or the last."""
        if self.projection is None:
            return self._history.events(query)
        items: list[Fact] = []
        twins = query.twins or tuple(self._directory.ids(self.projection.numbers.tolist()))
        if not twins:
            return EventPage([], None, self._history.followed)
        query = msgspec.structs.replace(query, twins=twins)
        while True:
            page = self._history.events(query)
            items += [_without_numbers(fact) for fact in page.items if self.projection.tells(fact.change)]
            if page.next is None or len(items) >= query.limit:
                self._told_of_all("events", len(items), (query.start, query.end))
                return EventPage(items, page.next, page.position)
            query = msgspec.structs.replace(query, cursor=page.next)

    def export(
        self, selection: Iterable[tuple[str, str]], start: int, end: int, target: Path | BinaryIO, *, form: str
    ) -> int:
        """Write readings of these (twin, property) pairs; see `History.export`. Raises UnknownTwin, UnknownProperty."""
        chosen = list(selection)
        since = _within(max((self._span(twin, name, start)[1] for twin, name in chosen), default=start), end)
        rows = self._history.export(chosen, since, end, target, format=form)
        for twin in dict.fromkeys(twin for twin, _ in chosen):
            self._told(self.entry(twin), rows, span=(since, end), detail="export")
        return rows

    # how they are tied to their objects

    def ties(self, entry: Entry) -> list[Tie]:
        """How each property of a twin is tied to its object."""
        self._told(entry, detail="entanglement")
        ties = self._rooms.entanglement.of(entry, self.names(entry))
        return ties if self.projection is None else [shared(tie) for tie in ties]

    def breaks(self, entry: Entry) -> bool:
        """Whether a bound of what is seen of a twin is broken now; tells nothing that has to be accounted for."""
        return self._rooms.entanglement.breaks(entry, self.names(entry))

    def shop(self) -> Shop:
        """How everything that is seen is tied, as one."""
        self._told_of_all("entanglement")
        return self._rooms.entanglement.shop(self.projection)

    def stretch(self, twin: str, name: str, start: int, end: int, *, within_s: float | None = None) -> Stretch:
        """How a property was tied over a range. Raises as `range` does."""
        entry, since = self._span(twin, name, start)
        self._told(entry, span=(max(since, start), end), detail=f"entanglement of {name}")
        found = self._rooms.entanglement.then(entry, name, _within(since, end), end, within_s=within_s)
        return found if self.projection is None else shared_past(found)

    # what else may be told

    def administers(self) -> bool:
        """Whether changes of identities and rights may be told."""
        return self._rooms.gate.allows(self.principal, Action.ADMINISTER, Resource(ResourceKind.IDENTITY))

    def configures_connectors(self) -> bool:
        """Whether settings of connectors may be told."""
        return self._rooms.gate.allows(self.principal, Action.CONFIGURE, Resource(ResourceKind.CONNECTOR))


def _within(since: int, end: int) -> int:
    """`since`. Raises Denied when all that was asked for lies before it."""
    if since >= end:
        raise Denied(f"of the past, only what is after {to_rfc3339(since)} is granted; ask for a later time")
    return since


def _without_numbers(fact: Fact) -> Fact:
    """Numbers of twins and of their combinations of types count all there are."""
    body = {name: value for name, value in fact.change.body.items() if name not in {"number", "shape"}}
    if isinstance(body.get("twin"), dict):
        body["twin"] = {name: value for name, value in body["twin"].items() if name != "number"}
    return Fact(fact.position, fact.recorded, msgspec.structs.replace(fact.change, body=body))
