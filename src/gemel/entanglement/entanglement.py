"""Entanglement as data: how each property is tied to its object, now and over any past interval."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Container, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemel.clock import SECOND, Clock
from gemel.entanglement.alarms import SHOP_TWIN, SHOP_TYPE, Broken, updates
from gemel.entanglement.declared import Declarations
from gemel.entanglement.flows import FLOWS, Flows
from gemel.entanglement.latency import latency_of
from gemel.entanglement.level import Level, judged
from gemel.entanglement.meter import Meter, Metered
from gemel.entanglement.past import AsOf, Stretch, stretch_of
from gemel.entanglement.tie import Shop, Tie, TwinTie, summed
from gemel.errors import InvalidQuery, UnknownProperty
from gemel.history import EventQuery, History
from gemel.registry import Entry, PropertyRef, Registry
from gemel.state import Now, State
from gemel.twin import MAX_PROPERTIES, PROPERTY_BITS, Block, Conflict, LifeStage, series_of

__all__ = ["Entanglement", "Sight"]

RECALLED = 10_000
"""Facts of flows that a start takes from the history."""
LOST_FOR_S = 3_600.0
"""A loss is a broken bound for so long."""
_ABOUT_BINDINGS = ("connector.", "type.", "twin.", "plant.")
_OWN_TYPES = frozenset({"gemel_connector", "gemel_platform", SHOP_TYPE.id})
_ENDED = {LifeStage.RETIRED, LifeStage.RECYCLED, LifeStage.PLANNED}
_MOMENT = pa.timestamp("us", tz="UTC")
_Ints = NDArray[np.int64]


class Sight(Protocol):
    """What somebody sees: see gemel.access."""

    def holds(self, series: _Ints) -> NDArray[np.bool_]:
        """bool[n]: which series are seen."""


class Entanglement:
    """Of one platform. `follow` is for the writer's thread, `look` for one that comes by every second."""

    def __init__(self, registry: Registry, state: State, history: History, clock: Clock) -> None:
        self._registry, self._state, self._history, self._clock = registry, state, history, clock
        self._directory = registry.directory
        self._flows = Flows()
        self._meter = Meter(state)
        self._known = 0
        """Rises with everything that declarations may depend on."""
        self._declared: Declarations | None = None
        self._watched: Declarations | None = None
        self._serving: dict[str, bool] = {}
        """Whether a twin is in service, by id; as far as that was asked since twins changed."""
        self._recalled = False
        self._lock = threading.Lock()

    # following

    def follow(self, block: Block) -> None:
        """Take a block that is durable and folded; returns at once."""
        self._meter.follow(block)
        for change in block.changes:
            self._flows.take(change, block.first + change.ordinal)
            if change.kind.startswith(_ABOUT_BINDINGS):
                self._known += 1
                self._declared = None
                self._serving = {}

    def look(self, now: int) -> None:
        """Measure what came since the last look, and who is fresh."""
        self._recall()
        declared = self.declarations()
        if declared is not self._watched:
            self._watched = declared
            self._meter.watch(self._bound(declared))
        self._meter.look(now)

    def _recall(self) -> None:
        """Flows of earlier runs, once: from the history."""
        with self._lock:
            if self._recalled:
                return
            query = EventQuery(kinds=FLOWS, limit=RECALLED)
            facts = self._history.events(query).items
            self._flows.recall((fact.change, fact.position) for fact in sorted(facts, key=lambda fact: fact.position))
            self._recalled = True

    def declarations(self) -> Declarations:
        """What is declared now."""
        found, known = self._declared, self._known
        if found is None:
            found = Declarations(self._registry.connectors(), self._directory)
            if known == self._known:  # else something changed while it was read
                self._declared = found
        return found

    def _bound(self, declared: Declarations) -> _Ints:
        found = []
        for twin, name in declared.named():
            entry = self._directory.twin(twin)
            ref = None if entry is None else entry.properties.get(name)
            if entry is not None and ref is not None:
                found.append(series_of(entry.number, ref.number))
        return np.array(found, np.int64)

    # who may tell what

    def guarded(self) -> Container[tuple[str, str]]:
        """(twin, property) that not everybody may tell; another object once that has changed."""
        return self.declarations().guarded

    def owns(self, entry: Entry, name: str, source: str) -> bool:
        """Whether a source may always tell a property: its binding is one of its own."""
        return source in self.declarations().of(entry, entry.properties[name].property).sources

    def objection(self, entry: Entry, name: str, source: str) -> str:
        """Why a source may not tell a property now, by the conflict rule of its binding; empty if it may."""
        declared = self.declarations().of(entry, entry.properties[name].property)
        if source in declared.sources or not declared.sources:
            return ""
        who = ", ".join(declared.sources)
        if declared.conflict == Conflict.REFUSE:
            return f"{entry.id}.{name} is brought by {who}, and by nobody else (conflict: refuse)"
        now, entered = self._state.property(entry, name), self._flows.entered.get((entry.id, name))
        by_hand = now is not None and entered is not None and entered.position == now.position
        if now is None or not now.fresh or by_hand:
            return ""
        return (
            f"{entry.id}.{name} is brought by {who}, whose value is fresh and wins (conflict: device-wins); tell it "
            "once that is stale"
        )

    # now

    def of(self, entry: Entry, names: Collection[str] | None = None) -> list[Tie]:
        """Each property of a twin, by its name; `names`: only these."""
        self._recall()
        refs = _refs(entry, names)
        measured = self._meter.of(np.array([series_of(entry.number, ref.number) for ref in refs], np.int64))
        values, looked_s = self._state.twin(entry), self._meter.looked_s
        lost: dict[tuple[str, ...], int] = {}
        return [
            self._tie(entry, ref, values.get(ref.property.name), (measured, i), (looked_s, lost))
            for i, ref in enumerate(refs)
        ]

    def twin(self, entry: Entry, names: Collection[str] | None = None) -> TwinTie:
        """A twin as the sum of its properties."""
        return summed(entry.id, self.of(entry, names))

    def _tie(
        self,
        entry: Entry,
        ref: PropertyRef,
        now: Now | None,
        at: tuple[Metered, int],
        lately: tuple[float, dict[tuple[str, ...], int]],
    ) -> Tie:
        """`at`: what was measured, and where in it; `lately`: seconds looked at, and what sources lost in them."""
        name, (measured, i), (looked_s, lost) = ref.property.name, at, lately
        declared = self.declarations().of(entry, ref.property)
        entered = self._flows.entered.get((entry.id, name))
        if entered is not None and (now is None or now.position != entered.position):
            entered = None
        ordered = self._flows.ordered.get((entry.id, name))
        level, inward, outward, why = judged(
            declared,
            fresh=None if now is None else now.fresh,
            entered=entered,
            ordered=ordered,
            computed=ref.property.computed is not None,
        )
        looked, count = int(measured.looked[i]), int(measured.counts[i].sum())
        since: int | None = None if now is None else now.stale_since
        if now is not None and now.fresh:
            moved = int(measured.since[i])
            since = None if moved < 0 else moved
            if entered is not None:
                since = entered.time
            elif ordered is not None and since is not None:
                since = max(since, ordered.since)
        if declared.sources not in lost:
            since_then = self._clock.now() - round(looked_s * SECOND)
            told = self._flows.lost(declared.sources, since_then) if declared.sources and looked_s else []
            lost[declared.sources] = sum(one.count for one in told)
        return Tie(
            property=name,
            level=level,
            since=since,
            why=why,
            inward=inward,
            outward=outward,
            fresh=None if now is None else now.fresh,
            stale_since=None if now is None else now.stale_since,
            share=int(measured.fresh[i]) / looked if looked and declared.mode else None,
            looked_s=looked / SECOND,
            latency=latency_of(measured.counts[i]),
            rate_hz=count / looked_s if looked_s else None,
            lost=lost[declared.sources],
            declared=declared,
            entered=None if entered is None else entered.time,
            entered_by="" if entered is None else entered.actor,
        )

    def breaks(self, entry: Entry, names: Collection[str] | None = None) -> bool:
        """Whether a bound of the twin is broken now."""
        values = self._state.twin(entry)
        return any(not now.fresh for name, now in values.items() if names is None or name in names)

    def shop(self, sight: Sight | None = None) -> Shop:
        """All that is measured and seen, as one; of a very large shop the part that is measured."""
        series = self._of_objects(self._meter.series)
        if sight is not None:
            series = series[sight.holds(series)]
        measured, cells = self._meter.of(series), self._state.read(series)
        reported, fresh = cells.position > 0, (cells.position > 0) & (cells.stale_since == 0)
        twin = fresh & self._two_way(series)
        by_hand = fresh & np.isin(cells.position, [one.position for one in list(self._flows.entered.values())])
        shadow = fresh & ~twin & ~by_hand
        bounded = measured.looked > 0
        share = measured.fresh[bounded] / measured.looked[bounded]
        return Shop(
            twins=len(np.unique(series >> PROPERTY_BITS)),
            properties=len(series),
            levels={
                Level.MODEL: len(series) - int(shadow.sum()) - int((twin & ~by_hand).sum()),
                Level.SHADOW: int(shadow.sum()),
                Level.TWIN: int((twin & ~by_hand).sum()),
            },
            stale=int((reported & (cells.stale_since > 0)).sum()),
            share=float(share.mean()) if len(share) else None,
            latency=latency_of(measured.counts.sum(axis=0)),
            looked_s=self._meter.looked_s,
        )

    def _of_objects(self, series: _Ints) -> _Ints:
        """Without what is computed, and without the twins of the platform itself."""
        refs = (ref for id in self._directory.types for ref in self._directory.type_properties(id))
        made = [ref.number for ref in refs if ref.property.computed is not None or ref.type_id in _OWN_TYPES]
        return series[~np.isin(series & (MAX_PROPERTIES - 1), made)]

    def _two_way(self, series: _Ints) -> NDArray[np.bool_]:
        """Whose last order was applied, by wire."""
        found = []
        for (twin, name), ordered in list(self._flows.ordered.items()):
            entry = self._directory.twin(twin) if ordered.state == "applied" else None
            ref = None if entry is None else entry.properties.get(name)
            if entry is not None and ref is not None and self.declarations().of(entry, ref.property).carrier:
                found.append(series_of(entry.number, ref.number))
        return np.isin(series, found)

    def table(self) -> pa.Table:
        """What is measured, a row for each property: `entanglement` in SQL."""
        rows: list[dict[str, Any]] = []
        by_twin: dict[int, set[int]] = defaultdict(set)
        for series in self._meter.series.tolist():
            by_twin[series >> PROPERTY_BITS].add(series & (MAX_PROPERTIES - 1))
        for number, properties in by_twin.items():
            entry = self._directory.entry(number)
            if entry is None:
                continue
            names = {ref.property.name for ref in entry.properties.values() if ref.number in properties}
            rows += [_row(entry, tie) for tie in self.of(entry, names)]
        return pa.Table.from_pylist(rows, _SCHEMA)

    # the past

    def then(self, entry: Entry, name: str, start: int, end: int, *, within_s: float | None = None) -> Stretch:
        """One property over [start, end). Raises UnknownProperty, InvalidQuery."""
        ref = entry.properties.get(name)
        if ref is None:
            raise UnknownProperty(f"{entry.id} has no property {name!r:.80}", twin=entry.id, property=name[:80])
        if within_s is not None and not 0 < within_s < float("inf"):
            raise InvalidQuery(f"within_s {within_s} is not a number of seconds above 0")
        declared = self.declarations().of(entry, ref.property)
        asked = AsOf(start, end, self._clock.now())
        return stretch_of(self._history, entry, ref, declared, asked, within_s=within_s)

    # broken bounds

    def broken(self) -> list[Broken]:
        """Twins in service with bounds that are broken now, those of the platform itself left out."""
        series = self._of_objects(self._meter.series)
        since = self._state.read(series).stale_since
        held: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for one, moment in zip(series[since > 0].tolist(), since[since > 0].tolist(), strict=True):
            held[one >> PROPERTY_BITS].append((one & (MAX_PROPERTIES - 1), moment))
        found = []
        for number, listed in held.items():
            entry = self._directory.entry(number)
            if entry is None or not self._in_service(entry.id):
                continue
            named = {ref.number: ref.property.name for ref in entry.properties.values()}
            names = tuple(sorted(named[number] for number, _ in listed if number in named))
            found.append(Broken(entry.id, min(moment for _, moment in listed), names))
        return found

    def _in_service(self, twin: str) -> bool:
        known = self._serving
        if twin not in known:
            known[twin] = self._registry.twin(twin).stage not in _ENDED
        return known[twin]

    def alarms(self, now: int) -> list[dict[str, Any]]:
        """What there is to tell of the condition `broken` of the platform's twin: what it does not say yet."""
        entry = self._directory.twin(SHOP_TWIN.id)
        told = None if entry is None else self._state.property(entry, "broken")
        active = [one["code"] for one in (told.value or ())] if told is not None else []
        lost: dict[str, int] = defaultdict(int)
        for loss in self._flows.lost(self.declarations().connectors, now - round(LOST_FOR_S * SECOND)):
            lost[loss.source] += loss.count
        return updates(self.broken(), lost, active, now)


def _refs(entry: Entry, names: Collection[str] | None) -> Sequence[PropertyRef]:
    """The properties of a twin, each once, by their names."""
    refs = {ref.number: ref for ref in entry.properties.values()}.values()
    return sorted(
        (ref for ref in refs if names is None or ref.property.name in names), key=lambda ref: ref.property.name
    )


_SCHEMA = pa.schema(
    [
        ("twin", pa.string()),
        ("property", pa.string()),
        ("level", pa.string()),
        ("since", _MOMENT),
        ("inward", pa.string()),
        ("outward", pa.string()),
        ("fresh", pa.bool_()),
        ("stale_since", _MOMENT),
        ("within_s", pa.float64()),
        ("share", pa.float64()),
        ("p50_s", pa.float64()),
        ("p95_s", pa.float64()),
        ("p99_s", pa.float64()),
        ("rate_hz", pa.float64()),
        ("lost", pa.int64()),
    ]
)


def _row(entry: Entry, tie: Tie) -> dict[str, Any]:
    latency = tie.latency
    return {
        "twin": entry.id,
        "property": tie.property,
        "level": str(tie.level),
        "since": tie.since,
        "inward": str(tie.inward),
        "outward": str(tie.outward),
        "fresh": tie.fresh,
        "stale_since": tie.stale_since,
        "within_s": tie.declared.within_s,
        "share": tie.share,
        "p50_s": None if latency is None else latency.p50_s,
        "p95_s": None if latency is None else latency.p95_s,
        "p99_s": None if latency is None else latency.p99_s,
        "rate_hz": tie.rate_hz,
        "lost": tie.lost,
    }
