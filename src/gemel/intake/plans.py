"""Twin and property names, resolved once per revision of the directory."""

from __future__ import annotations

from gemel.intake.base import COMPUTED
from gemel.intake.refusal import Refused
from gemel.intake.validate import Plan, shown
from gemel.registry import Directory, Entry
from gemel.twin import EventType, series_of

__all__ = ["Plans"]

MAX_PLANS = 500_000


class Plans:
    """`of[twin][property]` for what was resolved since the directory last changed."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.of: dict[str, dict[str, Plan]] = {}
        self._revision = -1
        self._count = 0

    @property
    def revision(self) -> int:
        return self._revision

    def refresh(self) -> None:
        """Forget everything if the directory has changed, or if it has become too much."""
        if self.directory.revision != self._revision or self._count > MAX_PLANS:
            self._revision = self.directory.revision
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
            plan = plans[str(name)] = Plan(series_of(entry.number, ref.number), entry.id, ref)
        return plan

    def resolve_for(self, source: str, twin: object, name: object) -> Plan:
        """`resolve`, for what this source may bring. Raises Refused for a computed property."""
        plan = self.resolve(twin, name)
        if plan.property.computed is not None and source != COMPUTED:
            raise Refused("computed", f"{plan.where} is computed; write what it is computed from, or another property")
        return plan

    def event(self, twin: object, name: object) -> tuple[Entry, EventType]:
        """The twin and the type of one of its events. Raises Refused."""
        entry = self.entry(twin)
        for type_id in entry.types:
            type_ = self.directory.type(type_id)
            for event in type_.events if type_ else ():
                if event.name == name:
                    return entry, event
        raise Refused("unknown-event", f"{entry.id} has no event {shown(name)}; its types are {', '.join(entry.types)}")
