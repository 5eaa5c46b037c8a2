"""Measuring one machine by the criteria of a profile: each value with the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from gemel.clock import SECOND, Clock, to_rfc3339
from gemel.configuration import Configuration, Machine, Need, Node, SoftwareBook, SoftwareJudge, Standing
from gemel.entanglement import Entanglement, Level
from gemel.errors import GemelError
from gemel.history import EventQuery, History
from gemel.registry import Directory, Entry
from gemel.services.capabilities import Capabilities
from gemel.services.prospects.scoring import scored
from gemel.services.prospects.values import Criterion, Measure, Scored
from gemel.state import State
from gemel.twin import Quality

__all__ = ["Base", "Installed", "Measuring"]

_DAY = 86_400 * SECOND
_YEAR = 365.25 * _DAY
MOST_EVENTS = 1000


class Base(NamedTuple):
    """The installed base: the rooms in which it is known."""

    configuration: Configuration
    book: SoftwareBook
    capabilities: Capabilities
    entanglement: Entanglement
    state: State
    directory: Directory
    past: Callable[[], History]


class Installed(msgspec.Struct, frozen=True):
    """One machine of the installed base."""

    item: str
    entry: Entry
    tree: Node
    machine: Machine | None


class Told(NamedTuple):
    """A measure."""

    value: float | bool | None
    evidence: str
    unit: str = ""


class Measuring:
    """For one ranking: everything is asked of one moment."""

    def __init__(self, rooms: Base, clock: Clock) -> None:
        self._rooms, self.now = rooms, clock.now()
        self._judge: SoftwareJudge = rooms.book.judge()

    def scores(self, base: Installed, criteria: tuple[Criterion, ...]) -> Iterator[Scored]:
        """Each criterion; what cannot be asked is unknown, with the reason."""
        for one in criteria:
            try:
                told = self._told(base, one)
            except GemelError as error:
                told = Told(None, error.detail)
            yield scored(one, told.value, told.evidence, told.unit)

    def _told(self, base: Installed, one: Criterion) -> Told:
        return _MEASURES[one.measure](self, base, one)

    def _age(self, base: Installed, _one: Criterion) -> Told:
        built = self._rooms.configuration.readiness(base.item, self.now).built
        if built is None:
            return Told(None, "when it was built is not told")
        return Told((self.now - built) / _YEAR, f"built {to_rfc3339(built)[:10]}", "a")

    def _usage(self, base: Installed, one: Criterion) -> Told:
        ask = self._rooms.configuration.count
        count = ask(base.item, one.kind, self.now)
        life_s = max(0.0, (self.now - base.tree.item.born) / SECOND)
        if count.amount == 0 and count.untold_s >= life_s * 0.999:
            return Told(None, f"nobody ever told its {one.kind}")
        if not one.days:
            gap = f"; of {count.untold_s / 86_400:.0f} days nobody told" if count.untold_s >= 86_400 else ""
            return Told(count.amount, f"{count.amount:,.0f} {one.kind} were counted{gap}", one.kind)
        start = max(base.tree.item.born, self.now - round(one.days * _DAY))
        before = ask(base.item, one.kind, start)
        untold, whole = count.untold_s - before.untold_s, (self.now - start) / SECOND
        if untold >= whole * 0.999:
            return Told(None, f"nobody told its {one.kind} of the last {one.days:g} days")
        amount = count.amount - before.amount
        return Told(amount, f"{amount:,.0f} {one.kind} in the last {one.days:g} days", one.kind)

    def _life(self, base: Installed, _one: Criterion) -> Told:
        limits = [one for node in _all(base.tree) for one in self._rooms.configuration.limits(node.item.id, self.now)]
        if not limits:
            return Told(None, "nothing in it has a life limit")
        most = max(limits, key=lambda one: one.share)
        told = f"{most.item}: {most.used:,.0f} of {most.limit:,.0f} {most.kind}"
        return Told(most.share, told, "")

    def _nonconformances(self, base: Installed, _one: Criterion) -> Told:
        found = self._rooms.configuration.nonconformances(base.item, self.now)
        mine = [one for one in found if one.state is Standing.OPEN]
        return Told(float(len(mine)), mine[0].text if mine else "none is open")

    def _events(self, base: Installed, one: Criterion) -> Told:
        if not self._ever(base.entry):
            return Told(None, "it never reported anything")
        start = self.now - round((one.days or 30.0) * _DAY)
        twins = tuple(dict.fromkeys([base.entry.id, *(node.item.twin for node in _all(base.tree) if node.item.twin)]))
        query = EventQuery(twins=twins, kinds=("event.happened", "condition.changed"), start=start, limit=MOST_EVENTS)
        page = self._rooms.past().events(query)
        named = [name for fact in page.items if (name := _name(fact.change.kind, fact.change.body, one.events))]
        more = "at least " if page.next is not None else ""
        return Told(float(len(named)), f"{more}{len(named)} in the last {one.days or 30:g} days")

    def _ever(self, entry: Entry) -> bool:
        return bool(self._rooms.state.twin(entry))

    def _freshness(self, base: Installed, _one: Criterion) -> Told:
        tie = self._rooms.entanglement.twin(base.entry)
        if tie.share is None:
            return Told(None, "nothing of it is measured: no bound, or nothing was reported")
        return Told(tie.share, f"{tie.stale} of {tie.properties} properties are stale now")

    def _twin(self, base: Installed, _one: Criterion) -> Told:
        tie = self._rooms.entanglement.twin(base.entry)
        if not sum(tie.levels.values()):
            return Told(None, "nothing of it was ever reported or bound")
        counts = ", ".join(f"{many} {level}" for level, many in tie.levels.items() if many)
        return Told(tie.level is Level.TWIN, f"properties: {counts}")

    def _property(self, base: Installed, one: Criterion) -> Told:
        ref = base.entry.properties.get(one.property)
        now = None if ref is None else self._rooms.state.property(base.entry, one.property)
        if ref is None or now is None:
            return Told(None, f"it never reported {one.property}")
        if not now.fresh or now.quality is not Quality.GOOD or not isinstance(now.value, int | float):
            return Told(None, f"its {one.property} is stale, or no number")
        told = f"{one.property} is {now.value:g} {ref.property.unit}".strip()
        return Told(float(now.value), told, ref.property.unit)

    def _has(self, base: Installed, one: Criterion) -> Told:
        if base.machine is None:
            return Told(None, "what is in it is not known")
        need = Need(part=one.part, versions=one.versions)
        path = next((piece.path for piece in base.machine.pieces if piece.item == base.item), ())
        has = self._judge.has(base.machine, need, path)
        told = {True: f"it has {need.told()}", False: f"it has no {need.told()}"}
        return Told(has, "it is not known whether it has " + need.told() if has is None else told[has])

    def _promise(self, base: Installed, _one: Criterion) -> Told:
        standing = [one for one in self._rooms.configuration.upkeep.standing(root=base.item) if one.promise.within_days]
        if not standing:
            return Told(False, "nothing is promised on its configuration")
        return Told(True, f"confirmed within {standing[0].promise.within_days:g} days: {standing[0].state}")

    def _capability(self, base: Installed, one: Criterion) -> Told:
        found = [each for each in self._rooms.capabilities.of(base.entry.id) if each.capability == one.capability]
        if not found:
            return Told(None, f"it has no place for {one.capability}")
        if any(each.unlocked for each in found):
            return Told(True, "it reports that it is unlocked")
        if all(each.unlocked is None for each in found):
            return Told(None, "it does not tell whether it is unlocked")
        why = next((each.objections[0] for each in found if each.objections), "")
        return Told(False, f"it reports that it is locked{f'; it could not be unlocked: {why}' if why else ''}")


_MEASURES: dict[Measure, Callable[[Measuring, Installed, Criterion], Told]] = {
    Measure.AGE: Measuring._age,
    Measure.USAGE: Measuring._usage,
    Measure.LIFE: Measuring._life,
    Measure.NONCONFORMANCES: Measuring._nonconformances,
    Measure.EVENTS: Measuring._events,
    Measure.FRESHNESS: Measuring._freshness,
    Measure.PROPERTY: Measuring._property,
    Measure.HAS: Measuring._has,
    Measure.TWIN: Measuring._twin,
    Measure.PROMISE: Measuring._promise,
    Measure.CAPABILITY: Measuring._capability,
}


def _name(kind: str, body: dict[str, object], wanted: tuple[str, ...]) -> str:
    """The name of an event, or of a condition that was raised; empty: it does not count."""
    if kind == "event.happened":
        name = str(body.get("event", ""))
        return name if not wanted or name in wanted else ""
    name = str(body.get("property", ""))
    return name if name in wanted and body.get("raised") else ""


def _all(node: Node) -> Iterator[Node]:
    yield node
    for one in node.parts:
        yield from _all(one)
