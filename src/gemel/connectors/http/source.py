"""Devices that post by themselves, as a connector: declared, bound, with a health of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gemel.connectors import base
from gemel.connectors.base import Port
from gemel.twin import Binding

__all__ = ["HttpSettings", "HttpSource"]


class HttpSettings(base.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to choose: who may post is for the gate, what is believed for the intake."""


class HttpSource:
    """Is there for what is posted with `source=<id of the connector>`; the server hands it to the supervisor."""

    Settings = HttpSettings

    def __init__(self, settings: HttpSettings, bindings: Sequence[Binding]) -> None:
        """Bindings say how fresh the posted values are; their addresses are for people."""

    async def run(self, port: Port) -> None:
        port.connected(f"takes POST /api/v1/ingest?source={port.spec.id}")
        await asyncio.Event().wait()
