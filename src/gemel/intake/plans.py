"""Twin and property names, resolved once per revision of the directory."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from gemel.intake.base import COMPUTED
from gemel.intake.refusal import Refused
from gemel.intake.validate import Plan, shown
from gemel.registry import Directory, Entry, PropertyRef
from gemel.twin import EventType, series_of

__all__ = ["Guard", "Plans"]

MAX_PLANS = 500_000


class Guard(Protocol):
    """Who knows which properties not everybody may tell; the entanglement."""

    def guarded(self) -> Container[tuple[str, str]]:
        """(twin, property) of those; another object once that has changed."""

    def owns(self, entry: Entry, name: str, source: str) -> bool:
        """Whether a source may always tell one of them."""

    def objection(self, entry: Entry, name: str, source: str) -> str:
        """Why a source may not tell one of them now; empty if it may."""


class Plans:
    """`of[twin][property]` for what was resolved since the directory last changed."""

    def __init__(self, directory: Directory, guard: Guard | None = None) -> None:
        self.directory = directory
        self._guard = guard
        self._guarded: Container[tuple[str, str]] = ()
        self.of: dict[str, dict[str, Plan]] = {}
        self._known = -1
        self._count = 0
        self.revision = 0
        """Rises whenever plans may be others."""

    def refresh(self) -> None:
        """Forget everything if the directory or what is guarded has changed, or if it has become too much."""
        guarded = self._guarded if self._guard is None else self._guard.guarded()
        known = self.directory.revision
        if known != self._known or guarded is not self._guarded or self._count > MAX_PLANS:
            self._known, self._guarded = known, guarded
            self.revision += 1
            self.of = {}
            self._count = 0

    def entry(self, twin: object) -> Entry:
        """Raises Refused for a twin that is not known."""
        found = self.directory.twin(twin) if isinstance(twin, str) else None
        if found is None:
            raise Refused("unknown-twin", f"there is no twin {shown(twin)}; create it, or use its id or an alias")
        return found

    def resolve(self, twin: object, name: object) -> Plan:
        """The plan of a property by its name or an earlier one. Raises Refused."""
        entry = self.entry(twin)
        ref = entry.properties.get(name) if isinstance(name, str) else None
        if ref is None:
            raise Refused(
                "unknown-property",
                f"{entry.id} has no property {shown(name)}; its types are {', '.join(entry.types)}",
            )
        plans = self.of.setdefault(str(twin), {})
        plan = plans.get(str(name))
        if plan is None:
            self._count += 1
            plan = plans[str(name)] = self.plan(entry, ref)
        return plan

    def plan(self, entry: Entry, ref: PropertyRef) -> Plan:
        """A new plan for a property of a twin."""
        guarded = (entry.id, ref.property.name) in self._guarded
        return Plan(series_of(entry.number, ref.number), entry.id, ref, guarded=guarded)

    def resolve_for(self, source: str, twin: object, name: object) -> Plan:
        """`resolve`, for what this source may bring. Raises Refused for a computed property, and for one that another
        source brings, where its binding says so."""
        plan = self.resolve(twin, name)
        if plan.property.computed is not None and source != COMPUTED:
            raise Refused("computed", f"{plan.where} is computed; write what it is computed from, or another property")
        if objection := self.objection(plan, source):
            raise Refused("not-its-source", objection)
        return plan

    def objection(self, plan: Plan, source: str) -> str:
        """Why a source may not tell a property that is guarded; empty if it may."""
        if not plan.guarded or self._guard is None:
            return ""
        return self._guard.objection(self.entry(plan.twin), plan.property.name, source)

    def is_open(self, plan: Plan, source: str) -> bool:
        """Whether a source may always tell it: it is not guarded, or its own."""
        if not plan.guarded or self._guard is None:
            return True
        return self._guard.owns(self.entry(plan.twin), plan.property.name, source)

    def event(self, twin: object, name: object) -> tuple[Entry, EventType]:
        """The twin and the type of one of its events. Raises Refused."""
        entry = self.entry(twin)
        for type_id in entry.types:
            type_ = self.directory.type(type_id)
            for event in type_.events if type_ else ():
                if event.name == name:
                    return entry, event
        raise Refused("unknown-event", f"{entry.id} has no event {shown(name)}; its types are {', '.join(entry.types)}")
