"""Devices that post by themselves, as a connector: declared, bound, with a health of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gemel.commands import Errand, Outcome, Tell
from gemel.connectors import base
from gemel.connectors.base import Port, Unsent
from gemel.connectors.http.actions import Actions, check_outward
from gemel.twin import Binding

__all__ = ["HttpSettings", "HttpSource"]


class HttpSettings(base.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to choose: who may post is for the gate, what is believed for the intake."""


class HttpSource:
    """Is there for what is posted with `source=<id of the connector>`; the server hands it to the supervisor."""

    Settings = HttpSettings

    def __init__(self, _settings: HttpSettings, bindings: Sequence[Binding]) -> None:
        """Bindings say how fresh the posted values are; their addresses are for people. Those that lead outward say
        where orders are sent."""
        for binding in bindings:
            check_outward(binding)
        self._actions: Actions | None = None

    async def run(self, port: Port) -> None:
        actions = self._actions = Actions(port)
        port.connected(f"takes POST /api/v1/ingest?source={port.spec.id}")
        try:
            await asyncio.Event().wait()
        finally:
            self._actions = None
            await actions.close()

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Send an order to the device's URL; see `Actuator`."""
        if self._actions is None:
            raise Unsent("the connector does not run")
        return await self._actions.act(errand, tell)
