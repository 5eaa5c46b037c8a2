"""What a goal means for its members: which twins they are, what each is told at a value of the goal."""

from __future__ import annotations

from gemel.clock import Clock
from gemel.commands.order import Ask, OrderKind
from gemel.commands.sight import Sight
from gemel.commands.transaction import Wish
from gemel.errors import Conflict, InvalidExpression, InvalidValue, NotFound
from gemel.expression import Kind, Quantity
from gemel.registry import Directory, Entry
from gemel.twin import GoalMember, GoalType
from gemel.twin import Kind as PropertyKind

__all__ = ["GOAL", "Aiming"]

GOAL = "goal"
"""In the expression of a member: the goal's number, without a unit."""


class Aiming:
    """Of one platform. Any thread."""

    def __init__(self, directory: Directory, sight: Sight, clock: Clock) -> None:
        self._directory, self._sight, self._clock = directory, sight, clock

    def goal(self, entry: Entry, name: str) -> GoalType:
        """Raises NotFound."""
        known = self.goals(entry)
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known) or "none"
        raise NotFound(f"{entry.id} has no goal {name!r:.80}; it has: {names}")

    def goals(self, entry: Entry) -> list[GoalType]:
        """Those of all types of a twin."""
        types = (self._directory.type(id) for id in entry.types)
        return [goal for type_ in types if type_ is not None for goal in type_.goals]

    def stands(self, entry: Entry, goal: GoalType) -> tuple[float | None, str]:
        """The goal's number by what is reported now, in whatever unit that comes out; or why it is not known."""
        if not goal.now:
            return None, "its type does not say how to tell"
        try:
            seen = self._sight.see(goal.now, entry, {})
            value = None if seen.fault else seen.one(self._clock.now(), None)
        except InvalidExpression as error:
            return None, error.detail
        if seen.fault:
            return None, seen.fault
        return (float(value), "") if isinstance(value, int | float) else (None, f"{goal.now} gives nothing")

    def wishes(self, entry: Entry, goal: GoalType, value: float) -> list[tuple[Wish, Entry]]:
        """What every member is told at a value. Raises Conflict when something it needs is not known."""
        found = []
        for member in goal.members:
            for part in self.parts(entry, member):
                ref = part.properties.get(member.property)
                told = self._told(entry, goal, member, value, "" if ref is None else ref.property.unit)
                whole = ref is not None and ref.property.kind is PropertyKind.INTEGER
                wanted = round(told) if whole else told
                ask = Ask(twin=part.id, name=member.property, kind=OrderKind.PROPERTY, input=wanted)
                found.append((Wish(ask=ask), part))
        return found

    def _told(self, entry: Entry, goal: GoalType, member: GoalMember, value: float, unit: str) -> float:
        """In the unit of the member's property; what the expression gives without a unit is in it already."""
        seen = self._sight.see(member.value, entry, {GOAL: (Quantity(Kind.NUMBER), value)})
        where = f"{goal.name} of {entry.id}"
        if seen.fault:
            raise Conflict(f"{seen.fault}, and {where} needs it ({member.value})")
        told = seen.one(self._clock.now(), Quantity(Kind.NUMBER, unit))
        if isinstance(told, bool) or not isinstance(told, int | float):
            raise InvalidValue(f"{member.value} gives {told!r:.40} at {value:g}, and {where} needs a number")
        low = -float("inf") if member.minimum is None else member.minimum
        high = float("inf") if member.maximum is None else member.maximum
        return float(min(max(told, low), high))

    def parts(self, entry: Entry, member: GoalMember) -> list[Entry]:
        """The twins in a role. Raises Conflict when there is none."""
        if not member.slot:
            return [entry]
        parts = [self._directory.twin(id) for id in self._sight.slots.in_slot(entry.id, member.slot)]
        found = [part for part in parts if part is not None]
        if not found:
            raise Conflict(f"nothing fills slot {member.slot} of {entry.id}; link a part to it with part_of")
        return found
