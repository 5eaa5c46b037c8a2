"""What must hold at the moment of sending: who has control, the machine's own switch, the pace, the interlocks.

No functional safety: these rules run on the platform's picture of the machine, over networks and computers that can
fail. What protects people is in the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
from sqlalchemy import select

from gemel.clock import SECOND
from gemel.commands.asking import controls_of
from gemel.commands.authority import Authority
from gemel.commands.order import PLATFORM, Order, OrderKind, OrderState, Step
from gemel.commands.tables import order_table
from gemel.commands.ways import command_of
from gemel.database import Database
from gemel.errors import GemelError
from gemel.expression import Expression, Input, Quantity
from gemel.expression import Kind as ValueKind
from gemel.registry import Directory, Entry
from gemel.state import Now, State
from gemel.twin import Interlock, Kind, Mode, Pace, PropertyType, Quality

__all__ = ["Rules", "Standing", "Verdict"]

_log = structlog.get_logger("gemel.commands")
_KINDS = {
    Kind.NUMBER: ValueKind.NUMBER,
    Kind.INTEGER: ValueKind.NUMBER,
    Kind.BOOLEAN: ValueKind.BOOLEAN,
    Kind.TEXT: ValueKind.TEXT,
    Kind.ENUMERATION: ValueKind.TEXT,
}
WANTED, INPUT = "wanted", "input"
"""In an interlock: the desired value; the inputs of the command, as input.speed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an order is not sent."""

    reason: str
    """control, mode, pace, interlock:<name>."""
    detail: str
    """The same for people, with the values that decided."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule stands now, for who would like to command."""

    rule: str
    holds: bool
    detail: str = ""
    of: tuple[str, ...] = ()
    """What it guards; empty: everything."""


class Slots(Protocol):
    """How twins are made of twins: the registry."""

    def in_slot(self, twin: str, slot: str) -> str | None:
        """The id of the one part that fills a slot; None if none does, or several."""


class Rules:
    """Of all types; looked at when something is sent. None of its verbs raises: what cannot be judged refuses."""

    def __init__(
        self, database: Database, directory: Directory, state: State, authority: Authority, *, slots: Slots
    ) -> None:
        self.database = database
        self._directory, self._state, self._authority, self._slots = directory, state, authority, slots

    def sweep(self, now: int) -> None:
        """Journal control that has lapsed."""
        self._authority.sweep(now)

    def verdict(self, order: Order, entry: Entry, now: int) -> Verdict | None:
        """Why the order may not be sent now; None if it may."""
        try:
            return self._verdict(order, entry, now)
        except GemelError as error:
            return Verdict("rule", error.detail)
        except Exception as error:
            _log.exception("a rule could not be judged", order=order.id)
            return Verdict("rule", f"a rule could not be judged: {type(error).__name__}")

    def _verdict(self, order: Order, entry: Entry, now: int) -> Verdict | None:
        if order.actor == PLATFORM:
            return None
        controls = controls_of(self._directory, entry)
        if why := self._authority.objection(entry.id, order.actor, now, required=any(c.required for c in controls)):
            return Verdict("control", why)
        for control in controls:
            if control.mode is not None and (why := self._mode(control.mode, entry)):
                return Verdict("mode", why)
            for pace in control.paces:
                if (not pace.of or order.name in pace.of) and (why := self._pace(pace, order, now)):
                    return Verdict("pace", why)
            for interlock in control.interlocks:
                guards = not interlock.of or order.name in interlock.of
                if guards and (why := self._interlock(interlock, entry, now, order)):
                    return Verdict(f"interlock:{interlock.name}", why)
        return None

    def standing(self, entry: Entry, now: int) -> list[Standing]:
        """How the rules of a twin stand now; those that need an order's own values are left out."""
        found = []
        for control in controls_of(self._directory, entry):
            if control.mode is not None:
                why = self._mode(control.mode, entry)
                found.append(Standing(rule="mode", holds=not why, detail=why))
            for one in control.interlocks:
                if any(named.path[0] in (WANTED, INPUT) for named in Expression.parse(one.require).inputs):
                    continue
                try:
                    why = self._interlock(one, entry, now, None)
                except GemelError as error:
                    why = error.detail
                found.append(Standing(rule=f"interlock:{one.name}", holds=not why, detail=why, of=one.of))
        return found

    # one rule each; the answer is why not

    def _mode(self, mode: Mode, entry: Entry) -> str:
        now, fault = self._value(entry, mode.property)
        if now is None:
            return f"{entry.id} is commanded only while {mode.property} says so, and {fault}"
        if now.value in mode.remote:
            return ""
        wanted = " or ".join(str(one) for one in mode.remote)
        return f"{entry.id}.{mode.property} is {now.value}, not {wanted}: the machine takes orders from itself alone"

    def _pace(self, pace: Pace, order: Order, now: int) -> str:
        times = self._sent_times(order, max(1, pace.per_minute or 1))
        if times and pace.seconds_between:
            left = pace.seconds_between - (now - times[0]) / SECOND
            if left > 0:
                return (
                    f"{order.twin}.{order.name} is sent at most every {pace.seconds_between:g} s; "
                    f"ask again in {left:.1f} s"
                )
        recent = [time for time in times if now - time < 60 * SECOND]
        if pace.per_minute is not None and len(recent) >= pace.per_minute:
            left = 60 - (now - recent[-1]) / SECOND
            return (
                f"{order.twin}.{order.name} is sent at most {pace.per_minute} times a minute; ask again in {left:.1f} s"
            )
        return ""

    def _sent_times(self, order: Order, count: int) -> list[int]:
        """When such an order was sent last, the latest first."""
        c = order_table.c
        query = (
            select(c.steps)
            .where(c.twin == order.twin, c.name == order.name, c.attempts > 0, c.id != order.id)
            .order_by(c.number.desc())
            .limit(count)
        )
        with self.database.read() as connection:
            told = [msgspec.json.decode(text, type=list[Step]) for text in connection.execute(query).scalars()]
        times = [max((s.time for s in steps if s.state is OrderState.SENT), default=0) for steps in told]
        return sorted(times, reverse=True)

    def _interlock(self, interlock: Interlock, entry: Entry, now: int, order: Order | None) -> str:
        expression = Expression.parse(interlock.require)
        quantities, values, shown = dict[str, Quantity](), dict[str, Any](), list[str]()
        way_out = f"; {interlock.message}" if interlock.message else ""
        if expression.members:
            many = expression.members[0].name
            return f"interlock {interlock.name} is of {many}, and interlocks judge one twin and its components"
        for one in expression.inputs:
            if one.path[0] in (WANTED, INPUT):
                fault = self._of_order(one, entry, order, quantities, values)
            else:
                fault = self._of_twin(one, entry, quantities, values)
            if fault:
                return f"{fault}, and {interlock.name} needs it ({interlock.require}){way_out}"
            shown.append(f"{one.name} is {_told(values.get(one.name))}")
        formula = expression.check(quantities, result=Quantity(ValueKind.BOOLEAN))
        if formula.one(values, moment=now) is True:
            return ""
        return f"{', '.join(shown) or 'it never holds'}, and {interlock.name} requires {interlock.require}{way_out}"

    def _of_order(
        self,
        one: Input,
        entry: Entry,
        order: Order | None,
        quantities: dict[str, Quantity],
        values: dict[str, Any],
    ) -> str:
        """Take a value of the order itself; why not, else."""
        if order is None:
            return "nothing is ordered"
        if one.path[0] == WANTED and order.kind is OrderKind.PROPERTY:
            ref = entry.properties.get(order.name)
            if ref is not None:
                quantities[one.name], values[one.name] = _quantity(ref.property), order.input
                return ""
        command = command_of(self._directory, entry, order.name) if order.kind is OrderKind.COMMAND else None
        for field in command.input if command is not None else ():
            if len(one.path) == 2 and field.name == one.path[1]:
                quantities[one.name], values[one.name] = _quantity(field), (order.input or {}).get(field.name)
                return ""
        return f"{order.name} has no {one.name}"

    def _of_twin(self, one: Input, entry: Entry, quantities: dict[str, Quantity], values: dict[str, Any]) -> str:
        """Take the live value of a property of the twin, or of a component in a slot; why not, else."""
        for slot in one.path[:-1]:
            part = self._slots.in_slot(entry.id, slot)
            found = None if part is None else self._directory.twin(part)
            if found is None:
                return f"slot {slot} of {entry.id} is not filled by one part"
            entry = found
        ref = entry.properties.get(one.path[-1])
        if ref is None:
            return f"{entry.id} has no property {one.path[-1]}"
        if ref.property.kind not in _KINDS:
            return f"{entry.id}.{one.path[-1]} is a {ref.property.kind}, which no rule can judge"
        quantities[one.name] = _quantity(ref.property)
        if one.about:
            now = self._state.property(entry, one.path[-1])
            values |= {
                f"{one.name}__fresh": now is not None and now.fresh,
                f"{one.name}__quality": "unavailable" if now is None else now.quality.name.lower(),
                f"{one.name}__time": None if now is None else now.time,
            }
        good, fault = self._value(entry, one.path[-1])
        if good is None:
            return fault
        values[one.name] = good.value
        return ""

    def _value(self, entry: Entry, name: str) -> tuple[Now | None, str]:
        """A live value that is fresh and good; or what is wrong with it."""
        now = self._state.property(entry, name)
        if now is None:
            return None, f"{entry.id}.{name} has never been reported"
        if now.quality is not Quality.GOOD:
            return None, f"the quality of {entry.id}.{name} is {now.quality.name.lower()}"
        if not now.fresh:
            return None, f"{entry.id}.{name} is stale (it was {_told(now.value)})"
        return now, ""


def _quantity(property_: PropertyType) -> Quantity:
    return Quantity(_KINDS.get(property_.kind, ValueKind.TEXT), property_.unit, property_.values)


def _told(value: Any) -> str:
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else f"{value!s:.60}"
