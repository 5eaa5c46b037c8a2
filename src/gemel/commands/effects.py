"""Commands to twins themselves: what their properties become, by expressions and functions; nothing leaves here.

The values go through the intake as one message whose id is the order's, so whatever is done again after a crash has
its effect once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from gemel.clock import Clock
from gemel.commands.carrying import OWN, Errand, Outcome, Result, Tell
from gemel.commands.rules import INPUT, given_of
from gemel.commands.sight import Given, Sight
from gemel.commands.ways import command_of
from gemel.errors import GemelError, InvalidInput, InvalidValue, MessageConflict, NotYet, Overloaded, StorageFull
from gemel.expression import Quantity
from gemel.intake import Intake, Message, Reported
from gemel.registry import Directory, Entry
from gemel.twin import Computed, PropertyType, quantity

__all__ = ["SOURCE", "Effects"]

SOURCE = "commands"
"""What the intake knows these values by."""
Call = Callable[[Computed, Sequence[Any]], Any]


class Effects:
    """The carrier of such commands, with a thread of its own: functions may take seconds."""

    def __init__(self, intake: Intake, directory: Directory, sight: Sight, clock: Clock) -> None:
        self._intake, self._directory, self._sight, self._clock = intake, directory, sight, clock
        self.call: Call = _no_functions
        """Runs a declared function: (what names it, its inputs) → its value. The platform sets it."""
        self._waiting: queue.SimpleQueue[tuple[Errand, Tell] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ready(self, connector: str) -> str:
        return "" if connector == OWN else f"{connector} is no way to a twin itself"

    def carry(self, errand: Errand, tell: Tell) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gemel-effects", daemon=True)
            self._thread.start()
        self._waiting.put((errand, tell))

    def close(self) -> None:
        """Finish what is under way; the rest is taken up by the next run."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None:
            errand, tell = one
            tell(errand.order, self._outcome(errand))

    def _outcome(self, errand: Errand) -> Outcome:
        try:
            return self.carry_out(errand)
        except (Overloaded, StorageFull, NotYet) as error:
            return Outcome(result=Result.UNSENT, detail=error.detail)
        except GemelError as error:
            return Outcome(result=Result.REFUSED, detail=error.detail)
        except Exception as error:  # a fault here must not stand in the way of the next one
            return Outcome(result=Result.UNKNOWN, detail=f"{type(error).__name__}: {error!s:.300}")

    def carry_out(self, errand: Errand) -> Outcome:
        """Set every property that the command's type names. Raises GemelError when one of them has no value."""
        entry = self._directory.twin(errand.twin)
        command = None if entry is None else command_of(self._directory, entry, errand.name)
        if entry is None or command is None:
            raise InvalidInput(f"{errand.twin} has no command {errand.name} any more")
        given = given_of(command, errand.input)
        values = {name: self._value(entry, name, computed, given) for name, computed in command.effect.items()}
        now = self._clock.now()
        told = [Reported(twin=entry.id, property=name, value=value, time=now) for name, value in values.items()]
        try:
            self._intake.submit(SOURCE, [Message(readings=told, id=errand.order)], strict=True).result()
        except MessageConflict:
            return Outcome(result=Result.DONE, detail="it was carried out before Gemel stopped")
        return Outcome(result=Result.DONE, output=values)

    def _value(self, entry: Entry, name: str, computed: Computed, given: Given) -> Any:
        ref = entry.properties.get(name)
        if ref is None:
            raise InvalidInput(f"{entry.id} has no property {name} any more")
        where = f"{entry.id}.{name}"
        if computed.function:
            value = self.call(computed, [self._read(entry, text, given, where) for text in computed.inputs])
        else:
            value = self._read(entry, computed.expression, given, where, ref.property)
        if value is None:
            raise InvalidValue(f"{computed.expression or computed.function} gives no value for {where}")
        return value

    def _read(
        self, entry: Entry, text: str, given: Given, where: str, property_: PropertyType | None = None
    ) -> float | bool | str | None:
        seen = self._sight.see(text, entry, given, reserved=(INPUT,))
        if seen.fault:
            raise InvalidInput(f"{seen.fault}, and {where} needs it ({text})")
        result = None if property_ is None else quantity(property_) or Quantity()
        return seen.one(self._clock.now(), result)


def _no_functions(computed: Computed, _inputs: Sequence[Any]) -> Any:
    raise InvalidInput(f"{computed.function} cannot be run: functions are run by a whole platform")
