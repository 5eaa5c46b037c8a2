"""The mtconnect plug-in: an adapter or an agent, by the scheme of the URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from gemel.connectors.base import Port, Source
from gemel.connectors.mtconnect.adapter_client import AdapterClient
from gemel.connectors.mtconnect.address import parse_address
from gemel.connectors.mtconnect.agent_client import AgentClient
from gemel.connectors.mtconnect.discovery import discover
from gemel.connectors.mtconnect.settings import MtconnectSettings
from gemel.twin import Binding

__all__ = ["MtconnectSource"]


class MtconnectSource:
    """Reads one adapter (shdr://) or one agent (http://)."""

    Settings: ClassVar[type[Any]] = MtconnectSettings
    discover = staticmethod(discover)

    def __init__(self, settings: MtconnectSettings, bindings: Sequence[Binding]) -> None:
        """Raises InvalidInput for an address that cannot be read."""
        for binding in bindings:
            parse_address(binding.address)
        client = AdapterClient if settings.url.startswith("shdr:") else AgentClient
        self._source: Source = client(settings, bindings)

    async def run(self, port: Port) -> None:
        await self._source.run(port)
