"""What must hold at the moment of sending: who has control, the machine's own switch, the pace, the interlocks.

No functional safety: these rules run on the platform's picture of the machine, over networks and computers that can
fail. What protects people is in the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
from sqlalchemy import select

from gemel.clock import SECOND
from gemel.commands.asking import controls_of
from gemel.commands.authority import Authority
from gemel.commands.order import PLATFORM, Order, OrderKind, OrderState, Step
from gemel.commands.sight import Given, Sight, quantity_of
from gemel.commands.tables import order_table
from gemel.commands.transaction import Role
from gemel.commands.ways import command_of
from gemel.database import Database
from gemel.errors import ConfigurationDiffers, GemelError
from gemel.expression import Expression, Quantity
from gemel.expression import Kind as ValueKind
from gemel.registry import Directory, Entry
from gemel.twin import CommandType, Expected, Interlock, Mode, Pace

__all__ = ["INPUT", "Assumptions", "Hazards", "Rules", "Standing", "Verdict", "given_of"]

_log = structlog.get_logger("gemel.commands")
_NAMED = 3
"""Of what threatens, so much is named; the configuration's own page has all."""
WANTED, INPUT = "wanted", "input"
"""In an interlock: the desired value; the inputs of the command, as input.speed."""


class Hazards(Protocol):
    """Whoever knows what the objects consist of."""

    def __call__(self, twin: str) -> Sequence[str]:
        """Why it is not safe, as it is configured now, to have the object of a twin do something risky; empty: it is.

        Any thread; raises GemelError where it cannot tell, which counts as unsafe.
        """


class Assumptions(Protocol):
    """Whoever knows what the objects consist of."""

    def __call__(self, expected: Sequence[Expected], twin: str) -> None:
        """Raises ConfigurationDiffers where something is not so now, with what differs; any thread. A root that is left
        out is the object of the twin."""


def _nobody_tells(expected: Sequence[Expected], twin: str) -> None:  # noqa: ARG001
    raise ConfigurationDiffers(f"nobody knows what {twin} consists of")


def _nobody_knows(twin: str) -> Sequence[str]:
    return [f"nobody knows what {twin} consists of"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an order is not sent."""

    reason: str
    """control, mode, pace, configuration, interlock:<name>."""
    detail: str
    """The same for people, with the values that decided."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule stands now, for who would like to command."""

    rule: str
    holds: bool
    detail: str = ""
    of: tuple[str, ...] = ()
    """What it guards; empty: everything."""


class Rules:
    """Of all types; looked at when something is sent. None of its verbs raises: what cannot be judged refuses."""

    def __init__(self, database: Database, directory: Directory, authority: Authority, *, sight: Sight) -> None:
        self.database, self.sight = database, sight
        self._directory, self._authority = directory, authority
        self.hazards: Hazards = _nobody_knows
        """Asked before what is risky; the platform sets it."""
        self.assumptions: Assumptions = _nobody_tells
        """Asked before what assumes a configuration; the platform sets it."""

    def sweep(self, now: int) -> None:
        """Journal control that has lapsed."""
        self._authority.sweep(now)

    def verdict(self, order: Order, entry: Entry, now: int) -> Verdict | None:
        """Why the order may not be sent now; None if it may."""
        try:
            return self._verdict(order, entry, now)
        except ConfigurationDiffers as error:
            return Verdict("configuration", error.detail)
        except GemelError as error:
            return Verdict("rule", error.detail)
        except Exception as error:
            _log.exception("a rule could not be judged", order=order.id)
            return Verdict("rule", f"a rule could not be judged: {type(error).__name__}")

    def _verdict(self, order: Order, entry: Entry, now: int) -> Verdict | None:
        if order.actor == PLATFORM:
            return None
        if order.expects:
            self.assumptions(order.expects, entry.id)
        controls = controls_of(self._directory, entry)
        command = command_of(self._directory, entry, order.name) if order.kind is OrderKind.COMMAND else None
        own = command is not None and bool(command.effect)  # to the twin itself: the machine's switch is not asked
        if why := self._authority.objection(entry.id, order.actor, now, required=any(c.required for c in controls)):
            return Verdict("control", why)
        for control in controls:
            if control.mode is not None and not own and (why := self._mode(control.mode, entry)):
                return Verdict("mode", why)
            for pace in control.paces:
                if (
                    order.role != Role.UNDO
                    and (not pace.of or order.name in pace.of)
                    and (why := self._pace(pace, order, now))
                ):
                    return Verdict("pace", why)
            if order.name in control.safe_configuration and (why := self._configuration(entry)):
                return Verdict("configuration", why)
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
            if control.safe_configuration:
                try:
                    why = self._configuration(entry)
                except GemelError as error:
                    why = error.detail
                found.append(
                    Standing(rule="configuration", holds=not why, detail=why, of=tuple(control.safe_configuration))
                )
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
        now, fault = self.sight.value(entry, mode.property)
        if now is None:
            return f"{entry.id} is commanded only while {mode.property} says so, and {fault}"
        if now.value in mode.remote:
            return ""
        wanted = " or ".join(str(one) for one in mode.remote)
        return f"{entry.id}.{mode.property} is {now.value}, not {wanted}: the machine takes orders from itself alone"

    def _configuration(self, entry: Entry) -> str:
        threats = self.hazards(entry.id)
        if not threats:
            return ""
        more = f" (and {len(threats) - _NAMED} more)" if len(threats) > _NAMED else ""
        return f"{entry.id} is not safe as it is configured: {'; '.join(threats[:_NAMED])}{more}"

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
        way_out = f"; {interlock.message}" if interlock.message else ""
        seen = self.sight.see(interlock.require, entry, self._given(entry, order), reserved=(WANTED, INPUT))
        if seen.fault:
            return f"{seen.fault}, and {interlock.name} needs it ({interlock.require}){way_out}"
        if seen.one(now, Quantity(ValueKind.BOOLEAN)) is True:
            return ""
        return f"{seen.shown() or 'it never holds'}, and {interlock.name} requires {interlock.require}{way_out}"

    def _given(self, entry: Entry, order: Order | None) -> Given:
        """What the order itself says."""
        if order is None:
            return {}
        if order.kind is OrderKind.PROPERTY:
            ref = entry.properties.get(order.name)
            return {} if ref is None else {WANTED: (quantity_of(ref.property), order.input)}
        command = command_of(self._directory, entry, order.name)
        return given_of(command, order.input) if command is not None else {}


def given_of(command: CommandType, given: Any) -> Given:
    """The inputs of a command as expressions name them: input.speed."""
    values = given or {}
    return {f"{INPUT}.{one.name}": (quantity_of(one), values.get(one.name)) for one in command.input}
