"""Several objects behind one connector, each with a connection of its own: values go stale with their own object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gemel.clock import Clock
from gemel.errors import GemelError
from gemel.intake import Message
from gemel.twin import Binding, ConnectorSpec, FreshnessMode

if TYPE_CHECKING:
    from gemel.intake import Intake
    from gemel.registry import Directory
    from gemel.state import State

__all__ = ["Member"]


class Member:
    """One object. Its name in the journal and the state is `<connector>/<name>`.

    What it brings is followed by what it has brought: from its first reading on, a property that is told by its
    changes is fresh as long as this object's connection stands, as its binding or its type say.
    """

    def __init__(
        self,
        spec: ConnectorSpec,
        name: str,
        intake: Intake,
        clock: Clock,
        *,
        directory: Directory | None,
        state: State | None,
    ) -> None:
        self.source = f"{spec.id}/{name}"
        self._spec = spec
        self._intake, self._clock, self._directory, self._state = intake, clock, directory, state
        self._brought: dict[tuple[str, str], Binding] = {}
        self._lost: bool | None = None
        """None: an earlier run of the connector may have left it lost."""
        self._by_property = {binding.property: binding for binding in spec.bindings}

    def brought(self, messages: Iterable[Message]) -> None:
        """These were taken in. Costs a look-up for each reading that is not new."""
        known = len(self._brought)
        for message in messages:
            for reading in message.readings:
                key = (reading.twin, reading.property)
                if key not in self._brought and (binding := self._binding(*key)) is not None:
                    self._brought[key] = binding
        if len(self._brought) > known and self._state is not None:
            spec = ConnectorSpec(id=self.source, kind=self._spec.kind, bindings=tuple(self._brought.values()))
            self._state.bind(spec)
            if self._lost is None:
                self._found()
            self.heartbeat()

    def heartbeat(self) -> None:
        """Its connection stands."""
        self._intake.heartbeat(self.source)

    def lost(self, reason: str) -> None:
        """Its connection is lost: journaled, once, if it ever brought anything."""
        if self._brought and not self._lost:
            self._lost = True
            with contextlib.suppress(GemelError):  # the intake has closed, or is full: then all is stale anyhow
                self._intake.lost(self.source, reason)

    def found(self) -> None:
        """Its connection stands again."""
        if self._lost:
            self._found()

    def _found(self) -> None:
        self._lost = False
        with contextlib.suppress(GemelError):
            self._intake.found(self.source)

    def _binding(self, twin: str, name: str) -> Binding | None:
        entry = self._directory.twin(twin) if self._directory is not None else None
        ref = entry.properties.get(name) if entry is not None else None
        if entry is None or ref is None:
            return None
        said = self._by_property.get(name)
        own = ref.property.freshness
        mode = said.mode if said is not None else own.mode if own is not None else FreshnessMode.CHANGES
        return Binding(
            address="", twin=entry.id, property=name, mode=mode, within_s=said.within_s if said is not None else None
        )
