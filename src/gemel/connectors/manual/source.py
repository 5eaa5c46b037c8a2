"""The connector of kind `manual`: where no wire goes, people read and people turn the valve."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gemel.commands import Errand, Outcome, Result, Tell
from gemel.connectors import base
from gemel.connectors.base import Port
from gemel.errors import InvalidDocument, Problem
from gemel.twin import Binding, Direction, FreshnessMode

__all__ = ["ManualSettings", "ManualSource"]


class ManualSettings(base.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to choose: who may enter values and confirm instructions is for the gate."""


class ManualSource:
    """Is there for people: they enter values with the platform's own verbs, and see orders as instructions."""

    Settings = ManualSettings

    def __init__(self, _settings: ManualSettings, bindings: Sequence[Binding]) -> None:
        """Addresses say where a person finds it; `within_s` how old an entered value may become."""
        problems = [
            Problem(
                "people read values now and then, so say `mode: samples`, and as within_s how old one may become",
                field=f"bindings[{i}].mode",
            )
            for i, binding in enumerate(bindings)
            if binding.direction is not Direction.OUT and binding.mode is not FreshnessMode.SAMPLES
        ]
        if problems:
            raise InvalidDocument("a connector of people", problems)

    async def run(self, port: Port) -> None:
        port.connected("waits for people")
        await asyncio.Event().wait()

    async def act(self, errand: Errand, tell: Tell) -> Outcome:  # noqa: ARG002 - nothing comes before the answer
        """Show an instruction; what comes back, a person says: see gemel.commands.instructions."""
        return Outcome(result=Result.DELIVERED, detail=f"shown to people: {errand.binding.address:.200}")
