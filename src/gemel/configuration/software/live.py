"""What the live state adds to software: how old a report is, and whether the function check holds now."""

from __future__ import annotations

from msgspec.structs import replace

from gemel.clock import Clock
from gemel.configuration.software.rules import SoftwareStanding
from gemel.configuration.software.values import SoftwareWay
from gemel.errors import GemelError
from gemel.expression import Expression
from gemel.registry import Directory, Entry
from gemel.state import Now, State
from gemel.twin import Quality, quantity

__all__ = ["Live"]


class Live:
    """Of one platform. Any thread."""

    def __init__(self, directory: Directory, state: State, clock: Clock) -> None:
        self._directory, self._state, self._clock = directory, state, clock

    def told(self, twin: str, way: SoftwareWay) -> Now | None:
        """What the machine last told of its version, whatever its quality."""
        entry = self._directory.twin(twin)
        return (
            None if entry is None or way.reports not in entry.properties else self._state.property(entry, way.reports)
        )

    def version(self, twin: str, way: SoftwareWay) -> tuple[str, int]:
        """The version that it tells, and the position of that report; empty if it tells none that counts."""
        now = self.told(twin, way)
        if now is None or now.quality is not Quality.GOOD or now.value is None:
            return "", 0
        return str(now.value)[:128], now.position

    def works(self, twin: str, way: SoftwareWay) -> bool | None:
        """What the function check says now; None: there is none, or what it reads is missing, stale or bad."""
        entry = self._directory.twin(twin)
        if not way.check or entry is None:
            return None
        try:
            return self._checked(entry, way.check)
        except GemelError:
            return None

    def _checked(self, entry: Entry, text: str) -> bool | None:
        expression = Expression.parse(text)
        quantities, values = {}, {}
        for one in expression.inputs:
            ref = entry.properties.get(one.name)
            told = None if ref is None else quantity(ref.property)
            now = None if ref is None else self._state.property(entry, one.name)
            if told is None or now is None or not now.fresh or now.quality is not Quality.GOOD:
                return None
            quantities[one.name], values[one.name] = told, now.value
        result = expression.check(quantities).one(values, moment=self._clock.now())
        return result if isinstance(result, bool) else None

    def added(self, standing: SoftwareStanding, way: SoftwareWay) -> SoftwareStanding:
        """A standing of now with what the state knows."""
        now = self.told(standing.module.twin, way)
        return replace(
            standing,
            told=None if now is None else now.time,
            fresh=None if now is None else now.fresh,
            works=self.works(standing.module.twin, way),
        )
